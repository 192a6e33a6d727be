"""Sweep the fields of a machine: one row a point, written as they come; killed, the same command goes on.

    DIR/run.toml        the network's digest, machine, fields, word length
    DIR/metrics.jsonl   one row a point, in the order of the points
    DIR/points.csv      the same as a table, with `pareto` for those on the front
    DIR/summary.json    the front
    DIR/report.html     the points and the front, drawn

Points are spread over processes of this computer, or over the machines of a Ray cluster (`engine="ray"`, the address
as Ray finds it); rows are the same whoever computes them.
"""

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from lamina.api import sources
from lamina.api.sources import Shapes, Values
from lamina.core import files, progress
from lamina.core.errors import BadInput, unknown
from lamina.core.progress import say
from lamina.core.run_folder import RunFolder, open_run
from lamina.core.units import si
from lamina.hw import design_space, registry, table
from lamina.hw.design_space import Row
from lamina.hw.machine import Machine
from lamina.hw.table import Nests

ENGINES = ("processes", "ray")
CHUNK = 64  # points of one task, and of one write
UNITS = {"cycles": "", "latency_s": "s", "energy_j": "J", "area_m2": "m2", "dram_bytes": "B"}

Evaluate = Callable[[list[dict[str, str]]], list[Row]]


class Sweep:
    """The rows of a sweep and its Pareto front."""

    def __init__(self, out: Path, rows: Sequence[Row], objectives: Sequence[str]) -> None:
        self.out, self.rows, self.objectives = out, rows, objectives
        self.front = [rows[i] for i in design_space.pareto(rows, objectives)]

    def to_json(self) -> dict[str, Any]:
        return {
            "out": str(self.out),
            "points": len(self.rows),
            "refused": sum(row["refused"] is not None for row in self.rows),
            "objectives": list(self.objectives),
            "front": self.front,
        }

    def __str__(self) -> str:
        from lamina.api.listing import Listing

        fields = [name for name in self.rows[0] if name not in (*design_space.QUANTITIES, "bound", "refused")]
        shown = [
            {**{f: row[f] for f in fields}, **{o: si(row[o], UNITS[o]) for o in self.objectives}, "bound": row["bound"]}
            for row in self.front
        ]
        told = self.to_json()
        head = (
            f"{told['points']:,} points, {told['refused']:,} refused; on the Pareto front {len(self.front)}: {self.out}"
        )
        return str(Listing(shown, (*fields, *self.objectives, "bound"), title=head))


def sweep(
    source: Any,
    machine: str,
    vary: Sequence[str],
    *,
    out: Path | str | None = None,
    objectives: Sequence[str] = ("latency_s", "energy_j"),
    batch: int | None = None,
    bits: int | None = None,
    engine: str = "processes",
    jobs: int | None = None,
    shapes: Shapes | None = None,
    values: Values | None = None,
) -> Sweep:
    """Cost `source` at every point of the space that `vary` spans ("rows=8..64"), `jobs` processes at once.

    Raises `BadInput` for a field that the machine has not, an objective or engine that does not exist.
    """
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    for objective in objectives:
        if objective not in design_space.OBJECTIVES:
            raise unknown("objective", objective, design_space.OBJECTIVES)
    found = registry.find(machine)
    fields = design_space.space(vary)
    design_space.check_fields(found, fields)
    network = sources.network(source, shapes=shapes, values=values)
    if batch is not None:
        network = network.with_batch(batch)
    widen, width, _ = table.words(network, bits)
    layers = table.nests([widen(layer) for layer in network.layers()])
    folder = Path(out) if out is not None else Path("runs") / f"sweep-{network.name}-{found.name}"
    configuration = {
        "recipe": "sweep",
        "network": network.name,
        "layers": hashlib.sha256(repr(layers.layers).encode()).hexdigest(),
        "machine": found.name,
        "fields": {name: str(value) for name, value in found.fields.items()},
        "vary": fields,
        "bits": width,
    }
    with open_run(folder, configuration) as run:
        rows = _rows(run, layers, found, fields, _engine(engine, jobs, layers, found))
        result = Sweep(folder, rows, list(objectives))
        _write(result)
    return result


def _rows(
    run: RunFolder, layers: Nests, machine: Machine, fields: Mapping[str, Sequence[str]], engine: Any
) -> list[Row]:
    """All rows; those that the folder holds are not computed again."""
    rows = run.metrics()
    count = design_space.size(fields)
    if rows and len(rows) < count:
        say(f"{run.path}: {len(rows):,} of {count:,} points are there: going on")
    remaining = islice(design_space.points(fields), len(rows), None)
    if len(rows) == count:
        return rows
    run.keep_metrics(len(rows))  # a last line cut short by a kill
    with engine as mapped, progress.bar(f"sweep {machine.name}", count, done=len(rows)) as advance:
        for chunk in mapped(_chunks(remaining)):
            run.append_metrics(*chunk)
            rows += chunk
            advance(len(chunk))
    return rows


def _chunks(remaining: Iterator[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk


def _evaluate(layers: Nests, machine: Machine, chunk: list[dict[str, str]]) -> list[Row]:
    return [design_space.evaluate(layers, machine, point) for point in chunk]


@contextmanager
def _engine(name: str, jobs: int | None, layers: Nests, machine: Machine) -> Iterator[Any]:
    """Something that maps chunks of points to chunks of rows, in order."""
    import os

    count = jobs or os.cpu_count() or 1
    if count < 1:
        raise BadInput(f"--jobs {jobs}: 1 or more are needed")
    work = partial(_evaluate, layers, machine)
    if name == "ray":
        from lamina.api import _ray

        with _ray.mapping(work) as mapped:
            yield mapped
    elif count == 1:
        yield partial(map, work)
    else:
        import multiprocessing

        with multiprocessing.get_context("spawn").Pool(count) as pool:
            yield partial(pool.imap, work)


def _write(result: Sweep) -> None:
    """points.csv, summary.json and report.html."""
    from lamina.reporting import report

    front = {id(row) for row in result.front}
    text = io.StringIO()
    writer = csv.DictWriter(text, [*result.rows[0], "pareto"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "pareto": id(row) in front} for row in result.rows)
    files.write(result.out / "points.csv", text.getvalue().encode())
    files.write_json(result.out / "summary.json", {"schema": 1, **result.to_json()})
    report(result.out)
