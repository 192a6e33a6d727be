"""A mapping: which loops lie along the array, in what order the others run, and what each memory holds of each operand.

    spatial   (dimension, loop, units)     "rows" takes 32 of k: the units' results of one cycle
    order     (loop, size), innermost first; sizes of one loop multiply to ceil(bound / units)
    held      operand -> loops of `order` that its levels cover, innermost level first, `dram` left out

    for k in 2:             held["weights"] = (3,): the registers hold what the innermost three loops touch,
      for p, q in 56:       and are filled once for every k
        for c, r, s in ...:

Loops that do not move an operand and lie just above what a level holds are free: the operand stays.
"""

from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from math import ceil, prod
from typing import Any

import numpy as np

from lamina.core.errors import BadInput
from lamina.hw.mapping.problem import INDEX, Array, Problem
from lamina.hw.mapping.structure import LOOPS, OPERANDS, Dimension, Level, Operand, chain


@dataclass(frozen=True, kw_only=True, slots=True)
class Mapping:
    spatial: tuple[tuple[str, str, int], ...]
    order: tuple[tuple[str, int], ...]
    held: Map[Operand, tuple[int, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "spatial": [list(part) for part in self.spatial],
            "order": [list(part) for part in self.order],
            "held": {operand: list(self.held[operand]) for operand in OPERANDS},
        }

    def __str__(self) -> str:
        along = ", ".join(f"{dimension}: {loop} {units}" for dimension, loop, units in self.spatial)
        nest = " ".join(f"{loop}{size}" for loop, size in reversed(self.order))
        return f"{along or 'one unit'}; {nest or 'one step'}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Unrolling:
    """The spatial part of a mapping, worked out for a problem and a machine.

    Where units do not divide a bound, the last step leaves some idle: `mean` spreads that evenly (traffic), `full` is
    what the busiest step does (time and room).
    """

    spatial: tuple[tuple[str, str, int], ...]
    steps: tuple[int, ...]  # temporal size of each loop
    mean: Map[Operand, Array]  # operand -> [levels + 1, 8], cumulated from the units outwards
    full: Map[Operand, Array]
    drain: int  # cycles until the last result has left the array
    even: Map[Operand, bool]  # whether mean and full are the same

    @property
    def cycles(self) -> int:
        return prod(self.steps)

    def units(self, operand: Operand, level: int) -> float:
        """Instances of level number `level` of the operand's chain that are at work."""
        whole = self.mean[operand]
        return float(np.prod(whole[-1]) / np.prod(whole[level]))


def unroll(
    problem: Problem, array: tuple[Dimension, ...], levels: tuple[Level, ...], spatial: tuple[tuple[str, str, int], ...]
) -> Unrolling:
    """Work out `spatial`; raises `BadInput` for a dimension or loop that is not there, or more units than there are."""
    sizes = {d.name: d for d in array}
    used = dict.fromkeys(sizes, 1)
    units = np.ones(len(LOOPS), dtype=int)
    left = list(problem.bounds)
    for name, loop, count in spatial:
        if name not in sizes:
            raise BadInput(f"spatial: {name!r} is no dimension of the array: {', '.join(sizes)}")
        if loop not in sizes[name].loops:
            raise BadInput(f"spatial: {loop} cannot lie along {name}, which takes {', '.join(sizes[name].loops)}")
        if count < 1 or used[name] * count > sizes[name].size:
            raise BadInput(f"spatial: {name} has {sizes[name].size} units, {used[name] * count} are asked for")
        if count > left[INDEX[loop]]:
            raise BadInput(f"spatial: {loop} has {left[INDEX[loop]]} steps, {count} units are asked for along {name}")
        used[name] *= count
        units[INDEX[loop]] *= count
        left[INDEX[loop]] = ceil(left[INDEX[loop]] / count)
    bounds = np.array(problem.bounds)
    steps = left
    share = bounds / (np.array(steps) * units)  # of the units that work in the mean step

    def cumulated(operand: Operand, scale: Array) -> Array:
        left, rows, now = list(spatial), [], np.ones(len(LOOPS))
        loose = scale.copy()
        for index in (*chain(levels, operand), None):
            take = [s for s in left if index is None or s[0] in levels[index].serves]
            left = [s for s in left if s not in take]
            for _, loop, count in take:
                now[INDEX[loop]] *= count * loose[INDEX[loop]]
                loose[INDEX[loop]] = 1.0
            rows.append(now.copy())
        return np.array(rows)

    mean = {operand: cumulated(operand, share) for operand in OPERANDS}
    full = {operand: cumulated(operand, np.ones(len(LOOPS))) for operand in OPERANDS}
    return Unrolling(
        spatial=spatial,
        steps=tuple(steps),
        mean=mean,
        full=full,
        even={operand: bool(np.array_equal(mean[operand], full[operand])) for operand in OPERANDS},
        drain=sum(used[d.name] - 1 for d in array if d.systolic),
    )


def check(problem: Problem, mapping: Mapping, unrolling: Unrolling, levels: tuple[Level, ...]) -> None:
    """Refuse an order or a holding that is not of this problem; room is `tiles.violated`'s business."""
    found = [1] * len(LOOPS)
    for loop, size in mapping.order:
        if loop not in INDEX or size < 1:
            raise BadInput(f"order: ({loop!r}, {size}) is no loop of {', '.join(LOOPS)} with a size from 1")
        found[INDEX[loop]] *= size
    for loop, wanted, got in zip(LOOPS, unrolling.steps, found, strict=True):
        if wanted != got:
            raise BadInput(f"order: the sizes of {loop} multiply to {got}, the layer needs {wanted}")
    for operand in OPERANDS:
        cuts = mapping.held.get(operand, ())
        wanted = len(chain(levels, operand)) - 1
        if len(cuts) != wanted or list(cuts) != sorted(cuts) or any(not 0 <= c <= len(mapping.order) for c in cuts):
            raise BadInput(
                f"held: {operand} has {list(cuts)}: {wanted} rising numbers from 0 to {len(mapping.order)} are needed"
            )
