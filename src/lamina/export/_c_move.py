"""Numbers moved by a rule, in C: transpose, concatenate, slice, pad, expand, tile.

    y[walk of the result] = x[walk of the operand]        strides and starts are constants, see `_c_loops`

A slice starts elsewhere and steps further, also backwards; expand and tile repeat with a stride of 0; a constant pad
fills first and copies into the middle; the other pads read each padded axis through a table of places.
"""

from math import prod

import numpy as np

from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_loops import Walk, around, contiguous, nest, place, repeated
from lamina.export._c_text import real, whole
from lamina.ir.network import Array
from lamina.ir.operators.move import fill, padded_places
from lamina.ir.types import Float


def transpose(setting: Setting) -> Kernel:
    strides = contiguous(setting.x.shape).strides
    return _moved(setting, setting.y.shape, Walk(tuple(strides[axis] for axis in setting.site.attributes["order"])))


def slice_(setting: Setting) -> Kernel:
    a, strides = setting.site.attributes, contiguous(setting.x.shape).strides
    start = sum(first * stride for first, stride in zip(a["starts"], strides, strict=True))
    steps = tuple(step * stride for step, stride in zip(a["steps"], strides, strict=True))
    return _moved(setting, setting.y.shape, Walk(steps, start))


def expand(setting: Setting) -> Kernel:
    return _moved(setting, setting.y.shape, repeated(setting.x.shape, setting.y.shape))


def tile(setting: Setting) -> Kernel:
    """Each axis is two: repetitions, which do not move, and its own."""
    repeats, strides = setting.site.attributes["repeats"], contiguous(setting.x.shape).strides
    shape = [size for pair in zip(repeats, setting.x.shape, strict=True) for size in pair]
    return _moved(setting, shape, Walk(tuple(step for stride in strides for step in (0, stride))))


def concatenate(setting: Setting) -> Kernel:
    axis, shape = setting.site.attributes["axis"], setting.y.shape
    strides, body, start = contiguous(shape).strides, [], 0
    for at, operand in enumerate(setting.site.inputs):
        walks = [Walk(strides, start), contiguous(operand.shape)]
        body.append(nest(operand.shape, walks, lambda y, x, at=at: f"y[{y}] = x{at}[{x}];"))
        start += operand.shape[axis] * strides[axis]
    return Kernel(reads=tuple(range(len(setting.site.inputs))), body="\n".join(body))


def pad(setting: Setting) -> Kernel:
    before, after, mode = (setting.site.attributes[name] for name in ("before", "after", "mode"))
    if mode == "constant":
        return _framed(setting, before)
    shape, strides = setting.x.shape, contiguous(setting.x.shape).strides
    tables: dict[str, Array] = {}
    names, places = [f"i{axis}" for axis in range(len(shape))], []
    for axis, (b, a) in enumerate(zip(before, after, strict=True)):
        if b or a:
            tables[f"place{axis}"] = (padded_places(shape[axis], b, a, mode) * strides[axis]).astype(np.int32)
            places.append(f"place{axis}[i{axis}]")
        elif shape[axis] > 1:
            places.append(f"i{axis} * {strides[axis]}")
    to = place(names, contiguous(setting.y.shape).strides)
    body = around(names, setting.y.shape, f"y[{to}] = x0[{' + '.join(places) or '0'}];")
    return Kernel(reads=(0,), body=body, stored=tables)


def _framed(setting: Setting, before: tuple[int, ...]) -> Kernel:
    """The constant everywhere, then the operand inside."""
    element, strides = setting.x.element, contiguous(setting.y.shape).strides
    value = fill(setting.site.attributes["value"], element)
    text = real(value, setting.kind) if isinstance(element, Float) else whole(int(value))
    start = sum(count * stride for count, stride in zip(before, strides, strict=True))
    inside = nest(
        setting.x.shape, [Walk(strides, start), contiguous(setting.x.shape)], lambda y, x: f"y[{y}] = x0[{x}];"
    )
    filled = f"for (int i = 0; i < {setting.y.size}; ++i) {{\n    y[i] = {text};\n}}\n"
    return Kernel(reads=(0,), body=filled + inside)


def _moved(setting: Setting, shape: tuple[int, ...] | list[int], walk: Walk) -> Kernel:
    assert prod(shape) == setting.y.size
    return Kernel(reads=(0,), body=nest(shape, [contiguous(shape), walk], lambda y, x: f"y[{y}] = x0[{x}];"))
