"""Numbers moved to and from places that are computed, in C: gather, scatter and max_unpool2d.

The interpreter refuses an index outside its axis; C, which has nowhere to complain, takes the nearest place inside: no
index reads or writes beyond a value. Updates are applied in the order of their places in memory. Sums and products of
quantised values are kept in int64 until the end, as the interpreter does.
"""

from math import prod

import numpy as np

from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_loops import Walk, contiguous, nest
from lamina.export._c_requantise import clipped, plus
from lamina.export._c_text import fill, indent
from lamina.ir.operators._table import stored
from lamina.ir.types import INDEX, Float

_GATHER = """\
for (int o = 0; o < $outer; ++o) {
    for (int i = 0; i < $count; ++i) {
        const int at = ${prefix}_place(x1[i], $size);
        memcpy(y + (o * $count + i) * $inner, x0 + (o * $size + at) * $inner, $inner * sizeof *y);
    }
}
"""
_GATHER_TUPLES = """\
for (int b = 0; b < $batches; ++b) {
    for (int i = 0; i < $count; ++i) {
        int at = b;
$steps
        memcpy(y + (b * $count + i) * $inner, x0 + at * $inner, $inner * sizeof *y);
    }
}
"""
_SCATTER_TUPLES = """\
for (int i = 0; i < $count; ++i) {
    int at = 0;
$steps
    for (int j = 0; j < $inner; ++j) {
        $update
    }
}
"""
_UNPOOL = """\
for (int i = 0; i < $size; ++i) {
    y[i] = $zero;
}
for (int n = 0; n < $n; ++n) {
    for (int i = 0; i < $count; ++i) {
        y[n * $plane + ${prefix}_place(x1[n * $count + i], $plane)] = x0[n * $count + i];
    }
}
"""
_BEFORE_WIDE = """\
for (int i = 0; i < $size; ++i) {
    wide[i] = (int64_t)x0[i]$centre;
}
"""
_AFTER_WIDE = """\
for (int i = 0; i < $size; ++i) {
    y[i] = $value;
}
"""


def gather(setting: Setting) -> Kernel:
    x, axis = setting.x.shape, setting.site.attributes["axis"]
    body = fill(
        _GATHER, outer=prod(x[:axis]), size=x[axis], inner=prod(x[axis + 1 :]), count=setting.site.inputs[1].size,
        prefix=setting.prefix,
    )  # fmt: skip
    return Kernel(reads=(0, 1), body=body, helpers=("place",))


def gather_elements(setting: Setting) -> Kernel:
    shape, walk, step, size = _along(setting)

    def statement(y: str, x: str) -> str:
        return f"y[{y}] = x0[{x} + {setting.prefix}_place(x1[{y}], {size}) * {step}];"

    return Kernel(reads=(0, 1), body=nest(shape, [contiguous(shape), walk], statement), helpers=("place",))


def gather_nd(setting: Setting) -> Kernel:
    x, indices, batch = setting.x.shape, setting.site.inputs[1].shape, setting.site.attributes["batch"]
    count = prod(indices[batch:-1])
    body = fill(
        _GATHER_TUPLES, batches=prod(x[:batch]), count=count,
        inner=prod(x[batch + indices[-1] :]), steps=indent(_tuple_steps(setting, batch, f"b * {count} + i"), 8),
    )  # fmt: skip
    return Kernel(reads=(0, 1), body=body, helpers=("place",))


def scatter_elements(setting: Setting) -> Kernel:
    shape, walk, step, size = _along(setting)

    def statement(u: str, x: str) -> str:
        place = f"{x} + {setting.prefix}_place(x1[{u}], {size}) * {step}"
        return _update(setting, place, f"x2[{u}]")

    return _scattered(setting, nest(shape, [contiguous(shape), walk], statement))


def scatter_nd(setting: Setting) -> Kernel:
    x, indices = setting.x.shape, setting.site.inputs[1].shape
    inner = prod(x[indices[-1] :])
    update = _update(setting, f"at * {inner} + j", f"x2[i * {inner} + j]")
    body = fill(
        _SCATTER_TUPLES, count=prod(indices[:-1]), inner=inner, steps=indent(_tuple_steps(setting, 0, "i"), 4),
        update=update,
    )  # fmt: skip
    return _scattered(setting, body)


def max_unpool2d(setting: Setting) -> Kernel:
    n, c, h, w = setting.x.shape
    element, plane = setting.x.element, prod(setting.y.shape[2:])
    zero = 0 if isinstance(element, Float) else element.zero_point
    body = fill(
        _UNPOOL, size=setting.y.size, zero=zero, n=n * c, count=h * w, plane=plane, prefix=setting.prefix
    )  # fmt: skip
    return Kernel(reads=(0, 1), body=body, helpers=("place",))


def _along(setting: Setting) -> tuple[tuple[int, ...], Walk, int, int]:
    """The indices' shape, the walk of x for everything but the axis, and that axis's step and size."""
    axis, shape = setting.site.attributes["axis"], setting.site.inputs[1].shape
    strides = contiguous(setting.x.shape).strides
    walk = Walk(tuple(0 if at == axis else stride for at, stride in enumerate(strides)))
    return shape, walk, strides[axis], setting.x.shape[axis]


def _tuple_steps(setting: Setting, batch: int, row: str) -> str:
    """`at` moved on by each entry of the place in row `row` of the indices."""
    depth = setting.site.inputs[1].shape[-1]
    return "\n".join(
        f"at = at * {size} + {setting.prefix}_place(x1[({row}) * {depth} + {entry}], {size});"
        for entry, size in enumerate(setting.x.shape[batch : batch + depth])
    )


def _wide(setting: Setting) -> bool:
    """Whether sums or products are kept in int64 beside the result."""
    computes = setting.site.attributes["reduction"] in ("add", "mul")
    return computes and not setting.is_float and setting.x.element != INDEX


def _update(setting: Setting, place: str, value: str) -> str:
    reduction, prefix = setting.site.attributes["reduction"], setting.prefix
    if reduction == "none":
        return f"y[{place}] = {value};"
    if reduction in ("max", "min"):
        sign = ">" if reduction == "max" else "<"
        return f"const int to = {place};\ny[to] = {value} {sign} y[to] ? {value} : y[to];"
    if setting.is_float:
        return f"y[{place}] {'+' if reduction == 'add' else '*'}= {value};"
    centre = plus(-stored(setting.x).zero_point) if reduction == "add" else ""
    into = "wide" if _wide(setting) else "y"
    helper = "plus64" if reduction == "add" else "times64"
    return f"const int to = {place};\n{into}[to] = {prefix}_{helper}({into}[to], (int64_t){value}{centre});"


def _scattered(setting: Setting, updates: str) -> Kernel:
    size, helpers = setting.x.size, ["place"]
    if setting.site.attributes["reduction"] in ("add", "mul") and not setting.is_float:
        helpers.append("plus64" if setting.site.attributes["reduction"] == "add" else "times64")
    if not _wide(setting):
        return Kernel(
            reads=(0, 1, 2), body=f"memcpy(y, x0, {size} * sizeof *y);\n{updates}", helpers=tuple(helpers)
        )  # fmt: skip
    y = stored(setting.y)
    zero = y.zero_point if setting.site.attributes["reduction"] == "add" else 0
    value = clipped(f"wide[i]{plus(zero)}", y, width=64, low=y.low, high=y.high, prefix=setting.prefix)
    body = (
        fill(_BEFORE_WIDE, size=size, centre=plus(-zero)) + updates + "\n" + fill(_AFTER_WIDE, size=size, value=value)
    )
    return Kernel(
        reads=(0, 1, 2), body=body, scratch={"wide": (np.int64, size)}, helpers=(*helpers, "clip64")
    )  # fmt: skip
