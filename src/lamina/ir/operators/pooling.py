"""Pooling over windows of x [n, c, h, w].

    max_pool2d       y = max of the window; padding never wins
    average_pool2d   y = sum of the window / (r·s); padding counts as zeros, as torch's default does

Integers  max moves stored numbers; the average is the exact sum and one requantisation (INTERFACE, section 5).
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from lamina.core.errors import BadInput
from lamina.ir import integers as rules
from lamina.ir.network import Array
from lamina.ir.operators._table import Attributes, Operator, Shape, Site, rescalable, same_element, stored
from lamina.ir.operators.multiply import output_size, windows
from lamina.ir.types import Float

ATTRIBUTES: dict[str, Any] = {"kernel": tuple, "stride": tuple, "padding": (0, 0, 0, 0), "dilation": (1, 1)}


def _shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    x = shapes[0]
    if len(x) != 4:
        raise BadInput(f"pooling takes x [n,c,h,w], not {list(x)}")
    top, bottom, left, right = attributes["padding"]
    kernel = attributes["kernel"]
    if max(top, bottom) >= kernel[0] or max(left, right) >= kernel[1]:
        raise BadInput(f"padding {attributes['padding']} is not smaller than the window {kernel}")
    p = output_size(x[2], top, bottom, kernel[0], attributes["stride"][0], attributes["dilation"][0])
    q = output_size(x[3], left, right, kernel[1], attributes["stride"][1], attributes["dilation"][1])
    return (x[0], x[1], p, q)


def _max_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    """As `_shape`; and every window sees a number: taps no further apart than the input is long cannot all miss it."""
    shape = _shape(shapes, attributes)
    (top, bottom, left, right), dilation = attributes["padding"], attributes["dilation"]
    if (max(top, bottom) and dilation[0] > shapes[0][2]) or (max(left, right) and dilation[1] > shapes[0][3]):
        raise BadInput(f"a window of dilation {dilation} would see padding alone: the maximum of nothing")
    return shape


def _max(arrays: Sequence[Array], attributes: Attributes) -> Array:
    low = -np.inf if arrays[0].dtype.kind == "f" else np.iinfo(arrays[0].dtype).min
    return np.asarray(windows(arrays[0], attributes["kernel"], attributes, low).max(axis=(4, 5)))


def _average(arrays: Sequence[Array], attributes: Attributes) -> Array:
    x = arrays[0]
    sums = windows(x, attributes["kernel"], attributes, 0).sum(axis=(4, 5), dtype=x.dtype)
    return np.asarray(sums / x.dtype.type(prod(attributes["kernel"])))


def _average_integers(arrays: Sequence[Array], site: Site) -> Array:
    x, y = stored(site.inputs[0]), stored(site.outputs[0])
    sums = windows(arrays[0], site.attributes["kernel"], site.attributes, x.zero_point).sum(axis=(4, 5))
    scaled = rules.rescale(sums, x, y, site.attributes["rounding"], divisor=prod(site.attributes["kernel"]))
    return rules.clip(scaled + y.zero_point, y)


def _average_elements(site: Site) -> None:
    x, y = site.inputs[0].element, site.outputs[0].element
    if isinstance(x, Float) or isinstance(y, Float):
        same_element(site)
    else:
        rescalable(x, y, str(site.attributes["rounding"]), divisor=prod(site.attributes["kernel"]))


def _nest(site: Site) -> dict[str, Any]:
    x, (n, k, p, q) = site.inputs[0].shape, site.outputs[0].shape
    kernel = site.attributes["kernel"]
    return {
        "n": n,
        "p": p,
        "q": q,
        "r": kernel[0],
        "s": kernel[1],
        "groups": k,
        "stride": site.attributes["stride"],
        "dilation": site.attributes["dilation"],
        "padding": site.attributes["padding"],
        "height": x[2],
        "width": x[3],
        "has_weights": False,
        "ops": n * k * p * q * prod(kernel),
    }


OPERATORS = (
    Operator(
        name="max_pool2d",
        summary="maximum of each window",
        arity=(1, 1),
        attributes=ATTRIBUTES,
        shape=_max_shape,
        run=_max,
        integers=lambda arrays, site: _max(arrays, site.attributes),
        nest=_nest,
        elements=same_element,
    ),
    Operator(
        name="average_pool2d",
        summary="mean of each window, padding counted as zeros",
        arity=(1, 1),
        attributes=ATTRIBUTES | {"rounding": "power_of_two"},
        shape=_shape,
        run=_average,
        integers=_average_integers,
        nest=_nest,
        elements=_average_elements,
    ),
)
