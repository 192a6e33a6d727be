"""What a mapper may choose from: unrollings of the array, splits of loops into factors, orders, and what to hold.

    unrollings   for each dimension of the array one loop, or one loop and a second one on the units it leaves idle
    factors      primes of each loop's steps, the smallest of the longest loop merged until few enough are left
    holdings     from dram inwards: at each level the covers of its operands that move least outwards and have room

The choices depend on sizes and room only, never on speeds: what is the best of them cannot get slower with bandwidth.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import permutations
from math import ceil, factorial, prod

import numpy as np

from lamina.hw.mapping.mapping import Unrolling
from lamina.hw.mapping.problem import INDEX, Array, Problem
from lamina.hw.mapping.structure import LOOPS, OPERANDS, Dimension, Operand
from lamina.hw.mapping.tiles import Batch

Spatial = tuple[tuple[str, str, int], ...]
Factors = tuple[tuple[str, int], ...]


def unrollings(problem: Problem, array: Sequence[Dimension]) -> list[Spatial]:
    """Every way to lay loops along the array, fewest steps first; the last one uses one unit."""
    found: dict[Spatial, int] = {(): problem.macs}

    def lay(place: int, left: tuple[int, ...], chosen: Spatial) -> None:
        if place == len(array):
            found.setdefault(chosen, prod(left))
            return
        for parts in _along(array[place], left):
            rest = list(left)
            for loop, count in parts:
                rest[INDEX[loop]] = ceil(rest[INDEX[loop]] / count)
            lay(place + 1, tuple(rest), (*chosen, *((array[place].name, loop, count) for loop, count in parts)))

    lay(0, problem.bounds, ())
    return sorted(found, key=lambda spatial: (found[spatial], len(spatial), spatial))


def _along(dimension: Dimension, left: Sequence[int]) -> Iterator[tuple[tuple[str, int], ...]]:
    """No loop, one loop, or two loops along `dimension`; no more units than the fewest steps need."""
    options = [loop for loop in dimension.loops if left[INDEX[loop]] > 1]
    if not options:
        yield ()
    for loop in options:
        count = _balanced(left[INDEX[loop]], dimension.size)
        yield ((loop, count),)
        spare = dimension.size // count
        if spare > 1:
            for other in options:
                if other != loop:
                    yield ((loop, count), (other, _balanced(left[INDEX[other]], spare)))


def _balanced(bound: int, units: int) -> int:
    return ceil(bound / ceil(bound / units))


@lru_cache(maxsize=4096)
def primes(number: int) -> tuple[int, ...]:
    """Prime factors, smallest first."""
    found, divisor = [], 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            found.append(divisor)
            number //= divisor
        divisor += 1
    return (*found, number) if number > 1 else tuple(found)


def factors(steps: Sequence[int], most: int) -> Factors:
    """The loops of `steps` cut into at most `most` factors, but one a loop at least."""
    parts = {loop: list(primes(size)) for loop, size in zip(LOOPS, steps, strict=True) if size > 1}
    while sum(map(len, parts.values())) > max(most, len(parts)):
        longest = max(parts.values(), key=len)
        longest.sort()
        longest[:2] = [longest[0] * longest[1]]
    return tuple((loop, size) for loop, sizes in parts.items() for size in sorted(sizes))


@lru_cache(maxsize=16)
def _permutations(count: int) -> Array:
    return np.array(list(permutations(range(count))), dtype=np.int8).reshape(factorial(count), count)


def orders(given: Factors, most: int, generator: np.random.Generator) -> tuple[Array, Array]:
    """(dims, sizes) [N, L] of all different orders of the factors, or of `most` drawn ones where there are more."""
    dims = np.array([INDEX[loop] for loop, _ in given], dtype=int)
    sizes = np.array([size for _, size in given], dtype=float)
    count = len(given)
    if count <= 7:
        picks = _permutations(count)
        kinds = {part: number for number, part in enumerate(sorted(set(given)))}
        names = np.array([kinds[part] for part in given], dtype=int)[picks]
        codes = names @ (len(kinds) ** np.arange(count)) if count else np.zeros(1, dtype=int)
        picks = picks[np.unique(codes, return_index=True)[1]]
    else:
        picks = np.argsort(generator.random((most, count)), axis=1)
    if len(picks) > most:
        picks = picks[generator.choice(len(picks), most, replace=False)]
    return dims[picks], sizes[picks]


def holdings(batch: Batch, share: float, *, largest: bool) -> dict[Operand, Array] | None:
    """What each level holds of each operand, for every order of `batch` (whose own holding is not read).

    Each level fills at most `share` of its room; of equally good covers the largest (or smallest) is taken. None where
    even the spatial tile of some level has no room.
    """
    loops = batch.dims.shape[1]
    held = {o: np.full((len(batch.dims), len(batch.chains[o])), loops) for o in OPERANDS}
    for index in reversed(range(len(batch.levels) - 1)):
        capacity = batch.levels[index].capacity_bits * share
        members = [o for o in OPERANDS if index in batch.chains[o]]
        tables = [_table(batch, o, index) for o in members]
        room = _outer([bits for bits, _ in tables])
        moved = _outer([traffic for _, traffic in tables])
        places = _outer([np.arange(loops + 1)[None, :].repeat(len(batch.dims), 0)] * len(members))
        allowed = room <= capacity
        for axis, o in enumerate(members):
            limit = held[o][:, batch.chains[o].index(index) + 1]
            shape = [1] * (len(members) + 1)
            shape[axis + 1] = loops + 1
            allowed = allowed & (np.arange(loops + 1).reshape(shape) <= limit.reshape(-1, *[1] * len(members)))
        flat = np.where(allowed, moved, np.inf).reshape(len(batch.dims), -1)
        least = flat.min(axis=1, keepdims=True)
        if not np.isfinite(least).any():
            return None
        tied = flat <= least * (1 + 1e-12)
        weight = places.reshape(len(batch.dims), -1)
        pick = np.where(tied, weight if largest else -weight, -np.inf).argmax(axis=1)
        for o, cut in zip(members, np.unravel_index(pick, (loops + 1,) * len(members)), strict=True):
            held[o][:, batch.chains[o].index(index)] = cut
    return held


def _outer(tables: list[Array]) -> Array:
    """Sum of the tables [N, L + 1], each along an axis of its own."""
    total: Array = np.zeros(1)
    for axis, table in enumerate(tables):
        shape = [len(table)] + [1] * len(tables)
        shape[axis + 1] = table.shape[1]
        total = total + table.reshape(shape)
    return total


def _table(batch: Batch, operand: Operand, index: int) -> tuple[Array, Array]:
    """([N, L + 1] bits of a tile, [N, L + 1] bits moved outwards) at the level for every cover of the order."""
    place, number = batch.chains[operand].index(index), OPERANDS.index(operand)
    unrolling: Unrolling = batch.unrolling
    loops = batch.dims.shape[1]
    full = batch.problem.elements(number, batch.below * unrolling.full[operand][place])
    mean = batch.problem.elements(number, batch.below * unrolling.mean[operand][place])
    idle = batch.idle[operand]
    stay = np.full((len(batch.dims), loops + 1), loops)
    for cut in reversed(range(loops)):
        stay[:, cut] = np.where(idle[:, cut], stay[:, cut + 1], cut)
    rounds = batch.total[:, None] / np.take_along_axis(batch.steps, stay, axis=1)
    bits = float(batch.problem.bits(operand))
    width = np.full(stay.shape, bits)
    twice = np.ones(stay.shape)
    if operand == "outputs":
        reduces = idle & (batch.sizes > 1)
        outside = np.cumsum(reduces[:, ::-1], axis=1)[:, ::-1]
        later = np.concatenate([outside, np.zeros((len(stay), 1))], axis=1) > 0
        spread = unrolling.full[operand]
        still = np.array(batch.problem.irrelevant(0))
        along = bool(np.any((spread[-1] / spread[place + 1])[still] > 1))
        partial = np.take_along_axis(later, stay, axis=1) | along
        width = np.where(partial, batch.sum_bits, bits)
        twice = np.where(partial, 2.0, 1.0)
        into = np.any(reduces, axis=1) | bool(np.any((spread[-1] / spread[place])[still] > 1))
        room = full * np.where(into, batch.sum_bits, bits)[:, None] if place == 0 else full * _arrives(batch, place)
    else:
        room = full * bits
    if batch.levels[index].double_buffered:
        room = np.where(full < full[:, -1:], 2 * room, room)
    return room, mean * width * twice * rounds * unrolling.units(operand, place)


def _arrives(batch: Batch, place: int) -> Array:
    """[N, 1]: bits of an output as it comes to level `place` if the level inside holds as much as it can."""
    index = batch.chains["outputs"][place - 1]
    room, _ = _table(batch, "outputs", index)
    cut = np.maximum((room <= batch.levels[index].capacity_bits).sum(axis=1) - 1, 0)
    trial = dict(batch.held)
    trial["outputs"] = batch.held["outputs"].copy()
    trial["outputs"][:, place - 1] = cut
    inner = Batch(
        problem=batch.problem,
        unrolling=batch.unrolling,
        levels=batch.levels,
        sum_bits=batch.sum_bits,
        dims=batch.dims,
        sizes=batch.sizes,
        held=trial,
    )
    return np.where(inner.sums(place), batch.sum_bits, batch.problem.output_bits)[:, None]
