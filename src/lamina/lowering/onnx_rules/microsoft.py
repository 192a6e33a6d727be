"""Operators of ONNX Runtime (domain com.microsoft) that its quantiser and optimiser write into files.

QLinearAdd, QLinearMul, QLinearSigmoid, QLinearLeakyRelu   in float32 between dequantise and quantise, as it computes
QLinearAveragePool, QLinearGlobalAveragePool, QGemm        integer operators
QLinearConcat                                              each operand at the result's scale
FusedConv, FusedGemm, FusedMatMul                          the operator and what was fused with it
Gelu, FastGelu, QuickGelu, BiasGelu                        gelu; sigmoid(1.702 x) x
SimplifiedLayerNormalization, Skip...                      root mean square; a residual before the norm
DynamicQuantizeMatMul, MatMulIntegerToFloat                exact integer sums times their scales
"""

from typing import Any

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.ir.types import Integer
from lamina.lowering._onnx_ahead import element_of_scale
from lamina.lowering._onnx_coding import average_integers, integer_of, real, rounding_of
from lamina.lowering._onnx_node import Node, Tensor, known
from lamina.lowering.onnx_rules._quantised import multiplied, quantised_operand, weights_of
from lamina.lowering.onnx_rules._rule import Results, rule
from lamina.lowering.onnx_rules.convolution import convolution
from lamina.lowering.onnx_rules.matrix import product, transposed
from lamina.lowering.onnx_rules.qlinear import exact, is_wide

HOST = "com.microsoft"


def _to(node: Node, scale: int, zero: int) -> tuple[Integer, np.dtype[Any]]:
    """The result's element type from its scale and zero point."""
    point = node.given(zero)
    dtype = node.x().dtype if point is None else point.dtype
    scales = node.array(scale, "the result's scale")
    zeros = None if point is None else node.array(zero, "the result's zero point")
    if scales.size != 1:
        raise Unsupported("a result with a scale for each channel")
    return element_of_scale(scales, zeros, dtype), dtype


def _real(node: Node, at: int) -> Tensor:
    """Operand `at`, its scale and zero point behind it, as real numbers."""
    x, zero = node.x(at), node.given(at + 2)
    scale = node.array(at + 1, "a scale")
    zeros = None if zero is None else node.array(at + 2, "a zero point")
    if x.array is not None:
        offset = np.float32(0) if zeros is None else zeros.astype(np.float32)
        return known(f"{x.name}/real", np.asarray((x.array.astype(np.float32) - offset) * scale, np.float32))
    return real(node, x, element_of_scale(scale, zeros, x.dtype))


def _coded(node: Node, x: Tensor, scale: int, zero: int) -> Tensor:
    y, dtype = _to(node, scale, zero)
    made: Tensor = node.emit("quantise", x, element=y, dtype=dtype)
    return made


@rule(f"{HOST}:QLinearAdd", f"{HOST}:QLinearMul")
def qlinear_two(node: Node) -> Tensor:
    name = "add" if node.proto.op_type == "QLinearAdd" else "multiply"
    return _coded(node, node.step(name, _real(node, 0), _real(node, 3)), 6, 7)


@rule(f"{HOST}:QLinearSigmoid", f"{HOST}:QLinearLeakyRelu")
def qlinear_one(node: Node) -> Tensor:
    x = _real(node, 0)
    if node.proto.op_type == "QLinearSigmoid":
        return _coded(node, node.step("sigmoid", x), 3, 4)
    return _coded(node, node.step("leaky_relu", x, slope=node.real("alpha", 0.01)), 3, 4)


@rule(f"{HOST}:QLinearConcat")
def qlinear_concat(node: Node) -> Tensor:
    """The result's scale comes first, then each operand with its own."""
    zero = node.x(1)
    y = element_of_scale(node.array(0, "the result's scale"), zero.array, zero.dtype)
    count = (len(node.inputs) - 2) // 3
    parts = []
    for at in range(count):
        x = node.x(2 + 3 * at)
        q = integer_of(x)
        if q == y:
            parts.append(x)
        else:
            parts.append(node.step("quantise", _real(node, 2 + 3 * at), element=y, dtype=zero.dtype))
    axis = node.axis("axis", 1, rank=parts[0].rank)
    made: Tensor = node.emit("concatenate", *parts, axis=axis)
    return made


@rule(f"{HOST}:QLinearAveragePool", f"{HOST}:QLinearGlobalAveragePool")
def qlinear_average(node: Node) -> Tensor:
    if node.integer("channels_last", 0):
        raise Unsupported("channels behind the plane")
    x = quantised_operand(node, 0)
    y, dtype = _to(node, 3, 4)
    q = integer_of(x)
    assert q is not None
    form = rounding_of(q, y)
    if node.proto.op_type == "QLinearAveragePool":
        made = average_integers(node, x, y, form)
        if made is None:
            raise Unsupported("an average whose windows are not all whole")
        return made
    if x.rank != 4:
        raise Unsupported(f"a value of shape {list(x.shape)}: [n,c,h,w] is read")
    made = node.emit("average_pool2d", x, kernel=x.shape[2:], stride=x.shape[2:], element=y, rounding=form, dtype=dtype)
    return made


@rule(f"{HOST}:QGemm")
def qgemm(node: Node) -> Tensor:
    if node.real("alpha", 1.0) != 1 or node.integer("transA", 0) or node.given(7) is None:
        raise Unsupported("a QGemm with a factor, turned, or with a real result")
    x, w = quantised_operand(node, 0), node.array(3, "the weights of a QGemm")
    y, dtype = _to(node, 7, 8)
    rows = w if node.integer("transB", 0) else w.T
    scale, zero = node.array(4, "the weights' scale"), node.array(5, "the weights' zero point")
    bias = node.array(6, "the bias") if node.given(6) is not None else None
    weights = weights_of(node.x(3).name, rows, scale, zero, 0)
    return multiplied(node, x, weights, None if bias is None else bias.reshape(-1), y, dtype, conv=False)


def _activated(node: Node, x: Tensor) -> Tensor:
    """What was fused behind an operator."""
    kind, parameters = node.text("activation"), node.floats("activation_params", [])
    if kind in ("", "Relu", "Tanh", "Sigmoid"):
        made: Tensor = node.emit(kind.lower(), x) if kind else x
        return made
    if kind == "LeakyRelu" and len(parameters) == 1:
        made = node.emit("leaky_relu", x, slope=parameters[0])
        return made
    if kind == "Clip" and len(parameters) == 2:
        made = node.emit("clip", x, low=parameters[0], high=parameters[1])
        return made
    if kind == "HardSigmoid" and len(parameters) == 2:
        made = node.emit("hard_sigmoid", x, alpha=parameters[0], beta=parameters[1])
        return made
    raise Unsupported(f"the fused activation {kind!r}")


@rule(f"{HOST}:FusedConv")
def fused_conv(node: Node) -> Tensor:
    made = convolution(node, node.x(0), node.x(1), node.given(2))
    if (residual := node.given(3)) is not None:
        made = node.step("add", made, residual)
    return _activated(node, made)


@rule(f"{HOST}:FusedGemm")
def fused_gemm(node: Node) -> Tensor:
    from lamina.lowering.onnx_rules.matrix import gemm

    return _activated(node, gemm(node))  # type: ignore[arg-type]


@rule(f"{HOST}:FusedMatMul")
def fused_matmul(node: Node) -> Tensor:
    if node.integer("transBatchA", 0) or node.integer("transBatchB", 0):
        raise Unsupported("batch axes that are turned")
    operands = []
    for at, name in enumerate(("transA", "transB")):
        x = node.x(at)
        if node.integer(name, 0):
            order = (*range(x.rank - 2), x.rank - 1, x.rank - 2)
            x = transposed(node, x) if x.rank == 2 else node.step("transpose", x, order=order)
        operands.append(x)
    made = product(node, *operands)
    alpha = node.real("alpha", 1.0)
    return made if alpha == 1 else node.emit("multiply", made, node.constant(alpha, made))


@rule(f"{HOST}:Gelu", f"{HOST}:FastGelu", f"{HOST}:BiasGelu", f"{HOST}:QuickGelu")
def gelus(node: Node) -> Tensor:
    x, kind = node.x(0), node.proto.op_type
    if kind == "QuickGelu":
        inner = node.step("multiply", x, node.constant(node.real("alpha", 1.702), x))
        return node.emit("multiply", x, node.step("sigmoid", inner))
    if node.given(1) is not None:
        x = node.step("add", x, node.x(1))
    made: Tensor = node.emit("gelu", x, approximate="tanh" if kind == "FastGelu" else "none")
    return made


@rule("SimplifiedLayerNormalization", f"{HOST}:SimplifiedLayerNormalization")
def root_mean_square(node: Node) -> Tensor:
    from lamina.lowering.onnx_rules.normalise import rms_norm

    return rms_norm(node)  # type: ignore[return-value]


@rule(f"{HOST}:SkipLayerNormalization")
def skip_layer_norm(node: Node) -> Results:
    """layer_norm(x + skip + bias); the sum is the fourth result."""
    total = node.step("add", node.x(0), node.x(1))
    if (bias := node.given(4)) is not None:
        total = node.step("add", total, bias)
    scale, beta = node.x(2), node.given(3)
    if scale.shape != total.shape[-1:]:
        raise BadInput(f"a scale of shape {list(scale.shape)} for a value of shape {list(total.shape)}")
    operands = [total, scale, *([beta] if beta is not None else [])]
    made = node.emit("layer_norm", *operands, axis=total.rank - 1, epsilon=node.real("epsilon", 1e-12))
    return [made, None, None, total]


@rule(f"{HOST}:MatMulIntegerToFloat")
def matmul_to_float(node: Node) -> Tensor:
    a, b = node.x(0), node.x(1)
    return _summed(node, a, b, node.x(2), node.x(3), node.given(4), node.given(5), node.given(6))


@rule(f"{HOST}:DynamicQuantizeMatMul")
def dynamic_matmul(node: Node) -> Tensor:
    from lamina.lowering.onnx_rules.coding import dynamically

    q, scale, zero = dynamically(node, node.x(0))
    return _summed(node, q, node.x(1), scale, node.x(2), zero, node.given(3), node.given(4))


def _summed(
    node: Node,
    a: Tensor,
    b: Tensor,
    a_scale: Tensor,
    b_scale: Tensor,
    a_zero: Tensor | None,
    b_zero: Tensor | None,
    bias: Tensor | None,
) -> Tensor:
    """(a - za)(b - zb) exactly, times both scales, plus a bias."""
    wide = is_wide(a.shape[-1] if a.rank else 1)
    sums = product(node, exact(node, a, a_zero, wide), exact(node, b, b_zero, wide))
    if wide:
        from lamina.lowering.onnx_rules.cast import converted

        sums = converted(node, sums, np.dtype(np.float32))
    factor = node.step("multiply", a_scale, b_scale)
    if bias is None:
        made: Tensor = node.emit("multiply", sums, factor)
        return made
    made = node.emit("add", node.step("multiply", sums, factor), bias)
    return made
