"""Layers that are no operator of their own: each is composed of operators in one way, whichever format names it.

prelu       max(x, 0) + w min(x, 0)
channels    a vector [c] in the shape that meets axis `axis` of a value
squeeze, unsqueeze, and the constants that compositions need
"""

from math import prod

import numpy as np

from lamina.core.errors import BadInput
from lamina.ir.build import Builder, Value
from lamina.ir.network import Array
from lamina.ir.types import Float, Type

LARGEST_NUMBER = 3.4e38  # of a setting: all of them fit float32


def fitting(data: Array, element: Float, what: str) -> Array:
    """`data` rounded to `element`; raises where a number is none, or too large for it."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        rounded = data.astype(element.storage)
    if data.dtype.kind == "f" and not (np.isfinite(rounded) | np.isinf(data)).all():
        raise BadInput(f"{what} holds a number that is none (NaN), or none of {element.bits} bits")
    return rounded


def prelu(b: Builder, name: str, x: Value, slope: Value) -> Value:
    """Rectified with a slope for negative numbers; `slope` broadcasts against x."""
    zero = b.scalar(0.0, x)
    low = b.emit("multiply", [slope, b.emit("minimum", [x, zero], name=f"{name}.low")], name=f"{name}.slope")
    return b.emit("add", [b.emit("maximum", [x, zero], name=f"{name}.high"), low], name=name)


def affine(b: Builder, name: str, x: Value, scale: float = 1.0, shift: float = 0.0) -> Value:
    """scale x + shift with what is needed of both."""
    both = scale != 1.0 and shift != 0.0
    if scale != 1.0:
        x = b.emit("multiply", [x, b.scalar(scale, x)], name=f"{name}.scaled" if both else name)
    if shift != 0.0:
        x = b.emit("add", [x, b.scalar(shift, x)], name=name)
    return x


def swish(b: Builder, name: str, x: Value, beta: float = 1.0) -> Value:
    """x sigmoid(beta x)."""
    if beta == 1.0:
        return b.emit("silu", [x], name=name)
    return b.emit("multiply", [x, b.emit("sigmoid", [affine(b, f"{name}.beta", x, beta)])], name=name)


def reshape(b: Builder, name: str, x: Value, shape: tuple[int, ...]) -> Value:
    """`x` in `shape`; the first axis stays open where it is kept, and nothing is done where the shape is there."""
    if tuple(shape) == x.shape:
        return x
    if shape and x.shape and shape[0] == x.shape[0] and prod(shape) == prod(x.shape):
        shape = (0, *shape[1:])
    return b.emit("reshape", [x], name=name, shape=tuple(shape))


def transpose(b: Builder, name: str, x: Value, order: tuple[int, ...]) -> Value:
    """`x` with its axes in `order`; nothing where the order is the old one."""
    return x if list(order) == sorted(order) else b.emit("transpose", [x], name=name, order=tuple(order))


def take(b: Builder, name: str, x: Value, axis: int, start: int, stop: int, step: int = 1) -> Value:
    """x[start:stop:step] along one axis; a negative step with stop -1 goes down to the first."""
    starts, stops, steps = [0] * len(x.shape), list(x.shape), [1] * len(x.shape)
    size = x.shape[axis]
    starts[axis], stops[axis], steps[axis] = start, (-(size + 1) if step < 0 and stop == -1 else stop), step
    if (start, stop, step) == (0, size, 1):
        return x
    return b.emit("slice", [x], name=name, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))


def flip(b: Builder, name: str, x: Value, axis: int) -> Value:
    """`x` backwards along one axis."""
    return take(b, name, x, axis, x.shape[axis] - 1, -1, -1)


def filled(b: Builder, name: str, shape: tuple[int, ...], value: float, like: Value) -> Value:
    """A constant of one number everywhere."""
    return b.constant(name, np.full(shape, value), Type(shape=shape, element=like.type.element))
