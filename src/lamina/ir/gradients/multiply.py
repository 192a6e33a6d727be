"""Gradients of products and sums of products: again products, with the operands exchanged.

    linear   dx = g w          dw = gᵀ x        matmul   da = g bᵀ        db = aᵀ g
    conv2d   dx = conv_transpose2d(g, w)        dw = conv2d(x, g), batch and channels exchanged, stride and dilation too
    conv_transpose2d   dx = conv2d(g, w)        dw = the same with the roles of x and g exchanged

(Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.ir.gradients._term import Term, one

if TYPE_CHECKING:
    from lamina.ir.operators._table import Site

Terms = list["Term | None"]
WINDOW = ("stride", "padding", "dilation", "groups")


@one
def linear(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """Of x, w and the bias."""
    value, w = x[:2]
    flat = len(value.shape) == 2
    rows, given = (value, g) if flat else (value.reshape((-1, w.shape[1])), g.reshape((-1, w.shape[0])))
    found: Terms = [g.emit("linear", w.swapped()), given.swapped().emit("linear", rows.swapped())]
    return [*found, *[given.sum([0])][: len(x) - 2]]


@one
def matmul(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """Of both operands, summed over broadcast batch axes."""
    a, b = x
    return [g.emit("matmul", b.swapped()).to(a.shape), a.swapped().emit("matmul", g).to(b.shape)]


@one
def conv2d(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """Of x, w and the bias."""
    value, w = x[:2]
    a = {name: site.attributes[name] for name in WINDOW}
    extra = []
    for axis in (0, 1):
        reach = a["dilation"][axis] * (w.shape[2 + axis] - 1) + 1
        padded = value.shape[2 + axis] + sum(a["padding"][2 * axis : 2 * axis + 2])
        extra.append((padded - reach) % a["stride"][axis])  # places that no window reached
    back = g.emit("conv_transpose2d", w, output_padding=extra, **a)
    return [back, _weights(value, g, w.shape, a), *[g.sum([0, 2, 3])][: len(x) - 2]]


@one
def conv_transpose2d(site: Site, x: list[Term], y: Term, g: Term) -> Terms:
    """Of x, w and the bias."""
    value, w = x[:2]
    a = {name: site.attributes[name] for name in WINDOW}
    back = g.emit("conv2d", w, **a).first(value.shape)
    return [back, _weights(g, value, w.shape, a), *[g.sum([0, 2, 3])][: len(x) - 2]]


def _weights(x: Term, g: Term, shape: tuple[int, ...], a: dict[str, Any]) -> Term:
    """sum over n, p, q of g[n,k,p,q] x[n,c, p·stride + r·dilation - pad, …]: [k, c, r, s], a convolution over n."""
    n, channels, *size = x.shape
    groups = a["groups"]
    split = x.reshape((n, groups, channels // groups, *size)).transpose((2, 1, 0, 3, 4))
    lanes = split.reshape((channels // groups, groups * n, *size))
    kernel = g.transpose((1, 0, 2, 3))
    found = lanes.emit(
        "conv2d", kernel, stride=a["dilation"], dilation=a["stride"], padding=a["padding"], groups=groups
    )  # [c/groups, k, r…, s…]: windows that the forward pass had no taps for lie at the end
    return found.transpose((1, 0, 2, 3)).first(shape)
