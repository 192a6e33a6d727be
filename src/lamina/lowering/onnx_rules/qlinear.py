"""Operators on integers: QLinearConv, QLinearMatMul, ConvInteger, MatMulInteger.

QLinear operators are Lamina's integer conv2d, linear and matmul. The plain ones give exact int32 sums: they are
computed in floats that hold every partial sum exactly (float32 below 2^24, else float64), so that zero points may be
computed too (DynamicQuantizeLinear).
"""

from typing import Any

import numpy as np

from lamina.core.errors import Unsupported
from lamina.ir.types import FLOAT32, INDEX, Float
from lamina.lowering._onnx_ahead import element_of_scale
from lamina.lowering._onnx_node import Node, Tensor, known
from lamina.lowering.onnx_rules._quantised import multiplied, products, quantised_operand, weights_of
from lamina.lowering.onnx_rules._rule import rule
from lamina.lowering.onnx_rules.convolution import convolution
from lamina.lowering.onnx_rules.matrix import product


def _result(node: Node, scale: int, zero: int) -> tuple[Any, np.dtype[Any]]:
    dtype = node.x(zero).dtype
    scales, zeros = node.array(scale, "the result's scale"), node.array(zero, "the result's zero point")
    if scales.size != 1 or zeros.size != 1:
        raise Unsupported("a result with a scale for each row")
    return element_of_scale(scales, zeros, dtype), dtype


@rule("QLinearConv")
def conv(node: Node) -> Tensor:
    x = quantised_operand(node, 0)
    y, dtype = _result(node, 6, 7)
    scale, zero = node.array(4, "the weights' scale"), node.array(5, "the weights' zero point")
    w = weights_of(node.x(3).name, node.array(3, "the weights of a QLinearConv"), scale, zero, 0)
    bias = node.array(8, "the bias") if node.given(8) is not None else None
    return multiplied(node, x, w, bias, y, dtype, conv=True)


@rule("QLinearMatMul")
def matmul(node: Node) -> Tensor:
    a, b = quantised_operand(node, 0), node.x(3)
    y, dtype = _result(node, 6, 7)
    if b.array is not None and b.rank == 2:
        scale, zero = node.array(4, "the weights' scale"), node.array(5, "the weights' zero point")
        w = weights_of(b.name, b.array.T, scale, zero, 0)
        return multiplied(node, a, w, None, y, dtype, conv=False)
    b = quantised_operand(node, 3)
    if a.rank < 2 or b.rank < 2:
        raise Unsupported("a QLinearMatMul with a vector")
    return products(node, a, b, y, dtype)


def exact(node: Node, x: Tensor, zero: Tensor | None, wide: bool, *, column: bool = False) -> Tensor:
    """x less its zero point as floats that hold whole numbers exactly."""
    element = Float(bits=64) if wide else FLOAT32
    dtype = np.dtype(np.float64 if wide else np.float32)

    def convert(t: Tensor) -> Tensor:
        if t.array is not None and (t.value is None or t.value.data is not None):
            return known(t.name, t.array.astype(dtype))
        made: Tensor = node.step("cast", node.plain(t), element=element, dtype=dtype)
        return made

    number = convert(x)
    if zero is None:
        return number
    offset = convert(zero)
    if offset.rank == 1 and offset.shape[0] > 1 and column:
        offset = node.reshape(offset, (*offset.shape, 1))
    if number.array is not None and offset.array is not None:
        return known(x.name, number.array - offset.array)
    made: Tensor = node.step("subtract", number, offset)
    return made


def is_wide(terms: int) -> bool:
    """Whether sums of so many products of bytes need float64."""
    return 255 * 255 * terms >= 2**24


def _whole(node: Node, x: Tensor) -> Tensor:
    made: Tensor = node.emit("cast", x, element=INDEX, dtype=np.int32)
    return made


@rule("ConvInteger")
def conv_integer(node: Node) -> Tensor:
    x, w = node.x(0), node.x(1)
    wide = is_wide(int(np.prod(w.shape[1:])))
    zero = node.given(3)
    if zero is not None and zero.rank == 1 and zero.shape[0] > 1:
        zero = node.reshape(zero, (*zero.shape, *[1] * (w.rank - 1)))
    made = convolution(node, exact(node, x, node.given(2), wide), exact(node, w, zero, wide), None)
    return _whole(node, made)


@rule("MatMulInteger")
def matmul_integer(node: Node) -> Tensor:
    a, b = node.x(0), node.x(1)
    wide = is_wide(a.shape[-1] if a.rank else 1)
    left = exact(node, a, node.given(2), wide, column=True)
    return _whole(node, product(node, left, exact(node, b, node.given(3), wide)))
