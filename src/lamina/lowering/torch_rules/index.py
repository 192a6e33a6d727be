"""Numbers by their place: embedding, gather, advanced indexing, scatter, and the assignments that torch makes of them.

x[:, i, j]   index tensors side by side become one gather_nd over their axes, the result's axes in their place
x[1:3] = y   a slice that is written to is the value around it put together again
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.errors import Unsupported
from lamina.ir.build import Builder, Value
from lamina.ir.types import BOOL, INDEX
from lamina.lowering.torch_rules._rule import axis_of, bounded, cast, full, number, reshape, rule, transpose
from lamina.lowering.torch_rules.shape import concatenate, expanded, part, stack


@rule("aten.embedding")
def embedding(b: Builder, name: str, weight: Value, indices: Value, **_: Any) -> Any:
    return b.emit("gather", [weight, indices], name=name, axis=0)


@rule("aten.index_select")
def index_select(b: Builder, name: str, self: Value, dim: int, index: Value) -> Any:
    return b.emit("gather", [self, index], name=name, axis=axis_of(self, dim))


@rule("aten.gather")
def gather(b: Builder, name: str, self: Value, dim: int, index: Value, **_: Any) -> Any:
    return b.emit("gather_elements", [self, index], name=name, axis=axis_of(self, dim))


@rule("aten.take_along_dim")
def take_along(b: Builder, name: str, self: Value, indices: Value, dim: int | None = None) -> Any:
    if dim is None:
        raise Unsupported(f"take_along_dim at {name!r} without an axis: flatten the value and say dim=0")
    axis = axis_of(self, dim)
    shape = list(
        np.broadcast_shapes(*(tuple(1 if a == axis else s for a, s in enumerate(v.shape)) for v in (self, indices)))
    )
    wide = [expanded(b, f"{name}.wide", v, [*shape[:axis], v.shape[axis], *shape[axis + 1 :]]) for v in (self, indices)]
    return b.emit("gather_elements", wide, name=name, axis=axis)


@rule("aten.index.Tensor")
def index(b: Builder, name: str, self: Value, indices: Sequence[Value | None]) -> Any:
    axes = [axis for axis, i in enumerate(indices) if i is not None]
    given = [_places(name, i) for i in indices if i is not None]
    if len(given) == 1:
        return b.emit("gather", [self, given[0]], name=name, axis=axes[0])
    shape = np.broadcast_shapes(*(i.shape for i in given))
    places = stack(b, f"{name}.places", [expanded(b, f"{name}.place", i, shape) for i in given], -1)
    rest = [axis for axis in range(len(self.shape)) if axis not in axes]
    found: Value = b.emit("gather_nd", [transpose(b, f"{name}.front", self, [*axes, *rest]), places], name=name)
    if axes != list(range(axes[0], axes[0] + len(axes))):
        return found  # apart from one another: their result comes first
    before, own = axes[0], len(shape)
    order = [*range(own, own + before), *range(own), *range(own + before, len(found.shape))]
    return transpose(b, f"{name}.out", found, order)


def _places(name: str, x: Value) -> Value:
    if x.type.element == BOOL:
        raise Unsupported(f"indexing by truth values at {name!r}: the size of the result would depend on data")
    return x


@rule("aten.index_put", "aten._unsafe_index_put")
def index_put(
    b: Builder,
    name: str,
    self: Value,
    indices: Sequence[Value | None],
    values: Value,
    accumulate: bool = False,
    **_: Any,
) -> Any:
    given = [i for i in indices if i is not None]
    if len(given) == 1 and given[0].type.element == BOOL and values.shape in ((), (1,)):
        mask = reshape(b, f"{name}.mask", given[0], (*given[0].shape, *[1] * (len(self.shape) - len(given[0].shape))))
        return b.emit("where", [mask, cast(b, f"{name}.cast", values, self.type.element), self], name=name)
    if len(given) != len(indices):
        raise Unsupported(f"assignment at {name!r} to places behind a whole axis: move that axis to the end first")
    given = [_places(name, i) for i in given]
    shape = np.broadcast_shapes(*(i.shape for i in given))
    places = stack(b, f"{name}.places", [expanded(b, f"{name}.place", i, shape) for i in given], -1)
    written = expanded(b, f"{name}.values", values, (*shape, *self.shape[len(given) :]))
    return b.emit("scatter_nd", [self, places, written], name=name, reduction="add" if accumulate else "none")


@rule("aten.scatter.src", "aten.scatter.value")
def scatter(b: Builder, name: str, self: Value, dim: int, index: Value, **given: Any) -> Any:
    return _scattered(b, name, self, dim, index, next(iter(given.values())), "none")


@rule("aten.scatter_add")
def scatter_add(b: Builder, name: str, self: Value, dim: int, index: Value, src: Value) -> Any:
    return _scattered(b, name, self, dim, index, src, "add")


def _scattered(b: Builder, name: str, x: Value, dim: int, index: Value, source: Any, reduction: str) -> Any:
    """Torch reads of `source` what the index covers."""
    if isinstance(source, Value):
        for axis, size in enumerate(index.shape):
            source = part(b, f"{name}.source", source, axis, 0, size)
    else:
        source = full(b, f"{name}.value", index.shape, source, x.type.element)
    return b.emit("scatter_elements", [x, index, source], name=name, axis=axis_of(x, dim), reduction=reduction)


REDUCTIONS = {"sum": "add", "prod": "mul", "amax": "max", "amin": "min"}


@rule("aten.scatter_reduce.two")
def scatter_reduce(
    b: Builder, name: str, self: Value, dim: int, index: Value, src: Value, reduce: str, include_self: bool = True
) -> Any:
    if reduce not in REDUCTIONS or not include_self:
        raise Unsupported(f"scatter_reduce at {name!r} by {reduce!r}: {', '.join(REDUCTIONS)} with the value itself")
    return _scattered(b, name, self, dim, index, src, REDUCTIONS[reduce])


@rule("aten.slice_scatter")
def slice_scatter(
    b: Builder, name: str, self: Value, src: Value, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Any:
    """The value with a slice replaced: the parts around it put together, or scattered rows where steps are left out."""
    axis = axis_of(self, dim)
    size = self.shape[axis]
    begin, stop, _ = slice(start, end, step).indices(size)
    if step == 1:
        parts = [(0, begin), (stop, size)]
        ends = [part(b, f"{name}.kept", self, axis, *ends) if ends[0] < ends[1] else None for ends in parts]
        return concatenate(b, name, [x for x in (ends[0], src, ends[1]) if x is not None], axis)
    column = np.arange(begin, stop, step).reshape(-1, *[1] * (len(self.shape) - axis - 1))
    places = b.constant(f"{name}.places", np.broadcast_to(column, src.shape))
    return b.emit("scatter_elements", [self, places, src], name=name, axis=axis)


@rule("aten.select_scatter")
def select_scatter(b: Builder, name: str, self: Value, src: Value, dim: int, index: int) -> Any:
    axis = axis_of(self, dim)
    row = reshape(b, f"{name}.row", src, (*self.shape[:axis], 1, *self.shape[axis + 1 :]))
    at = index % self.shape[axis]
    return slice_scatter(b, name, self, row, axis, at, at + 1)


@rule("aten.copy")
def copy(b: Builder, name: str, self: Value, src: Value, **_: Any) -> Any:
    return expanded(b, name, cast(b, f"{name}.cast", src, self.type.element), self.shape)


@rule("aten.fill.Tensor", "aten.fill.Scalar")
def fill(b: Builder, name: str, self: Value, value: Any) -> Any:
    element = self.type.element
    one = value if isinstance(value, Value) else number(b, f"{name}.value", value, element)
    return expanded(b, name, cast(b, f"{name}.cast", one, element), self.shape)


@rule("aten.one_hot")
def one_hot(b: Builder, name: str, self: Value, num_classes: int) -> Any:
    if num_classes < 1:
        raise Unsupported(f"one_hot at {name!r} without a number of classes: its size would depend on data")
    bounded(name, num_classes)
    classes = b.constant(f"{name}.classes", np.arange(num_classes))
    column = reshape(b, f"{name}.column", self, (*self.shape, 1))
    return cast(b, name, b.emit("equal", [column, classes], name=f"{name}.equal"), INDEX)
