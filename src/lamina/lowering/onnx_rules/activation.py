"""Functions of one number.

direct      the operator of the same meaning, its attributes by ONNX's names and defaults
composed    HardSwish x hard_sigmoid(x), Mish x tanh(softplus x), PRelu relu(x) + slope min(x, 0), Celu a elu(x / a),
            Swish x sigmoid(alpha x), ThresholdedRelu, Shrink
"""

import numpy as np

from lamina.core.errors import Unsupported
from lamina.lowering._onnx_coding import clipped
from lamina.lowering._onnx_node import INT64, Node, Tensor
from lamina.lowering.onnx_rules._rule import rule
from lamina.lowering.onnx_rules.cast import converted

DIRECT = {
    "Relu": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid", "Exp": "exp", "Log": "log", "Sqrt": "sqrt",
    "Reciprocal": "reciprocal", "Neg": "negate", "Abs": "absolute", "Floor": "floor", "Ceil": "ceil", "Round": "round",
    "Sign": "sign", "Erf": "erf", "Sin": "sin", "Cos": "cos", "Tan": "tan", "Asin": "asin", "Acos": "acos",
    "Atan": "atan", "Sinh": "sinh", "Cosh": "cosh", "Asinh": "asinh", "Acosh": "acosh", "Atanh": "atanh",
    "Softplus": "softplus", "Softsign": "softsign",
}  # fmt: skip


@rule(*DIRECT)
def direct(node: Node) -> Tensor:
    x = node.x()
    name = DIRECT[node.proto.op_type]
    if not x.is_float:
        return _of_integers(node, name, x)
    made: Tensor = node.emit(name, x)
    return made


def _of_integers(node: Node, name: str, x: Tensor) -> Tensor:
    """Sign, absolute value and relu of plain integers, from comparisons and products."""
    zero = node.constant(0, x)
    if name == "negate":
        return node.wrapped(node.emit("subtract", zero, x))
    if name == "relu":
        made: Tensor = node.emit("maximum", x, zero)
        return made
    if name == "absolute":
        return node.wrapped(node.emit("maximum", x, node.step("subtract", zero, x)))
    if name == "sign":
        one = node.constant(1, x)
        return node.emit("maximum", node.step("minimum", x, one), node.constant(-1) if x.dtype.kind == "i" else zero)
    raise Unsupported(f"{node.proto.op_type} of integers")


@rule("IsNaN")
def is_nan(node: Node) -> Tensor:
    made: Tensor = node.emit("is_nan", node.x(), dtype=bool)
    return made


@rule("IsInf")
def is_infinite(node: Node) -> Tensor:
    x = node.x()
    both = node.integer("detect_positive", 1), node.integer("detect_negative", 1)
    if both == (1, 1):
        made: Tensor = node.emit("is_infinite", x, dtype=bool)
        return made
    if both == (0, 0):
        return node.emit("less", x, node.constant(-np.inf, x), dtype=bool)
    return node.emit("equal", x, node.constant(np.inf if both[0] else -np.inf, x), dtype=bool)


@rule("Gelu")
def gelu(node: Node) -> Tensor:
    made: Tensor = node.emit("gelu", node.x(), approximate=node.text("approximate", "none"))
    return made


@rule("Elu")
def elu(node: Node) -> Tensor:
    made: Tensor = node.emit("elu", node.x(), alpha=node.real("alpha", 1.0))
    return made


@rule("Celu")
def celu(node: Node) -> Tensor:
    x, alpha = node.x(), node.real("alpha", 1.0)
    scale = node.constant(alpha, x)
    inner = node.step("elu", node.step("divide", x, scale), alpha=1.0)
    return node.emit("multiply", inner, scale)


@rule("Selu")
def selu(node: Node) -> Tensor:
    made: Tensor = node.emit(
        "selu", node.x(), alpha=node.real("alpha", 1.6732631921768188), gamma=node.real("gamma", 1.0507010221481323)
    )
    return made


@rule("LeakyRelu")
def leaky_relu(node: Node) -> Tensor:
    made: Tensor = node.emit("leaky_relu", node.x(), slope=node.real("alpha", 0.01))
    return made


@rule("HardSigmoid")
def hard_sigmoid(node: Node) -> Tensor:
    made: Tensor = node.emit("hard_sigmoid", node.x(), alpha=node.real("alpha", 0.2), beta=node.real("beta", 0.5))
    return made


@rule("HardSwish")
def hard_swish(node: Node) -> Tensor:
    made: Tensor = node.emit("multiply", node.x(), node.step("hard_sigmoid", node.x(), alpha=1 / 6, beta=0.5))
    return made


@rule("Mish")
def mish(node: Node) -> Tensor:
    made: Tensor = node.emit("multiply", node.x(), node.step("tanh", node.step("softplus", node.x())))
    return made


@rule("Swish")
def swish(node: Node) -> Tensor:
    x, alpha = node.x(), node.real("alpha", 1.0)
    inner = x if alpha == 1 else node.step("multiply", x, node.constant(alpha, x))
    return node.emit("multiply", x, node.step("sigmoid", inner))


@rule("PRelu")
def prelu(node: Node) -> Tensor:
    x, slope = node.x(0), node.x(1)
    zero = node.constant(0, x)
    below = node.step("multiply", slope, node.step("minimum", x, zero))
    return node.emit("add", node.step("maximum", x, zero), below)


@rule("ThresholdedRelu")
def thresholded_relu(node: Node) -> Tensor:
    x = node.x()
    above = node.step("greater", x, node.constant(node.real("alpha", 1.0), x), dtype=bool)
    return node.emit("where", above, x, node.constant(0, x), dtype=x.dtype)


@rule("Shrink")
def shrink(node: Node) -> Tensor:
    x, bias, edge = node.x(), node.real("bias", 0.0), node.real("lambd", 0.5)
    if not x.is_float:
        raise Unsupported("Shrink of integers")
    high = node.step("greater", x, node.constant(edge, x), dtype=bool)
    low = node.step("less", x, node.constant(-edge, x), dtype=bool)
    inner = node.step("where", low, node.step("add", x, node.constant(bias, x)), node.constant(0, x), dtype=x.dtype)
    return node.emit("where", high, node.step("subtract", x, node.constant(bias, x)), inner, dtype=x.dtype)


@rule("Clip")
def clip(node: Node) -> Tensor:
    x = node.x()
    if node.opset < 11:
        return _bounded(node, x, node.real("min", -np.inf), node.real("max", np.inf))
    low, high = node.given(1), node.given(2)
    if (found := clipped(node, x, low, high)) is not None:
        return found
    if x.is_float and all(t is None or (t.known and t.array.size == 1) for t in (low, high)):  # type: ignore[union-attr]
        ends = [
            node.number(1, "the lower bound") if low else -np.inf,
            node.number(2, "the upper bound") if high else np.inf,
        ]
        if ends[0] <= ends[1]:
            return _bounded(node, x, *ends)
    if low is not None:
        x = node.step("maximum", x, converted(node, low, x.dtype))
    if high is not None:
        x = node.step("minimum", x, converted(node, high, x.dtype))
    return x


def _bounded(node: Node, x: Tensor, low: float, high: float) -> Tensor:
    if not x.is_float:
        raise Unsupported("Clip of integers as before opset 11")
    made: Tensor = node.emit("clip", x, low=low, high=high)
    return made


@rule("Softmax", "LogSoftmax", "Hardmax")
def softmax(node: Node) -> Tensor:
    """Before opset 13 all axes from `axis` on are one."""
    x, last = node.x(), node.opset >= 13
    axis = node.axis("axis", -1 if last else 1)
    shape = x.shape
    if not last and axis < x.rank - 1:
        x = node.reshape(x, (int(np.prod(shape[:axis], dtype=int)), int(np.prod(shape[axis:], dtype=int))))
        axis = 1
    name = {"Softmax": "softmax", "LogSoftmax": "log_softmax"}.get(node.proto.op_type)
    made = node.emit(name, x, axis=axis) if name else _hardmax(node, x, axis)
    return node.reshape(made, shape)


def _hardmax(node: Node, x: Tensor, axis: int) -> Tensor:
    """1 at the first greatest number along an axis, 0 elsewhere."""
    best = node.step("argmax", x, axis=axis, keep=True, dtype=INT64)
    places = node.places(x.shape[axis], [-1 if i == axis else 1 for i in range(x.rank)])
    at = node.step("equal", node.constant(places, name="places"), best, dtype=bool)
    return node.emit("where", at, node.constant(1, x), node.constant(0, x), dtype=x.dtype)
