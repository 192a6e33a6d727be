"""One value in, one out, element by element: what neurons do, and the functions that other tools spell them with.

    relu max(x, 0)              leaky_relu x or slope x          elu x or alpha (e^x - 1)        selu gamma elu
    sigmoid 1/(1 + e^-x)        tanh    softsign x/(1 + |x|)     softplus log(1 + e^x)           silu x sigmoid(x)
    gelu x Phi(x), or its tanh approximation                     hard_sigmoid clip(alpha x + beta, 0, 1)
    clip min(max(x, low), high)

Each is stable: no exponential overflows. Integers: relu and clip compare with stored numbers; negate and absolute are
rescaled as an addition's operands are; all others become `lookup` when a network is quantised, so that no libm decides
a bit. Paper of gelu: Hendrycks and Gimpel, 2016; of selu: Klambauer et al., 2017.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.core.errors import BadInput, one_line
from lamina.ir import integers as rules
from lamina.ir.gradients import activations as slopes
from lamina.ir.network import Array
from lamina.ir.operators._rules import logical, truth
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
from lamina.ir.operators.move import fill
from lamina.ir.types import BOOL, Float

_erf = np.vectorize(math.erf, otypes=[np.float64])


def same_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    """The result has the shape of the first input."""
    return shapes[0]


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)."""
    small = np.exp(-np.abs(x))  # in (0, 1]: cannot overflow
    return np.asarray(np.where(x >= 0, 1 / (1 + small), small / (1 + small)), x.dtype)


def erf(x: Array) -> Array:
    """The error function, by the C library in double precision."""
    return np.asarray(_erf(x), x.dtype)


def _gelu_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    if attributes["approximate"] not in ("none", "tanh"):
        raise BadInput(f"approximate {one_line(attributes['approximate'], 40)!r}: none and tanh are allowed")
    return shapes[0]


def _gelu(x: Array, attributes: Attributes) -> Array:
    if attributes["approximate"] == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
        return np.asarray(0.5 * x * (1 + np.tanh(inner)), x.dtype)
    return np.asarray(0.5 * x * (1 + erf(x / math.sqrt(2))), x.dtype)


def _elu(x: Array, alpha: float) -> Array:
    return np.asarray(np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))), x.dtype)


def _clip_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    if not attributes["low"] <= attributes["high"]:
        raise BadInput(f"clip from {attributes['low']} to {attributes['high']}: the first is not above the second")
    return shapes[0]


def _relu_integers(arrays: Sequence[Array], site: Site) -> Array:
    return np.asarray(np.maximum(arrays[0], stored(site.inputs[0]).zero_point))


def clip_bounds(site: Site) -> tuple[int, int]:
    """The stored numbers between which `clip` holds an integer value: low and high, quantised; an infinite one is the
    end of the type."""
    x = stored(site.inputs[0])
    low, high = site.attributes["low"], site.attributes["high"]
    return (
        x.low if low == -math.inf else int(fill(low, x)),
        x.high if high == math.inf else int(fill(high, x)),
    )


def _clip_integers(arrays: Sequence[Array], site: Site) -> Array:
    return np.asarray(np.clip(arrays[0], *clip_bounds(site)))


def _rescaled(function: Callable[[Array], Array]) -> Callable[[Sequence[Array], Site], Array]:
    def meaning(arrays: Sequence[Array], site: Site) -> Array:
        x, y = stored(site.inputs[0]), stored(site.outputs[0])
        return rules.clip(function(rules.rescale(arrays[0], x, y, site.attributes["rounding"])) + y.zero_point, y)

    return meaning


def _rescaled_elements(site: Site) -> None:
    x, y = site.inputs[0].element, site.outputs[0].element
    if isinstance(x, Float) or isinstance(y, Float):
        same_element(site)
    else:
        rescalable(x, y, str(site.attributes["rounding"]))


def _truth_elements(site: Site) -> None:
    if not isinstance(site.inputs[0].element, Float) or site.outputs[0].element != BOOL:
        raise BadInput("a question about a float is answered by a truth value")


def _unary(name: str, summary: str, function: Callable[[Array], Array], ops: int = 1, **more: Any) -> Operator:
    return _with(name, summary, lambda x, attributes: np.asarray(function(x), x.dtype), ops, **more)


def _with(
    name: str, summary: str, function: Callable[[Array, Attributes], Array], ops: int = 1, **more: Any
) -> Operator:
    return Operator(
        name=name,
        summary=summary,
        arity=(1, 1),
        run=lambda arrays, attributes: function(arrays[0], attributes),
        nest=lambda site: elementwise_nest(site, ops_per_element=ops),
        **({"shape": same_shape, "elements": same_element} | more),
    )


def _question(name: str, summary: str, function: Callable[[Array], Array]) -> Operator:
    return Operator(
        name=name,
        summary=summary,
        arity=(1, 1),
        shape=same_shape,
        moves=lambda arrays, site: function(arrays[0]),
        element=truth,
        elements=_truth_elements,
        nest=elementwise_nest,
    )


_ROUNDING: dict[str, Any] = {"attributes": {"rounding": "power_of_two"}, "elements": _rescaled_elements}

OPERATORS = (
    _unary("relu", "max(x, 0)", lambda x: np.maximum(x, 0), integers=_relu_integers, gradient=slopes.relu),
    _unary("tanh", "hyperbolic tangent", np.tanh, gradient=slopes.tanh),
    _unary("sigmoid", "1 / (1 + exp(-x))", sigmoid, gradient=slopes.sigmoid),
    _unary("exp", "e to the x", np.exp, gradient=slopes.exp),
    _unary("log", "natural logarithm", np.log, gradient=slopes.log),
    _unary("sqrt", "square root", np.sqrt, gradient=slopes.sqrt_),
    _unary("reciprocal", "1 / x", lambda x: 1 / x, gradient=slopes.reciprocal),
    _unary("negate", "-x", np.negative, integers=_rescaled(np.negative), **_ROUNDING, gradient=slopes.negate),
    _unary("absolute", "|x|", np.abs, integers=_rescaled(np.abs), **_ROUNDING, gradient=slopes.absolute),
    _unary("floor", "largest integer not above x", np.floor, gradient=slopes.steps),
    _unary("ceil", "smallest integer not below x", np.ceil, gradient=slopes.steps),
    _unary("round", "nearest integer, halves to even", np.rint, gradient=slopes.steps),
    _unary("sign", "-1, 0 or 1", np.sign, gradient=slopes.steps),
    _unary("erf", "error function", erf, gradient=slopes.erf),
    _unary("sin", "sine", np.sin, gradient=slopes.sin),
    _unary("cos", "cosine", np.cos, gradient=slopes.cos),
    _unary("tan", "tangent", np.tan, gradient=slopes.tan),
    _unary("asin", "inverse sine", np.arcsin, gradient=slopes.asin),
    _unary("acos", "inverse cosine", np.arccos, gradient=slopes.acos),
    _unary("atan", "inverse tangent", np.arctan, gradient=slopes.atan),
    _unary("sinh", "hyperbolic sine", np.sinh, gradient=slopes.sinh),
    _unary("cosh", "hyperbolic cosine", np.cosh, gradient=slopes.cosh),
    _unary("asinh", "inverse hyperbolic sine", np.arcsinh, gradient=slopes.asinh),
    _unary("acosh", "inverse hyperbolic cosine", np.arccosh, gradient=slopes.acosh),
    _unary("atanh", "inverse hyperbolic tangent", np.arctanh, gradient=slopes.atanh),
    _unary("softplus", "log(1 + exp(x))", lambda x: np.logaddexp(x.dtype.type(0), x), 3, gradient=slopes.softplus),
    _unary("softsign", "x / (1 + |x|)", lambda x: x / (1 + np.abs(x)), 3, gradient=slopes.softsign),
    _unary("silu", "x sigmoid(x)", lambda x: x * sigmoid(x), 2, gradient=slopes.silu),
    _with(
        "gelu",
        "x times the normal distribution function",
        _gelu,
        4,
        attributes={"approximate": "none"},
        shape=_gelu_shape,
        gradient=slopes.gelu,
    ),
    _with(
        "elu",
        "x, or alpha (exp(x) - 1) below 0",
        lambda x, a: _elu(x, a["alpha"]),
        2,
        attributes={"alpha": 1.0},
        gradient=slopes.elu,
    ),
    _with(
        "selu",
        "elu that keeps means and variances",
        lambda x, a: np.asarray(a["gamma"] * _elu(x, a["alpha"]), x.dtype),
        3,
        attributes={"alpha": 1.6732632423543772, "gamma": 1.0507009873554805},
        gradient=slopes.selu,
    ),
    _with(
        "leaky_relu",
        "x, or slope x below 0",
        lambda x, a: np.asarray(np.where(x >= 0, x, a["slope"] * x), x.dtype),
        attributes={"slope": 0.01},
        gradient=slopes.leaky_relu,
    ),
    _with(
        "hard_sigmoid",
        "clip(alpha x + beta, 0, 1)",
        lambda x, a: np.asarray(np.clip(a["alpha"] * x + a["beta"], 0, 1), x.dtype),
        2,
        attributes={"alpha": 0.2, "beta": 0.5},
        gradient=slopes.hard_sigmoid,
    ),
    _with(
        "clip",
        "x held between low and high",
        lambda x, a: np.asarray(np.clip(x, a["low"], a["high"]), x.dtype),
        2,
        attributes={"low": -math.inf, "high": math.inf},
        shape=_clip_shape,
        integers=_clip_integers,
        gradient=slopes.clip,
    ),
    _question("is_nan", "whether x is no number", np.isnan),
    _question("is_infinite", "whether x is an infinity", np.isinf),
    Operator(
        name="logical_not",
        summary="whether x is false",
        arity=(1, 1),
        shape=same_shape,
        moves=lambda arrays, site: 1 - arrays[0],
        elements=logical,
        nest=elementwise_nest,
    ),
)
