"""A network cut between a host and an accelerator over a link; left out: overlap of the three.

Each operation runs on one side; a value crosses the link at most once in each direction, when the first reader on the
other side wants it. Inputs start on the host, outputs have to end there, weights are where they are used.

    cost = sum of the operations on their sides + sum over crossings (latency + bytes / rate)

The best assignment is found exactly, by dynamic programming over the operations in order: a state says of each value
that is still wanted on which sides it lies; only the cheapest way into a state is kept, and no state that a cheaper one
becomes by crossings at no more cost. The number of states grows with the values alive at once, not with the length.

Errors     `BadInput` for a rate that is not positive; `Unsupported` where an operation runs on neither side, or where
           so many values are alive at once that there are more than `MOST_STATES` states
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import NamedTuple

from lamina.core.errors import BadInput, Unsupported
from lamina.hw.components import link as link_component
from lamina.hw.cost import Cost, Mark, Result, settled, times, weakest
from lamina.hw.machine import Machine
from lamina.ir.layer import Layer
from lamina.ir.nests import walk
from lamina.ir.network import Network
from lamina.ir.types import Float

ROWS = ("H21",)
HOST, ACCELERATOR = 0, 1
MOST_STATES = 200_000
REFERENCES = 4  # cheapest states that others are compared with


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    name: str = "link"
    bytes_per_s: float
    latency_s: float = 0.0  # of each crossing
    byte_j: float | None = None  # None: nobody tells
    mark: Mark = "assumed"
    source: str = "set by the user"

    def __post_init__(self) -> None:
        if not 0 < self.bytes_per_s < float("inf"):
            raise BadInput(f"link {self.name}: its rate is {self.bytes_per_s} bytes a second, a positive one is needed")
        if not 0 <= self.latency_s < float("inf"):
            raise BadInput(f"link {self.name}: its latency is {self.latency_s} s, 0 or more is needed")

    def seconds(self, size_bytes: float) -> float:
        """Seconds of one crossing."""
        return self.latency_s + size_bytes / self.bytes_per_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A host and an accelerator that share a network over a link."""

    host: Machine
    accelerator: Machine
    link: Link


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One operation: what it reads and makes, and its seconds on the two sides (None: it cannot run there)."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    seconds: tuple[float | None, float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """The best assignment: a side for each step, the values that cross before it, and the whole time."""

    sides: tuple[int, ...]
    crossings: tuple[tuple[str, ...], ...]  # before each step, and after the last one
    seconds: float


_State = tuple[tuple[str, int], ...]  # the values that are still wanted, each with the sides it lies on as a mask


class _Way(NamedTuple):
    """The cheapest way into a state, as a chain backwards."""

    seconds: float
    side: int
    crossed: tuple[str, ...]
    before: "_Way | None"


def best_cut(
    steps: Sequence[Step], sizes: Mapping[str, float], inputs: Sequence[str], outputs: Sequence[str], link: Link
) -> Cut:
    """The fastest assignment of `steps` (in topological order); `sizes` are the bytes of every value."""
    last = {value: index for index, step in enumerate(steps) for value in step.inputs}
    last.update(dict.fromkeys(outputs, len(steps)))
    start = tuple(sorted((value, 1 << HOST) for value in set(inputs) if value in last))
    ways: dict[_State, _Way] = {start: _Way(0.0, HOST, (), None)}
    for index, step in enumerate(steps):
        found: dict[_State, _Way] = {}
        for state, way in ways.items():
            for side, seconds in enumerate(step.seconds):
                if seconds is None:
                    continue
                places = dict(state)
                crossed = tuple(v for v in dict.fromkeys(step.inputs) if v in places and not places[v] >> side & 1)
                for value in crossed:
                    places[value] |= 1 << side
                places.update(dict.fromkeys(step.outputs, 1 << side))
                after = tuple(sorted((v, mask) for v, mask in places.items() if last.get(v, -1) > index))
                whole = way.seconds + seconds + sum(link.seconds(sizes[v]) for v in crossed)
                if after not in found or whole < found[after].seconds:
                    found[after] = _Way(whole, side, crossed, way)
        if not found:
            raise Unsupported(f"{step.name} runs neither on the host nor on the accelerator")
        found = _undominated(found, sizes, link)
        if len(found) > MOST_STATES:
            raise Unsupported(f"at {step.name} too many values are alive at once to find the best cut exactly")
        ways = found
    return _cheapest(ways, sizes, outputs, link)


def _undominated(ways: dict[_State, _Way], sizes: Mapping[str, float], link: Link) -> dict[_State, _Way]:
    """Without the states that a cheaper one can become, by crossings, at no more than their own cost."""
    for state, way in sorted(ways.items(), key=lambda item: item[1].seconds)[:REFERENCES]:
        if state not in ways:
            continue
        places = dict(state)
        ways = {
            other: there
            for other, there in ways.items()
            if other == state
            or there.seconds < way.seconds + sum(link.seconds(sizes[v]) for v, mask in other if mask & ~places[v])
        }
    return ways


def _cheapest(ways: Mapping[_State, _Way], sizes: Mapping[str, float], outputs: Sequence[str], link: Link) -> Cut:
    """The cheapest way with all outputs brought to the host."""
    ends = []
    for state, way in ways.items():
        places = dict(state)
        crossed = tuple(v for v in dict.fromkeys(outputs) if v in places and not places[v] >> HOST & 1)
        ends.append((way.seconds + sum(link.seconds(sizes[v]) for v in crossed), crossed, way))
    seconds, crossed, end = min(ends, key=lambda e: e[0])
    sides: list[int] = []
    crossings = [crossed]
    at = end
    while at.before is not None:
        sides.append(at.side)
        crossings.append(at.crossed)
        at = at.before
    return Cut(sides=tuple(reversed(sides)), crossings=tuple(reversed(crossings)), seconds=seconds)


def cost(network: Network, pair: Pair, widen: Callable[[Layer], Layer] = lambda layer: layer) -> Result:
    """`network` on both machines, cut for the least latency; a row for each layer and for each crossing.

    `widen` gives the layers of a float network their word length. What neither machine can run raises `Unsupported`.
    """
    host, accelerator, link = pair.host, pair.accelerator, pair.link
    pairs = [(operation.name, widen(layer)) for operation, layer in walk(network)]
    bits = max((layer.output_bits for _, layer in pairs), default=8)
    sides = [_costs(pairs, machine) for machine in (host, accelerator)]
    steps = [
        Step(
            name=operation.name,
            inputs=tuple(v for v in operation.inputs if v not in network.constants),
            outputs=tuple(operation.outputs),
            seconds=(
                _seconds(sides[HOST].get(operation.name, ())),
                _seconds(sides[ACCELERATOR].get(operation.name, ())),
            ),
        )
        for operation in network.operations
    ]
    sizes = {
        name: type_.size * (bits if isinstance(type_.element, Float) and bits < 32 else type_.bits) / 8
        for name, type_ in network.types.items()
    }
    cut = best_cut(steps, sizes, list(network.inputs), list(network.outputs.values()), link)
    rows: list[Cost] = []
    for step, side, crossed in zip(steps, cut.sides, cut.crossings, strict=False):
        rows += [_crossing(value, sizes[value], link) for value in crossed]
        rows += [row for row in sides[side].get(step.name, ()) if row is not None]
    rows += [_crossing(value, sizes[value], link) for value in cut.crossings[-1]]
    on = [step.name for step, side in zip(steps, cut.sides, strict=True) if side == ACCELERATOR]
    return Result(
        machine=f"{host.name}+{accelerator.name}",
        fields={"host": host.name, "accelerator": accelerator.name, "link": link.name,
                "link_bytes_per_s": link.bytes_per_s, "link_latency_s": link.latency_s, "on_accelerator": on},
        marks=_marks(host, accelerator, link),
        area_m2=None,
        sources=[f"{m.name}: {m.paper}" for m in (host, accelerator)] + [f"link: {link.mark}: {link.source}"],
        rows=(told := settled(_told(rows))),
        names=[row.name for row in told],
    )  # fmt: skip


def _costs(pairs: Sequence[tuple[str, Layer]], machine: Machine) -> dict[str, list[Cost | None]]:
    """The costs of each operation's layers on `machine`; None for a layer that it cannot run."""
    family, parameters = machine.family, machine.parameters
    can = [layer for _, layer in pairs if family.refusal(layer, parameters) is None]
    once = iter(family.cost([replace(layer, repeats=1) for layer in can], parameters))
    found: dict[str, list[Cost | None]] = {}
    for name, layer in pairs:
        runs = family.refusal(layer, parameters) is None
        found.setdefault(name, []).append(times(next(once), layer.repeats) if runs else None)
    return found


def _seconds(rows: Sequence[Cost | None]) -> float | None:
    """Of one operation, a view's 0; None where a layer of it cannot run, or takes a time that nobody tells."""
    found = [None if row is None else row.latency_s for row in rows]
    return None if None in found else sum(s for s in found if s is not None)


def _crossing(value: str, size_bytes: float, link: Link) -> Cost:
    return Cost(
        name=f"link/{value}", op="transfer", macs=0, cycles=0, latency_s=link.seconds(size_bytes), dram_bytes=0,
        utilisation=None, bound="memory",
        energy_by_component_j=None if link.byte_j is None else {"link": size_bytes * link.byte_j},
        bytes_by_level={"link": ceil(size_bytes)},
    )  # fmt: skip


def _told(rows: Sequence[Cost]) -> list[Cost]:
    """A quantity that one side or the link cannot tell, the whole cannot tell: cycles are of two clocks."""
    energy = all(row.energy_by_component_j is not None for row in rows)
    return [
        replace(row, cycles=None, energy_by_component_j=row.energy_by_component_j if energy else None) for row in rows
    ]


def _marks(host: Machine, accelerator: Machine, link: Link) -> dict[str, Mark]:
    one, two = host.marks(), accelerator.marks()
    return {quantity: weakest([one[quantity], two[quantity], link.mark]) for quantity in one if quantity in two}


def pair_of(text: str, find: Callable[[str], Machine]) -> Pair | None:
    """The pair that `HOST+ACCELERATOR@LINK` names, machines by `find`; None where `text` names one machine.

    A link is one of `hw/components/link.py`, or a rate in bytes a second, with its latency after a stroke: 16e9/1e-6.
    """
    sides = re.split(r"\+(?=[A-Za-z_./])", text)  # not the sign of an exponent
    if len(sides) == 1:
        return None
    accelerator, at, link = sides[-1].rpartition("@")
    if len(sides) != 2 or not at:
        raise BadInput(f"{text!r} is not HOST+ACCELERATOR@LINK, such as cpu+k20m@{next(iter(link_component.LINKS))}")
    return Pair(host=find(sides[0]), accelerator=find(accelerator), link=link_of(link))


def link_of(text: str) -> Link:
    """The link of that name, rate, or rate and latency."""
    if text in link_component.LINKS:
        kind = link_component.LINKS[text]
        mark, source = link_component.SOURCES[kind.source]
        return Link(
            name=text,
            bytes_per_s=kind.bytes_per_s,
            latency_s=kind.latency_s,
            byte_j=kind.byte_j,
            mark=mark,
            source=source,
        )
    rate, stroke, latency = text.partition("/")
    try:
        return Link(name=text, bytes_per_s=float(rate), latency_s=float(latency) if stroke else 0.0)
    except ValueError:
        raise BadInput(
            f"link {text!r}: neither bytes a second (16e9, or 16e9/1e-6 with its latency) nor one of "
            f"{', '.join(link_component.LINKS)}"
        ) from None
