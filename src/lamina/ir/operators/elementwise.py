"""Element by element: activations and addition; and the normalised exponentials over one axis.

    relu max(x, 0)   tanh   sigmoid 1/(1+e^-x)   add x + y   softmax e^x / sum e^x   log_softmax x - log sum e^x

Both softmaxes subtract the maximum first, so that no exponential overflows. Integer networks have relu (the zero point
is zero) and add (both operands rescaled to the result's scale, one rounding each, then added: INTERFACE, section 5);
tanh and sigmoid become `lookup` or `piecewise_linear` when a network is quantised, so that no libm decides a bit.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.core.errors import BadInput
from lamina.ir import integers as rules
from lamina.ir.network import Array
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
from lamina.ir.types import Float


def _same(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    return shapes[0]


def _broadcast(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    try:
        return tuple(int(size) for size in np.broadcast_shapes(*shapes))
    except ValueError as e:
        raise BadInput(f"shapes {list(shapes[0])} and {list(shapes[1])} do not broadcast") from e


def _axis(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    if not -len(shapes[0]) <= attributes["axis"] < len(shapes[0]):
        raise BadInput(f"axis {attributes['axis']} of a value of shape {list(shapes[0])}")
    return shapes[0]


def _sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))  # in (0, 1]: cannot overflow
    return np.asarray(np.where(x >= 0, 1 / (1 + small), small / (1 + small)), x.dtype)


def _log_softmax(x: Array, axis: int) -> Array:
    shifted = x - x.max(axis=axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)))


def _softmax(x: Array, axis: int) -> Array:
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


def _relu_integers(arrays: Sequence[Array], site: Site) -> Array:
    return np.asarray(np.maximum(arrays[0], stored(site.inputs[0]).zero_point))


def _add_integers(arrays: Sequence[Array], site: Site) -> Array:
    a, b, y = (stored(t) for t in (*site.inputs, *site.outputs))
    rounding = site.attributes["rounding"]
    return rules.clip(
        rules.rescale(arrays[0], a, y, rounding) + rules.rescale(arrays[1], b, y, rounding) + y.zero_point, y
    )


def _add_elements(site: Site) -> None:
    """Floats of one width; integers whose rescaling is defined and stays inside int64."""
    a, b, y = (t.element for t in (*site.inputs, *site.outputs))
    if isinstance(a, Float) or isinstance(b, Float) or isinstance(y, Float):
        if len({a, b, y}) > 1:
            raise BadInput(f"operands of different types meet: {a}, {b} and {y}")
        return
    for operand in (a, b):
        rescalable(operand, y, str(site.attributes["rounding"]))


def _unary(name: str, summary: str, function: Callable[[Array], Array], ops: int, **more: Any) -> Operator:
    return Operator(
        name=name,
        summary=summary,
        arity=(1, 1),
        shape=_same,
        run=lambda arrays, attributes: function(arrays[0]),
        nest=lambda site: elementwise_nest(site, ops_per_element=ops),
        elements=same_element,
        **more,
    )


def _normalised(name: str, summary: str, function: Callable[[Array, int], Array]) -> Operator:
    return Operator(
        name=name,
        summary=summary,
        arity=(1, 1),
        attributes={"axis": -1},
        shape=_axis,
        run=lambda arrays, attributes: function(arrays[0], attributes["axis"]),
        nest=lambda site: elementwise_nest(site, ops_per_element=4),  # maximum, exponential, sum, division
        elements=same_element,
    )


OPERATORS = (
    _unary("relu", "max(x, 0)", lambda x: np.maximum(x, x.dtype.type(0)), 1, integers=_relu_integers),
    _unary("tanh", "hyperbolic tangent", np.tanh, 1),
    _unary("sigmoid", "1 / (1 + exp(-x))", _sigmoid, 1),
    _normalised("softmax", "exp(x) / sum exp(x) along an axis", _softmax),
    _normalised("log_softmax", "x - log sum exp(x) along an axis", _log_softmax),
    Operator(
        name="add",
        summary="x + y, broadcast",
        arity=(2, 2),
        attributes={"rounding": "power_of_two"},
        shape=_broadcast,
        run=lambda arrays, attributes: arrays[0] + arrays[1],
        integers=_add_integers,
        elements=_add_elements,
        nest=lambda site: elementwise_nest(site, operands=2),
    ),
)
