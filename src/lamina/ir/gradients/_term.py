"""Formulas that emit operations: `1 - y * y` in place of three calls of the builder.

A `Term` is a value of the network that is being built. Arithmetic with another term or a number emits one operation,
named after the layer whose gradient it is; shapes broadcast as the table's do. `one` and `several` turn a function on
terms into what an entry's `gradient` field holds; `slope` does so for y = f(x), element by element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lamina.ir.build import Builder, Value
    from lamina.ir.network import Array
    from lamina.ir.operators._table import Gradient, Site


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    builder: Builder
    value: Value
    name: str  # of the operations that come of it

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def is_real(self) -> bool:
        """Whether it is a float: what a gradient can be of."""
        return np.dtype(self.value.type.element.storage).kind == "f"

    def emit(self, operator: str, *others: Term | float, **attributes: Any) -> Term:
        """The single result of `operator` on this term and `others`."""
        values = [self.value, *(self.of(other).value for other in others)]
        return self.with_value(self.builder.emit(operator, values, name=self.name, **attributes))

    def emit_all(self, operator: str, *others: Term, **attributes: Any) -> list[Term]:
        """As `emit`, of an operator with several results."""
        values = [self.value, *(other.value for other in others)]
        return [self.with_value(v) for v in self.builder.emit(operator, values, name=self.name, **attributes)]

    def with_value(self, value: Value) -> Term:
        return Term(self.builder, value, self.name)

    def of(self, number: Term | float) -> Term:
        """A number as a scalar of this term's type."""
        return number if isinstance(number, Term) else self.with_value(self.builder.scalar(number, self.value))

    def constant(self, data: Array) -> Term:
        """An array as a constant: floats of this term's type, integers as places."""
        kind = self.value.type.element.storage if data.dtype.kind == "f" else np.int64
        return self.with_value(self.builder.constant(f"{self.name}.table", data.astype(kind)))

    def zeros(self, shape: Sequence[int]) -> Term:
        return self.of(0.0).expand(shape)

    def __neg__(self) -> Term:
        return self.emit("negate")

    def __add__(self, other: Term | float) -> Term:
        return self.emit("add", other)

    def __radd__(self, other: float) -> Term:
        return self.emit("add", other)

    def __sub__(self, other: Term | float) -> Term:
        return self.emit("subtract", other)

    def __rsub__(self, other: float) -> Term:
        return self.of(other).emit("subtract", self)

    def __mul__(self, other: Term | float) -> Term:
        return self if other == 1.0 else self.emit("multiply", other)

    def __rmul__(self, other: float) -> Term:
        return self * other

    def __truediv__(self, other: Term | float) -> Term:
        return self.emit("divide", other)

    def __rtruediv__(self, other: float) -> Term:
        return self.of(other).emit("divide", self)

    def __pow__(self, other: Term | float) -> Term:
        return self.emit("power", other)

    def __gt__(self, other: Term | float) -> Term:
        return self.emit("greater", other)

    def __lt__(self, other: Term | float) -> Term:
        return self.emit("less", other)

    def equals(self, other: Term | float) -> Term:
        return self.emit("equal", other)

    def where(self, yes: Term, no: Term | float) -> Term:
        """`yes` where this truth value holds, else `no`."""
        return self.emit("where", yes, yes.of(no))

    def number(self, like: Term) -> Term:
        """A truth value as 0 or 1, of the type of `like`."""
        return self.emit("cast", element=like.value.type.element)

    def sum(self, axes: Sequence[int], *, keep: bool = False) -> Term:
        if not axes:
            return self
        return self.emit("reduce_sum", axes=tuple(sorted(axes)), keep=keep)

    def mean(self, axes: Sequence[int]) -> Term:
        """The mean over `axes`, which stay as 1."""
        return self.emit("reduce_mean", axes=tuple(axes), keep=True)

    def reshape(self, shape: Sequence[int]) -> Term:
        return self if tuple(shape) == self.shape else self.emit("reshape", shape=tuple(shape))

    def expand(self, shape: Sequence[int]) -> Term:
        return self if tuple(shape) == self.shape else self.emit("expand", shape=tuple(shape))

    def transpose(self, order: Sequence[int]) -> Term:
        return self if list(order) == list(range(len(order))) else self.emit("transpose", order=tuple(order))

    def swapped(self) -> Term:
        """The last two axes exchanged."""
        rank = len(self.shape)
        return self.transpose([*range(rank - 2), rank - 1, rank - 2])

    def to(self, shape: Sequence[int]) -> Term:
        """Summed over every axis along which a value of `shape` was broadcast to this one's."""
        rank, more = len(self.shape), len(self.shape) - len(shape)
        own = (1,) * more + tuple(shape)
        axes = [axis for axis in range(rank) if axis < more or (own[axis] == 1 and self.shape[axis] > 1)]
        return self.sum(axes).reshape(shape)

    def first(self, shape: Sequence[int]) -> Term:
        """The first `shape` places along every axis."""
        if tuple(shape) == self.shape:
            return self
        rank = len(self.shape)
        return self.emit("slice", starts=(0,) * rank, stops=tuple(shape), steps=(1,) * rank)


Single = Callable[["Site", list[Term], Term, Term], Sequence["Term | None"]]
Many = Callable[["Site", list[Term], list[Term], list["Term | None"]], Sequence["Term | None"]]


def several(function: Many) -> Gradient:
    """An entry's gradient of `function(site, inputs, outputs, given)`, on terms."""

    def gradient(
        b: Builder, site: Site, inputs: list[Value], outputs: list[Value], given: list[Value | None]
    ) -> list[Value | None]:
        name = f"d.{outputs[0].name}"
        g = [None if value is None else Term(b, value, name) for value in given]
        x, y = ([Term(b, value, name) for value in values] for values in (inputs, outputs))
        return [None if term is None else term.value for term in function(site, x, y, g)]

    return gradient


def one(function: Single) -> Gradient:
    """As `several`, for an operator whose first result alone has a gradient: `function(site, inputs, y, g)`."""

    def gradient(site: Site, x: list[Term], y: list[Term], g: list[Term | None]) -> Sequence[Term | None]:
        return [None] * len(x) if g[0] is None else function(site, x, y[0], g[0])

    return several(gradient)


def slope(derivative: Callable[[Term, Term, Any], Term]) -> Gradient:
    """The gradient of y = f(x), element by element, from `derivative(x, y, attributes)`."""
    return one(lambda site, x, y, g: [g * derivative(x[0], y, site.attributes)])


def masked(condition: Callable[[Term, Term, Any], Term]) -> Gradient:
    """The gradient of an operator that hands x on where the condition holds, and is constant elsewhere."""
    return one(lambda site, x, y, g: [condition(x[0], y, site.attributes).where(g, 0.0)])


@one
def flat(site: Site, x: list[Term], y: Term, g: Term) -> list[Term | None]:
    """The gradient of an operator that is constant almost everywhere."""
    return [None] * len(x)


def size_of(shape: Sequence[int], axes: Sequence[int]) -> int:
    """How many numbers lie along `axes`."""
    return prod(shape[axis] for axis in axes)
