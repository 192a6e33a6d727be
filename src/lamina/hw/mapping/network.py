"""Mappings of a whole network: one search for each different layer, saved and read back as text.

    {"lamina_mapping": 1, "machine": "tpu_like", "objective": "latency", "layers": [
      {"name": "conv1", "loops": {"k": 64, ...}, "spatial": [["rows", "k", 32]], "order": [["q", 112], ...],
       "held": {"outputs": [2, 6], "weights": [6], "inputs": [6]}, "cycles": 1249013, "energy_j": 1.295e-04}, ...]}

Time is shared between the different layers by their work, the largest first. Layers without a nest are not mapped. What
is read back is checked against the layers and the machine and evaluated again: the same numbers, or an error by name.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from lamina.core import files
from lamina.core.errors import BadInput, one_line, unknown
from lamina.core.progress import as_text
from lamina.core.units import MiB, si
from lamina.hw.machine import Machine
from lamina.hw.mapping.evaluate import Evaluation, Objective, evaluate
from lamina.hw.mapping.mapping import Mapping as LoopMapping
from lamina.hw.mapping.problem import Problem, is_nest, problem
from lamina.hw.mapping.search import FREE, Constraints, search
from lamina.hw.mapping.structure import LOOPS, OPERANDS
from lamina.ir.layer import Layer

VERSION = 1
KEYS = ("name", "loops", "spatial", "order", "held", "cycles", "energy_j")


@dataclass(frozen=True, kw_only=True, slots=True)
class MappedLayer:
    name: str
    loops: Mapping[str, int]
    repeats: int
    found: Evaluation
    tried: int  # candidates; 0 where the mapping was read
    exhausted: bool  # whether nothing better exists among all factors, orders and covers

    def to_json(self) -> dict[str, Any]:
        f = self.found
        return {
            "name": self.name,
            "loops": dict(self.loops),
            **f.mapping.to_json(),
            "cycles": f.cycles,
            "energy_j": f.energy_j,
            "dram_bytes": f.level_bytes["dram"],
            "utilisation": f.utilisation,
            "parts": dict(f.parts),
            "bound": {"cycles": f.bound_cycles, "energy_j": f.bound_energy_j, "dram_bytes": f.bound_dram_bytes},
            "repeats": self.repeats,
            "tried": self.tried,
            "exhausted": self.exhausted,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkMapping:
    """What the mapper found for every layer that has a nest, and what nothing can beat."""

    machine: str
    clock_hz: float
    objective: Objective
    layers: Sequence[MappedLayer]
    left_out: Sequence[str]  # layers that move data only
    seconds: float

    def total(self, figure: Callable[[Evaluation], float]) -> float:
        """The sum of `figure` over all layers and their repeats."""
        return sum(figure(layer.found) * layer.repeats for layer in self.layers)

    @property
    def cycles(self) -> int:
        return round(self.total(lambda f: f.cycles))

    @property
    def energy_j(self) -> float:
        return self.total(lambda f: f.energy_j)

    @property
    def bound_cycles(self) -> int:
        return round(self.total(lambda f: f.bound_cycles))

    @property
    def bound_energy_j(self) -> float:
        return self.total(lambda f: f.bound_energy_j)

    def to_json(self) -> dict[str, Any]:
        return {
            "lamina_mapping": VERSION,
            "machine": self.machine,
            "objective": self.objective,
            "total": {
                "cycles": self.cycles,
                "latency_s": self.cycles / self.clock_hz,
                "energy_j": self.energy_j,
                "dram_bytes": self.total(lambda f: f.level_bytes["dram"]),
                "bound_cycles": self.bound_cycles,
                "bound_energy_j": self.bound_energy_j,
            },
            "layers": [layer.to_json() for layer in self.layers],
            "left_out": list(self.left_out),
        }

    def save(self, path: Path) -> Path:
        """Write the mapping to `path` as text that `load` reads."""
        files.write(path, (json.dumps(self.to_json(), indent=1) + "\n").encode())
        return path

    def __str__(self) -> str:
        from rich import box
        from rich.table import Table

        title = f"mapped to {self.machine} for {self.objective}: {self.cycles:,} cycles, {si(self.energy_j, 'J')}"
        table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
        for column in ("layer", "cycles", "x bound", "energy", "x bound", "busy", "mapping, outermost loop first"):
            table.add_column(column, overflow="fold")
        for layer in self.layers:
            f = layer.found
            table.add_row(
                layer.name + (f" x {layer.repeats}" if layer.repeats > 1 else ""),
                f"{f.cycles:,}",
                f"{f.cycles / f.bound_cycles:.2f}",
                si(f.energy_j, "J"),
                f"{f.energy_j / f.bound_energy_j:.2f}" if f.bound_energy_j else "–",
                f"{f.utilisation:.0%}",
                f"{f.mapping}{' (nothing better)' if layer.exhausted else ''}",
            )
        more = f"\n  moves data only: {', '.join(self.left_out)}" if self.left_out else ""
        return as_text(table) + more


def map_network(
    layers: Sequence[Layer],
    machine: Machine,
    *,
    seconds: float | None = None,
    seed: int = 0,
    objective: Objective = "latency",
    constraints: Constraints | Mapping[str, Constraints] = FREE,
    report: Callable[[str], None] | None = None,
) -> NetworkMapping:
    """Mappings of `layers` on `machine`, of family hierarchy.

    `seconds` in all; None: a fixed number of candidates, the same answer each time. `constraints` hold for all layers
    (units are cut to the steps that a layer has) or by name. `report` is told a line for each layer. Raises `BadInput`
    for a layer that nothing fits, a machine of another family, constraints of a layer that is not there.
    """
    check_machine(machine)
    nests = [layer for layer in layers if is_nest(layer)]
    by_name = constraints if isinstance(constraints, Mapping) else {}
    for name in by_name:
        if name not in [layer.name for layer in nests]:
            raise unknown("layer", name, [layer.name for layer in nests])
    keys = [(problem(layer), _constraint(constraints, layer)) for layer in nests]
    work: dict[tuple[Problem, Constraints], float] = {key: key[0].macs for key in keys}
    start, left = time.monotonic(), sum(work.values())
    found: dict[tuple[Problem, Constraints], tuple[Evaluation, int, bool]] = {}
    for key in sorted(work, key=lambda key: -work[key]):
        given, wanted = key
        share = None
        if seconds is not None:
            share = max(0.0, seconds - (time.monotonic() - start)) * work[key] / left
            left -= work[key]
        name = next(layer.name for layer, own in zip(nests, keys, strict=True) if own == key)
        try:
            best, state = search(
                given, machine.parameters, seconds=share, seed=seed, objective=objective, constraints=wanted
            )
        except BadInput as e:
            raise BadInput(f"layer {name}: {e}") from e
        found[key] = (best, state.tried, state.exhausted)
        if report:
            report(
                f"{name}: {best.cycles:,} cycles, {best.cycles / best.bound_cycles:.2f} x the bound, "
                f"{state.tried:,} candidates"
            )
    return NetworkMapping(
        machine=machine.name,
        clock_hz=machine.parameters.clock_hz,
        objective=objective,
        layers=[_mapped(layer, *found[key]) for layer, key in zip(nests, keys, strict=True)],
        left_out=[layer.name for layer in layers if not is_nest(layer)],
        seconds=time.monotonic() - start,
    )


def _constraint(constraints: Constraints | Mapping[str, Constraints], layer: Layer) -> Constraints:
    """Of one layer; an unrolling that is meant for all layers takes what the layer has of its loops."""
    if not isinstance(constraints, Constraints):
        return constraints.get(layer.name, FREE)
    if constraints.spatial is None:
        return constraints
    left: dict[str, int] = dict(zip(LOOPS, problem(layer).bounds, strict=True))
    spatial = []
    for dimension, loop, count in constraints.spatial:
        steps = left.get(loop, count)
        if min(steps, count) > 1:
            spatial.append((dimension, loop, min(steps, count)))
            left[loop] = ceil(steps / count)
    return replace(constraints, spatial=tuple(spatial))


def _mapped(layer: Layer, found: Evaluation, tried: int, exhausted: bool) -> MappedLayer:
    return MappedLayer(
        name=layer.name,
        loops=dict(zip(LOOPS, problem(layer).bounds, strict=True)),
        repeats=layer.repeats,
        found=found,
        tried=tried,
        exhausted=exhausted,
    )


def check_machine(machine: Machine) -> None:
    """Refuse a machine that no mapper knows."""
    if type(machine.parameters).__name__ != "Hierarchy":
        raise BadInput(
            f"machine {machine.name} is no array with a hierarchy of memories that loops could be mapped to: "
            'tpu_like is one, or a file with family = "hierarchy"'
        )


def load(path: Path, layers: Sequence[Layer], machine: Machine) -> NetworkMapping:
    """A saved mapping, checked against `layers` and `machine` and evaluated anew.

    Raises `BadInput` for text that is no mapping, another version, other layers, and a mapping that does not fit.
    """
    check_machine(machine)
    try:
        given = json.loads(files.read(path, limit=64 * MiB))
    except (ValueError, RecursionError) as e:
        raise BadInput(f"{path}: no valid JSON: {one_line(e)}") from e
    if not isinstance(given, dict) or given.get("lamina_mapping") != VERSION:
        raise BadInput(f"{path}: no mapping of version {VERSION}: the key lamina_mapping says which it is")
    objective = given.get("objective")
    if objective not in ("latency", "energy", "edp", "traffic"):
        raise BadInput(f"{path}: objective is {objective!r}: latency, energy, edp or traffic")
    nests = [layer for layer in layers if is_nest(layer)]
    entries = given.get("layers")
    if not isinstance(entries, list) or len(entries) != len(nests):
        count = len(entries) if isinstance(entries, list) else "no"
        raise BadInput(f"{path}: it maps {count} layers, the network has {len(nests)} to map")
    return NetworkMapping(
        machine=machine.name,
        clock_hz=machine.parameters.clock_hz,
        objective=objective,
        layers=[_read(path, entry, layer, machine) for entry, layer in zip(entries, nests, strict=True)],
        left_out=[layer.name for layer in layers if not is_nest(layer)],
        seconds=0.0,
    )


def _read(path: Path, entry: Any, layer: Layer, machine: Machine) -> MappedLayer:
    where = f"{path}: layer {layer.name}"
    missing = [key for key in KEYS if not isinstance(entry, dict) or key not in entry]
    if missing:
        raise BadInput(f"{where}: the key {missing[0]} is missing")
    loops = dict(zip(LOOPS, problem(layer).bounds, strict=True))
    if entry["name"] != layer.name or entry["loops"] != loops:
        raise BadInput(f"{where}: the file maps {one_line(entry['name'], 60)!r} with loops {entry['loops']}")
    try:
        mapping = LoopMapping(
            spatial=tuple((str(dimension), str(loop), int(count)) for dimension, loop, count in entry["spatial"]),
            order=tuple((str(loop), int(size)) for loop, size in entry["order"]),
            held={operand: tuple(int(cut) for cut in entry["held"][operand]) for operand in OPERANDS},
        )
    except (TypeError, ValueError, KeyError) as e:
        raise BadInput(f"{where}: spatial, order or held is no list of its parts: {one_line(e)}") from e
    try:
        found = evaluate(problem(layer), machine.parameters, mapping)
    except BadInput as e:
        raise BadInput(f"{where}: {e}") from e
    return _mapped(layer, found, 0, exhausted=False)
