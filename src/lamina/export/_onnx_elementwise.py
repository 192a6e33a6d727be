"""Functions of one value and of two, element by element, to ONNX.

Most have their own operator there. Composed: silu, gelu and the remainder with the divisor's sign,

    r = fmod(x, y);   r + y where r is not 0 and r and y differ in sign

Comparisons of truth values, and whatever runtimes lack for narrow integers, go through int32.
"""

from math import inf, pi, sqrt

import numpy as np

from lamina.export._onnx_write import Task, Write, plain, widened
from lamina.ir.types import BOOL, Float

_SAME = {
    "relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid", "exp": "Exp", "log": "Log", "sqrt": "Sqrt",
    "reciprocal": "Reciprocal", "negate": "Neg", "absolute": "Abs", "floor": "Floor", "ceil": "Ceil",
    "round": "Round", "sign": "Sign", "erf": "Erf", "sin": "Sin", "cos": "Cos", "tan": "Tan", "asin": "Asin",
    "acos": "Acos", "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "asinh": "Asinh", "acosh": "Acosh",
    "atanh": "Atanh", "softplus": "Softplus", "softsign": "Softsign", "is_nan": "IsNaN", "is_infinite": "IsInf",
    "logical_not": "Not", "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "power": "Pow",
    "minimum": "Min", "maximum": "Max", "logical_and": "And", "logical_or": "Or", "logical_xor": "Xor",
}  # fmt: skip
COMPARED = {
    "equal": "Equal",
    "less": "Less",
    "less_or_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_or_equal": "GreaterOrEqual",
}


def _relu(task: Task) -> None:
    if isinstance(task.site.inputs[0].element, Float):
        task.node("Relu", *task.inputs)
    else:
        task.node("Max", task.inputs[0], task.number("nothing", 0))


def _silu(task: Task) -> None:
    task.node("Mul", task.inputs[0], task.node("Sigmoid", task.inputs[0], part="gate"))


def _gelu(task: Task) -> None:
    """x times the normal distribution's share below x, by erf or by the tanh that is close to it."""
    (x,) = task.inputs
    if task.attributes["approximate"] == "none":
        scaled = task.node("Div", x, task.number("root", sqrt(2)), part="scaled")
        bent = task.node("Erf", scaled, part="erf")
    else:
        square = task.node("Mul", x, x, part="square")
        cube = task.node("Mul", square, task.node("Mul", x, task.number("small", 0.044715), part="less"), part="cube")
        inner = task.node(
            "Mul", task.node("Add", x, cube, part="sum"), task.number("root", sqrt(2 / pi)), part="scaled"
        )
        bent = task.node("Tanh", inner, part="tanh")
    share = task.node("Add", bent, task.number("one", 1), part="share")
    task.node("Mul", task.node("Mul", x, task.number("half", 0.5), part="part"), share)


def _clip(task: Task) -> None:
    ends = [
        "" if abs(task.attributes[name]) == inf else task.number(name, task.attributes[name])
        for name in ("low", "high")
    ]
    task.node("Clip", task.inputs[0], *ends)


def _remainder(task: Task) -> None:
    real = isinstance(task.site.inputs[0].element, Float)
    if task.attributes["sign"] == "dividend" or not real:
        task.node("Mod", *task.inputs, fmod=int(task.attributes["sign"] == "dividend"))
        return
    y, zero = task.inputs[1], task.number("nothing", 0)
    rest = task.node("Mod", *task.inputs, part="rest", fmod=1)
    signs = [task.node("Less", x, zero, part=f"{part}_below") for x, part in ((rest, "rest"), (y, "divisor"))]
    apart = task.node("Xor", *signs, part="apart")
    some = task.node("Not", task.node("Equal", rest, zero, part="none"), part="some")
    moved = task.node("Add", rest, y, part="moved")
    task.node("Where", task.node("And", apart, some, part="wrong"), moved, rest)


def compared(operator: str) -> Write:
    def write(task: Task) -> None:
        inputs = task.inputs
        if not isinstance(task.site.inputs[0].element, Float) and np.dtype(task.dtype).itemsize < 4:
            inputs = tuple(task.graph.cast(x, np.int32, to=f"{task.to}:wide{i}") for i, x in enumerate(inputs))
        task.graph.node(operator, *inputs, to=task.to)

    return write


def chosen(task: Task) -> None:
    """where: truth values and narrow integers as int32."""
    condition, *values = task.inputs
    element = task.site.outputs[0].element
    if isinstance(element, Float) or np.dtype(element.storage).itemsize > 4:
        task.node("Where", condition, *values)
        return
    wide = [task.graph.cast(x, np.int32, to=f"{task.to}:wide{i}") for i, x in enumerate(values)]
    picked = task.node("Where", condition, *wide, part="narrow")
    task.graph.cast(picked, np.bool_ if element == BOOL else element.storage, to=task.to)


def extreme(operator: str) -> Write:
    """Minimum or maximum of any element type."""

    def write(task: Task) -> None:
        narrow = not isinstance(task.site.inputs[0].element, Float) and np.dtype(task.dtype).itemsize < 4
        (widened(plain(operator)) if narrow else plain(operator))(task)

    return write


ELEMENTWISE: dict[str, Write] = {
    **{name: plain(operator) for name, operator in _SAME.items()},
    **{name: compared(operator) for name, operator in COMPARED.items()},
    "relu": _relu,
    "silu": _silu,
    "gelu": _gelu,
    "elu": plain("Elu", alpha="alpha"),
    "selu": plain("Selu", alpha="alpha", gamma="gamma"),
    "leaky_relu": plain("LeakyRelu", alpha="slope"),
    "hard_sigmoid": plain("HardSigmoid", alpha="alpha", beta="beta"),
    "clip": _clip,
    "remainder": _remainder,
    "minimum": extreme("Min"),
    "maximum": extreme("Max"),
    "where": chosen,
}
