"""Pooling of every kind, as windows over [n, c, h, w].

    ceil_mode   one more window where it starts inside: padding at the bottom and at the right
    adaptive    bins of one size are a window with that stride; bins that differ are averaged by a matrix per axis
    with places the places are flat in the plane without padding, torch's own convention

Average pooling counts padding as torch does: the border that was asked for counts, what ceil_mode adds does not.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from lamina.core.errors import Unsupported
from lamina.ir.build import Builder, Value
from lamina.ir.types import Type
from lamina.lowering.torch_rules._rule import bounded, number, pair, reshape, rule, transpose
from lamina.lowering.torch_rules.convolution import high, image

Window = dict[str, Any]


def _window(x: Value, axes: int, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Window:
    """Kernel, stride, dilation, padding; x is [n, c, h, w]."""
    sizes = high(kernel, axes, 1)
    steps = high(stride, axes, 1) if stride else sizes
    apart, border = high(dilation, axes, 1), high(padding, axes, 0)
    ends = []
    for size, k, s, d, p in zip(x.shape[2:], sizes, steps, apart, border, strict=True):
        reach = d * (k - 1) + 1
        count = (size + 2 * p - reach) // s + 1
        if (
            ceil_mode and (size + 2 * p - reach) % s and count * s < size + p
        ):  # it starts inside, or in the front border
            count += 1
        ends.append(max(p, (count - 1) * s + reach - size - p))
    return {
        "kernel": sizes,
        "stride": steps,
        "dilation": apart,
        "padding": (border[0], ends[0], border[1], ends[1]),
    }


@rule("aten.max_pool2d", "aten.max_pool1d")
def max_pool(
    b: Builder, name: str, self: Value, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Value:
    axes = 1 if isinstance(kernel_size, list) and len(kernel_size) == 1 else 2

    def compute(x: Value) -> Value:
        window = _window(x, axes, kernel_size, stride, padding, dilation, ceil_mode)
        made: Value = b.emit("max_pool2d", [x], name=name, **window)
        return made

    return image(b, name, self, axes, compute)


@rule("aten.max_pool2d_with_indices", "aten.max_pool1d_with_indices")
def max_pool_with_places(
    b: Builder, name: str, self: Value, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> list[Value]:
    axes = 1 if len(kernel_size) == 1 else 2
    places: list[Value] = []

    def compute(x: Value) -> Value:
        window = _window(x, axes, kernel_size, stride, padding, dilation, ceil_mode)
        values, switches = b.emit("max_pool2d_switches", [x], name=name, **window)
        places.append(switches)
        made: Value = values
        return made

    values = image(b, name, self, axes, compute)
    return [values, reshape(b, f"{name}.places", places[0], values.shape)]


@rule("aten.max_unpool2d")
def max_unpool(b: Builder, name: str, self: Value, indices: Value, output_size: Sequence[int]) -> Value:
    def compute(x: Value) -> Value:
        places = reshape(b, f"{name}.places", indices, x.shape)
        made: Value = b.emit("max_unpool2d", [x, places], name=name, size=pair(output_size))
        return made

    return image(b, name, self, 2, compute)


@rule("aten.avg_pool2d", "aten.avg_pool1d")
def average_pool(
    b: Builder,
    name: str,
    self: Value,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None = None,
) -> Value:
    axes = 1 if isinstance(kernel_size, list) and len(kernel_size) == 1 else 2

    def compute(x: Value) -> Value:
        window = _window(x, axes, kernel_size, stride, padding, 1, ceil_mode)
        height, width = high(padding, axes, 0)
        added = window["padding"] != (height, height, width, width)  # by ceil_mode
        if divisor_override is not None:
            mean = b.emit("average_pool2d", [x], name=name, **window)
            factor = number(b, f"{name}.factor", prod(window["kernel"]) / divisor_override, x.type.element)
            return b.emit("multiply", [mean, factor], name=f"{name}.sum")
        if added and count_include_pad and (height or width):
            x = b.emit("pad", [x], name=f"{name}.pad", before=(0, 0, height, width), after=(0, 0, height, width))
            bottom, right = window["padding"][1] - height, window["padding"][3] - width
            window = {**window, "padding": (0, bottom, 0, right)}
        include = count_include_pad and not added
        return b.emit("average_pool2d", [x], name=name, include_padding=include, **window)

    return image(b, name, self, axes, compute)


@rule("aten.avg_pool3d")
def average_pool3d(
    b: Builder, name: str, self: Value, kernel_size: Any, stride: Any, padding: Any, **more: Any
) -> Value:
    """Windows that reach along the first axis alone (as local response normalisation asks), or along the others."""
    *lead, d, h, w = self.shape
    stride = stride or kernel_size
    first, rest = (kernel_size[0], stride[0], padding[0]), list(zip(kernel_size, stride, padding, strict=True))[1:]
    if all(part == (1, 1, 0) for part in rest):
        x = reshape(b, f"{name}.rows", self, (prod(lead), 1, d, h * w))
        y = average_pool(b, name, x, [first[0], 1], [first[1], 1], [first[2], 0], **more)
        return reshape(b, f"{name}.out", y, (*lead, y.shape[2], h, w))
    if first == (1, 1, 0):
        x = reshape(b, f"{name}.planes", self, (prod(lead), d, h, w))
        y = average_pool(b, name, x, *([part[i] for part in rest] for i in range(3)), **more)
        return reshape(b, f"{name}.out", y, (*lead, d, *y.shape[2:]))
    raise Unsupported(f"average pooling over three axes at {name!r}: one or two are lowered")


@rule("aten.adaptive_avg_pool1d", "aten.adaptive_avg_pool2d", "aten._adaptive_avg_pool2d")
def adaptive_average(b: Builder, name: str, self: Value, output_size: Any) -> Value:
    axes = len(output_size)

    def compute(x: Value) -> Value:
        sizes, wanted = x.shape[2:], _wanted(x, output_size, axes)
        if sizes == wanted:
            return x
        if all(size % bins == 0 for size, bins in zip(sizes, wanted, strict=True)):
            kernel = tuple(size // bins for size, bins in zip(sizes, wanted, strict=True))
            return b.emit("average_pool2d", [x], name=name, kernel=kernel, stride=kernel)
        for axis in (3, 2):
            x = _averaged(b, name, x, axis, wanted[axis - 2])
        return x

    return image(b, name, self, axes, compute)


def _wanted(x: Value, output_size: Any, axes: int) -> tuple[int, ...]:
    sizes = [1, *output_size] if axes == 1 else list(output_size)
    return tuple(size if wanted is None else int(wanted) for size, wanted in zip(x.shape[2:], sizes, strict=True))


def _bins(size: int, count: int) -> list[tuple[int, int]]:
    """Begin and end of torch's bins, which overlap where they do not divide."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _averaged(b: Builder, name: str, x: Value, axis: int, count: int) -> Value:
    """The mean of each bin along `axis` (2 or 3), as a fully connected layer over that axis."""
    if x.shape[axis] == count:
        return x
    bounded(name, count * x.shape[axis])
    matrix = np.zeros((count, x.shape[axis]))
    for row, (begin, end) in zip(matrix, _bins(x.shape[axis], count), strict=True):
        row[begin:end] = 1 / (end - begin)
    type_ = Type(shape=matrix.shape, element=x.type.element)
    means = b.constant(f"{name}.bins", matrix, type_)
    order = (0, 1, 2, 3) if axis == 3 else (0, 1, 3, 2)
    y = b.emit("linear", [transpose(b, f"{name}.turn", x, order), means], name=name)
    return transpose(b, f"{name}.back", y, order)


@rule("aten.adaptive_max_pool2d", "aten.adaptive_max_pool1d")
def adaptive_max(b: Builder, name: str, self: Value, output_size: Any) -> list[Value | None]:
    """Values, and places where all bins have one size; they are refused where they are used and do not."""
    axes = len(output_size)
    sizes = (1, self.shape[-1]) if axes == 1 else self.shape[-2:]
    wanted = tuple([1, *output_size] if axes == 1 else output_size)
    wanted = tuple(size if w is None else int(w) for size, w in zip(sizes, wanted, strict=True))
    if all(size % bins == 0 for size, bins in zip(sizes, wanted, strict=True)):
        kernel = [size // bins for size, bins in zip(sizes, wanted, strict=True)][2 - axes :]
        made: list[Value | None] = [*max_pool_with_places(b, name, self, kernel, kernel, [0] * axes, [1] * axes, False)]
        return made

    def compute(x: Value) -> Value:
        for axis in (2, 3):
            parts = []
            for begin, end in _bins(x.shape[axis], wanted[axis - 2]):
                starts, stops = [0] * 4, list(x.shape)
                starts[axis], stops[axis] = begin, end
                part = b.emit("slice", [x], name=f"{name}.bin", starts=starts, stops=stops, steps=(1, 1, 1, 1))
                parts.append(b.emit("reduce_max", [part], name=f"{name}.max", axes=(axis,), keep=True))
            x = b.emit("concatenate", parts, name=name, axis=axis) if len(parts) > 1 else parts[0]
        return x

    return [image(b, name, self, axes, compute), None]
