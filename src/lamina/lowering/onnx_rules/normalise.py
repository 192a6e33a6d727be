"""Normalisation: batch, layer, instance, group, local response, root mean square.

InstanceNormalization, GroupNormalization    [n, groups, rest] through layer_norm without affine, then scale and bias
RMSNormalization                             x / sqrt(mean x^2 + epsilon) · scale
LayerNormalization with its Mean             written out, since the operator gives the result alone
"""

from math import prod

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.lowering._onnx_node import Node, Tensor
from lamina.lowering.onnx_rules._rule import Results, rule


@rule("BatchNormalization")
def batch_norm(node: Node) -> Tensor:
    if node.integer("training_mode", 0) or (node.opset < 9 and not node.integer("spatial", 1)):
        raise Unsupported("batch normalisation in training mode, or for every place by itself")
    operands = [node.x(at) for at in range(5)]
    made: Tensor = node.emit("batch_norm", *operands, epsilon=node.real("epsilon", 1e-5))
    return made


@rule("LRN")
def local_response(node: Node) -> Tensor:
    made: Tensor = node.emit(
        "lrn",
        node.x(),
        size=node.integer("size"),
        alpha=node.real("alpha", 1e-4),
        beta=node.real("beta", 0.75),
        k=node.real("bias", 1.0),
    )
    return made


@rule("LayerNormalization")
def layer_norm(node: Node) -> Results:
    x, scale, bias = node.x(0), node.x(1), node.given(2)
    axis, epsilon = node.axis("axis", -1), node.real("epsilon", 1e-5)
    inner = x.shape[axis:]
    if len(node.proto.output) > 1:
        return _with_statistics(node, x, axis, epsilon)
    if scale.shape == inner and (bias is None or bias.shape == inner):
        made: Tensor = node.emit("layer_norm", x, scale, *([bias] if bias else []), axis=axis, epsilon=epsilon)
        return made
    return _affine(node, node.step("layer_norm", x, axis=axis, epsilon=epsilon), scale, bias)


def _affine(node: Node, x: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    if bias is None:
        made: Tensor = node.emit("multiply", x, scale)
        return made
    made = node.emit("add", node.step("multiply", x, scale), bias)
    return made


def _with_statistics(node: Node, x: Tensor, axis: int, epsilon: float) -> Results:
    """The result, the mean and one over the standard deviation."""
    axes = tuple(range(axis, x.rank))
    mean = node.step("reduce_mean", x, axes=axes, keep=True)
    centred = node.step("subtract", x, mean)
    variance = node.step("reduce_mean", node.step("multiply", centred, centred), axes=axes, keep=True)
    inverse = node.step("reciprocal", node.step("sqrt", node.step("add", variance, node.constant(epsilon, x))))
    made = _affine(node, node.step("multiply", centred, inverse), node.x(1), node.given(2))
    return [made, mean, inverse]


@rule("InstanceNormalization")
def instance_norm(node: Node) -> Tensor:
    x = node.x(0)
    if x.rank < 3:
        raise BadInput(f"a value of shape {list(x.shape)} has no plane")
    normal = node.step("layer_norm", x, axis=2, epsilon=node.real("epsilon", 1e-5))
    along = (x.shape[1], *[1] * (x.rank - 2))
    return _affine(node, normal, node.reshape(node.x(1), along), node.reshape(node.x(2), along))


@rule("GroupNormalization")
def group_norm(node: Node) -> Tensor:
    """Scale and bias have one entry per group before opset 21, one per channel from then on."""
    x, groups = node.x(0), node.integer("num_groups")
    if x.rank < 3 or groups < 1 or x.shape[1] % groups:
        raise BadInput(f"{groups} groups of a value of shape {list(x.shape)}")
    n, c = x.shape[:2]
    rows = node.reshape(x, (n, groups, prod(x.shape[1:]) // groups))
    normal = node.step("layer_norm", rows, axis=2, epsilon=node.real("epsilon", 1e-5))
    scale, bias = node.x(1), node.x(2)
    if scale.shape == (groups,) and (node.opset < 21 or groups == c):
        normal = node.step("multiply", normal, node.reshape(scale, (groups, 1)))
        return node.reshape(node.step("add", normal, node.reshape(bias, (groups, 1))), x.shape, last=True)
    along = (c, *[1] * (x.rank - 2))
    return _affine(node, node.reshape(normal, x.shape), node.reshape(scale, along), node.reshape(bias, along))


@rule("RMSNormalization")
def rms_norm(node: Node) -> Tensor:
    x, axis = node.x(0), node.axis("axis", -1)
    squares = node.step("multiply", x, x)
    mean = node.step("reduce_mean", squares, axes=tuple(range(axis, x.rank)), keep=True)
    root = node.step("sqrt", node.step("add", mean, node.constant(np.float64(node.real("epsilon", 1e-5)), x)))
    made: Tensor = node.emit("multiply", node.step("divide", x, root), node.x(1))
    return made


@rule("MeanVarianceNormalization")
def mean_variance(node: Node) -> Tensor:
    """(x - mean) / (standard deviation + 1e-9) over `axes`."""
    x = node.x()
    axes = tuple(sorted(a % x.rank for a in node.ints("axes", [0, 2, 3])))
    mean = node.step("reduce_mean", x, axes=axes, keep=True)
    centred = node.step("subtract", x, mean)
    deviation = node.step(
        "sqrt", node.step("reduce_mean", node.step("multiply", centred, centred), axes=axes, keep=True)
    )
    made: Tensor = node.emit("divide", centred, node.step("add", deviation, node.constant(1e-9, x)))
    return made
