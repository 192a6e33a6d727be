"""Pooling over windows, and over the whole plane; three axes are pooled as two, then one.

MaxPool            max_pool2d; a last window that is not whole (ceil_mode) sees padding, which never wins
AveragePool        average_pool2d; where windows leave the padded plane, its mean times kernel size over true count
GlobalAveragePool  average_pool2d of the whole plane     GlobalMaxPool  reduce_max
LpPool             (mean |x|^p · size)^(1/p)             MaxUnpool      max_unpool2d
"""

from functools import reduce
from math import ceil, prod

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.lowering._onnx_node import INT64, Node, Tensor
from lamina.lowering.onnx_rules._rule import Results, rule
from lamina.lowering.onnx_rules.convolution import around, flat, spatial, two, window

MOST_COUNTS = 2**26  # places times numbers of a window


class Pool:
    """The windows of a pooling node: attributes for the operators, and sizes of the result."""

    def __init__(self, node: Node, x: Tensor) -> None:
        self.axes = x.rank - 2 if x.rank == 5 else spatial(node, x)
        self.kernel = node.ints("kernel_shape")
        if len(self.kernel) != self.axes or min(self.kernel) < 1:
            raise BadInput(f"kernel_shape {self.kernel} does not fit {self.axes} axes")
        self.sizes = x.shape[2:]
        self.stride, self.dilation, self.before, self.given_after = window(node, self.sizes, self.kernel)
        self.after = [*self.given_after]
        if min(*self.before, *self.after) < 0:
            raise BadInput("a pool's padding is not negative")
        if node.integer("ceil_mode", 0) and node.text("auto_pad", "NOTSET") in ("NOTSET", "VALID"):
            for i in range(self.axes):
                self.after[i] += self._missing(i)

    def _missing(self, i: int) -> int:
        """Padding that makes the last window whole, unless it would start behind the plane."""
        reach = self.dilation[i] * (self.kernel[i] - 1) + 1
        padded = self.sizes[i] + self.before[i] + self.after[i]
        count = ceil((padded - reach) / self.stride[i]) + 1
        if (count - 1) * self.stride[i] >= self.sizes[i] + self.before[i]:
            count -= 1
        return max(0, (count - 1) * self.stride[i] + reach - padded)

    @property
    def attributes(self) -> dict[str, tuple[int, ...]]:
        return {
            "kernel": two(self.kernel, 1),
            "stride": two(self.stride, 1),
            "padding": around(self.before, self.after),
            "dilation": two(self.dilation, 1),
        }

    @property
    def is_whole(self) -> bool:
        return self.after == self.given_after

    @property
    def has_padding(self) -> bool:
        return any((*self.before, *self.after))

    def counts(self, padded: bool) -> np.ndarray:
        """Numbers in each window: of the plane, and of its given padding too if `padded`."""
        lines = []
        for i in range(self.axes):
            starts = np.arange(
                -self.before[i],
                self.sizes[i] + self.after[i] - self.dilation[i] * (self.kernel[i] - 1),
                self.stride[i],
            )
            taps = starts[:, None] + np.arange(self.kernel[i]) * self.dilation[i]
            low, high = (-self.before[i], self.sizes[i] + self.given_after[i]) if padded else (0, self.sizes[i])
            lines.append(((taps >= low) & (taps < high)).sum(axis=1))
        lines = [np.ones(1, int), *lines] if self.axes == 1 else lines
        return np.asarray(reduce(np.multiply.outer, lines))


def back(node: Node, made: Tensor, axes: int) -> Tensor:
    return made if axes == 2 else node.reshape(made, (*made.shape[:2], made.shape[3]), last=True)


@rule("MaxPool")
def max_pool(node: Node) -> Results:
    x = node.x()
    pool = Pool(node, x)
    if x.rank == 5 and len([n for n in node.proto.output if n]) < 2:
        return _three(node, x, pool, "max_pool2d")
    if len(node.proto.output) < 2 or not node.proto.output[1]:
        return back(node, node.emit("max_pool2d", flat(node, x), **pool.attributes), pool.axes)
    if node.integer("storage_order", 0):
        raise Unsupported("MaxPool's indices counted by columns")
    if not x.is_float:
        raise Unsupported("MaxPool's indices of integers")
    values, places = node.emit("max_pool2d_switches", flat(node, x), **pool.attributes, dtype=[None, INT64])
    plane = node.places(prod(x.shape[:2]), (*x.shape[:2], 1, 1)) * prod(pool.sizes)
    total = node.step("add", places, node.constant(plane, name="planes"), dtype=INT64)
    return [back(node, values, pool.axes), back(node, total, pool.axes)]


@rule("AveragePool")
def average_pool(node: Node) -> Tensor:
    x = node.x()
    return average(node, x)


def average(node: Node, x: Tensor) -> Tensor:
    """The mean of each window; see the head of this file."""
    pool = Pool(node, x)
    padded = bool(node.integer("count_include_pad", 0))
    if x.rank == 5:
        mean = _three(node, _zeros(node, x, pool), pool, "average_pool2d", padded=True)
        _affordable_counts(mean, pool)
        ratio = prod(pool.kernel) / np.maximum(pool.counts(padded), 1)
        return node.emit("multiply", mean, node.constant(ratio, x, name="counts")) if (ratio != 1).any() else mean
    plain = pool.is_whole and (padded or not pool.has_padding)
    narrow = all(max(b, a) < k for b, a, k in zip(pool.before, pool.after, pool.kernel, strict=True))
    if (plain or (pool.is_whole and not padded)) and narrow:
        made = node.emit("average_pool2d", flat(node, x), **pool.attributes, include_padding=padded)
        return back(node, made, pool.axes)
    mean = _padded_mean(node, flat(node, x), pool)
    _affordable_counts(mean, pool)
    ratio = prod(pool.kernel) / np.maximum(pool.counts(padded), 1)
    return back(node, node.emit("multiply", mean, node.constant(ratio, x, name="counts")), pool.axes)


def _affordable_counts(mean: Tensor, pool: Pool) -> None:
    if prod(mean.shape[2:]) * max(pool.kernel) > MOST_COUNTS:
        raise Unsupported(f"an average whose windows are not all whole, at {list(mean.shape[2:])} places: too many")


def _zeros(node: Node, x: Tensor, pool: Pool) -> Tensor:
    """x with zeros around."""
    if not pool.has_padding:
        return x
    made: Tensor = node.step(
        "pad", x, before=(0, 0, *pool.before), after=(0, 0, *pool.after), mode="constant", value=0.0
    )
    return made


def _three(node: Node, x: Tensor, pool: Pool, name: str, *, padded: bool = False) -> Tensor:
    """x [n, c, d, h, w]: over h and w, then over d; `padded` where x has its padding already."""
    n, c, depth = x.shape[:3]
    before, after = ([0] * 3, [0] * 3) if padded else (pool.before, pool.after)
    planes = node.step(
        name,
        node.reshape(x, (n, c * depth, *x.shape[3:])),
        kernel=tuple(pool.kernel[1:]),
        stride=tuple(pool.stride[1:]),
        padding=around(before[1:], after[1:]),
        dilation=tuple(pool.dilation[1:]),
    )
    size = planes.shape[2:]
    columns = node.step(
        name,
        node.reshape(planes, (n, c, depth, prod(size))),
        kernel=(pool.kernel[0], 1),
        stride=(pool.stride[0], 1),
        padding=(before[0], after[0], 0, 0),
        dilation=(pool.dilation[0], 1),
    )
    return node.reshape(columns, (n, c, columns.shape[2], *size), last=True)


def _padded_mean(node: Node, x: Tensor, pool: Pool) -> Tensor:
    """The mean of each window with zeros around the plane, however wide."""
    if pool.has_padding:
        top, bottom, left, right = around(pool.before, pool.after)
        x = node.step("pad", x, before=(0, 0, top, left), after=(0, 0, bottom, right), mode="constant", value=0.0)
    attributes = {**pool.attributes, "padding": (0, 0, 0, 0)}
    made: Tensor = node.step("average_pool2d", x, **attributes)
    return made


@rule("LpPool")
def lp_pool(node: Node) -> Tensor:
    x, p = node.x(), float(node.integer("p", 2))
    spatial(node, x)
    pool = Pool(node, x)
    powers = node.step("power", node.step("absolute", flat(node, x)), node.constant(p, x))
    mean = _padded_mean(node, powers, pool)
    total = node.step("multiply", mean, node.constant(prod(pool.kernel), x))
    return back(node, node.emit("power", total, node.constant(1 / p, x)), pool.axes)


@rule("GlobalAveragePool")
def global_average_pool(node: Node) -> Tensor:
    x = node.x()
    if x.rank == 4:
        made: Tensor = node.emit("average_pool2d", x, kernel=x.shape[2:], stride=x.shape[2:])
        return made
    return _reduced(node, "reduce_mean")


@rule("GlobalMaxPool")
def global_max_pool(node: Node) -> Tensor:
    return _reduced(node, "reduce_max")


def _reduced(node: Node, name: str) -> Tensor:
    x = node.x()
    if x.rank < 3:
        raise BadInput(f"a value of shape {list(x.shape)} has no plane to pool")
    made: Tensor = node.emit(name, x, axes=tuple(range(2, x.rank)), keep=True)
    return made


@rule("MaxUnpool")
def max_unpool(node: Node) -> Tensor:
    """Indices count through all planes; max_unpool2d wants them within one."""
    x, places = node.x(0), node.x(1)
    axes = spatial(node, x)
    kernel = node.ints("kernel_shape")
    if len(kernel) != axes or places.shape != x.shape:
        raise BadInput(f"kernel {kernel} and indices {list(places.shape)} do not fit values {list(x.shape)}")
    stride, _, before, after = window(node, x.shape[2:], kernel)
    derived = [(x.shape[2 + i] - 1) * stride[i] - before[i] - after[i] + kernel[i] for i in range(axes)]
    wanted = node.numbers(2, "output_shape") if node.given(2) is not None else [*x.shape[:2], *derived]
    if len(wanted) != x.rank or wanted[:2] != [*x.shape[:2]]:
        raise BadInput(f"output_shape {wanted} does not fit values of shape {list(x.shape)}")
    if node.given(2) is not None and wanted[2:] != derived:
        raise Unsupported(f"a MaxUnpool to {wanted[2:]} with indices of {derived}")
    inside = node.step("remainder", places, node.constant(prod(derived), name="plane"), sign="divisor")
    size = two(derived, 1)
    made = node.emit("max_unpool2d", flat(node, x), flat(node, inside), size=size)
    return back(node, made, axes)
