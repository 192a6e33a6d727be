"""Activations in C: y[i] = f(x[i]), in place where the memory plan says so.

Each is one C expression in `v`, of the operand's own type: float and double share the text, `$f` is the suffix of
libm's float functions, `$alpha` and its like are attributes, written as constants of the right type. Where a polynomial
of our own serves (exp, tanh, sigmoid), floats use it, since compilers compute it for several numbers at once.

Integers   relu, clip, negate and absolute have a meaning of their own; the others became a `lookup` when quantised.
"""

from collections.abc import Mapping
from math import inf

import numpy as np

from lamina.core.errors import Unsupported
from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_requantise import centred_reach, plus, rescaled, saturated
from lamina.export._c_text import fill, real, whole
from lamina.ir import integers as rules
from lamina.ir.network import Array
from lamina.ir.operators._table import Site, stored
from lamina.ir.operators.activations import clip_bounds
from lamina.ir.types import Float

_EACH = """\
for (int i = 0; i < $n; ++i) {
    const $x_type v = $x[i];
    y[i] = $value;
}
"""
EXPRESSIONS: Mapping[str, str] = {
    "relu": "v < 0 ? 0 : v",
    "tanh": "${tanh}(v)",
    "sigmoid": "$one / ($one + ${exp}(-v))",
    "exp": "${exp}(v)",
    "log": "log$f(v)",
    "sqrt": "sqrt$f(v)",
    "reciprocal": "$one / v",
    "negate": "-v",
    "absolute": "fabs$f(v)",
    "floor": "floor$f(v)",
    "ceil": "ceil$f(v)",
    "round": "rint$f(v)",
    "sign": "v > 0 ? $one : v < 0 ? -$one : v",
    "erf": "erf$f(v)",
    "sin": "sin$f(v)",
    "cos": "cos$f(v)",
    "tan": "tan$f(v)",
    "asin": "asin$f(v)",
    "acos": "acos$f(v)",
    "atan": "atan$f(v)",
    "sinh": "sinh$f(v)",
    "cosh": "cosh$f(v)",
    "asinh": "asinh$f(v)",
    "acosh": "acosh$f(v)",
    "atanh": "atanh$f(v)",
    "softplus": "(v > 0 ? v : 0) + log1p$f(${exp}(v > 0 ? -v : v))",
    "softsign": "v / ($one + fabs$f(v))",
    "silu": "v / ($one + ${exp}(-v))",
    "elu": "v < 0 ? $alpha * expm1$f(v) : v",
    "selu": "v < 0 ? $both * expm1$f(v) : $gamma * v",
    "leaky_relu": "v < 0 ? $slope * v : v",
    "hard_sigmoid": "$alpha * v + $beta < 0 ? 0 : $alpha * v + $beta > $one ? $one : $alpha * v + $beta",
    "clip": "v < $low ? $low : v > $high ? $high : v",
    "is_nan": "(uint8_t)(v != v)",
    "is_infinite": "(uint8_t)(v == INFINITY || v == -INFINITY)",
}
_GELU = {  # (1 + erf t) / 2 and (1 + tanh t) / 2 in forms that lose nothing where they are small
    "none": "$half * v * erfc$f(-v * $root_half)",
    "tanh": "v / ($one + ${exp}(-$twice_root * (v + $cubic * v * v * v)))",
}
_CONSTANTS = {
    "half": 0.5,
    "root_half": 0.7071067811865476,
    "twice_root": 1.5957691216057308,
    "cubic": 0.044715,
    "one": 1.0,
}
_OWN = {"exp": "exp32", "tanh": "tanh32"}  # helpers in place of libm's functions of one argument


def activation(setting: Setting, name: str) -> Kernel:
    """`y[i] = f(x[i])` on real numbers."""
    if not setting.is_float:
        raise Unsupported(f"{setting.name}: {name} of integers has no C form: quantise it to a lookup")
    text = _GELU[str(setting.site.attributes["approximate"])] if name == "gelu" else EXPRESSIONS[name]
    return each(setting, *real_expression(setting, text))


def real_expression(setting: Setting, text: str) -> tuple[str, tuple[str, ...]]:
    """`text` with functions and constants of the operand's type, and the helpers it needs."""
    double = setting.kind == "double"
    attributes = {k: v for k, v in setting.site.attributes.items() if isinstance(v, float)}
    numbers = {**_CONSTANTS, **attributes}
    if "gamma" in numbers:
        numbers["both"] = numbers["alpha"] * numbers["gamma"]
    places = {name: real(value, setting.kind) for name, value in numbers.items()}
    functions = {name: name if double else f"{setting.prefix}_{own}" for name, own in _OWN.items()}
    helpers = () if double else tuple(own for name, own in _OWN.items() if f"${{{name}}}" in text)
    return fill(text, **places, **functions, f="" if double else "f"), helpers


def relu(setting: Setting) -> Kernel:
    return activation(setting, "relu") if setting.is_float else _clipped(setting)


def clip(setting: Setting) -> Kernel:
    return activation(setting, "clip") if setting.is_float else _clipped(setting)


def negate(setting: Setting) -> Kernel:
    return activation(setting, "negate") if setting.is_float else _rescaled(setting, "-")


def absolute(setting: Setting) -> Kernel:
    return activation(setting, "absolute") if setting.is_float else _rescaled(setting, "abs")


def logical_not(setting: Setting) -> Kernel:
    return each(setting, "(uint8_t)(v == 0)")


def bounds(site: Site) -> tuple[float, float]:
    """Between which numbers a relu or clip holds its operand: reals, or stored integers."""
    element, clips = site.inputs[0].element, "low" in site.attributes
    if isinstance(element, Float):
        return (site.attributes["low"], site.attributes["high"]) if clips else (0.0, inf)
    return clip_bounds(site) if clips else (element.zero_point, element.high)


def within(setting: Setting, y: rules.Quantised) -> tuple[int, int]:
    """The stored integers that a result of `y` may have, with the clipping that the operation takes over."""
    if setting.bounds is None:
        return y.low, y.high
    return int(setting.bounds[0]), int(setting.bounds[1])


def bounded(setting: Setting, value: str) -> str:
    """A real expression, held inside the clipping that the operation takes over; `value` is written several times."""
    if setting.bounds is None:
        return value
    low, high = setting.bounds
    text = value if high == inf else f"{value} > {real(high, setting.kind)} ? {real(high, setting.kind)} : {value}"
    return text if low == -inf else f"{value} < {real(low, setting.kind)} ? {real(low, setting.kind)} : {text}"


def _clipped(setting: Setting) -> Kernel:
    """Stored integers held between two; no comparison that their type decides, which compilers warn of."""
    (low, high), limits = bounds(setting.site), np.iinfo(stored(setting.x).storage)
    text = "v" if high >= limits.max else f"v > {whole(int(high))} ? {whole(int(high))} : v"
    return each(setting, text if low <= limits.min else f"v < {whole(int(low))} ? {whole(int(low))} : {text}")


def _rescaled(setting: Setting, sign: str) -> Kernel:
    """The centred integer brought to the result's scale, then negated or made absolute."""
    x, y = stored(setting.x), stored(setting.y)
    wide = "int64_t" if x.bits > 16 else "int32_t"
    centred = f"(({wide})v{plus(-x.zero_point)})"
    rounding = str(setting.site.attributes.get("rounding", "power_of_two"))
    rounded = rescaled(
        centred, x, y, rounding=rounding, divisor=1, prefix=setting.prefix, reach=centred_reach(x)
    )  # fmt: skip
    text = f"-({rounded.text})" if sign == "-" else f"({rounded.text} < 0 ? -({rounded.text}) : {rounded.text})"
    value, helpers = saturated(text, y, setting.prefix, bits=rounded.bits)
    return each(setting, value, (*rounded.helpers, *helpers))


def each(
    setting: Setting, value: str, helpers: tuple[str, ...] = (), stored: Mapping[str, Array] | None = None
) -> Kernel:
    """One loop over all numbers; `value` is an expression in `v` of the result's type."""
    body = fill(_EACH, n=setting.y.size, x_type=setting.kind, x=setting.source, value=value)
    return Kernel(reads=(0,), body=body, stored=stored or {}, helpers=helpers)
