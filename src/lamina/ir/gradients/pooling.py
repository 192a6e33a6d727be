"""Gradients of pooling.

max_pool2d   g is added at the places that max_pool2d_switches names, the first of equals, as in torch
max_unpool2d   g is read at the switches
average_pool2d   every number of a window gets its share of g: a depthwise transposed convolution with equal taps
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lamina.ir.gradients._term import Term, one, several

if TYPE_CHECKING:
    from lamina.ir.operators._table import Site

Terms = list["Term | None"]
WINDOW = ("kernel", "stride", "padding", "dilation")


@one
def max_pool2d(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g added where the maxima were found."""
    attributes = {name: site.attributes[name] for name in WINDOW}
    return [_back(x[0], x[0].emit_all("max_pool2d_switches", **attributes)[1], g)]


@several
def max_pool2d_switches(site: Site, x: list[Term], y: list[Term], g: list[Term | None]) -> Terms:
    """g of the values, added at the switches."""
    return [None if g[0] is None else _back(x[0], y[1], g[0])]


def _back(x: Term, switches: Term, g: Term) -> Term:
    n, c, h, w = x.shape
    planes = g.zeros((n, c, h * w))
    at, more = switches.reshape((n, c, -1)), g.reshape((n, c, -1))
    return planes.emit("scatter_elements", at, more, axis=2, reduction="add").reshape(x.shape)


@one
def max_unpool2d(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """g read at the switches."""
    n, c, h, w = g.shape
    at = x[1].reshape((n, c, -1))
    return [g.reshape((n, c, h * w)).emit("gather_elements", at, axis=2).reshape(x[0].shape), None]


@one
def average_pool2d(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """Each number of a window gets g / count."""
    from lamina.ir.operators.pooling import divisors

    a, (_, channels, *size) = site.attributes, x[0].shape
    g = g * g.constant(1 / divisors(x[0].shape, a))
    extra = []
    for axis in (0, 1):
        reach = a["dilation"][axis] * (a["kernel"][axis] - 1) + 1
        extra.append((size[axis] + sum(a["padding"][2 * axis : 2 * axis + 2]) - reach) % a["stride"][axis])
    taps = g.constant(np.ones((channels, 1, *a["kernel"])))
    window = {name: a[name] for name in ("stride", "padding", "dilation")}
    return [g.emit("conv_transpose2d", taps, output_padding=extra, groups=channels, **window)]
