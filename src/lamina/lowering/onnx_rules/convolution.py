"""Convolutions over one or two axes; one axis is a height of 1.

Conv             conv2d
ConvTranspose    conv_transpose2d, its padding also from `output_shape`
ConvInteger      conv2d of plain integers with their zero points
padding          NOTSET as given, VALID none, SAME_UPPER and SAME_LOWER so that the result has size ceil(x / stride)
"""

from collections.abc import Sequence
from math import ceil

from lamina.core.errors import BadInput, Unsupported
from lamina.ir.operators.move import END
from lamina.lowering._onnx_node import Node, Tensor
from lamina.lowering.onnx_rules._rule import rule

MOST_PLANES = 64  # of a kernel over three axes
Window = tuple[list[int], list[int], list[int], list[int]]  # stride, dilation, before, after: an entry per axis


def window(node: Node, sizes: Sequence[int], kernel: Sequence[int]) -> Window:
    """Stride, dilation and padding of a node whose input has spatial `sizes`."""
    axes = len(sizes)
    stride, dilation = node.ints("strides", [1] * axes), node.ints("dilations", [1] * axes)
    pads = node.ints("pads", [0] * 2 * axes)
    if len(stride) != axes or len(dilation) != axes or len(pads) != 2 * axes or min(stride) < 1 or min(dilation) < 1:
        raise BadInput(f"strides {stride}, dilations {dilation} and pads {pads} do not fit {axes} axes")
    before, after = pads[:axes], pads[axes:]
    kind = node.text("auto_pad", "NOTSET")
    if kind == "VALID":
        before, after = [0] * axes, [0] * axes
    elif kind in ("SAME_UPPER", "SAME_LOWER"):
        for i in range(axes):
            reach = dilation[i] * (kernel[i] - 1) + 1
            total = max(0, (ceil(sizes[i] / stride[i]) - 1) * stride[i] + reach - sizes[i])
            less, more = total // 2, total - total // 2
            before[i], after[i] = (less, more) if kind == "SAME_UPPER" else (more, less)
    elif kind != "NOTSET":
        raise BadInput(f"auto_pad {kind!r}: NOTSET, VALID, SAME_UPPER and SAME_LOWER are ONNX's")
    return stride, dilation, before, after


def two(values: Sequence[int], fill: int) -> tuple[int, int]:
    """One entry as (fill, entry), two as they are."""
    return (fill, values[0]) if len(values) == 1 else (values[0], values[1])


def around(before: Sequence[int], after: Sequence[int]) -> tuple[int, int, int, int]:
    """Padding as top, bottom, left, right."""
    (top, left), (bottom, right) = two(before, 0), two(after, 0)
    return (top, bottom, left, right)


def spatial(node: Node, x: Tensor) -> int:
    """How many spatial axes x [n, c, ...] has: 1 or 2."""
    if x.rank not in (3, 4):
        raise Unsupported(f"{node.proto.op_type} over {max(x.rank - 2, 0)} axes: 1 and 2 are read")
    return x.rank - 2


def flat(node: Node, x: Tensor) -> Tensor:
    """x [n, c, w] as [n, c, 1, w]; four axes as they are."""
    return x if x.rank == 4 else node.reshape(x, (*x.shape[:-1], 1, x.shape[-1]))


def kernel_of(node: Node, w: Tensor) -> tuple[int, ...]:
    kernel = tuple(node.ints("kernel_shape", w.shape[2:]))
    if kernel != w.shape[2:]:
        raise BadInput(f"kernel_shape {list(kernel)} and weights of shape {list(w.shape)} differ")
    return kernel


@rule("Conv")
def conv(node: Node) -> Tensor:
    x, w, b = node.x(0), node.x(1), node.given(2)
    return convolution(node, x, w, b)


def convolution(node: Node, x: Tensor, w: Tensor, b: Tensor | None, **more: object) -> Tensor:
    """conv2d of the node's window; `more` goes to the operator."""
    if w.rank != x.rank:
        raise BadInput(f"weights of shape {list(w.shape)} for a value of shape {list(x.shape)}")
    if x.rank == 5:
        return _three(node, x, w, b)
    axes = spatial(node, x)
    stride, dilation, before, after = window(node, x.shape[2:], kernel_of(node, w))
    attributes = {
        "stride": two(stride, 1),
        "dilation": two(dilation, 1),
        "padding": around(before, after),
        "groups": node.integer("group", 1),
        **more,
    }
    operands = [flat(node, x), flat(node, w), *([b] if b is not None else [])]
    if axes == 2:
        made: Tensor = node.emit("conv2d", *operands, **attributes)
        return made
    made = node.step("conv2d", *operands, **attributes)
    return node.reshape(made, (*made.shape[:2], made.shape[3]), last=True)


def _three(node: Node, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """x [n, c, d, h, w]: planes d are a batch, and every place of the kernel along d is a conv2d of its planes."""
    stride, dilation, before, after = window(node, x.shape[2:], kernel_of(node, w))
    if min(before[0], after[0]) < 0 or w.shape[2] > MOST_PLANES:
        raise Unsupported(f"a kernel of {w.shape[2]} planes: up to {MOST_PLANES} are read")
    if before[0] or after[0]:
        x = node.step("pad", x, before=(0, 0, before[0], 0, 0), after=(0, 0, after[0], 0, 0), mode="constant")
    n, c, depth = x.shape[:3]
    planes = (depth - dilation[0] * (w.shape[2] - 1) - 1) // stride[0] + 1
    if planes < 1:
        raise BadInput(f"a kernel of {w.shape[2]} planes does not fit {depth}")
    attributes = {
        "stride": tuple(stride[1:]),
        "dilation": tuple(dilation[1:]),
        "padding": around(before[1:], after[1:]),
        "groups": node.integer("group", 1),
    }
    total: Tensor | None = None
    for at in range(w.shape[2]):
        start = at * dilation[0]
        seen = node.step(
            "slice",
            x,
            starts=(0, 0, start, 0, 0),
            stops=(END, END, start + (planes - 1) * stride[0] + 1, END, END),
            steps=(1, 1, stride[0], 1, 1),
        )
        rows = node.step("transpose", seen, order=(0, 2, 1, 3, 4))
        flat_rows = node.reshape(rows, (n * planes, c, *x.shape[3:]))
        taps = node.step("slice", w, starts=(0, 0, at, 0, 0), stops=(END, END, at + 1, END, END), steps=(1, 1, 1, 1, 1))
        kernel = node.reshape(taps, (*w.shape[:2], *w.shape[3:]))
        bias = [b] if b is not None and at == 0 else []
        term = node.step("conv2d", flat_rows, kernel, *bias, **attributes)
        total = term if total is None else node.step("add", total, term)
    assert total is not None
    split = node.reshape(total, (n, planes, *total.shape[1:]))
    made: Tensor = node.emit("transpose", split, order=(0, 2, 1, 3, 4))
    return made


@rule("ConvTranspose")
def conv_transpose(node: Node) -> Tensor:
    x, w, b = node.x(0), node.x(1), node.given(2)
    axes = spatial(node, x)
    if w.rank != x.rank:
        raise BadInput(f"weights of shape {list(w.shape)} for a value of shape {list(x.shape)}")
    kernel, sizes = kernel_of(node, w), x.shape[2:]
    stride, dilation, before, after = window(node, sizes, kernel)
    extra = node.ints("output_padding", [0] * axes)
    if len(extra) != axes or min(extra) < 0:
        raise BadInput(f"output_padding {extra} does not fit {axes} axes")
    kind = node.text("auto_pad", "NOTSET")
    whole = [stride[i] * (sizes[i] - 1) + extra[i] + dilation[i] * (kernel[i] - 1) + 1 for i in range(axes)]
    wanted = node.ints("output_shape", [])[-axes:]
    if not wanted and kind in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [sizes[i] * stride[i] for i in range(axes)]
    for i, size in enumerate(wanted):
        total = whole[i] - size
        if total < 0:
            extra[i], total = extra[i] - total, 0
        less, more = total // 2, total - total // 2
        before[i], after[i] = (less, more) if kind == "SAME_UPPER" else (more, less)
        if kind == "NOTSET" and total:
            before[i], after[i] = less, more
    attributes = {
        "stride": two(stride, 1),
        "dilation": two(dilation, 1),
        "padding": around(before, after),
        "output_padding": two(extra, 0),
        "groups": node.integer("group", 1),
    }
    operands = [flat(node, x), flat(node, w), *([b] if b is not None else [])]
    if axes == 2:
        made: Tensor = node.emit("conv_transpose2d", *operands, **attributes)
        return made
    made = node.step("conv_transpose2d", *operands, **attributes)
    return node.reshape(made, (*made.shape[:2], made.shape[3]), last=True)
