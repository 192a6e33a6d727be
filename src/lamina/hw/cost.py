"""The result of costing: one `Cost` per layer, their `total`, and what stands beside them.

Extensive quantities (cycles, latency, energy, bytes, MACs) of the layers sum to the total exactly, and components sum
to the energy exactly, in any order: `settled` rounds seconds and joules to a power of two 2^-50 below their total, so
that float64 sums are exact. A quantity that a machine cannot tell is None, never 0.

Units     seconds, joules, square metres, bytes; utilisation in (0, 1], None for a layer without multiplications
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import frexp, ldexp
from typing import Any, Literal

from lamina.ir.layer import Layer

Mark = Literal["measured", "modelled", "published", "unverified", "assumed"]
Bound = Literal["compute", "memory"]
MARKS: tuple[Mark, ...] = ("measured", "modelled", "published", "unverified", "assumed")
_WEAKNESS = {"measured": 0, "published": 1, "modelled": 2, "unverified": 3, "assumed": 4}


def weakest(marks: Iterable[Mark]) -> Mark:
    """The mark of a figure made from figures with `marks`: a chain is as sure as its least sure link."""
    return max(marks, key=_WEAKNESS.__getitem__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    name: str
    op: str
    macs: int
    cycles: int | None  # of the datapath, without waiting for memory
    latency_s: float | None
    dram_bytes: int | None
    utilisation: float | None  # of the multipliers, in (0, 1]
    bound: Bound | None
    energy_by_component_j: Mapping[str, float] | None
    bytes_by_level: Mapping[str, int] | None

    @property
    def energy_j(self) -> float | None:
        """The sum of the components, in order."""
        return None if self.energy_by_component_j is None else sum(self.energy_by_component_j.values())

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "op": self.op,
            "macs": self.macs,
            "cycles": self.cycles,
            "latency_s": self.latency_s,
            "energy_j": self.energy_j,
            "dram_bytes": self.dram_bytes,
            "utilisation": self.utilisation,
            "bound": self.bound,
            "energy_by_component_j": None if self.energy_by_component_j is None else dict(self.energy_by_component_j),
            "bytes_by_level": None if self.bytes_by_level is None else dict(self.bytes_by_level),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What one machine says of one network."""

    machine: str
    fields: Mapping[str, Any]  # of the machine, as used
    marks: Mapping[str, Mark]  # one per quantity
    area_m2: float | None
    sources: Sequence[str]
    rows: Sequence[Cost]  # one a layer; equal layers may share an object, whose name is that of the first
    names: Sequence[str]  # of the layers
    coverage: float = 1.0  # share of the multiply-accumulates and operations that was costed
    skipped: Sequence[str] = field(default_factory=tuple)  # layers the machine cannot run
    accuracy: float | None = None

    @property
    def layers(self) -> list[Cost]:
        """The costs under their layers' names."""
        return [replace(row, name=name) for row, name in zip(self.rows, self.names, strict=True)]

    @property
    def total(self) -> Cost:
        return total(self.rows)

    def to_json(self) -> dict[str, Any]:
        summed = self.total.to_json()
        del summed["name"], summed["op"]
        return {
            "machine": self.machine,
            "fields": dict(self.fields),
            "marks": dict(self.marks),
            "coverage": self.coverage,
            "skipped": list(self.skipped),
            "accuracy": self.accuracy,
            "area_m2": self.area_m2,
            "sources": list(self.sources),
            "total": summed,
            "layers": [layer.to_json() for layer in self.layers],
        }


def each(layers: Sequence[Layer], function: Callable[..., Cost], *more: Sequence[Any]) -> list[Cost]:
    """`function` of every layer, and of what `more` has beside it, asked once where the same comes again.

    Networks repeat their layers, and `hw.table` makes equal ones the same object.
    """
    keys = list(zip(map(id, layers), *more, strict=True))
    found: dict[tuple[Any, ...], Cost] = {}
    for key, layer in zip(keys, layers, strict=True):
        if key not in found:
            found[key] = function(layer, *key[1:])
    return [found[key] for key in keys]


def times(cost: Cost, count: int) -> Cost:
    """`cost` of something that runs `count` times, one after the other."""
    if count == 1:
        return cost
    energy, levels = cost.energy_by_component_j, cost.bytes_by_level
    return replace(
        cost,
        macs=cost.macs * count,
        cycles=None if cost.cycles is None else cost.cycles * count,
        latency_s=None if cost.latency_s is None else cost.latency_s * count,
        dram_bytes=None if cost.dram_bytes is None else cost.dram_bytes * count,
        energy_by_component_j=None if energy is None else {name: value * count for name, value in energy.items()},
        bytes_by_level=None if levels is None else {name: value * count for name, value in levels.items()},
    )


def settled(layers: Sequence[Cost]) -> tuple[Cost, ...]:
    """`layers` with seconds and joules on a grid on which they add exactly; the grid is 2^-50 of the total."""
    rows = _counted(layers)
    latency = _quantum(_sum([(c.latency_s, n) for c, n in rows]))
    energy = _quantum(_sum([(c.energy_j, n) for c, n in rows]))
    found = {id(c): _settled(c, latency, energy) for c, _ in rows}
    return tuple([found[id(c)] for c in layers])


def _counted(layers: Sequence[Cost]) -> list[tuple[Cost, int]]:
    """Each object of `layers` once, with how often it comes."""
    counts = Counter(map(id, layers))
    return [(c, counts[key]) for key, c in {id(c): c for c in layers}.items()]


def _quantum(whole: float | None) -> float:
    return ldexp(1.0, frexp(whole)[1] - 50) if whole else 0.0


def _settled(c: Cost, latency: float, energy: float) -> Cost:
    parts = c.energy_by_component_j
    return Cost(
        name=c.name,
        op=c.op,
        macs=c.macs,
        cycles=c.cycles,
        latency_s=_on_grid(c.latency_s, latency) if c.latency_s else c.latency_s,
        dram_bytes=c.dram_bytes,
        utilisation=c.utilisation,
        bound=c.bound,
        energy_by_component_j=parts and {name: _on_grid(v, energy) if v else v for name, v in parts.items()},
        bytes_by_level=c.bytes_by_level,
    )


def _on_grid(value: float, quantum: float) -> float:
    return max(1, round(value / quantum)) * quantum if quantum else value


def total(layers: Sequence[Cost]) -> Cost:
    """The sum of `layers`; utilisation is the mean over the multiplying ones by time, the bound is where time goes."""
    rows = _counted(layers)
    weighted = [(c.utilisation, n * (c.cycles or c.latency_s or 0)) for c, n in rows if c.utilisation is not None]
    time = sum(weight for _, weight in weighted)
    waits: dict[Bound, float] = {"compute": 0.0, "memory": 0.0}
    for c, n in rows:
        if c.bound is not None and c.latency_s is not None:
            waits[c.bound] += n * c.latency_s
    return Cost(
        name="total",
        op="total",
        macs=sum(n * c.macs for c, n in rows),
        cycles=_sum([(c.cycles, n) for c, n in rows]),
        latency_s=_sum([(c.latency_s, n) for c, n in rows]),
        dram_bytes=_sum([(c.dram_bytes, n) for c, n in rows]),
        utilisation=min(1.0, sum(u * weight for u, weight in weighted) / time) if time else None,  # rounding
        bound=("compute" if waits["compute"] >= waits["memory"] else "memory") if any(waits.values()) else None,
        energy_by_component_j=_sum_maps([(c.energy_by_component_j, n) for c, n in rows]),
        bytes_by_level=_sum_maps([(c.bytes_by_level, n) for c, n in rows]),
    )


def _sum(values: Sequence[tuple[Any, int]]) -> Any:
    """The sum of numbers with how often they come; None where a layer cannot tell."""
    return None if any(v is None for v, _ in values) else sum(n * v for v, n in values)


def _sum_maps(maps: Sequence[tuple[Mapping[str, Any] | None, int]]) -> dict[str, Any] | None:
    result: dict[str, Any] = {}
    for one, n in maps:
        if one is None:
            return None
        for key, value in one.items():
            result[key] = result.get(key, 0) + n * value
    return result
