"""Transposed convolution: conv2d's gradient with respect to its input, as a layer that makes pictures larger.

    y[n, g·K+k, i·stride + r·dilation - top, j·stride + s·dilation - left] += x[n, g·C+c, i, j] w[g·C+c, k, r, s]

Shapes    x [n, c, h, w], w [c, k/groups, r, s], bias [k] optional; padding (top, bottom, left, right) is cut away
          height = (h-1)·stride - top - bottom + dilation·(r-1) + 1 + output_padding          (width alike)
Integers  as conv2d: exact sums, one requantisation. Scales per channel lie along axis 1 of w, the output channel where
          there is one group; with more, axis 1 names one channel of every group, and w has one scale.
Nest      p, q count input positions, each of which meets every tap: macs = n·h·w·c·(k/groups)·r·s
          (Dumoulin and Visin, A guide to convolution arithmetic, 2016, chapter 4)
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.core.errors import BadInput
from lamina.ir.gradients import multiply as gradients
from lamina.ir.network import Array
from lamina.ir.operators._rules import bounded
from lamina.ir.operators._table import Attributes, Operator, Shape, Site
from lamina.ir.operators.multiply import INTEGER_ATTRIBUTES, bias_shape, weighted_elements, weighted_integers


def _canvas(size: int, kernel: int, stride: int, dilation: int, extra: int) -> int:
    """Positions that a whole row of taps writes, before the padding is cut away."""
    return (size - 1) * stride + dilation * (kernel - 1) + 1 + extra


def _shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    x, w = shapes[0], shapes[1]
    if len(x) != 4 or len(w) != 4:
        raise BadInput(f"conv_transpose2d takes x [n,c,h,w] and w [c,k,r,s], not {list(x)} and {list(w)}")
    groups, extra = attributes["groups"], attributes["output_padding"]
    if groups < 1 or x[1] != w[0] or w[0] % groups:
        raise BadInput(f"{x[1]} input channels do not fit weights {list(w)} in {groups} groups")
    if min(extra) < 0:
        raise BadInput(f"output_padding {extra}: at least 0 is needed")
    k = w[1] * groups
    bias_shape(shapes, k)
    height, width = (
        _canvas(x[2 + a], w[2 + a], attributes["stride"][a], attributes["dilation"][a], extra[a]) for a in (0, 1)
    )
    bounded((x[0], k, height, width))
    bounded((x[0], k, x[2], x[3], w[2], w[3]))  # every product before it is added to its place
    top, bottom, left, right = attributes["padding"]
    if height <= top + bottom or width <= left + right:
        raise BadInput(f"padding {attributes['padding']} cuts away all of {height} by {width}")
    return (x[0], k, height - top - bottom, width - left - right)


def _accumulate(x: Array, w: Array, attributes: Attributes, product: Callable[[Array, Array], Array]) -> Array:
    """Sums over c, r, s of product(x, w); each place adds its taps in the order of r, s."""
    (n, c, h, width), (_, k, r, s), groups = x.shape, w.shape, attributes["groups"]
    (sp, sq), (dr, ds), (ep, eq) = attributes["stride"], attributes["dilation"], attributes["output_padding"]
    rows = x.reshape(n, groups, c // groups, h, width).transpose(1, 0, 3, 4, 2).reshape(groups, -1, c // groups)
    columns = w.reshape(groups, c // groups, k * r * s)
    taps = np.stack([product(rows[g], columns[g]) for g in range(groups)]).reshape(groups, n, h, width, k, r, s)
    taps = taps.transpose(1, 0, 4, 5, 6, 2, 3).reshape(n, groups * k, r, s, h, width)
    canvas = np.zeros((n, groups * k, _canvas(h, r, sp, dr, ep), _canvas(width, s, sq, ds, eq)), taps.dtype)
    for i in range(r):
        for j in range(s):
            place = canvas[:, :, i * dr :: sp, j * ds :: sq][:, :, :h, :width]
            place += taps[:, :, i, j]
    top, bottom, left, right = attributes["padding"]
    return canvas[:, :, top : canvas.shape[2] - bottom, left : canvas.shape[3] - right]


def _run(arrays: Sequence[Array], attributes: Attributes) -> Array:
    y = _accumulate(arrays[0], arrays[1], attributes, np.matmul)
    return y if len(arrays) < 3 else np.asarray(y + arrays[2].reshape(1, -1, 1, 1), y.dtype)


def _accumulate_integers(arrays: Sequence[Array], attributes: Attributes, zero: int, product: Any) -> Array:
    return _accumulate(arrays[0] - zero, arrays[1], attributes, product)


def _elements(site: Site) -> None:
    w = site.inputs[1].element
    if getattr(w, "axis", None) is not None and site.attributes["groups"] > 1:
        raise BadInput("a grouped conv_transpose2d has one weight scale: axis 1 of w names a channel of every group")
    weighted_elements(site, channels=1)


def _nest(site: Site) -> dict[str, Any]:
    x, w, y = site.inputs[0].shape, site.inputs[1].shape, site.outputs[0].shape
    groups = site.attributes["groups"]
    r, s = w[2] - 1, w[3] - 1
    return {
        "n": x[0],
        "k": w[1],
        "c": w[0] // groups,
        "p": x[2],
        "q": x[3],
        "r": w[2],
        "s": w[3],
        "groups": groups,
        "padding": (r // 2, r - r // 2, s // 2, s - s // 2),  # as many positions as the input has
        "height": x[2],
        "width": x[3],
        "result_size": (y[2], y[3]),
        "has_bias": len(site.inputs) > 2,
    }


OPERATORS = (
    Operator(
        name="conv_transpose2d",
        summary="2-d transposed convolution, grouped, dilated, cut by its padding",
        arity=(2, 3),
        attributes={
            "stride": (1, 1),
            "padding": (0, 0, 0, 0),
            "output_padding": (0, 0),
            "dilation": (1, 1),
            "groups": 1,
            **INTEGER_ATTRIBUTES,
        },
        shape=_shape,
        run=_run,
        integers=weighted_integers(_accumulate_integers, axis=1),
        nest=_nest,
        elements=_elements,
        gradient=gradients.conv_transpose2d,
    ),
)
