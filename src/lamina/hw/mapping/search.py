"""The mapper: an answer at once, better ones until the time is up or nothing is left to try.

    1  a few orders of whole loops on the best unrolling               an answer, or the level that has no room
    2  all orders of up to six factors, three ways to hold each        what an exhaustive search of whole factors finds
    3  small spaces: every order of all primes with every holding      exhausted, the optimum
    4  else: random changes of the best (swap, move, split, hold more or less, unroll otherwise), until the time is up

Steps 1 and 2 are the same for the same question; step 4 draws from a seeded generator, so that more time never makes an
answer worse. All candidates of a step are evaluated at once, as arrays.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from lamina.core.errors import BadInput
from lamina.hw.mapping import bound
from lamina.hw.mapping.choices import Spatial, factors, holdings, orders, unrollings
from lamina.hw.mapping.evaluate import Evaluation, Objective, figures, single, sum_bits
from lamina.hw.mapping.improve import exhaust, improve
from lamina.hw.mapping.mapping import Mapping, unroll
from lamina.hw.mapping.problem import INDEX, Array, Problem
from lamina.hw.mapping.structure import LOOPS, OPERANDS, Loop, Operand
from lamina.hw.mapping.tiles import Batch, batch_of

if TYPE_CHECKING:
    from lamina.hw.families.hierarchy import Hierarchy

FACTORS = 6  # of an order in step 2
ORDERS = 720  # most of them
LEAN = 48  # of which more is tried
MIRROR: dict[str, Loop] = {"p": "q", "q": "p", "r": "s", "s": "r"}
STATIONARY: dict[str, Operand] = {
    "weight_stationary": "weights",
    "output_stationary": "outputs",
    "input_stationary": "inputs",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Constraints:
    """What is given and not searched; None is free."""

    spatial: Spatial | None = None
    order: tuple[str, ...] | None = None  # loops, innermost first; those left out lie outside, in any order
    dataflow: Literal["any", "weight_stationary", "output_stationary", "input_stationary"] | None = None


FREE = Constraints()


@dataclass(frozen=True, kw_only=True, slots=True)
class Offered:
    """Of the candidates of a batch, infinite where one is not allowed."""

    scores: Array
    fat: Array  # energy, or bits over the pins and then over all ports: no matter of speed


@dataclass(kw_only=True)
class Search:
    """The state of one search: the best so far, and how much was tried."""

    problem: Problem
    machine: "Hierarchy"
    objective: Objective
    constraints: Constraints
    generator: np.random.Generator
    deadline: float | None  # of time.monotonic
    best: Mapping | None = None
    score: tuple[float, float] = (float("inf"), float("inf"))
    tried: int = 0
    exhausted: bool = False
    reason: str = "nothing was tried"
    least: int = field(init=False)

    def __post_init__(self) -> None:
        self.least = bound.cycles(self.problem, self.machine.array, self.machine.level)

    @property
    def dataflow(self) -> str:
        return self.constraints.dataflow or self.machine.dataflow

    def late(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def batch(self, spatial: Spatial, dims: Array, sizes: Array, held: dict[Operand, Array] | None = None) -> Batch:
        unrolling = unroll(self.problem, self.machine.array, self.machine.level, spatial)
        loops = dims.shape[1]
        chains = {o: sum(o in level.holds for level in self.machine.level) for o in OPERANDS}
        return Batch(
            problem=self.problem,
            unrolling=unrolling,
            levels=self.machine.level,
            sum_bits=sum_bits(self.problem, self.machine),
            dims=dims,
            sizes=sizes,
            held=held or {o: np.full((len(dims), chains[o]), loops) for o in OPERANDS},
        )

    def offer(self, batch: Batch) -> Offered:
        """Evaluate `batch` and keep its best."""
        offered = Offered(scores=np.full(len(batch.dims), np.inf), fat=np.full(len(batch.dims), np.inf))
        keep = batch.fits()
        if not keep.any():
            rooms = batch.room()
            excess = rooms.min(axis=0) - [level.capacity_bits for level in batch.levels]
            worst = int(np.argmax(excess > 0))
            self.reason = (
                f"level {batch.levels[worst].name}: at least {rooms[:, worst].min() / 8:g} bytes are needed, "
                f"{batch.levels[worst].capacity_bytes:g} are there"
            )
        room = keep.any()
        keep &= self._flows(batch) & self._in_order(batch)
        if room and not keep.any():
            order = "any order" if self.constraints.order is None else f"the order {', '.join(self.constraints.order)}"
            self.reason = f"{order} brings the operand of {self.dataflow} to the units more than once"
        chosen = np.flatnonzero(keep)
        self.tried += len(batch.dims)
        if chosen.size == 0:
            return offered
        kept = replace(
            batch,
            dims=batch.dims[chosen],
            sizes=batch.sizes[chosen],
            held={o: h[chosen] for o, h in batch.held.items()},
        )
        found = figures(kept, self.machine, self.least)
        moved = found.level_bits[-1] * (1 + 1e-6 * np.log(np.sum(found.level_bits, axis=0)))
        offered.fat[chosen] = found.energy_j if self.objective in ("energy", "edp") else moved
        first, second = found.minimised(self.objective)
        offered.scores[chosen] = first * (1 + 1e-9 * np.log(np.maximum(second, 1e-300)))
        row = int(np.lexsort((second, first))[0])  # exactly: a tie that is lost to rounding breaks the laws
        if (score := (float(first[row]), float(second[row]))) < self.score:
            self.score, self.best = score, mapping_at(kept, row)
        return offered

    def _flows(self, batch: Batch) -> Array:
        """Whether the operand of the dataflow comes to the units once: no idle loop outside what they hold of it."""
        if self.dataflow == "any":
            return np.ones(len(batch.dims), dtype=bool)
        operand = STATIONARY[self.dataflow]
        outside = np.arange(batch.dims.shape[1]) >= batch.stays[operand][:, :1]
        found: Array = ~np.any(outside & batch.idle[operand] & (batch.sizes > 1), axis=1)
        return found

    def _in_order(self, batch: Batch) -> Array:
        """Whether the loops that are given an order come first, in that order."""
        wanted = self.constraints.order
        if wanted is None:
            return np.ones(len(batch.dims), dtype=bool)
        rank = np.array([wanted.index(loop) if loop in wanted else len(wanted) for loop in LOOPS])[batch.dims]
        rank = np.maximum.accumulate(np.where(batch.sizes > 1, rank, 0), axis=1)
        own = np.array([wanted.index(loop) if loop in wanted else len(wanted) for loop in LOOPS])[batch.dims]
        found: Array = np.all((own == rank) | (batch.sizes == 1), axis=1)
        return found


def mapping_at(batch: Batch, row: int) -> Mapping:
    """Candidate number `row`, without its loops of one step."""
    kept = batch.sizes[row] > 1
    places = np.concatenate([[0], np.cumsum(kept)])
    return Mapping(
        spatial=batch.unrolling.spatial,
        order=tuple(
            (LOOPS[loop], int(size))
            for loop, size, keep in zip(batch.dims[row], batch.sizes[row], kept, strict=True)
            if keep
        ),
        held={o: tuple(int(places[cut]) for cut in batch.held[o][row, :-1]) for o in OPERANDS},
    )


def search(
    problem: Problem,
    machine: "Hierarchy",
    *,
    seconds: float | None = None,
    seed: int = 0,
    objective: Objective = "latency",
    constraints: Constraints = FREE,
    breadth: int = 2,
    report: Callable[[Search], None] | None = None,
) -> tuple[Evaluation, Search]:
    """The best mapping found of `problem` on `machine`, and the search.

    `seconds` None: step 2 alone (step 1 where it finds nothing), the same answer each time; it looks at no more than
    `breadth` unrollings. Raises `BadInput` with the level that has no room, bytes needed and bytes there, where not
    even one unit can work.
    """
    state = Search(
        problem=problem,
        machine=machine,
        objective=objective,
        constraints=constraints,
        generator=np.random.default_rng(seed),
        deadline=None if seconds is None else time.monotonic() + seconds,
    )
    given = constraints.spatial
    options = [given] if given is not None else unrollings(problem, machine.array)
    if seconds is not None:
        _at_once(state, options)
    for spatial in _promising(state, options[:breadth]):
        if state.late():
            break
        _orders(state, spatial)
        if report:
            report(state)
    if state.best is None:
        _at_once(state, options)
    if seconds is not None and not state.late():
        state.exhausted = exhaust(state, options)
        if not state.exhausted:
            improve(state, options, report)
    assert state.best is not None
    unrolling = unroll(problem, machine.array, machine.level, state.best.spatial)
    last = batch_of(problem, unrolling, machine.level, sum_bits(problem, machine), state.best)
    return single(last, machine, state.best), state


def _promising(state: Search, options: list[Spatial]) -> list[Spatial]:
    """Those that take at most twice as many steps as the first; they are sorted by them."""
    array, levels = state.machine.array, state.machine.level
    steps = [unroll(state.problem, array, levels, spatial).cycles for spatial in options]
    return [spatial for spatial, count in zip(options, steps, strict=True) if count <= 2 * steps[0]]


def _at_once(state: Search, options: list[Spatial]) -> None:
    """Step 1; raises where no unrolling has an answer."""
    for spatial in options:
        steps = unroll(state.problem, state.machine.array, state.machine.level, spatial).steps
        given = factors(steps, 0)
        dims, sizes = _ordered(state, given, 24)
        for share in (1.0, 0.0):
            batch = state.batch(spatial, dims, sizes)
            held = holdings(batch, share, largest=True) if share else _nothing(batch)
            if held is not None:
                state.offer(replace(batch, held=held))
            if state.best is not None:
                return
    flow = "" if state.dataflow == "any" else f" with dataflow {state.dataflow}"
    raise BadInput(f"no mapping of the layer{flow} is possible: {state.reason}")


def _nothing(batch: Batch) -> dict[Operand, Array]:
    """The least that can be held: one spatial tile a level."""
    held = {o: np.zeros_like(batch.held[o]) for o in OPERANDS}
    for o in OPERANDS:
        held[o][:, -1] = batch.dims.shape[1]
    return held


def _symmetric(state: Search, given: tuple[tuple[str, int], ...]) -> bool:
    """Whether height and width are alike, so that an order and its mirror cost the same."""
    p = state.problem
    height, width = ([size for loop, size in given if loop in pair] for pair in ("pr", "qs"))
    alike = p.stride[0] == p.stride[1] and p.dilation[0] == p.dilation[1] and p.size[0] == p.size[1]
    bounds: dict[str, int] = dict(zip(LOOPS, p.bounds, strict=True))
    whole = sorted(bounds[loop] for loop in "pr" if bounds[loop] > 1) == sorted(height)
    return (
        alike
        and bounds["p"] == bounds["q"]
        and bounds["r"] == bounds["s"]
        and whole
        and sorted(width) == sorted(height)
    )


def _halved(dims: Array, sizes: Array) -> tuple[Array, Array]:
    """One order of each pair that mirrors the other."""
    mirror = np.array([LOOPS.index(MIRROR.get(loop, loop)) for loop in LOOPS])
    scale = len(LOOPS) ** np.arange(dims.shape[1])
    keep = dims @ scale <= mirror[dims] @ scale
    return dims[keep], sizes[keep]


def _ordered(state: Search, given: tuple[tuple[str, int], ...], most: int) -> tuple[Array, Array]:
    """Orders of the factors that keep to the constraints."""
    wanted = state.constraints.order
    generator = np.random.default_rng(0)  # the same orders for the same factors, whatever happened before
    if wanted is None:
        dims, sizes = orders(given, most, generator)
        if _symmetric(state, given):
            dims, sizes = _halved(dims, sizes)
        return _with_flow(state, given, dims, sizes)
    rank = {loop: place for place, loop in enumerate(wanted)}
    inner = sorted((part for part in given if part[0] in rank), key=lambda part: rank[part[0]])
    dims, sizes = orders(tuple(part for part in given if part[0] not in rank), most, generator)
    head = np.array([[INDEX[loop] for loop, _ in inner]], dtype=int).reshape(1, len(inner)).repeat(len(dims), 0)
    size = np.array([[size for _, size in inner]], dtype=float).reshape(1, len(inner)).repeat(len(dims), 0)
    return np.concatenate([head, dims], axis=1), np.concatenate([size, sizes], axis=1)


def _with_flow(state: Search, given: tuple[tuple[str, int], ...], dims: Array, sizes: Array) -> tuple[Array, Array]:
    """For a dataflow, also the orders with the idle loops of its operand inside: they always keep to it."""
    if state.dataflow == "any" or not given:
        return dims, sizes
    still = np.array(state.problem.irrelevant(OPERANDS.index(STATIONARY[state.dataflow])))
    place = np.argsort(~still[dims], axis=1, kind="stable")
    return (
        np.concatenate([dims, np.take_along_axis(dims, place, axis=1)]),
        np.concatenate([sizes, np.take_along_axis(sizes, place, axis=1)]),
    )


def _orders(state: Search, spatial: Spatial) -> None:
    """Step 2 for one unrolling: every order holding as much as it can, the leanest of them in two more ways.

    Which are the leanest is no matter of speed, so that a faster port does not change what is looked at.
    """
    steps = unroll(state.problem, state.machine.array, state.machine.level, spatial).steps
    dims, sizes = _ordered(state, factors(steps, FACTORS), ORDERS)
    batch = state.batch(spatial, dims, sizes)
    held = holdings(batch, 1.0, largest=True)
    if held is None:
        return
    fat = state.offer(replace(batch, held=held)).fat
    if state.late():
        return
    lean = np.argsort(fat, kind="stable")[:LEAN]
    batch = state.batch(spatial, dims[lean], sizes[lean])
    ways = [
        held for way in ((0.5, False), (1.0, False)) if (held := holdings(batch, way[0], largest=way[1])) is not None
    ]
    dims, sizes = (np.concatenate([table] * len(ways)) for table in (batch.dims, batch.sizes))
    state.offer(state.batch(spatial, dims, sizes, {o: np.concatenate([held[o] for held in ways]) for o in OPERANDS}))
