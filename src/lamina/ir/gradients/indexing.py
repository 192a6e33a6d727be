"""Gradients of indexing: what is read by index is added back by index, what is written by index is read back.

A scatter that overwrites (`reduction="none"`) takes the gradient from the places it covered; which of two updates of
one place stayed is not looked at. Updates that multiply or compete have no gradient here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lamina.core.errors import Unsupported
from lamina.ir.gradients._term import Term, one

if TYPE_CHECKING:
    from lamina.ir.operators._table import Gradient, Site

Terms = list["Term | None"]


@one
def gather(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """The axis goes to the front, where slices are added at their indices."""
    value, indices = x
    axis, places = site.attributes["axis"], len(indices.shape)
    rank, inner = len(value.shape), range(axis, axis + places)
    rows = g.transpose([*inner, *(a for a in range(len(g.shape)) if a not in inner)])
    order = [axis, *(a for a in range(rank) if a != axis)]
    sums = g.zeros([value.shape[a] for a in order])
    sums = sums.emit("scatter_nd", indices.reshape((*indices.shape, 1)), rows, reduction="add")
    return [sums.transpose([int(back) for back in np.argsort(order)]), None]


@one
def gather_elements(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g added at the indices."""
    sums = g.zeros(x[0].shape)
    return [sums.emit("scatter_elements", x[1], g, axis=site.attributes["axis"], reduction="add"), None]


@one
def gather_nd(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g added at the places."""
    value, indices = x
    batch = site.attributes["batch"]
    if batch:  # the batch's own places become part of the index
        own = np.stack(np.meshgrid(*map(np.arange, indices.shape[:-1]), indexing="ij"), axis=-1)[..., :batch]
        indices = g.constant(own).emit("concatenate", indices, axis=len(indices.shape) - 1)
    return [g.zeros(value.shape).emit("scatter_nd", indices, g, reduction="add"), None]


def _scatter(write: str, read: str, names: tuple[str, ...]) -> Gradient:
    """Of the operator `write`, whose updates are read back by `read`."""

    def function(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
        reduction, attributes = site.attributes["reduction"], {name: site.attributes[name] for name in names}
        if reduction not in ("none", "add"):
            raise Unsupported(f"{write} with reduction {reduction!r} has no gradient: none and add have one")
        kept = g if reduction == "add" else g.emit(write, x[1], g.zeros(x[2].shape), **attributes)
        return [kept, None, g.emit(read, x[1], **attributes)]

    return one(function)


scatter_elements = _scatter("scatter_elements", "gather_elements", ("axis",))
scatter_nd = _scatter("scatter_nd", "gather_nd", ())
