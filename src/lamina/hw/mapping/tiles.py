"""What memories hold under many candidate mappings at once: tiles, stays, rounds, room.

A candidate is an order of loops and, for each operand, the number of loops that each of its levels covers. All
candidates of a batch share the spatial part; everything is an array with candidates first.

Shapes    N candidates, L loops, 8 loop names; dims [N, L] places in LOOPS, sizes [N, L], below [N, L + 1, 8] products
          of the loops inside place l, held[operand] [N, levels of the operand], the last column being L
"""

from collections.abc import Mapping as Map
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lamina.hw.mapping.mapping import Mapping, Unrolling
from lamina.hw.mapping.problem import INDEX, Array, Problem
from lamina.hw.mapping.structure import LOOPS, OPERANDS, Level, Operand, chain


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Candidates that differ in order and holding."""

    problem: Problem
    unrolling: Unrolling
    levels: tuple[Level, ...]
    sum_bits: int  # of a partial sum
    dims: Array
    sizes: Array
    held: Map[Operand, Array]

    @cached_property
    def below(self) -> Array:
        """[N, L + 1, 8]: loop sizes inside each place of the order."""
        count, loops = self.dims.shape
        product = np.ones((count, loops + 1, len(LOOPS)))
        for place in range(loops):
            product[:, place + 1] = product[:, place]
            product[np.arange(count), place + 1, self.dims[:, place]] *= self.sizes[:, place]
        return product

    @cached_property
    def steps(self) -> Array:
        """[N, L + 1]: cycles that the loops inside each place take."""
        ones = np.ones((len(self.sizes), 1))
        return np.concatenate([ones, np.cumprod(self.sizes, axis=1)], axis=1)

    @cached_property
    def total(self) -> Array:
        return self.steps[:, -1]

    @cached_property
    def chains(self) -> dict[Operand, tuple[int, ...]]:
        return {operand: chain(self.levels, operand) for operand in OPERANDS}

    @cached_property
    def idle(self) -> dict[Operand, Array]:
        """[N, L]: loops that do not move the operand; a loop of one step moves nothing."""
        once = self.sizes == 1
        return {o: np.array(self.problem.irrelevant(i))[self.dims] | once for i, o in enumerate(OPERANDS)}

    @cached_property
    def moving(self) -> dict[Operand, Array]:
        """[N, L]: loops that move it by whole elements (the axes of sliding windows are neither)."""
        once = self.sizes == 1
        return {o: np.array(self.problem.relevant[i])[self.dims] | once for i, o in enumerate(OPERANDS)}

    @cached_property
    def stays(self) -> dict[Operand, Array]:
        """[N, levels]: the holding, with the idle loops just above it: until then nothing has to be fetched."""
        return {operand: self._past_idle(operand, self.held[operand]) for operand in OPERANDS}

    @cached_property
    def still(self) -> dict[Operand, Array]:
        """[N]: the idle loops at the very inside, during which a unit works on one element."""
        return {o: self._past_idle(o, np.zeros((len(self.dims), 1), dtype=int))[:, 0] for o in OPERANDS}

    def _past_idle(self, operand: Operand, cuts: Array) -> Array:
        found = cuts.copy()
        for place in range(self.dims.shape[1]):
            found = np.where((found == place) & self.idle[operand][:, place : place + 1], place + 1, found)
        return found

    def at(self, table: Array, cut: Array) -> Array:
        """`table` [N, L + 1, ...] at each candidate's `cut` [N]."""
        found: Array = table[np.arange(len(cut)), cut]
        return found

    def tile(self, operand: Operand, cut: Array, along: Array) -> Array:
        """[N]: elements touched by the loops inside `cut` and the spatial sizes `along` [8]."""
        return self.problem.elements(OPERANDS.index(operand), self.at(self.below, cut) * along)

    def staying(self, operand: Operand, inner: int, along: int, *, full: bool) -> Array:
        """[N]: elements of what stays in the innermost `inner` levels, with the spatial sizes up to row `along`."""
        key = (operand, inner, along, full and not self.unrolling.even[operand])
        if key not in self._tiles:
            cut = self.stays[operand][:, inner - 1] if inner else np.zeros(len(self.dims), dtype=int)
            rows = (self.unrolling.full if key[3] else self.unrolling.mean)[operand]
            self._tiles[key] = self.tile(operand, cut, rows[along])
        return self._tiles[key]

    @cached_property
    def _tiles(self) -> dict[tuple[Operand, int, int, bool], Array]:
        return {}

    @cached_property
    def _sums(self) -> dict[int, Array]:
        return {}

    def sums(self, level: int) -> Array:
        """[N]: whether outputs come to level number `level` of their chain as partial sums.

        They do where a loop over c, r or s, in time or along the array, runs at this level or further out.
        """
        if level not in self._sums:
            self._sums[level] = self._sums_at(level)
        return self._sums[level]

    def _sums_at(self, level: int) -> Array:
        spread = self.unrolling.full["outputs"]
        idle = np.array(self.problem.irrelevant(0))
        along = bool(np.any((spread[-1] / spread[level])[idle] > 1))
        if level >= self.held["outputs"].shape[1]:
            return np.full(len(self.dims), along)
        inside = self.stays["outputs"][:, level - 1 : level] if level else 0
        later = self.idle["outputs"] & (self.sizes > 1) & (np.arange(self.dims.shape[1]) >= inside)
        found: Array = np.any(later, axis=1) | along
        return found

    def width(self, operand: Operand, level: int) -> Array | int:
        """Bits of one element as it comes to level number `level` of the operand's chain."""
        if operand != "outputs":
            return self.problem.bits(operand)
        return np.where(self.sums(level), self.sum_bits, self.problem.output_bits)

    def room(self) -> Array:
        """[N, levels of the machine]: bits that each instance needs."""
        needed = np.zeros((len(self.dims), len(self.levels)))
        for operand in OPERANDS:
            for place, index in enumerate(self.chains[operand]):
                along = self.unrolling.full[operand][place]
                tile = self.tile(operand, self.held[operand][:, place], along) * self.width(operand, place)
                if self.levels[index].double_buffered:
                    whole = self.tile(operand, self.held[operand][:, -1], along) * self.width(operand, place)
                    tile = np.where(tile < whole, 2 * tile, tile)
                needed[:, index] += tile
        return needed

    def fits(self) -> Array:
        """[N]: whether everything has room."""
        capacity = np.array([level.capacity_bits for level in self.levels])
        found: Array = np.all(self.room() <= capacity, axis=1)
        return found

    def violated(self) -> str | None:
        """What the first candidate has no room for, innermost level first; None where it fits."""
        for needed, level in zip(self.room()[0].tolist(), self.levels, strict=True):
            if needed > level.capacity_bits:
                return f"level {level.name}: {needed / 8:g} bytes are needed, {level.capacity_bytes:g} are there"
        return None


def batch_of(
    problem: Problem, unrolling: Unrolling, levels: tuple[Level, ...], sum_bits: int, mapping: Mapping
) -> Batch:
    """The batch of one mapping."""
    loops = len(mapping.order)
    return Batch(
        problem=problem,
        unrolling=unrolling,
        levels=levels,
        sum_bits=sum_bits,
        dims=np.array([[INDEX[loop] for loop, _ in mapping.order]], dtype=int).reshape(1, loops),
        sizes=np.array([[size for _, size in mapping.order]], dtype=float).reshape(1, loops),
        held={operand: np.array([[*mapping.held[operand], loops]]) for operand in OPERANDS},
    )
