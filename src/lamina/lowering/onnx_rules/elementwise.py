"""Arithmetic, comparisons and logic, element by element with broadcasting.

    Add Sub Mul Div Pow Mod Min Max Sum Mean Where Equal Less Greater And Or Xor Not BitShift

Plain integers are computed in 64 bits and, where ONNX's type is narrower, wrapped as it wraps; Div of integers
truncates toward zero.
"""

import numpy as np

from lamina.core.errors import Unsupported
from lamina.lowering._onnx_node import Node, Tensor
from lamina.lowering.onnx_rules._rule import rule
from lamina.lowering.onnx_rules.cast import converted

ARITHMETIC = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide"}
COMPARISONS = {
    "Equal": "equal",
    "Less": "less",
    "LessOrEqual": "less_or_equal",
    "Greater": "greater",
    "GreaterOrEqual": "greater_or_equal",
}
LOGIC = {"And": "logical_and", "Or": "logical_or", "Xor": "logical_xor"}
FOLDS = {"Min": "minimum", "Max": "maximum", "Sum": "add"}


@rule(*ARITHMETIC)
def arithmetic(node: Node) -> Tensor:
    a, b = node.x(0), node.x(1)
    if node.opset < 7 and node.integer("broadcast", 0):
        raise Unsupported("broadcasting as before opset 7")
    return node.wrapped(node.emit(ARITHMETIC[node.proto.op_type], a, b))


@rule(*COMPARISONS)
def compare(node: Node) -> Tensor:
    made: Tensor = node.emit(COMPARISONS[node.proto.op_type], node.x(0), node.x(1), dtype=bool)
    return made


@rule(*LOGIC)
def logic(node: Node) -> Tensor:
    made: Tensor = node.emit(LOGIC[node.proto.op_type], node.x(0), node.x(1), dtype=bool)
    return made


@rule("Not")
def negation(node: Node) -> Tensor:
    made: Tensor = node.emit("logical_not", node.x(), dtype=bool)
    return made


@rule(*FOLDS, "Mean")
def variadic(node: Node) -> Tensor:
    """Two at a time, in order."""
    operands = [node.x(at) for at in range(len(node.inputs))]
    name = FOLDS.get(node.proto.op_type, "add")
    total = operands[0]
    for operand in operands[1:]:
        total = node.step(name, total, operand)
    if node.proto.op_type == "Mean":
        return node.emit("divide", total, node.constant(len(operands), total))
    return total


@rule("Where")
def where(node: Node) -> Tensor:
    made: Tensor = node.emit("where", node.x(0), node.x(1), node.x(2), dtype=node.x(1).dtype)
    return made


@rule("Mod")
def modulo(node: Node) -> Tensor:
    """fmod=1: the dividend's sign, as C; else the divisor's, as Python."""
    sign = "dividend" if node.integer("fmod", 0) else "divisor"
    return node.wrapped(node.emit("remainder", node.x(0), node.x(1), sign=sign))


@rule("Pow")
def power(node: Node) -> Tensor:
    """The result has the base's type; integers to a real power go through float64."""
    base, exponent = node.x(0), node.x(1)
    if base.is_float or exponent.dtype.kind in "iu":
        return node.wrapped(node.emit("power", base, converted(node, exponent, base.dtype), dtype=base.dtype))
    wide = np.dtype(np.float64)
    made = node.step("power", converted(node, base, wide), converted(node, exponent, wide), dtype=wide)
    return node.wrapped(converted(node, made, base.dtype))


@rule("BitShift")
def shift(node: Node) -> Tensor:
    """x times 2^n, its low bits kept, or over 2^n rounded down; n outside of the type's bits shifts everything out."""
    x, by = node.x(0), node.x(1)
    bits = 8 * x.dtype.itemsize
    if bits == 64:
        raise Unsupported("BitShift of 64-bit numbers")
    whole = node.constant(np.int64(bits), name="bits")
    inside = node.step("less", by, whole, dtype=bool)
    inside = node.step(
        "logical_and", inside, node.step("less", node.constant(np.int64(-1)), by, dtype=bool), dtype=bool
    )
    factor = node.step("power", node.constant(np.int64(2)), node.step("where", inside, by, whole, dtype=by.dtype))
    if node.text("direction") == "LEFT":
        return node.wrapped(node.emit("multiply", x, factor, dtype=x.dtype))
    rest = node.step("remainder", x, factor, sign="divisor")
    made: Tensor = node.emit("divide", node.step("subtract", x, rest), factor, dtype=x.dtype)
    return made
