"""A literal loop nest: every step of every loop is taken, every tile that a memory asks for is counted.

Written from the definition alone: a tile is what the loops inside a level's cover touch, at the indices that the loops
outside have reached; it is asked for when an index that moves the operand changes. Nothing here multiplies loop sizes.
"""

from collections import Counter
from itertools import product

from lamina.hw.mapping.mapping import Mapping
from lamina.hw.mapping.problem import Problem
from lamina.hw.mapping.structure import LOOPS, OPERANDS, Level, chain

MOVED = {"outputs": "ngkpq", "weights": "gkcrs", "inputs": "ngcpqrs"}


def element(problem: Problem, operand: str, at: dict[str, int]) -> tuple[int, ...]:
    """Which element of `operand` the loop indices `at` touch."""
    if operand == "inputs":
        rows = problem.stride[0] * at["p"] + problem.dilation[0] * at["r"]
        return (at["n"], at["g"], at["c"], rows, problem.stride[1] * at["q"] + problem.dilation[1] * at["s"])
    return tuple(at[loop] for loop in MOVED[operand])


def counted(problem: Problem, mapping: Mapping, levels: tuple[Level, ...]) -> Counter:
    """Elements that move, by operand, place in its chain and way, over all instances."""
    moved: Counter = Counter()
    for operand in OPERANDS:
        held = chain(levels, operand)
        covers = [0, *mapping.held[operand], len(mapping.order)]
        arrivals: list[Counter] = [Counter() for _ in held]
        for place in range(len(held)):
            served = {s for level in held[: place + 1] for s in levels[level].serves}
            # what one instance of this level passes inwards, together, whenever the tile inside changes
            for tile in _tiles(
                problem, mapping, operand, covers[place], served, every=place == 0 and operand == "outputs"
            ):
                moved[operand, place, "from_inside" if operand == "outputs" else "to_inside"] += len(tile)
                arrivals[place].update(tile)
            # what one instance of this level takes in (or gives out) whenever its own tile changes
            if place < len(held) - 1:
                for tile in _tiles(problem, mapping, operand, covers[place + 1], served, every=False):
                    moved[operand, place, "to_outside" if operand == "outputs" else "from_outside"] += len(tile)
        if operand == "outputs":
            for place in range(len(held)):
                if max(arrivals[place].values()) > 1:
                    moved[operand, place, "to_inside"] = moved[operand, place, "from_inside"]
                    if place:
                        moved[operand, place - 1, "from_outside"] = moved[operand, place - 1, "to_outside"]
    return moved


def _tiles(problem, mapping, operand, cover, together, *, every):
    """Tiles as sets of elements, one for each time and each group of units that is fed `together`."""
    order = mapping.order
    apart = [part for part in mapping.spatial if part[0] not in together]
    joint = [part for part in mapping.spatial if part[0] in together]
    last = {}
    for outer in product(*(range(size) for _, size in reversed(order[cover:]))):
        outside = tuple(reversed(outer))
        key = tuple(i for i, (loop, _) in zip(outside, order[cover:], strict=True) if loop in MOVED[operand])
        for instance in product(*(range(count) for _, _, count in apart)):
            if not every and last.get(instance) == key:
                continue
            last[instance] = key
            tile = set()
            for inner in product(*(range(size) for _, size in order[:cover])):
                for unit in product(*(range(count) for _, _, count in joint)):
                    tile.add(
                        element(problem, operand, _indices(mapping, (*inner, *outside), apart, instance, joint, unit))
                    )
            yield tile


def _indices(mapping, steps, apart, instance, joint, unit):
    """Index of each loop: steps from the innermost outwards, units above them."""
    at, weight = dict.fromkeys(LOOPS, 0), dict.fromkeys(LOOPS, 1)
    for (loop, size), step in zip(mapping.order, steps, strict=True):
        at[loop] += step * weight[loop]
        weight[loop] *= size
    where = dict(zip((*apart, *joint), (*instance, *unit), strict=True))
    for part in mapping.spatial:
        at[part[1]] += where[part] * weight[part[1]]
        weight[part[1]] *= part[2]
    return at
