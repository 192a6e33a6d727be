"""Pooling over windows of x [n, c, h, w], and its undoing.

    max_pool2d            y = max of the window; padding never wins
    max_pool2d_switches   the same, and where it was: the first maximum's flat position in the unpadded h·w plane
    max_unpool2d          y[switch] = x, zero elsewhere; where two windows chose one place, the later one stays
    average_pool2d        y = sum of the window / (r·s); padding counts as zeros, or not at all (`include_padding=False`
                          divides by the numbers that lie inside)

Integers  max and switches move stored numbers; the average is the exact sum and one requantisation (INTERFACE, section
          5), whose divisor is the window's. Switches are torch's: they feed an unpooling (Zeiler and Fergus, 2014).
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from lamina.core.errors import BadInput
from lamina.ir import integers as rules
from lamina.ir.gradients import pooling as gradients
from lamina.ir.network import Array
from lamina.ir.operators._rules import bounded, equal_elements, first_and_index, index
from lamina.ir.operators._table import (
    Attributes,
    Operator,
    Shape,
    Site,
    elementwise_nest,
    rescalable,
    same_element,
    stored,
)
from lamina.ir.operators.multiply import output_size, windows
from lamina.ir.types import Float

ATTRIBUTES: dict[str, Any] = {"kernel": tuple, "stride": tuple, "padding": (0, 0, 0, 0), "dilation": (1, 1)}
MOST_COUNTED = 2**16  # windows that a shape rule looks at one by one


def _shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    x = shapes[0]
    if len(x) != 4:
        raise BadInput(f"pooling takes x [n,c,h,w], not {list(x)}")
    (top, bottom, left, right), kernel = attributes["padding"], attributes["kernel"]
    reach = [d * (k - 1) + 1 for d, k in zip(attributes["dilation"], kernel, strict=True)]
    if max(top, bottom) >= reach[0] or max(left, right) >= reach[1]:
        raise BadInput(f"padding {attributes['padding']} is not smaller than the window {kernel}")
    bounded((x[0], x[1], x[2] + top + bottom, x[3] + left + right))
    p = output_size(x[2], top, bottom, kernel[0], attributes["stride"][0], attributes["dilation"][0])
    q = output_size(x[3], left, right, kernel[1], attributes["stride"][1], attributes["dilation"][1])
    return (x[0], x[1], p, q)


def _filled_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    """As `_shape`; and every window sees a number: taps no further apart than the input is long cannot all miss it."""
    shape = _shape(shapes, attributes)
    for axis in (0, 1):
        far = attributes["dilation"][axis] > shapes[0][2 + axis] and any(attributes["padding"][2 * axis : 2 * axis + 2])
        if far and (shape[2 + axis] > MOST_COUNTED or not _inside(shapes[0], attributes, axis).all()):
            raise BadInput(
                f"a window of dilation {attributes['dilation']} would see padding alone: the maximum of nothing"
            )
    return shape


def _average_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    return (_shape if attributes["include_padding"] else _filled_shape)(shapes, attributes)


def _lowest(x: Array) -> float | int:
    return -np.inf if x.dtype.kind == "f" else int(np.iinfo(x.dtype).min)


def _max(x: Array, attributes: Attributes) -> Array:
    return np.asarray(windows(x, attributes["kernel"], attributes, _lowest(x)).max(axis=(4, 5)))


def _max_and_switches(arrays: Sequence[Array], site: Site) -> list[Array]:
    x, kernel = arrays[0], site.attributes["kernel"]
    found = windows(x, kernel, site.attributes, _lowest(x))
    places = np.arange(x.shape[2] * x.shape[3]).reshape(1, 1, *x.shape[2:])
    places = windows(places, kernel, site.attributes, -1).reshape(1, 1, *found.shape[2:4], -1)
    found = found.reshape(*found.shape[:4], -1)
    highest = found.max(axis=-1, keepdims=True)
    first = ((found == highest) & (places >= 0)).argmax(axis=-1, keepdims=True)
    switches = np.take_along_axis(np.broadcast_to(places, found.shape), first, axis=-1)
    return [highest[..., 0], switches[..., 0]]


def _unpool_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    x, switches = shapes
    if len(x) != 4 or switches != x:
        raise BadInput(f"max_unpool2d takes x [n,c,h,w] and switches of its shape, not {list(x)} and {list(switches)}")
    if len(attributes["size"]) != 2:
        raise BadInput(f"size {attributes['size']}: height and width are needed")
    return bounded((*x[:2], *attributes["size"]))


def _unpool(arrays: Sequence[Array], site: Site) -> Array:
    x, switches = arrays
    shape, element = site.outputs[0].shape, site.outputs[0].element
    plane = shape[2] * shape[3]
    if switches.min() < 0 or switches.max() >= plane:
        raise BadInput(f"switches lie in {switches.min()}..{switches.max()}, the result has places 0 to {plane - 1}")
    y = np.full((shape[0] * shape[1], plane), 0 if isinstance(element, Float) else element.zero_point, x.dtype)
    y[np.arange(len(y))[:, None], switches.reshape(len(y), -1)] = x.reshape(len(y), -1)
    return y.reshape(shape)


def _unpool_elements(site: Site) -> None:
    equal_elements(0)(site)
    index(site.inputs[1].element, "switches")


def _inside(shape: Shape, attributes: Attributes, axis: int) -> Array:
    """How many places inside x, of `shape`, each window sees along its height (axis 0) or width."""
    before, after = attributes["padding"][2 * axis : 2 * axis + 2]
    size, kernel = shape[2 + axis], attributes["kernel"][axis]
    stride, dilation = attributes["stride"][axis], attributes["dilation"][axis]
    start = np.arange(output_size(size, before, after, kernel, stride, dilation)) * stride - before
    first = np.maximum(-(start // dilation), 0)  # the first tap at 0 or behind it
    last = np.minimum((size - 1 - start) // dilation, kernel - 1)
    return np.asarray(np.maximum(last - first + 1, 0))


def divisors(shape: Shape, attributes: Attributes) -> Array:
    """What the sum of each window is divided by: [p, q], or [1, 1]."""
    if attributes["include_padding"]:
        return np.full((1, 1), prod(attributes["kernel"]))
    return np.asarray(_inside(shape, attributes, 0)[:, None] * _inside(shape, attributes, 1))


def _average(arrays: Sequence[Array], attributes: Attributes) -> Array:
    x = arrays[0]
    sums = windows(x, attributes["kernel"], attributes, 0).sum(axis=(4, 5), dtype=x.dtype)
    return np.asarray(sums / divisors(x.shape, attributes).astype(x.dtype))


def _average_integers(arrays: Sequence[Array], site: Site) -> Array:
    x, y, attributes = stored(site.inputs[0]), stored(site.outputs[0]), site.attributes
    sums = windows(arrays[0] - x.zero_point, attributes["kernel"], attributes, 0).sum(axis=(4, 5))
    counts = np.broadcast_to(divisors(arrays[0].shape, attributes), sums.shape[2:])
    scaled = np.empty_like(sums)
    for divisor in np.unique(counts).tolist():
        here = counts == divisor
        uncentred = sums[:, :, here] + x.zero_point * divisor
        scaled[:, :, here] = rules.rescale(uncentred, x, y, attributes["rounding"], divisor=divisor)
    return rules.clip(scaled + y.zero_point, y)


def _average_elements(site: Site) -> None:
    x, y = site.inputs[0].element, site.outputs[0].element
    if isinstance(x, Float) or isinstance(y, Float):
        same_element(site)
        return
    whole = prod(site.attributes["kernel"])
    least = whole if site.attributes["include_padding"] else 1  # fewer numbers inside, larger multipliers
    for divisor in {least, whole}:
        rescalable(x, y, str(site.attributes["rounding"]), divisor=divisor)


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
        shape=_filled_shape,
        moves=lambda arrays, site: _max(arrays[0], site.attributes),
        nest=_nest,
        elements=same_element,
        gradient=gradients.max_pool2d,
    ),
    Operator(
        name="max_pool2d_switches",
        summary="maximum of each window, and its place in the plane",
        arity=(1, 1),
        attributes=ATTRIBUTES,
        shape=lambda shapes, attributes: [_filled_shape(shapes, attributes)] * 2,
        moves=_max_and_switches,
        element=first_and_index,
        nest=_nest,
        elements=same_element,
        gradient=gradients.max_pool2d_switches,
    ),
    Operator(
        name="max_unpool2d",
        summary="numbers back at the places that the switches name, zeros elsewhere",
        arity=(2, 2),
        attributes={"size": tuple},
        shape=_unpool_shape,
        moves=_unpool,
        nest=elementwise_nest,
        elements=_unpool_elements,
        gradient=gradients.max_unpool2d,
    ),
    Operator(
        name="average_pool2d",
        summary="mean of each window, padding counted as zeros or left out",
        arity=(1, 1),
        attributes=ATTRIBUTES | {"include_padding": True, "rounding": "power_of_two"},
        shape=_average_shape,
        run=_average,
        integers=_average_integers,
        nest=_nest,
        elements=_average_elements,
        gradient=gradients.average_pool2d,
    ),
)
