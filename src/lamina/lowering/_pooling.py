"""Pooling as Caffe and Lua Torch define it, where the last window may hang over the edge.

    positions = ceil((size + 2 pad - kernel) / stride) + 1, less one where the last window would start in the padding

A maximum sees what is inside. An average divides by the numbers inside the *padded* input: padding counts, the
overhang does not. `average_pool2d` knows two divisors, the whole window and the numbers inside; so where a window hangs
over, padding is written out as an operation of its own and the overhang is left to the operator.

Shapes    x [n, c, h, w]; kernel, stride and padding along height and width, the padding on both sides
"""

from collections.abc import Sequence

from lamina.core.errors import BadInput
from lamina.ir.build import Builder, Value

Pair = Sequence[int]


def max_pool(
    b: Builder,
    name: str,
    x: Value,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    ceil: bool = True,
    dilation: Pair = (1, 1),
) -> Value:
    """The maximum of each window."""
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    after = [max(0, a) for a in _after(x, reach, stride, padding, ceil)]
    return b.emit(
        "max_pool2d", [x], name=name, kernel=tuple(kernel), stride=tuple(stride), dilation=tuple(dilation),
        padding=(padding[0], after[0], padding[1], after[1]),
    )  # fmt: skip


def average_pool(
    b: Builder,
    name: str,
    x: Value,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    ceil: bool = True,
    count_padding: bool = True,
) -> Value:
    """The mean of each window over the padded input; over the input alone without `count_padding`."""
    after = [max(0, a) for a in _after(x, kernel, stride, padding, ceil)]
    before = list(padding)
    hanging = [max(0, a - p) for a, p in zip(after, padding, strict=True)]
    if count_padding and any(hanging):
        inside = [a - h for a, h in zip(after, hanging, strict=True)]
        if any(before) or any(inside):
            x = b.emit("pad", [x], name=f"{name}.padded", before=(0, 0, *before), after=(0, 0, *inside))
        before, after, count_padding = [0, 0], hanging, False
    return b.emit(
        "average_pool2d", [x], name=name, kernel=tuple(kernel), stride=tuple(stride),
        padding=(before[0], after[0], before[1], after[1]), include_padding=count_padding,
    )  # fmt: skip


def _after(x: Value, kernel: Pair, stride: Pair, padding: Pair, ceil: bool) -> list[int]:
    """Along each axis what the last window reaches behind the input; negative where numbers are left over."""
    if len(x.shape) != 4:
        raise BadInput(f"pooling of a value of shape {list(x.shape)}: [n, c, h, w] is needed")
    if min(*kernel, *stride) < 1 or min(padding) < 0 or any(p >= k for p, k in zip(padding, kernel, strict=True)):
        raise BadInput(f"windows of {list(kernel)} with stride {list(stride)} and padding {list(padding)}")
    found = []
    for size, k, s, p in zip(x.shape[2:], kernel, stride, padding, strict=True):
        room = size + 2 * p - k
        positions = (-(-room // s) if ceil else room // s) + 1
        if ceil and p and (positions - 1) * s >= size + p:
            positions -= 1
        if positions < 1:
            raise BadInput(f"a window of {k} does not fit an input of {size} padded by {p}")
        found.append((positions - 1) * s + k - size - p)
    return found
