"""Many numbers to one, along axes.

    reduce_sum, reduce_mean, reduce_max, reduce_min, reduce_product     axes, rising; `keep` leaves them with size 1
    argmax, argmin      the place of the extreme along one axis, the first of equals (the last with `last`)
    top_k               the k largest (smallest) along an axis, in order, and their places; equals in order
    cumulative_sum      sums of all before and with each place; `exclusive` without it, `reverse` from the end

Integers  a sum or mean is the exact sum and one requantisation (INTERFACE, section 5); maxima, minima, places look at
          stored numbers; products and running sums are defined on plain integers (scale 1).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from lamina.core.errors import BadInput
from lamina.ir import integers as rules
from lamina.ir.gradients import reduce as gradients
from lamina.ir.network import Array
from lamina.ir.operators._rules import axis_of, equal_elements, first_and_index, index, plain
from lamina.ir.operators._table import Attributes, Operator, Shape, Site, rescalable, same_element, stored
from lamina.ir.types import INDEX, Element, Fixed, Float

_AXES: dict[str, Any] = {"axes": tuple, "keep": False}


def _shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    x, axes = shapes[0], attributes["axes"]
    if list(axes) != sorted(set(axes)) or any(not 0 <= axis < len(x) for axis in axes):
        raise BadInput(f"axes {list(axes)} of a value of shape {list(x)}: rising, from 0 to {len(x) - 1}")
    if attributes["keep"]:
        return tuple(1 if axis in axes else size for axis, size in enumerate(x))
    return tuple(size for axis, size in enumerate(x) if axis not in axes)


def count(site: Site) -> int:
    """How many numbers become one."""
    return prod(site.inputs[0].shape[axis] for axis in site.attributes["axes"])


def _sum(arrays: Sequence[Array], attributes: Attributes) -> Array:
    return np.asarray(arrays[0].sum(axis=attributes["axes"], keepdims=attributes["keep"], dtype=arrays[0].dtype))


def _mean(arrays: Sequence[Array], attributes: Attributes) -> Array:
    return np.asarray(arrays[0].mean(axis=attributes["axes"], keepdims=attributes["keep"], dtype=arrays[0].dtype))


def _product(arrays: Sequence[Array], attributes: Attributes) -> Array:
    return np.asarray(arrays[0].prod(axis=attributes["axes"], keepdims=attributes["keep"], dtype=arrays[0].dtype))


def _sum_integers(arrays: Sequence[Array], site: Site) -> Array:
    x, y = stored(site.inputs[0]), stored(site.outputs[0])
    sums = _sum(arrays, site.attributes) - x.zero_point * count(site)
    centred = x if isinstance(x, Fixed) else replace(x, zero_point=0)
    return rules.clip(rules.rescale(sums, centred, y, site.attributes["rounding"]) + y.zero_point, y)


def _mean_integers(arrays: Sequence[Array], site: Site) -> Array:
    x, y = stored(site.inputs[0]), stored(site.outputs[0])
    sums = _sum(arrays, site.attributes)
    return rules.clip(rules.rescale(sums, x, y, site.attributes["rounding"], divisor=count(site)) + y.zero_point, y)


def _rescaled_elements(site: Site) -> None:
    x, y = site.inputs[0].element, site.outputs[0].element
    if isinstance(x, Float) or isinstance(y, Float):
        same_element(site)
        return
    if plain(x) and plain(y) and site.attributes["rounding"] == "power_of_two":
        return  # plain integers: int64 sums
    for divisor in {1, count(site)}:  # of a mean; and the reach of a sum
        rescalable(x, y, str(site.attributes["rounding"]), divisor=divisor)


def _plain_elements(site: Site) -> None:
    same_element(site)
    if not isinstance(site.inputs[0].element, Float) and not plain(site.inputs[0].element):
        raise BadInput("this operator is defined on floats and on plain integers (scale 1): dequantise before it")


def _nest(site: Site) -> dict[str, Any]:
    """One group for each result, whose inputs are what it reads."""
    return {
        "groups": site.outputs[0].size,
        "c": max(1, site.inputs[0].size // site.outputs[0].size),
        "has_weights": False,
        "ops": site.inputs[0].size,
    }


def _extreme(function: Callable[..., Array]) -> Callable[[Sequence[Array], Site], Array]:
    return lambda arrays, site: np.asarray(
        function(arrays[0], axis=site.attributes["axes"], keepdims=site.attributes["keep"])
    )


def _place_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    axis = axis_of(shapes[0], attributes["axis"])
    return shapes[0][:axis] + ((1,) if attributes["keep"] else ()) + shapes[0][axis + 1 :]


def _place(function: Callable[..., Array]) -> Callable[[Sequence[Array], Site], Array]:
    def meaning(arrays: Sequence[Array], site: Site) -> Array:
        x, a = arrays[0], site.attributes
        if not a["last"]:
            return np.asarray(function(x, axis=a["axis"], keepdims=a["keep"]))
        turned = function(np.flip(x, a["axis"]), axis=a["axis"], keepdims=a["keep"])
        return np.asarray(x.shape[a["axis"]] - 1 - turned)

    return meaning


def _place_elements(site: Site) -> None:
    index(site.outputs[0].element, "places")


def _top_shape(shapes: Sequence[Shape], attributes: Attributes) -> list[Shape]:
    x, axis = shapes[0], axis_of(shapes[0], attributes["axis"])
    if not 1 <= attributes["k"] <= x[axis]:
        raise BadInput(f"the {attributes['k']} largest of {x[axis]}: 1 to {x[axis]} can be asked for")
    return [(*x[:axis], attributes["k"], *x[axis + 1 :])] * 2


def _top(arrays: Sequence[Array], site: Site) -> list[Array]:
    x, axis, k = arrays[0], site.attributes["axis"], site.attributes["k"]
    if site.attributes["largest"]:  # a stable sort of the mirror image, read backwards, keeps the first of equals first
        order = x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)
    else:
        order = np.argsort(x, axis=axis, kind="stable")
    places = np.take(order, range(k), axis=axis)
    return [np.take_along_axis(x, places, axis=axis), places]


def _top_elements(site: Site) -> None:
    equal_elements()(site)
    index(site.outputs[1].element, "places")


def _running_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    axis_of(shapes[0], attributes["axis"])
    return shapes[0]


def _running(arrays: Sequence[Array], attributes: Attributes) -> Array:
    x, axis = arrays[0], attributes["axis"]
    turned = np.flip(x, axis) if attributes["reverse"] else x
    sums = np.cumsum(turned, axis=axis, dtype=x.dtype)
    if attributes["exclusive"]:
        sums = np.roll(sums, 1, axis)
        sums[(slice(None),) * axis + (0,)] = 0
    return np.asarray(np.flip(sums, axis) if attributes["reverse"] else sums)


def _index(elements: Sequence[Element], attributes: Attributes) -> Element:
    return INDEX


def _reduction(name: str, summary: str, **more: Any) -> Operator:
    return Operator(
        name=name, summary=summary, arity=(1, 1), shape=_shape, nest=_nest, **({"attributes": _AXES} | more)
    )


def _search(name: str, summary: str, function: Callable[..., Array]) -> Operator:
    return Operator(
        name=name,
        summary=summary,
        arity=(1, 1),
        attributes={"axis": int, "keep": False, "last": False},
        shape=_place_shape,
        moves=_place(function),
        element=_index,
        elements=_place_elements,
        nest=_nest,
    )


_ROUNDED: dict[str, Any] = {"attributes": _AXES | {"rounding": "power_of_two"}, "elements": _rescaled_elements}

OPERATORS = (
    _reduction("reduce_sum", "sum over axes", run=_sum, integers=_sum_integers, **_ROUNDED, gradient=gradients.sum_),
    _reduction(
        "reduce_mean", "mean over axes", run=_mean, integers=_mean_integers, **_ROUNDED, gradient=gradients.mean
    ),
    _reduction(
        "reduce_max", "largest over axes", moves=_extreme(np.max), elements=equal_elements(), gradient=gradients.extreme
    ),
    _reduction(
        "reduce_min",
        "smallest over axes",
        moves=_extreme(np.min),
        elements=equal_elements(),
        gradient=gradients.extreme,
    ),
    _reduction(
        "reduce_product",
        "product over axes",
        run=_product,
        integers=lambda arrays, site: _product(arrays, site.attributes),
        elements=_plain_elements,
        gradient=gradients.product,
    ),
    _search("argmax", "place of the largest along an axis", np.argmax),
    _search("argmin", "place of the smallest along an axis", np.argmin),
    Operator(
        name="top_k",
        summary="the k largest or smallest along an axis, in order, and their places",
        arity=(1, 1),
        attributes={"k": int, "axis": int, "largest": True},
        shape=_top_shape,
        moves=_top,
        element=first_and_index,
        elements=_top_elements,
        nest=_nest,
        gradient=gradients.top_k,
    ),
    Operator(
        name="cumulative_sum",
        summary="running sums along an axis",
        arity=(1, 1),
        attributes={"axis": int, "exclusive": False, "reverse": False},
        shape=_running_shape,
        run=_running,
        integers=lambda arrays, site: _running(arrays, site.attributes),
        elements=_plain_elements,
        nest=_nest,
        gradient=gradients.cumulative_sum,
    ),
)
