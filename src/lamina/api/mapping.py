"""The verb `map`: the loops of a network laid onto a machine's array and memories, searched or read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.api import sources
from lamina.api.sources import Shapes, Values
from lamina.core.errors import BadInput, unknown
from lamina.core.progress import bar, say

if TYPE_CHECKING:
    from lamina.hw.mapping import NetworkMapping
    from lamina.ir.network import Network

OBJECTIVES = ("latency", "energy", "edp", "traffic")
DATAFLOWS = ("any", "weight_stationary", "output_stationary", "input_stationary")


def map(
    source: "str | Path | Network",
    machine: str,
    *,
    seconds: float | None = None,
    seed: int = 0,
    objective: str = "latency",
    dataflow: str | None = None,
    spatial: Mapping[str, str] | None = None,
    order: Sequence[str] | None = None,
    batch: int | None = None,
    bits: int | None = None,
    shapes: Shapes | None = None,
    values: Values | None = None,
    mapping: Path | str | None = None,
    out: Path | str | None = None,
) -> "NetworkMapping":
    """The best mapping found of `source` on `machine` (of family hierarchy) in `seconds`, beside the lower bounds.

    Without `seconds` a fixed number of candidates is tried: the same answer each time. `objective` is latency, energy,
    edp or traffic (bytes over the pins). Fixed may be the `dataflow` (weight_stationary ...), what lies along each
    dimension (`spatial={"rows": "k:32"}`), the `order` of loops from the innermost (`["q", "p"]`). `mapping` is a file
    that an earlier run has written to `out` (.json): it is evaluated instead of searching.
    """
    from lamina.hw import registry, table
    from lamina.hw.mapping import Constraints, load, map_network

    if objective not in OBJECTIVES:
        raise unknown("objective", objective, OBJECTIVES)
    if dataflow is not None and dataflow not in DATAFLOWS:
        raise unknown("dataflow", dataflow, DATAFLOWS)
    if seconds is not None and not 0 <= seconds < float("inf"):
        raise BadInput(f"--seconds {seconds}: a number from 0 is needed")
    if out is not None and Path(out).suffix != ".json":
        raise BadInput(f"--out {out}: the file's name ends in .json")
    network = sources.network(source, shapes=shapes, values=values)
    if batch is not None:
        network = network.with_batch(batch)
    chosen = registry.find(machine)
    of_width, _, note = table.words(network, bits)
    layers = [of_width(layer) for layer in network.layers()]
    if note:
        say(note)
    if mapping is not None:
        found = load(Path(mapping), layers, chosen)
    else:
        constraints = Constraints(
            spatial=None if spatial is None else _spatial(spatial),
            order=None if order is None else _order(order),
            dataflow=dataflow,  # type: ignore[arg-type]
        )
        with bar("mapping", len(layers)) as advance:

            def report(line: str) -> None:
                say(line, level=2)
                advance(1)

            found = map_network(
                layers,
                chosen,
                seconds=seconds,
                seed=seed,
                objective=objective,  # type: ignore[arg-type]
                constraints=constraints,
                report=report,
            )
    if out is not None:
        found.save(Path(out))
    return found


def _spatial(given: Mapping[str, str]) -> tuple[tuple[str, str, int], ...]:
    """{"rows": "k:32"} as the mapper takes it."""
    found = []
    for dimension, text in given.items():
        loop, colon, count = text.partition(":")
        if not colon or not count.strip().isdecimal():
            raise BadInput(f"spatial {dimension}={text!r}: LOOP:UNITS is needed, such as k:32")
        found.append((dimension, loop.strip(), int(count)))
    return tuple(found)


def _order(given: Sequence[str]) -> tuple[str, ...]:
    from lamina.hw.mapping.structure import LOOPS

    for loop in given:
        if loop not in LOOPS:
            raise unknown("loop", loop, LOOPS)
    if len(set(given)) < len(given):
        raise BadInput(f"order {', '.join(given)}: each loop once")
    return tuple(given)
