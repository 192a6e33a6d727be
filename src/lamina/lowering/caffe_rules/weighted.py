"""Caffe layers that multiply weights, and normalisation.

Convolution     y = b + sum w x                  positions = floor((h + 2 pad - reach) / stride) + 1
Deconvolution   its transpose                    weights [c, k/groups, r, s]
InnerProduct    axes from `axis` on become one, then y = W x + b
BatchNorm       (x - mean/f) / sqrt(variance/f + eps), f the third blob; a Scale behind it completes it
Scale, Bias     one factor, one summand an entry of `num_axes` axes from `axis` on
Embed           a row of W for each number
"""

from math import prod

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.ir.build import Value
from lamina.ir.types import FLOAT32, INDEX, Type
from lamina.lowering import _parts as parts
from lamina.lowering.caffe_rules import Layer, axis_of, count, pair


def convolution(layer: Layer, inputs: list[Value]) -> list[Value]:
    return [_convolve(layer, x) for x in inputs]  # several bottoms share the weights


def _convolve(layer: Layer, x: Value) -> Value:
    settings = layer.parameters("convolution_param")
    if settings.integer("axis", 1) != 1 or len(x.shape) != 4:
        raise Unsupported(f"a convolution of a value of shape {list(x.shape)}: [n, c, h, w] with axis 1 is read")
    k, groups = count(settings, "num_output"), settings.integer("group", 1)
    kernel = pair(settings, "kernel_size", None, short="kernel")
    stride, dilation = pair(settings, "stride", 1), pair(settings, "dilation", 1)
    height, width = pair(settings, "pad", 0)
    c = x.shape[1]
    if groups < 1 or c % groups or k % groups:
        raise BadInput(f"{c} input and {k} output channels in {groups} groups")
    backward = layer.kind == "Deconvolution"
    shape = (c, k // groups, *kernel) if backward else (k, c // groups, *kernel)
    operands = [x, layer.weight(0, shape, "weight")]
    if settings.truth("bias_term", True):
        operands.append(layer.weight(1, (k,), "bias"))
    return layer.builder.emit(
        "conv_transpose2d" if backward else "conv2d",
        operands,
        name=layer.name,
        stride=stride,
        dilation=dilation,
        padding=(height, height, width, width),
        groups=groups,
    )


def inner_product(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings = layer.parameters("inner_product_param")
    k, x = count(settings, "num_output"), inputs[0]
    axis = axis_of(settings.integer("axis", 1), x)
    c = prod(x.shape[axis:])
    if settings.truth("transpose", False):
        data = layer.data(0, (c, k), "weight")
        turned = None if data is None else data.T
        weight = layer.builder.constant(f"{layer.name}.weight", turned, Type(shape=(k, c)))
    else:
        weight = layer.weight(0, (k, c), "weight")
    operands = [parts.reshape(layer.builder, f"{layer.name}.flat", x, (*x.shape[:axis], c)), weight]
    if settings.truth("bias_term", True):
        operands.append(layer.weight(1, (k,), "bias"))
    return [layer.builder.emit("linear", operands, name=layer.name)]


def batch_norm(layer: Layer, inputs: list[Value]) -> list[Value]:
    x = inputs[0]
    c = _channels(layer, x)
    one, zero = layer.constant("scale", (c,), 1.0), layer.constant("bias", (c,), 0.0)
    return [_normalise(layer, x, one, zero)]


def _channels(layer: Layer, x: Value) -> int:
    if len(x.shape) < 2:
        raise BadInput(f"batch normalisation of a value of shape {list(x.shape)}")
    return x.shape[1]


def _normalise(layer: Layer, x: Value, scale: Value, bias: Value) -> Value:
    settings = layer.parameters("batch_norm_param")
    if not settings.truth("use_global_stats", True):
        raise Unsupported("statistics of each batch: a network is read as it is used, with use_global_stats")
    c = x.shape[1]
    statistics = []
    factor = layer.data(2, (1,), "the factor of the statistics")
    for index, label in enumerate(("mean", "variance")):
        data = layer.data(index, (c,), label)
        if data is not None and factor is not None:
            with np.errstate(divide="ignore", invalid="ignore"):
                scaled = np.where(factor == 0, 0.0, data.astype(np.float64) / factor.astype(np.float64))
            data = parts.fitting(scaled, FLOAT32, label)
        statistics.append(layer.builder.constant(f"{layer.name}.{label}", data, Type(shape=(c,))))
    epsilon = settings.number("eps", 1e-5)
    return layer.builder.emit("batch_norm", [x, scale, bias, *statistics], name=layer.name, epsilon=epsilon)


def scale(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings, x = layer.parameters("scale_param"), inputs[0]
    with_bias = settings.truth("bias_term", False)
    if layer.normaliser is not None:
        c = _channels(layer, x)
        factor = layer.weight(0, (c,), "weight")
        shift = layer.weight(1, (c,), "bias") if with_bias else layer.constant("bias", (c,), 0.0)
        return [_normalise(layer.normaliser, x, factor, shift)]
    axis = axis_of(settings.integer("axis", 1), x)
    own = len(inputs) == 1
    covered = _covered(layer, x, axis, settings.integer("num_axes", 1)) if own else inputs[1].shape
    factor = _aligned(layer, layer.weight(0, covered, "weight") if own else inputs[1], x, axis)
    y = layer.builder.emit("multiply", [x, factor], name=layer.name)
    if with_bias:
        shift = layer.weight(1 if own else 0, covered, "bias")
        y = layer.builder.emit("add", [y, _aligned(layer, shift, x, axis)], name=f"{layer.name}.sum")
    return [y]


def bias(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings, x = layer.parameters("bias_param"), inputs[0]
    axis = axis_of(settings.integer("axis", 1), x)
    if len(inputs) > 1:
        shift = inputs[1]
    else:
        shift = layer.weight(0, _covered(layer, x, axis, settings.integer("num_axes", 1)), "bias")
    return [layer.builder.emit("add", [x, _aligned(layer, shift, x, axis)], name=layer.name)]


def _covered(layer: Layer, x: Value, axis: int, axes: int) -> tuple[int, ...]:
    if axes < -1 or axis + axes > len(x.shape):
        raise BadInput(f"{axes} axes from axis {axis} on of a value of shape {list(x.shape)}")
    return x.shape[axis:] if axes == -1 else x.shape[axis : axis + axes]


def _aligned(layer: Layer, factor: Value, x: Value, axis: int) -> Value:
    """`factor` with ones behind, so that its first axis meets axis `axis` of x."""
    behind = len(x.shape) - axis - len(factor.shape)
    if behind < 0:
        raise BadInput(f"a factor of shape {list(factor.shape)} at axis {axis} of {list(x.shape)}")
    shape = (*factor.shape, *[1] * behind)
    if factor.is_constant and factor.data is None:  # no numbers to fold: the constant itself takes the shape
        return layer.builder.constant(factor.name, None, Type(shape=shape))
    return parts.reshape(layer.builder, factor.name, factor, shape)


def embed(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings, b = layer.parameters("embed_param"), layer.builder
    rows, width = count(settings, "input_dim"), count(settings, "num_output")
    places = b.emit("cast", [inputs[0]], name=f"{layer.name}.places", element=INDEX)
    y = b.emit("gather", [layer.weight(0, (rows, width), "weight"), places], name=layer.name, axis=0)
    if settings.truth("bias_term", True):
        y = b.emit("add", [y, layer.weight(1, (width,), "bias")], name=f"{layer.name}.sum")
    return [y]


RULES = {
    "Convolution": convolution,
    "ConvolutionDepthwise": convolution,
    "DepthwiseConvolution": convolution,
    "Deconvolution": convolution,
    "InnerProduct": inner_product,
    "BatchNorm": batch_norm,
    "Scale": scale,
    "Bias": bias,
    "Embed": embed,
}
