"""Cycles of a mapping: the loops, what ports make them wait for, the first filling, the last emptying.

    latency = loops + stall + filling + emptying + drain

A stream needs `real` = ceil(amount bits / width) cycles a period and is allowed the whole period where the receiving
memory has room for a second tile, else the last round of the idle loops on top of the tile. Per port, over all periods
but the first,

    stall = sum of positive (real - allowed) + max(0, sum of negative ones + windows - union of the windows)

and the slowest port decides. What is moved in one single period comes before the loops (or after), less what the port
has left over while they run. Never below what the busiest port has to move (`bound.cycles`).

Paper     Mei et al., "A Uniform Latency Model for DNN Accelerators", DATE 2022,
          https://doi.org/10.23919/DATE54114.2022.9774728; details as zigzag-dse 3.9.1 computes them
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamina.hw.mapping.problem import Array
from lamina.hw.mapping.structure import OPERANDS, Level, Operand
from lamina.hw.mapping.tiles import Batch
from lamina.hw.mapping.traffic import Stream

INWARD: tuple[Operand, ...] = ("weights", "inputs")
Edge = tuple[Operand, int, str]  # operand, place in its chain, way
ENDS = {False: ("to_inside", "from_outside"), True: ("from_inside", "to_outside")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Latency:
    """Cycles, each for all candidates."""

    loops: Array
    stall: Array
    filling: Array
    emptying: Array
    drain: int

    @property
    def total(self) -> Array:
        return self.loops + self.stall + self.filling + self.emptying + self.drain


def latency(batch: Batch, found: list[Stream]) -> Latency:
    """Latency of every candidate of `batch` with its streams `found`."""
    double = _double_buffered(batch)
    tops = {o: [np.ones(len(batch.total)), *_tops(batch, o, batch.idle[o])] for o in OPERANDS}
    real = [np.ceil(s.full * s.bits / batch.levels[s.level].width(write=s.write)) for s in found]
    allowed = [_allowed(s, double[s.operand], tops[s.operand]) for s in found]
    stall = np.zeros(len(batch.total))
    filling: dict[Edge, Array] = {}
    for members in ports(batch.levels, found):
        stall = np.maximum(stall, _stall(batch, [(found[i], real[i], allowed[i]) for i in members]))
        once = [(found[i], real[i]) for i in members if found[i].way in ENDS[found[i].operand == "outputs"]]
        for (s, _), cycles in zip(once, _remaining(batch, once), strict=True):
            filling[s.operand, s.place, s.way] = cycles
    return Latency(
        loops=batch.total,
        stall=stall,
        filling=_filled(batch, found, filling),
        emptying=_chain(batch, "outputs", filling, ("to_outside", "from_inside")),
        drain=batch.unrolling.drain,
    )


def ports(levels: Sequence[Level], found: Sequence[Stream]) -> list[list[int]]:
    """Places in `found` of the streams that share a port, port by port."""
    groups: dict[tuple[int, object], list[int]] = {}
    for i, s in enumerate(found):
        kind = levels[s.level].ports
        key: object = None if kind == "shared" else s.write if kind == "read_write" else (s.operand, s.way)
        groups.setdefault((s.level, key), []).append(i)
    return list(groups.values())


def _tops(batch: Batch, operand: Operand, kind: Array) -> list[Array]:
    """For each level: the product of the loops of `kind` at the top of what the level adds to the one inside it."""
    stays = batch.stays[operand]
    found = []
    for place in range(stays.shape[1]):
        low = stays[:, place - 1] if place else np.zeros(len(stays), dtype=int)
        product, alive = np.ones(len(stays)), np.ones(len(stays), dtype=bool)
        for loop in reversed(range(batch.dims.shape[1])):
            inside = (loop < stays[:, place]) & (loop >= low)
            product = np.where(alive & inside & kind[:, loop], product * batch.sizes[:, loop], product)
            alive &= ~inside | kind[:, loop]
        found.append(product)
    return found


def _double_buffered(batch: Batch) -> dict[Operand, list[Array]]:
    """Whether the array (first entry, never) and each level can take the next tile while the present one is in use."""
    own: dict[Operand, list[Array]] = {}
    shared = [np.zeros(len(batch.total)) for _ in batch.levels]
    for operand in OPERANDS:
        tops = _tops(batch, operand, batch.moving[operand])
        own[operand] = []
        for place, index in enumerate(batch.chains[operand]):
            bits = batch.staying(operand, place + 1, place, full=False) * batch.width(operand, place + 1)
            own[operand].append(np.floor(np.round(bits) / tops[place]) / batch.levels[index].capacity_bits)
            shared[index] = shared[index] + own[operand][place]
    found: dict[Operand, list[Array]] = {}
    for operand in OPERANDS:
        found[operand] = [np.zeros(len(batch.total), dtype=bool)]
        for place, index in enumerate(batch.chains[operand]):
            half = shared[index] <= 0.5
            beside = own[operand][place] <= 1 - shared[index]
            found[operand].append(half | beside)
            if len(batch.levels[index].holds) > 1:
                shared[index] = np.where(~half & beside, shared[index] + own[operand][place], shared[index])
    return found


def _allowed(stream: Stream, double: list[Array], tops: list[Array]) -> Array:
    edge = stream.place + (1 if stream.way in ("to_outside", "from_outside") else 0)
    return np.where(double[edge], stream.cycles, np.floor(stream.cycles / tops[edge]))


def _stall(batch: Batch, members: list[tuple[Stream, Array, Array]]) -> Array:
    positive = negative = windows = np.zeros(len(batch.total))
    for s, real, allowed in members:
        rounds = np.maximum(s.periods - 1, 0)
        each = (real - allowed) * rounds
        positive = positive + np.maximum(each, 0)
        negative = negative + np.minimum(each, 0)
        windows = windows + allowed * rounds
    crowded = negative + windows > 0
    if len(members) == 1 or not crowded.any():
        return positive
    return positive + np.maximum(0, negative + windows - _union(batch, members))


def _union(batch: Batch, members: list[tuple[Stream, Array, Array]]) -> Array:
    """Cycles in which at least one of the members may move data."""
    active = np.array([s.periods > 0 for s, _, _ in members])
    periods = np.array([np.where(on, s.cycles, 1) for on, (s, _, _) in zip(active, members, strict=True)])
    allowed = np.array([np.where(on, a, 0) for on, (_, _, a) in zip(active, members, strict=True)])
    always = np.any(active & (periods == allowed), axis=0)
    union = batch.total.copy()
    rest = np.flatnonzero(~always)
    if rest.size:
        order = np.argsort(periods[:, rest], axis=0, kind="stable")
        p = np.take_along_axis(periods[:, rest], order, axis=0)
        a = np.take_along_axis(allowed[:, rest], order, axis=0)
        union[rest] = (p[-1] - _uncovered(p, a)) * (batch.total[rest] // p[-1])
    return union


def _uncovered(periods: Array, allowed: Array) -> Array:
    """Cycles of the longest period that no window covers, where window i is the first `allowed` of each `periods`.

    Periods rise and divide one another. With u(i, x) = uncovered by the first i windows in [0, x):
    u(i, x) = floor(x / P) (u(i-1, P) - u(i-1, A)) + max(0, u(i-1, x mod P) - u(i-1, A)).
    """
    before: list[tuple[Array, Array, Array]] = []  # period, uncovered in one period, uncovered where the window is

    def uncovered(x: Array) -> Array:
        return _recall(before, len(before), x)

    for period, window in zip(periods, allowed, strict=True):
        hidden = uncovered(np.minimum(window, period))
        before.append((period, uncovered(period) - hidden, hidden))
    return _recall(before, len(before), periods[-1])


def _recall(before: list[tuple[Array, Array, Array]], count: int, x: Array) -> Array:
    if count == 0:
        return x
    period, left, hidden = before[count - 1]
    whole = x // period
    found: Array = whole * left + np.maximum(0, _recall(before, count - 1, x - whole * period) - hidden)
    return found


def _remaining(batch: Batch, members: list[tuple[Stream, Array]]) -> list[Array]:
    """Cycles before (or after) the loops of each stream of one port: one period, less what hides behind the loops."""
    if not members:
        return []
    level = batch.levels[members[0][0].level]
    found = np.array([cycles for _, cycles in members])
    single = np.array([s.periods == 1 for s, _ in members])
    spare = np.ones(len(batch.total))
    least = []
    for place, (s, _) in enumerate(members):
        width = level.width(write=s.write)
        rate = s.full * s.bits / s.cycles / width  # of the port, while the loops run
        spare = spare - np.where(single[place], 0.0, rate)
        first = batch.staying(s.operand, 1, 0, full=True)
        least.append(np.ceil(first * batch.width(s.operand, 1) / width))
    spare = np.maximum(0.0, spare) * batch.total
    order = np.argsort(-np.where(single, found, -1.0), axis=0, kind="stable")
    room = np.where(single, np.maximum(0, found - np.array(least)), 0.0)
    candidates = np.arange(len(batch.total))
    for row in order:
        taken = np.minimum(room[row, candidates], spare)
        found[row, candidates] -= taken
        spare = spare - taken
    return list(np.ceil(found))


def _chain(batch: Batch, operand: Operand, cycles: dict[Edge, Array], ways: tuple[str, str]) -> Array:
    total = np.zeros(len(batch.total))
    for place in range(len(batch.chains[operand]) - 1):
        total = total + np.maximum(cycles[operand, place, ways[0]], cycles[operand, place + 1, ways[1]])
    return total


def _filled(batch: Batch, found: Sequence[Stream], cycles: dict[Edge, Array]) -> Array:
    """Inputs and weights are filled side by side, except through ports that they share."""
    both = {
        (s.operand, s.place, s.way)
        for members in ports(batch.levels, found)
        if {"weights", "inputs"} <= {found[i].operand for i in members}
        for s in (found[i] for i in members)
    }
    alone: dict[Operand, Array] = {}
    common: dict[Operand, Array] = {}
    for operand in INWARD:
        alone[operand] = common[operand] = np.zeros(len(batch.total))
        for place in range(len(batch.chains[operand]) - 1):
            inner: Edge = (operand, place, "from_outside")
            outer: Edge = (operand, place + 1, "to_inside")
            longest = np.maximum(cycles[inner], cycles[outer])
            if inner in both and outer in both:
                common[operand] = common[operand] + longest
            else:
                alone[operand] = alone[operand] + longest
    w_common, w_alone = common["weights"], alone["weights"]
    i_common, i_alone = common["inputs"], alone["inputs"]
    first = w_common + np.maximum(i_common + i_alone, w_alone)
    second = i_common + np.maximum(w_common + w_alone, i_alone)
    found_cycles: Array = np.minimum(first, second)
    return found_cycles
