"""Convolutions, of sequences [n, t, c] and of pictures [n, h, w, c].

    kernel      [r, s, c/groups, k], transposed [r, s, k, c], depth-wise [r, s, c, m]: output channel c m + i
    same        positions = ceil(size / stride); the padding that it needs is halved, the larger half behind
    causal      sequences only: all of it before
    transposed  size · stride (same), (size - 1) · stride + max(kernel, stride) (valid), unless output_padding is given

A sequence is a picture of height 1, so both are the same rule.
"""

from math import ceil

from lamina.core.errors import BadInput
from lamina.ir.build import Value
from lamina.lowering import _parts as parts
from lamina.lowering.keras_rules import Layer, Rule, Tensor, only
from lamina.lowering.keras_rules.activations import activate


def same_padding(size: int, reach: int, stride: int) -> tuple[int, int]:
    """What lies before and behind so that ceil(size / stride) windows fit."""
    needed = max(0, (ceil(size / stride) - 1) * stride + reach - size)
    return needed // 2, needed - needed // 2


def spatial(layer: Layer) -> int:
    """1 or 2: how many axes the layer's windows have."""
    return 1 if "1D" in layer.kind else 2


def as_picture(layer: Layer, x: Tensor) -> Value:
    """`x` as [n, c, h, w]; a sequence has height 1."""
    axes = spatial(layer)
    value = layer.picture(x, axes + 2)
    if axes == 2:
        return value
    return parts.reshape(layer.builder, f"{layer.name}.picture", value, (*value.shape[:2], 1, value.shape[2]))


def back(layer: Layer, value: Value) -> Tensor:
    """The inverse of `as_picture`."""
    if spatial(layer) == 1:
        n, c, _, t = value.shape
        value = parts.reshape(layer.builder, f"{layer.name}.sequence", value, (n, c, t))
    return layer.from_picture(value)


def both(layer: Layer, name: str, default: int, *, fill: int = 1) -> tuple[int, int]:
    """A setting along height and width; along a sequence the height's is `fill`."""
    given = layer.sizes(name, spatial(layer), default)
    return (fill, given[0]) if len(given) == 1 else (given[0], given[1])


def _kernel(layer: Layer) -> tuple[tuple[int, ...], tuple[int, int]]:
    """The kernel's size as it is stored and as a picture's."""
    stored = layer.sizes("kernel_size", spatial(layer))
    return stored, ((1, stored[0]) if len(stored) == 1 else (stored[0], stored[1]))


def _padding(layer: Layer, x: Value, kernel: tuple[int, int]) -> tuple[int, int, int, int]:
    mode = layer.text("padding", "valid", ("valid", "same", "causal"))
    stride, dilation = both(layer, "strides", 1), both(layer, "dilation_rate", 1)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    if mode == "causal":
        if spatial(layer) != 1:
            raise BadInput("causal padding of a picture: sequences have it")
        return 0, 0, reach[1] - 1, 0
    if mode == "valid":
        return 0, 0, 0, 0
    top, bottom = same_padding(x.shape[2], reach[0], stride[0])
    left, right = same_padding(x.shape[3], reach[1], stride[1])
    return top, bottom, left, right


def _finish(layer: Layer, value: Value) -> Tensor:
    return activate(layer, back(layer, value), layer.config.get("activation"))


def convolution(layer: Layer, inputs: list[Tensor]) -> Tensor:
    tensor = only(inputs)
    x = as_picture(layer, tensor)
    (stored, kernel), k, groups = _kernel(layer), layer.whole("filters"), layer.whole("groups", 1)
    if x.shape[1] % groups or k % groups:
        raise BadInput(f"{x.shape[1]} input and {k} output channels in {groups} groups")
    weights = layer.array(0, (*stored, x.shape[1] // groups, k)).reshape(*kernel, -1, k).transpose(3, 2, 0, 1)
    operands = [x, layer.constant("kernel", weights, x)]
    if layer.truth("use_bias", True):
        operands.append(layer.constant("bias", layer.array(1, (k,)), x))
    y = layer.emit(
        "conv2d", operands, stride=both(layer, "strides", 1), dilation=both(layer, "dilation_rate", 1),
        padding=_padding(layer, x, kernel), groups=groups,
    )  # fmt: skip
    return _finish(layer, y)


def depthwise(layer: Layer, inputs: list[Tensor]) -> Tensor:
    return _finish(layer, _depthwise(layer, as_picture(layer, only(inputs)), layer.name))


def _depthwise(layer: Layer, x: Value, name: str, *, bias: bool = True) -> Value:
    """One filter or `depth_multiplier` a channel."""
    stored, kernel = _kernel(layer)
    c, m = x.shape[1], layer.whole("depth_multiplier", 1)
    weights = layer.array(0, (*stored, c, m)).reshape(*kernel, c * m).transpose(2, 0, 1)[:, None]
    operands = [x, layer.constant("depthwise", weights, x)]
    if bias and layer.truth("use_bias", True):
        operands.append(layer.constant("bias", layer.array(1, (c * m,)), x))
    y: Value = layer.builder.emit(
        "conv2d", operands, name=name, stride=both(layer, "strides", 1), dilation=both(layer, "dilation_rate", 1),
        padding=_padding(layer, x, kernel), groups=c,
    )  # fmt: skip
    return y


def separable(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = as_picture(layer, only(inputs))
    y = _depthwise(layer, x, f"{layer.name}.depthwise", bias=False)
    c, k = y.shape[1], layer.whole("filters")
    weights = layer.array(1, (*[1] * spatial(layer), c, k)).reshape(c, k).T[:, :, None, None]
    operands = [y, layer.constant("pointwise", weights, x)]
    if layer.truth("use_bias", True):
        operands.append(layer.constant("bias", layer.array(2, (k,)), x))
    return _finish(layer, layer.emit("conv2d", operands))


def transposed(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = as_picture(layer, only(inputs))
    (stored, kernel), k = _kernel(layer), layer.whole("filters")
    weights = layer.array(0, (*stored, k, x.shape[1])).reshape(*kernel, k, -1).transpose(3, 2, 0, 1)
    operands = [x, layer.constant("kernel", weights, x)]
    if layer.truth("use_bias", True):
        operands.append(layer.constant("bias", layer.array(1, (k,)), x))
    stride, dilation = both(layer, "strides", 1), both(layer, "dilation_rate", 1)
    extra: tuple[int | None, ...] = (None, None)
    if layer.config.get("output_padding") is not None:
        given = layer.sizes("output_padding", spatial(layer), least=0)
        extra = (None, given[0]) if len(given) == 1 else given
    same = layer.text("padding", "valid", ("valid", "same")) == "same"
    cuts = [_cuts(kernel[a], stride[a], dilation[a], extra[a], same) for a in (0, 1)]
    y = layer.emit(
        "conv_transpose2d",
        operands,
        stride=stride,
        dilation=dilation,
        padding=tuple(max(0, cut) for pair in cuts for cut in pair),
        output_padding=tuple(max(0, -after) for _, after in cuts),
    )
    return _finish(layer, y)


def _cuts(kernel: int, stride: int, dilation: int, extra: int | None, same: bool) -> tuple[int, int]:
    """What is cut away before and behind the whole result; less than nothing behind is added there."""
    reach = (kernel - 1) * dilation + 1
    if not same:
        return 0, -(max(reach, stride) - reach if extra is None else extra)
    # what is left of the reach - 1 numbers that hang over on each side
    kept = stride + reach - 2 if extra is None else reach + reach % 2 - 2 + extra
    before = min(kept - kept // 2, reach - 1)
    return reach - 1 - before, reach - 1 - (kept - before)


RULES: dict[str, Rule] = {
    "Conv1D": convolution,
    "Conv2D": convolution,
    "Conv1DTranspose": transposed,
    "Conv2DTranspose": transposed,
    "DepthwiseConv1D": depthwise,
    "DepthwiseConv2D": depthwise,
    "SeparableConv1D": separable,
    "SeparableConv2D": separable,
}
