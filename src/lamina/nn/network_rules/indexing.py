"""Numbers moved to and from places that are computed.

Where several updates meet one place, the last stays: `last_of_each` finds it, since torch promises no order.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from lamina.core.errors import BadInput
from lamina.ir.operators._table import Site
from lamina.ir.types import Float
from lamina.nn.network_rules._exact import carried
from lamina.nn.network_rules._rule import Rule, held

_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def placed(indices: Tensor, size: int, what: str = "indices") -> Tensor:
    """`indices` into an axis of `size`, not negative; raises `BadInput` where one is outside."""
    low, high = int(indices.min()), int(indices.max())
    if low < (-size if what == "indices" else 0) or high >= size:
        raise BadInput(f"{what} lie in {low}..{high}, there are {size} places")
    return torch.where(indices < 0, indices + size, indices)


def last_of_each(flat: Tensor, size: int) -> Tensor:
    """Which entries of `flat` [updates] are the last to name their place."""
    order = torch.arange(len(flat))
    last = torch.full((size,), -1).scatter_reduce(0, flat, order, "amax")
    return last[flat] == order


def _gather(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x, indices = tensors
    axis = site.attributes["axis"]
    found = x.index_select(axis, placed(indices, x.shape[axis]).reshape(-1))
    return found.reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


def _gather_elements(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x, indices = tensors
    axis = site.attributes["axis"]
    return x.gather(axis, placed(indices, x.shape[axis]))


def _flat_elements(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    """The flat place in x of every entry of `indices` along `axis`."""
    own = torch.meshgrid(*map(torch.arange, indices.shape), indexing="ij")
    return _flat([placed(indices, x.shape[axis]) if a == axis else o for a, o in enumerate(own)], x.shape)


def _flat(parts: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
    flat = torch.zeros((), dtype=torch.int64)
    for part, size in zip(parts, shape, strict=True):
        flat = flat * size + part
    return flat


def _flat_tuples(x: Tensor, indices: Tensor, batch: int) -> Tensor:
    """The place of every tuple of `indices` among the leading axes of x, which are flat."""
    named = x.shape[: batch + indices.shape[-1]]
    own: list[Tensor] = []
    if batch:
        own = [*torch.meshgrid(*map(torch.arange, indices.shape[:-1]), indexing="ij")][:batch]
    own += [placed(indices[..., i], size) for i, size in enumerate(named[batch:])]
    return _flat(own, named)


def _gather_nd(tensors: Sequence[Tensor], site: Site) -> Tensor:
    (x, indices), batch = tensors, site.attributes["batch"]
    rest = x.shape[batch + indices.shape[-1] :]
    return x.reshape(-1, *rest)[_flat_tuples(x, indices, batch)]


def _scattered(x: Tensor, flat: Tensor, updates: Tensor, site: Site) -> Tensor:
    """x [places, …] with `updates` at `flat`, one after the other."""
    reduction, element = site.attributes["reduction"], site.outputs[0].element
    flat, updates = flat.reshape(-1), updates.reshape(-1, *x.shape[1:])
    if reduction == "none":
        kept = last_of_each(flat, len(x))
        return x.index_put((flat[kept],), updates[kept])
    if isinstance(element, Float):
        return _reduced(x, flat, updates, reduction)
    zero = element.zero_point if reduction == "add" else 0
    wide, more = carried(2**62, x - zero, updates - zero)
    return (_reduced(wide, flat, more, reduction) + zero).clamp(element.low, element.high).to(held(element))


def _reduced(x: Tensor, flat: Tensor, updates: Tensor, reduction: str) -> Tensor:
    places = flat.reshape(-1, *[1] * (x.ndim - 1)).expand(updates.shape)
    return x.scatter_reduce(0, places, updates, _REDUCTIONS[reduction])


def _scatter_elements(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x, indices, updates = tensors
    flat = _flat_elements(x, indices, site.attributes["axis"])
    return _scattered(x.reshape(-1), flat, updates, site).reshape(x.shape)


def _scatter_nd(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x, indices, updates = tensors
    rows = x.reshape(-1, prod(x.shape[indices.shape[-1] :]))
    return _scattered(rows, _flat_tuples(x, indices, 0), updates, site).reshape(x.shape)


RULES = {
    "gather": Rule(moves=_gather),
    "gather_elements": Rule(moves=_gather_elements),
    "gather_nd": Rule(moves=_gather_nd),
    "scatter_elements": Rule(moves=_scatter_elements),
    "scatter_nd": Rule(moves=_scatter_nd),
}
