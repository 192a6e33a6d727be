"""Functions of one value, element by element: those of the table, and those composed of them.

    log1p log(1 + x)   rsqrt 1 / sqrt x   hard_swish x hard_sigmoid(x)   mish x tanh(softplus x)
    prelu max(x, 0) + w min(x, 0)         glu a sigmoid(b)               celu alpha elu(x / alpha)

Integers become real numbers first, as torch does it; functions that move numbers (relu, clip) take them as they are.
"""

from collections.abc import Callable
from math import inf, log, pi
from typing import Any

from lamina.core.errors import Unsupported
from lamina.ir.build import Builder, Value
from lamina.ir.types import BOOL
from lamina.lowering.torch_rules._rule import RULES, axis_of, number, promoted, reshape, rule

REAL = (
    "tanh", "sigmoid", "exp", "log", "sqrt", "reciprocal", "erf", "sin", "cos", "tan", "asin", "acos", "atan",
    "sinh", "cosh", "asinh", "acosh", "atanh", "silu",
)  # fmt: skip
ANY = {"relu": "relu", "neg": "negate", "abs": "absolute", "floor": "floor", "ceil": "ceil", "sign": "sign"}


def _unary(operator: str, real: bool) -> Callable[..., Value]:
    def lowered(b: Builder, name: str, self: Value) -> Value:
        (x,) = promoted(b, name, self, real=real) if real else [self]
        made: Value = b.emit(operator, [x], name=name)
        return made

    return lowered


RULES.update({f"aten.{operator}.default": _unary(operator, True) for operator in REAL})
RULES.update({f"aten.{target}.default": _unary(operator, False) for target, operator in ANY.items()})


def chain(b: Builder, name: str, x: Value, *steps: Any) -> Value:
    """Operators one after the other: a name, or (name, number) where the number is the second operand."""
    for i, step in enumerate(steps):
        called = name if i == len(steps) - 1 else f"{name}.{i}"
        if isinstance(step, str):
            x = b.emit(step, [x], name=called)
        else:
            x = b.emit(step[0], [x, number(b, f"{name}.scalar", step[1], x.type.element)], name=called)
    return x


COMPOSED: dict[str, tuple[Any, ...]] = {
    "rsqrt": ("sqrt", "reciprocal"),
    "log1p": (("add", 1), "log"),
    "expm1": ("exp", ("subtract", 1)),
    "log2": ("log", ("multiply", 1 / log(2))),
    "log10": ("log", ("multiply", 1 / log(10))),
    "exp2": (("multiply", log(2)), "exp"),
    "erfc": ("erf", "negate", ("add", 1)),
    "log_sigmoid": ("negate", "softplus", "negate"),
    "deg2rad": (("multiply", pi / 180),),
    "rad2deg": (("multiply", 180 / pi),),
}


def _composed(steps: tuple[Any, ...]) -> Callable[..., Value]:
    return lambda b, name, self: chain(b, name, promoted(b, name, self, real=True)[0], *steps)


RULES.update({f"aten.{target}.default": _composed(steps) for target, steps in COMPOSED.items()})


@rule("aten.square")
def square(b: Builder, name: str, self: Value) -> Any:
    return b.emit("multiply", [self, self], name=name)


@rule("aten.trunc", "aten.fix")
def truncate(b: Builder, name: str, self: Value) -> Any:
    size = b.emit("floor", [b.emit("absolute", [self], name=f"{name}.size")], name=f"{name}.whole")
    return b.emit("multiply", [b.emit("sign", [self], name=f"{name}.sign"), size], name=name)


@rule("aten.frac")
def fraction(b: Builder, name: str, self: Value) -> Any:
    return b.emit("subtract", [self, truncate(b, f"{name}.whole", self)], name=name)


@rule("aten.round", "aten.round.decimals")
def round_half_even(b: Builder, name: str, self: Value, decimals: int = 0) -> Any:
    if decimals:
        return chain(b, name, self, ("multiply", 10.0**decimals), "round", ("divide", 10.0**decimals))
    return b.emit("round", [self], name=name)


@rule("aten.gelu")
def gelu(b: Builder, name: str, self: Value, approximate: str) -> Any:
    return b.emit("gelu", [self], name=name, approximate=approximate)


@rule("aten.elu")
def elu(b: Builder, name: str, self: Value, alpha: float, scale: float, input_scale: float) -> Any:
    if (scale, input_scale) == (1, 1):
        return b.emit("elu", [self], name=name, alpha=float(alpha))
    if input_scale == 1:  # what torch.selu is made of
        return b.emit("selu", [self], name=name, alpha=float(alpha), gamma=float(scale))
    raise Unsupported(f"elu at {name!r} with an input scale of {input_scale}: 1 is lowered")


@rule("aten.selu")
def selu(b: Builder, name: str, self: Value) -> Any:
    return b.emit("selu", [self], name=name)


@rule("aten.celu")
def celu(b: Builder, name: str, self: Value, alpha: float) -> Any:
    return chain(b, name, self, ("divide", alpha), "elu", ("multiply", alpha))


@rule("aten.leaky_relu")
def leaky_relu(b: Builder, name: str, self: Value, negative_slope: float) -> Any:
    return b.emit("leaky_relu", [self], name=name, slope=float(negative_slope))


@rule("aten.rrelu_with_noise_functional")
def rrelu_decomposed(b: Builder, name: str, **given: Any) -> list[Any]:
    return [rrelu(b, name, **given), None]


@rule("aten.rrelu")
def rrelu(b: Builder, name: str, self: Value, lower: float, upper: float, training: bool, **_: Any) -> Any:
    if training:
        raise Unsupported(f"rrelu at {name!r} draws random slopes in training: lower in evaluation mode")
    return b.emit("leaky_relu", [self], name=name, slope=(lower + upper) / 2)


@rule("aten.prelu")
def prelu(b: Builder, name: str, self: Value, weight: Value) -> Any:
    zero = number(b, f"{name}.zero", 0, self.type.element)
    if len(self.shape) > 1:
        weight = reshape(b, weight.name, weight, (-1, *[1] * (len(self.shape) - 2)))
    below = b.emit("multiply", [weight, b.emit("minimum", [self, zero], name=f"{name}.below")], name=f"{name}.slope")
    return b.emit("add", [b.emit("relu", [self], name=f"{name}.above"), below], name=name)


@rule("aten.hardtanh", "aten.relu6")
def hardtanh(b: Builder, name: str, self: Value, min_val: float = 0.0, max_val: float = 6.0) -> Any:
    return b.emit("clip", [self], name=name, low=float(min_val), high=float(max_val))


@rule("aten.clamp", "aten.clip")
def clamp(b: Builder, name: str, self: Value, min: Any = None, max: Any = None) -> Any:
    low, high = (-inf if min is None else float(min), inf if max is None else float(max))
    return b.emit("clip", [self], name=name, low=low, high=high)


@rule("aten.clamp_min")
def clamp_min(b: Builder, name: str, self: Value, min: Any) -> Any:
    return clamp(b, name, self, min=min)


@rule("aten.clamp_max")
def clamp_max(b: Builder, name: str, self: Value, max: Any) -> Any:
    return clamp(b, name, self, max=max)


@rule("aten.hardsigmoid")
def hardsigmoid(b: Builder, name: str, self: Value) -> Any:
    return b.emit("hard_sigmoid", [self], name=name, alpha=1 / 6, beta=0.5)


@rule("aten.hardswish")
def hardswish(b: Builder, name: str, self: Value) -> Any:
    return b.emit("multiply", [self, hardsigmoid(b, f"{name}.gate", self)], name=name)


@rule("aten.mish")
def mish(b: Builder, name: str, self: Value) -> Any:
    return b.emit("multiply", [self, chain(b, f"{name}.gate", self, "softplus", "tanh")], name=name)


@rule("aten.softplus")
def softplus(b: Builder, name: str, self: Value, beta: float, threshold: float) -> Any:
    """torch's `threshold` spares an overflow that a stable softplus does not have; the results differ by < e^-20."""
    if threshold < 15:
        raise Unsupported(f"softplus at {name!r} with a threshold of {threshold}: 15 and above change nothing")
    if beta == 1:
        return b.emit("softplus", [self], name=name)
    return chain(b, name, self, ("multiply", beta), "softplus", ("divide", beta))


@rule("aten.threshold")
def threshold(b: Builder, name: str, self: Value, threshold: float, value: float) -> Any:
    element = self.type.element
    above = b.emit("greater", [self, number(b, f"{name}.threshold", threshold, element)], name=f"{name}.above")
    return b.emit("where", [above, self, number(b, f"{name}.value", value, element)], name=name)


@rule("aten.hardshrink")
def hardshrink(b: Builder, name: str, self: Value, lambd: float) -> Any:
    element = self.type.element
    size = b.emit("absolute", [self], name=f"{name}.size")
    above = b.emit("greater", [size, number(b, f"{name}.threshold", lambd, element)], name=f"{name}.above")
    return b.emit("where", [above, self, number(b, f"{name}.zero", 0, element)], name=name)


@rule("aten.softshrink")
def softshrink(b: Builder, name: str, self: Value, lambd: float) -> Any:
    return b.emit("subtract", [self, clamp(b, f"{name}.inside", self, -lambd, lambd)], name=name)


@rule("aten.glu")
def glu(b: Builder, name: str, self: Value, dim: int) -> Any:
    axis, ones = axis_of(self, dim), (1,) * len(self.shape)
    half = self.shape[axis] // 2
    parts = []
    for part, begin in (("value", 0), ("gate", half)):
        starts, stops = [0] * len(self.shape), list(self.shape)
        starts[axis], stops[axis] = begin, begin + half
        parts.append(b.emit("slice", [self], name=f"{name}.{part}", starts=starts, stops=stops, steps=ones))
    return b.emit("multiply", [parts[0], b.emit("sigmoid", [parts[1]], name=f"{name}.sigmoid")], name=name)


@rule("aten.isnan")
def is_nan(b: Builder, name: str, self: Value) -> Any:
    return b.emit("is_nan", [self], name=name)


@rule("aten.isinf")
def is_infinite(b: Builder, name: str, self: Value) -> Any:
    return b.emit("is_infinite", [self], name=name)


@rule("aten.logical_not", "aten.bitwise_not")
def logical_not(b: Builder, name: str, self: Value) -> Any:
    if self.type.element != BOOL:
        raise Unsupported(f"not of numbers that are no truth values at {name!r}")
    return b.emit("logical_not", [self], name=name)
