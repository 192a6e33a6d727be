"""The last steps of the mapper: everything where that is little, random changes of the best where it is much.

    everything   all orders of all prime factors, with every rising choice of what each level holds, of every unrolling
    changes      swap two loops, move one, split one, join two, hold more or less; half of a round holds what `holdings`
                 says instead; now and then another unrolling. The best few of each are the parents of the next round.

Loops of one step fill up the arrays, so that candidates of different depth are evaluated together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from math import comb, factorial, prod
from typing import TYPE_CHECKING

import numpy as np

from lamina.hw.mapping.choices import Factors, Spatial, factors, holdings, orders, primes
from lamina.hw.mapping.mapping import unroll
from lamina.hw.mapping.problem import INDEX, Array
from lamina.hw.mapping.structure import OPERANDS, Operand

if TYPE_CHECKING:
    from lamina.hw.mapping.search import Search

SPACE = 100_000  # candidates that are all tried
CHUNK = 4096
ROUND = 256  # candidates of one round of changes
PARENTS = 12
WIDE = 12  # unrollings that changes look at


def exhaust(state: "Search", options: list[Spatial]) -> bool:
    """Try everything if that is little enough; whether it was, and time was left for it."""
    spaces = [(spatial, _primes(state, spatial)) for spatial in options]
    if sum(_size(state, given) for _, given in spaces) > SPACE:
        return False
    for spatial, given in spaces:
        dims, sizes = orders(given, factorial(7), np.random.default_rng(0))
        held = _every_holding(state, len(given))
        for start in range(0, len(dims) * len(held), CHUNK):
            if state.late():
                return False
            at = np.arange(start, min(start + CHUNK, len(dims) * len(held)))
            order, hold = at // len(held), held[at % len(held)]
            state.offer(state.batch(spatial, dims[order], sizes[order], _by_operand(state, hold, len(given))))
    return True


def _primes(state: "Search", spatial: Spatial) -> Factors:
    return factors(unroll(state.problem, state.machine.array, state.machine.level, spatial).steps, 64)


def _levels(state: "Search") -> list[int]:
    """Levels of each operand besides dram."""
    return [sum(o in level.holds for level in state.machine.level) - 1 for o in OPERANDS]


def _size(state: "Search", given: Factors) -> int:
    if len(given) > 7:
        return SPACE + 1
    repeats = prod(factorial(given.count(part)) for part in set(given))
    return factorial(len(given)) // repeats * prod(comb(len(given) + n, n) for n in _levels(state))


def _every_holding(state: "Search", loops: int) -> Array:
    """[choices, levels of the three operands]: covers that rise outwards, for all operands."""
    each = [list(combinations_with_replacement(range(loops + 1), n)) for n in _levels(state)]
    return np.array([sum(choice, ()) for choice in product(*each)], dtype=int)


def _by_operand(state: "Search", hold: Array, loops: int) -> dict[Operand, Array]:
    """Columns of all operands as one array each, with the cover of dram, all `loops`."""
    found: dict[Operand, Array] = {}
    start = 0
    for operand, count in zip(OPERANDS, _levels(state), strict=True):
        last = np.full((len(hold), 1), loops)
        found[operand] = np.concatenate([hold[:, start : start + count], last], axis=1)
        start += count
    return found


@dataclass(kw_only=True)
class Parents:
    """The best candidates of one unrolling."""

    dims: Array
    sizes: Array
    held: dict[Operand, Array]
    scores: Array


def improve(state: "Search", options: list[Spatial], report: Callable[["Search"], None] | None) -> None:
    """Change the best until the time is up."""
    known: dict[Spatial, Parents] = {}
    wide = options[:WIDE]
    while not state.late():
        assert state.best is not None
        other = wide[int(state.generator.integers(len(wide)))]
        spatial = state.best.spatial if state.generator.random() < 0.75 else other
        parents = known.get(spatial) or _first(state, spatial)
        if parents is None:
            continue
        dims, sizes, held = _children(state, parents)
        batch = state.batch(spatial, dims, sizes, held)
        again = holdings(
            batch, 1.0 if state.generator.random() < 0.5 else 0.5, largest=bool(state.generator.random() < 0.5)
        )
        if again is not None:
            half = np.arange(len(dims)) % 2 == 0
            held = {o: np.where(half[:, None], held[o], again[o]) for o in OPERANDS}
            batch = state.batch(spatial, dims, sizes, held)
        before = state.score
        scores = state.offer(batch).scores
        known[spatial] = _survivors(parents, dims, sizes, held, scores)
        if report and state.score < before:
            report(state)


def _first(state: "Search", spatial: Spatial) -> Parents | None:
    """Parents of an unrolling: the best mapping, or orders of whole loops; padded to all prime factors."""
    steps = unroll(state.problem, state.machine.array, state.machine.level, spatial).steps
    depth = sum(len(primes(size)) for size in steps)
    best = state.best
    if best is not None and best.spatial == spatial:
        dims = np.array([[INDEX[loop] for loop, _ in best.order]], dtype=int).reshape(1, -1)
        sizes = np.array([[size for _, size in best.order]], dtype=float).reshape(1, -1)
        held = {o: np.array([best.held[o]], dtype=int).reshape(1, -1) for o in OPERANDS}
    else:
        dims, sizes = orders(factors(steps, 5), PARENTS, state.generator)
        found = holdings(state.batch(spatial, dims, sizes), 1.0, largest=True)
        if found is None:
            return None
        held = {o: found[o][:, :-1] for o in OPERANDS}
    pad = depth - dims.shape[1]
    dims = np.concatenate([dims, np.zeros((len(dims), pad), dtype=int)], axis=1)
    sizes = np.concatenate([sizes, np.ones((len(sizes), pad))], axis=1)
    held = {o: np.concatenate([h, np.full((len(h), 1), depth)], axis=1) for o, h in held.items()}
    return Parents(dims=dims, sizes=sizes, held=held, scores=np.full(len(dims), np.inf))


def _children(state: "Search", parents: Parents) -> tuple[Array, Array, dict[Operand, Array]]:
    """One round of changed copies; the first is the best parent itself."""
    generator, depth = state.generator, parents.dims.shape[1]
    pick = generator.integers(len(parents.dims), size=ROUND)
    pick[0] = 0
    dims, sizes = parents.dims[pick].copy(), parents.sizes[pick].copy()
    held = {o: h[pick].copy() for o, h in parents.held.items()}
    if depth == 0:
        return dims, sizes, held
    for row in range(1, ROUND):
        for _ in range(int(generator.integers(1, 4))):
            _change(generator, dims[row], sizes[row])
        if generator.random() < 0.5:
            operand = OPERANDS[int(generator.integers(3))]
            cuts = held[operand][row]
            if len(cuts) > 1:
                place = int(generator.integers(len(cuts) - 1))
                cuts[place] = min(max(int(cuts[place] + generator.integers(-2, 3)), 0), depth)
                cuts[:-1] = np.sort(cuts[:-1])
    return dims, sizes, held


def _change(generator: np.random.Generator, dims: Array, sizes: Array) -> None:
    """One change of one order, in place: swap, move, split, join."""
    one, two = (int(place) for place in generator.integers(len(dims), size=2))
    kind = generator.random()
    if kind < 0.4:
        dims[[one, two]], sizes[[one, two]] = dims[[two, one]], sizes[[two, one]]
    elif kind < 0.7:
        loop, size = dims[one], sizes[one]
        dims[:], sizes[:] = np.insert(np.delete(dims, one), two, loop), np.insert(np.delete(sizes, one), two, size)
    elif kind < 0.85:
        parts = primes(int(sizes[one]))
        free = np.flatnonzero(sizes == 1)
        if len(parts) > 1 and len(free):
            taken = prod(parts[: int(generator.integers(1, len(parts)))])
            place = int(free[generator.integers(len(free))])
            dims[place], sizes[place] = dims[one], taken
            sizes[one] /= taken
    elif dims[one] == dims[two] and one != two:
        sizes[one] *= sizes[two]
        sizes[two] = 1


def _survivors(old: Parents, dims: Array, sizes: Array, held: dict[Operand, Array], scores: Array) -> Parents:
    every = np.concatenate([old.scores, scores])
    best = np.argsort(every, kind="stable")[:PARENTS]
    return Parents(
        dims=np.concatenate([old.dims, dims])[best],
        sizes=np.concatenate([old.sizes, sizes])[best],
        held={o: np.concatenate([old.held[o], held[o]])[best] for o in OPERANDS},
        scores=every[best],
    )
