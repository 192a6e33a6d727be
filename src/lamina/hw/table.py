"""The table: what one network costs on several machines, for people and, as INTERFACE section 2, for programs.

Where the network carries no word length (float), its layers are costed at `bits`, and the table says so.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lamina.core.errors import BadInput, Unsupported
from lamina.core.progress import as_text
from lamina.core.units import si
from lamina.hw import offload
from lamina.hw.cost import Result, settled, times
from lamina.hw.machine import Machine
from lamina.hw.offload import Pair
from lamina.ir.layer import Layer
from lamina.ir.network import Network
from lamina.ir.types import BOOL, INDEX, Float

SCHEMA = 1
DEFAULT_BITS = 8
COLUMNS = ("machine", "accuracy", "latency", "energy", "area", "DRAM", "busy", "bound", "cover", "mark")
LAYER_COLUMNS = (
    "machine", "name", "op", "macs", "cycles", "latency_s", "energy_j", "dram_bytes", "utilisation", "bound",
)  # fmt: skip
SHOWN_MARKS = (("latency", "latency_s"), ("energy", "energy_j"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    network: dict[str, Any]  # name, macs, parameters, batch, bits, input_shape
    results: Sequence[Result]
    note: str = ""  # what a reader has to know of the word length

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "network": self.network,
            "note": self.note,
            "results": [r.to_json() for r in self.results],
        }

    def __str__(self) -> str:
        from rich import box
        from rich.table import Table as Rich

        n = self.network
        title = f"{n['name']}: {n['macs']:,} MACs, {n['parameters']:,} parameters, batch {n['batch']}, {n['bits']} bits"
        title += f" ({self.note})" if self.note else ""
        table = Rich(title=title, box=box.SIMPLE_HEAD, title_justify="left", collapse_padding=True)
        for column in COLUMNS:
            table.add_column(column, no_wrap=True, overflow="fold")
        for result in self.results:
            table.add_row(*_row(result))
        papers = "\n".join(f"  {r.machine}: {r.sources[0]}" for r in self.results)
        return f"{as_text(table)}\n{papers}"


def _row(result: Result) -> list[str]:
    total = result.total
    fields = result.fields
    grid = {"rows", "columns", "dataflow"} <= fields.keys()
    shape = [f"{fields['rows']} x {fields['columns']}", fields["dataflow"]] if grid else []
    return [
        "\n  ".join([result.machine, *shape]),
        "–" if result.accuracy is None else f"{result.accuracy:.2%}",
        si(total.latency_s, "s"),
        si(total.energy_j, "J"),
        si(result.area_m2, "m2"),
        si(total.dram_bytes, "B"),
        "–" if total.utilisation is None else f"{total.utilisation:.0%}",
        total.bound or "–",
        f"{result.coverage:.0%}",
        "\n".join(f"{name} {result.marks[key]}" for name, key in SHOWN_MARKS if key in result.marks),
    ]


def cost(
    network: Network, machines: Sequence[Machine | Pair], *, bits: int | None = None, allow_partial: bool = False
) -> Table:
    """The table of `network` on `machines`; raises `Unsupported` for a layer that a machine cannot run.

    With `allow_partial` such layers are left out, named, and the coverage falls below 1. On a host and accelerator the
    network is cut for the least latency.
    """
    widen, width, note = words(network, bits)
    layers = [widen(layer) for layer in network.layers()]
    shared = nests(layers)
    described = {
        "name": network.name,
        "macs": sum(layer.macs for layer in layers),
        "parameters": network.parameters,
        "batch": network.batch,
        "bits": width,
        "input_shape": list(next(iter(network.inputs.values())).shape),
    }
    results = [
        offload.cost(network, machine, widen)
        if isinstance(machine, Pair)
        else on_machine(shared, machine, allow_partial=allow_partial)
        for machine in machines
    ]
    return Table(network=described, results=results, note=note)


def words(network: Network, bits: int | None) -> tuple[Callable[[Layer], Layer], int, str]:
    """What gives layers of `network` their word length, that length, and a note where it is not the network's own."""
    elements = [t.element for o in network.operations for t in o.outputs.values()]
    own = [e.bits for e in elements if not isinstance(e, Float) and e not in (BOOL, INDEX)]  # places are no words
    if own:
        if bits is not None and bits != max(own):
            raise BadInput(
                f"network {network.name!r} has integers of {max(own)} bits: --bits {bits} is for float networks"
            )
        return lambda layer: layer, max(own), ""
    width = DEFAULT_BITS if bits is None else bits
    if not 1 <= width <= 64:
        raise BadInput(f"--bits {width}: 1 to 64 are allowed")
    note = f"the network is float: costed as if its words had {width} bits"
    return lambda layer: replace(layer, input_bits=width, weight_bits=width, output_bits=width), width, note


def _work(layer: Layer) -> int:
    return layer.macs + layer.ops * layer.repeats


@dataclass(frozen=True, kw_only=True, slots=True)
class Nests:
    """Layers for many machines: equal nests are one object, named and repeated by the layers themselves."""

    layers: Sequence[Layer]
    shared: Sequence[Layer]  # of each layer, one run


def nests(layers: Sequence[Layer]) -> Nests:
    """`layers` with equal ones found, which a family then costs once (`hw.cost.each`)."""
    known: dict[Layer, Layer] = {}
    shared = []
    for layer in layers:
        once = replace(layer, repeats=1)
        shared.append(known.setdefault(replace(once, name=""), once))
    return Nests(layers=layers, shared=shared)


def on_machine(layers: Sequence[Layer] | Nests, machine: Machine, *, allow_partial: bool = False) -> Result:
    """What `machine` says of `layers`."""
    given = layers if isinstance(layers, Nests) else nests(layers)
    family = machine.family
    reasons: dict[int, str | None] = {}
    for nest in given.shared:
        if id(nest) not in reasons:
            reasons[id(nest)] = family.refusal(nest, machine.parameters)
    both = list(zip(given.layers, given.shared, strict=True))
    can = [(layer, nest) for layer, nest in both if reasons[id(nest)] is None]
    cannot = [(layer, reasons[id(nest)]) for layer, nest in both if reasons[id(nest)] is not None]
    share = sum(_work(layer) for layer, _ in can) / max(sum(map(_work, given.layers)), 1) if cannot else 1.0
    if cannot and not allow_partial:
        named = ", ".join(f"{layer.name} ({reason})" for layer, reason in cannot[:5])
        raise Unsupported(
            f"machine {machine.name} cannot run {named}{' and more' if len(cannot) > 5 else ''}, {1 - share:.1%} of "
            "the work (multiply-accumulates and operations): --allow-partial costs the rest and states the coverage"
        )
    once = family.cost([nest for _, nest in can], machine.parameters)
    # what runs several times costs as often
    rows = settled([times(cost, layer.repeats) for (layer, _), cost in zip(can, once, strict=True)])
    return Result(
        machine=machine.name,
        fields=machine.fields,
        marks=machine.marks(),
        area_m2=family.area_m2(machine.parameters),
        sources=[machine.paper, *(f"{field}: {mark}: {text}" for field, (mark, text) in machine.all_sources.items())],
        rows=rows,
        names=[layer.name for layer, _ in can],
        coverage=share,
        skipped=[layer.name for layer, _ in cannot],
    )


def layers_csv(results: Sequence[Mapping[str, Any]]) -> bytes:
    """One row per machine and layer; a column for the bytes at each level that any machine has, empty where unknown."""
    levels = dict.fromkeys(
        level for r in results for row in r["layers"] for level in (row["bytes_by_level"] or ()) if level != "dram"
    )
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*LAYER_COLUMNS, *(f"{level}_bytes" for level in levels)])
    for result in results:
        for row in result["layers"]:
            moved = row["bytes_by_level"] or {}
            cells = [
                result["machine"],
                *(row[name] for name in LAYER_COLUMNS[1:]),
                *(moved.get(level) for level in levels),
            ]
            writer.writerow(["" if cell is None else cell for cell in cells])
    return text.getvalue().encode()
