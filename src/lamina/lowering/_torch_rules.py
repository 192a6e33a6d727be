"""One rule per torch operator: its arguments by name in, one value of the network out.

A rule is a function (graph, name, **arguments); arguments that are tensors arrive as `Value`s. Integer layers
(namespace `lamina`) carry their scales as constants; their element types are read off them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.core.errors import Unsupported
from lamina.ir import Integer, Type
from lamina.ir import integers as integer_rules
from lamina.ir.types import FLOAT32
from lamina.lowering.torch_export import Graph, Value, coding

RULES: dict[str, Callable[..., Value]] = {}


def rule(*targets: str) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    def register(function: Callable[..., Value]) -> Callable[..., Value]:
        for target in targets:
            RULES[target] = function
        return function

    return register


def pair(value: Sequence[int] | int) -> tuple[int, int]:
    sizes = [value] if isinstance(value, int) else list(value)
    return (int(sizes[0]), int(sizes[-1]))


def around(value: Sequence[int] | int) -> tuple[int, int, int, int]:
    """torch's symmetric padding (height, width) as top, bottom, left, right."""
    height, width = pair(value)
    return (height, height, width, width)


def operands(*values: Value | None) -> list[Value]:
    return [v for v in values if v is not None]


@rule("aten.conv2d.default")
def conv2d(
    graph: Graph,
    name: str,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Value:
    return graph.emit(
        name,
        "conv2d",
        operands(input, weight, bias),
        stride=pair(stride),
        padding=around(padding),
        dilation=pair(dilation),
        groups=groups,
    )


@rule("aten.linear.default")
def linear(graph: Graph, name: str, input: Value, weight: Value, bias: Value | None) -> Value:
    return graph.emit(name, "linear", operands(input, weight, bias))


@rule("aten.max_pool2d.default")
def max_pool2d(
    graph: Graph, name: str, self: Value, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Value:
    if ceil_mode:
        raise Unsupported(f"max_pool2d at {name!r} with ceil_mode=True: only whole windows are pooled")
    kernel = pair(kernel_size)
    return graph.emit(
        name,
        "max_pool2d",
        [self],
        kernel=kernel,
        stride=pair(stride) if stride else kernel,
        padding=around(padding),
        dilation=pair(dilation),
    )


@rule("aten.avg_pool2d.default")
def avg_pool2d(
    graph: Graph,
    name: str,
    self: Value,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Value:
    padded = any(around(padding))
    if ceil_mode or divisor_override is not None or (padded and not count_include_pad):
        raise Unsupported(f"avg_pool2d at {name!r}: ceil_mode, divisor_override and uncounted padding have no rule")
    kernel = pair(kernel_size)
    return graph.emit(
        name,
        "average_pool2d",
        [self],
        kernel=kernel,
        stride=pair(stride) if stride else kernel,
        padding=around(padding),
    )


@rule("aten.relu.default", "aten.relu_.default")
def relu(graph: Graph, name: str, self: Value) -> Value:
    return graph.emit(name, "relu", [self])


@rule("aten.tanh.default")
def tanh(graph: Graph, name: str, self: Value) -> Value:
    return graph.emit(name, "tanh", [self])


@rule("aten.sigmoid.default")
def sigmoid(graph: Graph, name: str, self: Value) -> Value:
    return graph.emit(name, "sigmoid", [self])


@rule("aten.softmax.int", "aten._softmax.default")
def softmax(graph: Graph, name: str, self: Value, dim: int, **_: Any) -> Value:
    return graph.emit(name, "softmax", [self], axis=dim)


@rule("aten.log_softmax.int", "aten._log_softmax.default")
def log_softmax(graph: Graph, name: str, self: Value, dim: int, **_: Any) -> Value:
    return graph.emit(name, "log_softmax", [self], axis=dim)


@rule("aten.add.Tensor")
def add(graph: Graph, name: str, self: Value, other: Any, alpha: float) -> Value:
    if not isinstance(other, Value) or alpha != 1:
        raise Unsupported(f"add at {name!r}: two tensors are added, without a factor")
    return graph.emit(name, "add", [self, other])


@rule("aten.flatten.using_ints")
def flatten(graph: Graph, name: str, self: Value, start_dim: int, end_dim: int) -> Value:
    axes = len(self.type.shape)
    if end_dim % axes == axes - 1:
        return graph.emit(name, "flatten", [self], start=start_dim % axes)
    shape = self.type.shape
    start, end = start_dim % axes, end_dim % axes
    return reshape(graph, name, self, (*shape[:start], -1, *shape[end + 1 :]))


@rule("aten.view.default", "aten.reshape.default", "aten._unsafe_view.default")
def view(graph: Graph, name: str, self: Value, **sizes: Any) -> Value:
    (shape,) = sizes.values()  # torch calls it `size` or `shape`
    return reshape(graph, name, self, tuple(int(s) for s in shape))


def reshape(graph: Graph, name: str, x: Value, shape: tuple[int, ...]) -> Value:
    """A reshape that leaves the batch open where axis 0 is kept."""
    if shape and shape[0] == x.type.shape[0]:
        shape = (0, *shape[1:])
    return graph.emit(name, "reshape", [x], shape=shape)


@rule(
    "aten.dropout.default",
    "aten.clone.default",
    "aten.contiguous.default",
    "aten.alias.default",
    "aten.detach.default",
    "aten.detach_.default",
    "aten.lift_fresh_copy.default",
)
def identity(graph: Graph, name: str, **arguments: Any) -> Value:
    first: Value = next(iter(arguments.values()))
    return first


def element(scale: Value, zero_point: int, low: int, high: int) -> Integer:
    """The element type of integers low..high; a symmetric range (-127..127) is the type that holds it."""
    assert scale.data is not None
    scales = tuple(float(s) for s in scale.data.reshape(-1))
    bits = max(high, -low - 1).bit_length() + (1 if low < 0 else 0)
    return Integer(bits=bits, signed=low < 0, scale=scales, zero_point=zero_point, axis=0 if len(scales) > 1 else None)


@rule("lamina.quantise.default")
def quantise(graph: Graph, name: str, x: Value, scale: Value, zero_point: int, low: int, high: int) -> Value:
    to = element(scale, zero_point, low, high)
    if x.data is None:
        return graph.emit(name, "quantise", [x], element=to)
    divisor = np.array(to.scale, np.float32).reshape(-1, *[1] * (x.data.ndim - 1))
    stored = np.rint(x.data.astype(np.float32) / divisor).astype(np.int64) + zero_point
    stored = np.clip(stored, low, high).astype(to.storage)
    sparse, codebook_bits = coding(stored)
    return Value(x.name, Type(shape=x.data.shape, element=to, sparse=sparse, codebook_bits=codebook_bits), stored)


@rule("lamina.dequantise.default")
def dequantise(graph: Graph, name: str, q: Value, scale: Value, zero_point: int) -> Value:
    return graph.emit(name, "dequantise", [q], element=FLOAT32)


def _accumulator(q: Value, weight: Value) -> int:
    return integer_rules.accumulator_bits(q.type, weight.type)


@rule("lamina.conv2d_integer.default")
def conv2d_integer(
    graph: Graph, name: str, q: Value, weight: Value, bias: Value | None, y_scale: Value, rounding: str, **more: Any
) -> Value:
    return graph.emit(
        name,
        "conv2d",
        operands(q, weight, bias),
        element=element(y_scale, more["y_zero"], more["y_low"], more["y_high"]),
        stride=pair(more["stride"]),
        padding=around(more["padding"]),
        dilation=pair(more["dilation"]),
        groups=more["groups"],
        rounding=rounding,
        accumulator=_accumulator(q, weight),
    )


@rule("lamina.linear_integer.default")
def linear_integer(
    graph: Graph, name: str, q: Value, weight: Value, bias: Value | None, y_scale: Value, rounding: str, **more: Any
) -> Value:
    to = element(y_scale, more["y_zero"], more["y_low"], more["y_high"])
    return graph.emit(
        name,
        "linear",
        operands(q, weight, bias),
        element=to,
        rounding=rounding,
        accumulator=_accumulator(q, weight),
    )


@rule("lamina.average_pool2d_integer.default")
def average_pool2d_integer(graph: Graph, name: str, q: Value, y_scale: Value, rounding: str, **more: Any) -> Value:
    return graph.emit(
        name,
        "average_pool2d",
        [q],
        element=element(y_scale, more["y_zero"], more["y_low"], more["y_high"]),
        kernel=pair(more["kernel"]),
        stride=pair(more["stride"]),
        padding=around(more["padding"]),
        rounding=rounding,
    )


@rule("lamina.lookup.default")
def lookup(
    graph: Graph, name: str, q: Value, table: Value, low: int, y_scale: Value, y_zero: int, y_low: int, y_high: int
) -> Value:
    to = element(y_scale, y_zero, y_low, y_high)
    assert table.data is not None
    entries = Value(table.name, Type(shape=table.data.shape, element=to), table.data.astype(to.storage))
    return graph.emit(name, "lookup", [q, entries], element=to)
