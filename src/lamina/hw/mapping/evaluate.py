"""The cost of mappings, exactly and for many at once: cycles, energy by part, bytes by level.

energy = operations mac_j + words x joules of every stream            (traffic.py)
cycles = loops + stalls + filling + emptying + drain                  (latency.py)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Literal

import numpy as np

from lamina.core.errors import BadInput
from lamina.hw.mapping import bound
from lamina.hw.mapping.latency import Latency, latency
from lamina.hw.mapping.mapping import Mapping, check, unroll
from lamina.hw.mapping.problem import Array, Problem
from lamina.hw.mapping.structure import Level
from lamina.hw.mapping.tiles import Batch, batch_of
from lamina.hw.mapping.traffic import bits_by_level, energy_by_level_j, streams

if TYPE_CHECKING:
    from lamina.hw.families.hierarchy import Hierarchy

Objective = Literal["latency", "energy", "edp", "traffic"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """Costs of a batch: arrays with a place for each candidate."""

    latency: Latency
    cycles: Array
    energy_j: Array
    mac_j: float
    level_j: Sequence[Array]  # by level of the machine
    level_bits: Sequence[Array]

    def minimised(self, objective: Objective) -> tuple[Array, Array]:
        """What is minimised, and what decides where that is equal."""
        return {
            "latency": (self.cycles, self.energy_j),
            "energy": (self.energy_j, self.cycles),
            "edp": (self.cycles * self.energy_j, self.cycles),
            "traffic": (self.level_bits[-1], self.cycles),
        }[objective]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """One mapping of one problem and what it costs, beside what no mapping can beat."""

    mapping: Mapping
    cycles: int
    energy_j: float
    mac_j: float
    level_j: dict[str, float]
    level_bytes: dict[str, float]
    utilisation: float  # of the units, in (0, 1]
    parts: dict[str, int]  # of the cycles
    bound_cycles: int
    bound_energy_j: float
    bound_dram_bytes: float


def figures(batch: Batch, machine: "Hierarchy", least: int) -> Figures:
    """What each candidate of `batch` costs; `least` cycles are the lower bound."""
    found = streams(batch)
    spent = energy_by_level_j(batch, found)
    time = latency(batch, found)
    mac_j = batch.problem.macs * machine.mac_j
    return Figures(
        latency=time,
        cycles=np.maximum(time.total, least),
        energy_j=mac_j + np.sum(spent, axis=0),
        mac_j=mac_j,
        level_j=spent,
        level_bits=bits_by_level(batch, found),
    )


def evaluate(problem: Problem, machine: "Hierarchy", mapping: Mapping) -> Evaluation:
    """What `mapping` costs.

    Raises `BadInput` where it is not a mapping of `problem` on `machine`, or names the level that has no room for it,
    with the bytes needed and the bytes there.
    """
    unrolling = unroll(problem, machine.array, machine.level, mapping.spatial)
    check(problem, mapping, unrolling, machine.level)
    batch = batch_of(problem, unrolling, machine.level, sum_bits(problem, machine), mapping)
    reason = batch.violated()
    if reason is not None:
        raise BadInput(f"the mapping does not fit: {reason}")
    return single(batch, machine, mapping)


def sum_bits(problem: Problem, machine: "Hierarchy") -> int:
    """Bits of a partial sum of this problem."""
    return max(machine.partial_sum_bits, problem.output_bits)


def single(batch: Batch, machine: "Hierarchy", mapping: Mapping) -> Evaluation:
    """The figures of the only candidate of `batch`."""
    problem, levels = batch.problem, machine.level
    least = bound.cycles(problem, machine.array, levels)
    f = figures(batch, machine, least)
    cycles = round(f.cycles.item())
    parts = {
        "loops": round(f.latency.loops.item()),
        "stall": round(f.latency.stall.item()),
        "filling": round(f.latency.filling.item()),
        "emptying": round(f.latency.emptying.item()),
        "drain": f.latency.drain,
    }
    parts["bound"] = cycles - sum(parts.values())
    return Evaluation(
        mapping=mapping,
        cycles=cycles,
        energy_j=f.energy_j.item(),
        mac_j=f.mac_j,
        level_j=_named(levels, f.level_j),
        level_bytes={name: bits / 8 for name, bits in _named(levels, f.level_bits).items()},
        utilisation=min(1.0, problem.macs / (cycles * prod(d.size for d in machine.array))),
        parts=parts,
        bound_cycles=least,
        bound_energy_j=bound.energy_j(problem, machine.array, levels, machine.mac_j),
        bound_dram_bytes=bound.dram_bits(problem) / 8,
    )


def _named(levels: tuple[Level, ...], values: Sequence[Array]) -> dict[str, float]:
    return {level.name: value.item() for level, value in zip(levels, values, strict=True)}
