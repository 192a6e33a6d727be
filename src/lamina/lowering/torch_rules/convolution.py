"""Convolutions of one and two dimensions, transposed ones too.

A 1-d convolution is a 2-d one of height 1: x [n, c, l] is seen as [n, c, 1, l]. Padding "same" puts the odd one after.
"""

from collections.abc import Callable, Sequence
from typing import Any

from lamina.core.errors import Unsupported
from lamina.ir.build import Builder, Value
from lamina.lowering.torch_rules._rule import operands, pair, reshape, rule


def image(b: Builder, name: str, x: Value, axes: int, compute: Callable[[Value], Value]) -> Value:
    """`compute` on x as [n, c, h, w]: height 1 for one axis, a batch of 1 where there is none."""
    batched = len(x.shape) == axes + 2
    n, c, *sizes = x.shape if batched else (1, *x.shape)
    flat = [1, *sizes] if axes == 1 else sizes
    y = compute(reshape(b, f"{name}.image", x, (n, c, *flat)))
    n, k, h, w = y.shape
    return reshape(b, f"{name}.out", y, (*([n] if batched else []), k, *([w] if axes == 1 else [h, w])))


def high(value: Sequence[int] | int, axes: int, along: int) -> tuple[int, int]:
    """Sizes of one or two axes as (height, width); `along` stands for the height that is not there."""
    sizes = pair(value)
    return (along, sizes[1]) if axes == 1 else sizes


def _around(padding: Any, weight: Value, dilation: Any, axes: int) -> tuple[int, int, int, int]:
    """Top, bottom, left, right."""
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(high(dilation, axes, 1), weight.shape[2:], strict=True)]
        (top, left) = (total // 2 for total in totals)
        return (top, totals[0] - top, left, totals[1] - left)
    top, left = (0, 0) if padding == "valid" else high(padding, axes, 0)
    return (top, top, left, left)


def _convolve(
    b: Builder, name: str, x: Value, w: Value, bias: Value | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> Value:
    axes = len(w.shape) - 2
    if axes == 1:
        w = reshape(b, f"{name}.kernel", w, (*w.shape[:2], 1, w.shape[2]))

    def compute(seen: Value) -> Value:
        made: Value = b.emit(
            "conv2d",
            operands(seen, w, bias),
            name=name,
            stride=high(stride, axes, 1),
            padding=_around(padding, w, dilation, axes),
            dilation=high(dilation, axes, 1),
            groups=groups,
        )
        return made

    return image(b, name, x, axes, compute)


@rule("aten.conv1d", "aten.conv2d", "aten.conv1d.padding", "aten.conv2d.padding")
def conv(b: Builder, name: str, input: Value, weight: Value, bias: Value | None, **window: Any) -> Value:
    return _convolve(b, name, input, weight, bias, **window)


@rule("aten.conv_transpose1d", "aten.conv_transpose2d.input")
def conv_transpose(
    b: Builder,
    name: str,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Value:
    axes = len(weight.shape) - 2
    w = weight
    if axes == 1:
        w = reshape(b, f"{name}.kernel", w, (*w.shape[:2], 1, w.shape[2]))

    def compute(seen: Value) -> Value:
        made: Value = b.emit(
            "conv_transpose2d",
            operands(seen, w, bias),
            name=name,
            stride=high(stride, axes, 1),
            padding=_around(padding, w, dilation, axes),
            output_padding=high(output_padding, axes, 0),
            dilation=high(dilation, axes, 1),
            groups=groups,
        )
        return made

    return image(b, name, input, axes, compute)


@rule("aten.convolution")
def convolution(
    b: Builder,
    name: str,
    input: Value,
    weight: Value,
    bias: Value | None,
    transposed: bool,
    output_padding: Any,
    **window: Any,
) -> Value:
    if len(weight.shape) > 4:
        raise Unsupported(f"a convolution over {len(weight.shape) - 2} axes at {name!r}: one and two are lowered")
    if transposed:
        return conv_transpose(b, name, input, weight, bias, output_padding=output_padding, **window)
    return _convolve(b, name, input, weight, bias, **window)
