"""Gradients of moves: numbers go back where they came from, and are summed where they were copied.

reshape, flatten  the input's shape      transpose  the inverse order      concatenate  cut apart      cast  back
slice  zeros between and around          pad  cut away, or added to the border it showed      expand, tile  summed
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lamina.ir.gradients._term import Term, one

if TYPE_CHECKING:
    from lamina.ir.network import Array
    from lamina.ir.operators._table import Site

Terms = list["Term | None"]


@one
def reshape(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """Of every view: g in the input's shape."""
    return [g.reshape(x[0].shape)]


@one
def cast(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g as the input's type."""
    return [g.emit("cast", element=x[0].value.type.element)]


@one
def transpose(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g in the inverse order."""
    return [g.transpose([int(axis) for axis in np.argsort(site.attributes["order"])])]


@one
def concatenate(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g cut apart."""
    axis, rank = site.attributes["axis"], len(g.shape)
    found: Terms = []
    start = 0
    for part in x:
        starts, stops = [0] * rank, list(g.shape)
        starts[axis], stops[axis] = start, start + part.shape[axis]
        found.append(g.emit("slice", starts=starts, stops=stops, steps=(1,) * rank))
        start = stops[axis]
    return found


@one
def slice_(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """Axes that ran backwards turn round, zeros go between the places of a step, then around all."""
    starts, steps = list(site.attributes["starts"]), site.attributes["steps"]
    rank, shape = len(g.shape), list(g.shape)
    if min(steps, default=1) < 0:
        turned = [axis for axis in range(rank) if steps[axis] < 0]
        for axis in turned:
            starts[axis] += (shape[axis] - 1) * steps[axis]  # the last place is the first one now
        g = _turned(g, turned)
    for axis, step in enumerate(map(abs, steps)):
        if step > 1 and shape[axis] > 1:
            apart = g.reshape([*shape[: axis + 1], 1, *shape[axis + 1 :]])
            after = [0] * (rank + 1)
            after[axis + 1] = step - 1
            shape[axis] *= step
            g = apart.emit("pad", before=(0,) * (rank + 1), after=after).reshape(shape)
            shape[axis] -= step - 1
            g = g.first(shape)
    after = [size - start - own for size, start, own in zip(x[0].shape, starts, shape, strict=True)]
    return [g.emit("pad", before=starts, after=after) if any(starts) or any(after) else g]


def _turned(g: Term, axes: list[int]) -> Term:
    shape = g.shape
    starts = [size - 1 if axis in axes else 0 for axis, size in enumerate(shape)]
    stops = [-size - 1 if axis in axes else size for axis, size in enumerate(shape)]
    return g.emit("slice", starts=starts, stops=stops, steps=[-1 if a in axes else 1 for a in range(len(shape))])


@one
def pad(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g inside; the border is added to what it showed."""
    from lamina.ir.operators.move import padded_places

    a, shape = site.attributes, x[0].shape
    if a["mode"] == "constant":
        stops = [before + size for before, size in zip(a["before"], shape, strict=True)]
        return [g.emit("slice", starts=a["before"], stops=stops, steps=(1,) * len(shape))]
    for axis, (before, after) in enumerate(zip(a["before"], a["after"], strict=True)):
        if before or after:
            g = added(g, padded_places(shape[axis], before, after, a["mode"]), axis, shape[axis])
    return [g]


def added(g: Term, places: Array, axis: int, size: int) -> Term:
    """An axis of `size` in which each number of g's axis is added at its place."""
    order = [axis, *(other for other in range(len(g.shape)) if other != axis)]
    rows = g.transpose(order)
    sums = g.zeros((size, *rows.shape[1:]))
    sums = sums.emit("scatter_nd", g.constant(places.reshape(-1, 1)), rows, reduction="add")
    return sums.transpose([int(back) for back in np.argsort(order)])


@one
def expand(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g summed over what was repeated."""
    return [g.to(x[0].shape)]


@one
def tile(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g summed over the repeats."""
    shape = x[0].shape
    split = [part for pair in zip(site.attributes["repeats"], shape, strict=True) for part in pair]
    return [g.reshape(split).sum(range(0, 2 * len(shape), 2))] if shape else [g]


@one
def resize(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """Each axis is a matrix times x; its transpose brings the gradient back."""
    from lamina.ir.operators.resize import taps

    for axis in (1, 0):
        size, wanted = x[0].shape[2 + axis], site.attributes["size"][axis]
        places, weights = taps(size, wanted, site.attributes, axis)
        matrix = np.zeros((size, wanted))
        np.add.at(matrix, (places, np.arange(wanted)[:, None]), weights)
        g = g.emit("linear", g.constant(matrix)) if axis else g.swapped().emit("linear", g.constant(matrix)).swapped()
    return [g]
