"""Modules that act on each number: activations and arithmetic.

Threshold   x where x > threshold, else val; ReLU is the case of two zeros
SoftPlus    log(1 + exp(beta x)) / beta
Dropout     nothing; files older than its second version scale by 1 - p, and so does SpatialDropout
SoftMax     over axis 1 of [n, c] and [n, c, h, w]
"""

from collections.abc import Callable
from typing import Any

from lamina.core.errors import BadInput
from lamina.ir.build import Value
from lamina.lowering import _parts as parts
from lamina.lowering.torch7_rules import Data, Module, Rule, value, values


def _plain(operator: str) -> Rule:
    def rule(m: Module, x: Data) -> Value:
        return m.emit(operator, [value(x)])

    return rule


def _with(operator: str, **fields: tuple[str, float]) -> Rule:
    """An operator whose attributes are fields of the module, each with its default."""

    def rule(m: Module, x: Data) -> Value:
        attributes: dict[str, Any] = {
            attribute: m.number(name, default) for attribute, (name, default) in fields.items()
        }
        return m.emit(operator, [value(x)], **attributes)

    return rule


def threshold(m: Module, x: Data) -> Value:
    x = value(x)
    limit, below = m.number("threshold", 0.0), m.number("val", 0.0)
    if limit == below == 0:
        return m.emit("relu", [x])
    above = m.emit("greater", [x, m.scalar(limit)], part="above")
    return m.emit("where", [above, x, m.scalar(below)])


def prelu(m: Module, x: Data) -> Value:
    x = value(x)
    count = m.array("weight").size
    if count == 1 or len(x.shape) < 2:
        return parts.prelu(m.builder, m.name, x, m.weight("weight", (count,)))
    return parts.prelu(m.builder, m.name, x, m.weight("weight", (count, *[1] * (len(x.shape) - 2))))


def softplus(m: Module, x: Data) -> Value:
    beta = m.number("beta", 1.0)
    if beta == 0:
        raise BadInput("beta is 0: another number is needed")
    y = m.emit("softplus", [parts.affine(m.builder, f"{m.name}.beta", value(x), beta)])
    return parts.affine(m.builder, f"{m.name}.scaled", y, 1 / beta)


def log_sigmoid(m: Module, x: Data) -> Value:
    """log sigmoid(x) = -softplus(-x)."""
    y = m.emit("softplus", [m.emit("negate", [value(x)], part="negated")], part="softplus")
    return m.emit("negate", [y])


def softmax(m: Module, x: Data) -> Value:
    return m.emit("log_softmax" if m.kind.startswith("Log") else "softmax", [value(x, (2, 4))], axis=1)


def dropout(m: Module, x: Data) -> Data:
    kept = m.kind == "Dropout" and m.truth("v2")
    return value(x) if kept else parts.affine(m.builder, m.name, value(x), 1 - m.number("p", 0.5))


def power(m: Module, x: Data) -> Value:
    return m.emit("power", [value(x), m.scalar(m.number("pow"))])


def square(m: Module, x: Data) -> Value:
    x = value(x)
    return m.emit("multiply", [x, x])


def constant_times(m: Module, x: Data) -> Value:
    return parts.affine(m.builder, m.name, value(x), m.number("constant_scalar"))


def constant_added(m: Module, x: Data) -> Value:
    return parts.affine(m.builder, m.name, value(x), 1.0, m.number("constant_scalar"))


def _learned(operator: str, field: str) -> Rule:
    """A learned tensor that multiplies or is added; it meets the axes behind the batch."""

    def rule(m: Module, x: Data) -> Value:
        x = value(x)
        array = m.array(field)
        shape = tuple(int(size) for size in array.shape)
        if array.size == 1:
            shape = ()
        elif len(shape) == len(x.shape) and shape[0] == 1:
            shape = shape[1:]
        return m.emit(operator, [x, m.weight(field, shape)])

    return rule


def _folded(operator: str) -> Rule:
    """All tensors of a table by one operator, from the left."""

    def rule(m: Module, x: Data) -> Value:
        first, *others = values(x)
        for other in others:
            first = m.emit(operator, [first, other])
        return first

    return rule


Family = dict[str, Callable[[Module, Data], Data]]
RULES: Family = {
    "ReLU": threshold,
    "Threshold": threshold,
    "PReLU": prelu,
    "SoftPlus": softplus,
    "LogSigmoid": log_sigmoid,
    "SoftMax": softmax,
    "LogSoftMax": softmax,
    "SpatialSoftMax": softmax,
    "SpatialLogSoftMax": softmax,
    "Dropout": dropout,
    "SpatialDropout": dropout,
    "Power": power,
    "Square": square,
    "MulConstant": constant_times,
    "AddConstant": constant_added,
    "Mul": _learned("multiply", "weight"),
    "CMul": _learned("multiply", "weight"),
    "Add": _learned("add", "bias"),
    "CAdd": _learned("add", "bias"),
    "CAddTable": _folded("add"),
    "CSubTable": _folded("subtract"),
    "CMulTable": _folded("multiply"),
    "CDivTable": _folded("divide"),
    "CMaxTable": _folded("maximum"),
    "CMinTable": _folded("minimum"),
    "Tanh": _plain("tanh"),
    "Sigmoid": _plain("sigmoid"),
    "SoftSign": _plain("softsign"),
    "Abs": _plain("absolute"),
    "Sqrt": _plain("sqrt"),
    "Exp": _plain("exp"),
    "Log": _plain("log"),
    "HardTanh": _with("clip", low=("min_val", -1.0), high=("max_val", 1.0)),
    "Clamp": _with("clip", low=("min_val", -1.0), high=("max_val", 1.0)),
    "ReLU6": lambda m, x: m.emit("clip", [value(x)], low=0.0, high=6.0),
    "ELU": _with("elu", alpha=("alpha", 1.0)),
    "LeakyReLU": _with("leaky_relu", slope=("negval", 0.01)),
}
