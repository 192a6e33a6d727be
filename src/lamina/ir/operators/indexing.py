"""Numbers moved to and from places that are computed: indices are values of the network.

    gather            y[a…, i…, b…] = x[a…, indices[i…], b…]              an embedding is gather from a table, axis 0
    gather_elements   y[…, i, …] = x[…, indices[…, i, …], …]              along one axis, all others their own place
    gather_nd         y[b…, i…, r…] = x[b…, *indices[b…, i…, :], r…]      the last axis of indices is a place
    scatter_elements  a copy of x, in which updates stand where gather_elements would read
    scatter_nd        a copy of x, in which updates stand where gather_nd would read

Indices are INDEX; negative ones count from the end; one outside raises `BadInput`, since no number lies there. Updates
are applied in the order of their places in memory: without `reduction` the last one stays, otherwise it is added,
multiplied, or the larger or smaller is kept. Sums of quantised values are those of (q - z), clipped at the end.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from lamina.core.errors import BadInput, one_line
from lamina.ir import integers as rules
from lamina.ir.gradients import indexing as gradients
from lamina.ir.network import Array
from lamina.ir.operators._rules import axis_of, bounded, equal_elements, index, plain
from lamina.ir.operators._table import Attributes, Operator, Shape, Site, elementwise_nest, stored
from lamina.ir.types import BOOL, Float

REDUCTIONS = ("none", "add", "mul", "max", "min")


def places(indices: Array, size: int) -> Array:
    """`indices` into an axis of `size`, negative ones counted from its end; raises where one is outside."""
    low, high = int(indices.min()), int(indices.max())
    if low < -size or high >= size:
        raise BadInput(f"an index of {low if low < -size else high} into an axis of {size} places")
    return np.where(indices < 0, indices + size, indices)


def _gather_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    x, indices = shapes
    axis = axis_of(x, attributes["axis"])
    return bounded((*x[:axis], *indices, *x[axis + 1 :]))


def _gather(arrays: Sequence[Array], site: Site) -> Array:
    axis = site.attributes["axis"]
    return np.take(arrays[0], places(arrays[1], arrays[0].shape[axis]), axis=axis)


def _along(x: Shape, indices: Shape, attributes: Attributes) -> None:
    axis = axis_of(x, attributes["axis"])
    if len(indices) != len(x) or any(i > s for a, (i, s) in enumerate(zip(indices, x, strict=True)) if a != axis):
        raise BadInput(f"indices of shape {list(indices)} reach beyond {list(x)} elsewhere than along axis {axis}")


def _gather_elements_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    _along(shapes[0], shapes[1], attributes)
    return shapes[1]


def _flat_elements(x: Shape, indices: Array, axis: int) -> Array:
    """The flat place in x of every entry of `indices` along `axis`."""
    own = list(np.ix_(*map(np.arange, indices.shape)))
    own[axis] = places(indices, x[axis])
    return np.asarray(np.ravel_multi_index(tuple(np.broadcast_arrays(*own)), x))


def _gather_elements(arrays: Sequence[Array], site: Site) -> Array:
    x, indices = arrays
    return x.reshape(-1)[_flat_elements(x.shape, indices, site.attributes["axis"])]


def _tuple_rest(x: Shape, indices: Shape, batch: int) -> Shape:
    """The axes of x behind those that a place names; raises where shapes do not fit."""
    if not indices or not 0 <= batch < min(len(indices), len(x)) or indices[:batch] != x[:batch]:
        raise BadInput(f"x {list(x)} and indices {list(indices)} do not share {batch} batch axes")
    if indices[-1] > len(x) - batch:
        raise BadInput(f"places of {indices[-1]} entries in a value of shape {list(x)} with {batch} batch axes")
    return x[batch + indices[-1] :]


def _gather_nd_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    x, indices = shapes
    return bounded((*indices[:-1], *_tuple_rest(x, indices, attributes["batch"])))


def _flat_tuples(x: Shape, indices: Array, batch: int) -> Array:
    """The place of every tuple of `indices` among the leading axes of x, which are flat."""
    named = x[: batch + indices.shape[-1]]
    own: list[Array] = [*np.ix_(*map(np.arange, indices.shape[:-1]))[:batch]]
    own += [places(indices[..., i], size) for i, size in enumerate(named[batch:])]
    return np.asarray(np.ravel_multi_index(tuple(np.broadcast_arrays(*own)), named))


def _gather_nd(arrays: Sequence[Array], site: Site) -> Array:
    x, indices, batch = arrays[0], arrays[1], site.attributes["batch"]
    rest = _tuple_rest(x.shape, indices.shape, batch)
    return x.reshape(-1, *rest)[_flat_tuples(x.shape, indices, batch)]


def _scatter_elements_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    x, indices, updates = shapes
    _along(x, indices, attributes)
    if updates != indices:
        raise BadInput(f"updates {list(updates)} and indices {list(indices)} have one shape")
    return x


def _scatter_nd_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    x, indices, updates = shapes
    wanted = (*indices[:-1], *_tuple_rest(x, indices, 0))
    if updates != wanted:
        raise BadInput(f"updates have shape {list(updates)}, {list(wanted)} is needed")
    return x


def _scattered(x: Array, flat: Array, updates: Array, site: Site) -> Array:
    """A copy of x [places, …] with `updates` at `flat`, one after the other."""
    reduction, element = site.attributes["reduction"], site.outputs[0].element
    flat, updates = flat.reshape(-1), updates.reshape(-1, *x.shape[1:])
    if reduction == "none":
        y = x.copy()
        y[flat] = updates
        return y
    combine: Any = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}[reduction]
    if isinstance(element, Float):
        y = x.copy()
        combine.at(y, flat, updates)
        return y
    zero = stored(site.outputs[0]).zero_point if reduction == "add" else 0
    wide = x.astype(np.int64) - zero
    combine.at(wide, flat, updates.astype(np.int64) - zero)
    return rules.clip(wide + zero, element)


def _scatter_elements(arrays: Sequence[Array], site: Site) -> Array:
    x, indices, updates = arrays
    flat = _flat_elements(x.shape, indices, site.attributes["axis"])
    return _scattered(x.reshape(-1), flat, updates, site).reshape(x.shape)


def _scatter_nd(arrays: Sequence[Array], site: Site) -> Array:
    x, indices, updates = arrays
    rows = x.reshape(-1, prod(_tuple_rest(x.shape, indices.shape, 0)))
    return _scattered(rows, _flat_tuples(x.shape, indices, 0), updates, site).reshape(x.shape)


def _gather_elements_rule(site: Site) -> None:
    equal_elements(0)(site)
    index(site.inputs[1].element, "indices")


def _scatter_rule(site: Site) -> None:
    equal_elements(0, 2)(site)
    index(site.inputs[1].element, "indices")
    reduction, element = site.attributes["reduction"], site.outputs[0].element
    if reduction not in REDUCTIONS:
        raise BadInput(f"reduction {one_line(reduction, 40)!r}: {', '.join(REDUCTIONS)} are allowed")
    if isinstance(element, Float) or reduction in ("none", "max", "min"):
        return
    if element == BOOL or (reduction == "mul" and not plain(element)):
        raise BadInput(f"reduction {reduction!r} of {element} has no integer meaning")


def _reads(site: Site) -> dict[str, Any]:
    return elementwise_nest(site)


def _writes(site: Site) -> dict[str, Any]:
    return {**elementwise_nest(site, operands=2), "ops": site.inputs[2].size}


def _operator(name: str, summary: str, **more: Any) -> Operator:
    """Readers have two inputs, writers a third."""
    writes = name.startswith("scatter")
    return Operator(
        name=name,
        summary=summary,
        arity=(3, 3) if writes else (2, 2),
        nest=_writes if writes else _reads,
        elements=_scatter_rule if writes else _gather_elements_rule,
        **more,
    )


OPERATORS = (
    _operator(
        "gather",
        "slices of x at the indices, along an axis",
        attributes={"axis": 0},
        shape=_gather_shape,
        moves=_gather,
        gradient=gradients.gather,
    ),
    _operator(
        "gather_elements",
        "one number of x per index, along an axis",
        attributes={"axis": int},
        shape=_gather_elements_shape,
        moves=_gather_elements,
        gradient=gradients.gather_elements,
    ),
    _operator(
        "gather_nd",
        "what lies at the places that the last axis of the indices names",
        attributes={"batch": 0},
        shape=_gather_nd_shape,
        moves=_gather_nd,
        gradient=gradients.gather_nd,
    ),
    _operator(
        "scatter_elements",
        "x with one update per index, along an axis",
        attributes={"axis": int, "reduction": "none"},
        shape=_scatter_elements_shape,
        moves=_scatter_elements,
        gradient=gradients.scatter_elements,
    ),
    _operator(
        "scatter_nd",
        "x with updates at the places that the last axis of the indices names",
        attributes={"reduction": "none"},
        shape=_scatter_nd_shape,
        moves=_scatter_nd,
        gradient=gradients.scatter_nd,
    ),
)
