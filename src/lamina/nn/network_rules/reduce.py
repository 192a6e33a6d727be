"""Many numbers to one, along axes; sums and means of quantised numbers are exact and requantised once."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from lamina.ir.operators._table import Site
from lamina.ir.types import Fixed
from lamina.nn.network_rules._exact import carried, clipped, reach, rescale
from lamina.nn.network_rules._rule import Rule, integer, wrapped


def _count(x: Tensor, site: Site) -> int:
    return prod(x.shape[axis] for axis in site.attributes["axes"])


def _over(function: Callable[..., Tensor]) -> Callable[[Sequence[Tensor], Site], Tensor]:
    """`function` over the axes; over none of them it changes nothing (torch's takes none for all)."""

    def meaning(tensors: Sequence[Tensor], site: Site) -> Tensor:
        axes, keep = site.attributes["axes"], site.attributes["keep"]
        return function(tensors[0], dim=axes, keepdim=keep) if axes else tensors[0]

    return meaning


def _product(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x = tensors[0]
    for axis in reversed(site.attributes["axes"]):
        x = x.prod(dim=axis, keepdim=site.attributes["keep"])
    return x


def _sum_integers(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x, y, count = integer(site.inputs[0].element), integer(site.outputs[0].element), _count(tensors[0], site)
    most = reach(x) * count
    (q,) = carried(most, tensors[0])
    sums = _over(torch.sum)([q - x.zero_point], site)
    centred = x if isinstance(x, Fixed) else replace(x, zero_point=0)
    return clipped(rescale(sums, centred, y, site.attributes["rounding"], most=most), y)


def _mean_integers(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x, y, count = integer(site.inputs[0].element), integer(site.outputs[0].element), _count(tensors[0], site)
    most = reach(x) * count
    (q,) = carried(most, tensors[0])
    sums = _over(torch.sum)([q], site)
    return clipped(rescale(sums, x, y, site.attributes["rounding"], most=most, divisor=count), y)


def _place(function: Callable[..., Tensor]) -> Callable[[Sequence[Tensor], Site], Tensor]:
    def meaning(tensors: Sequence[Tensor], site: Site) -> Tensor:
        x, axis, keep = tensors[0], site.attributes["axis"], site.attributes["keep"]
        if not site.attributes["last"]:
            return function(x, dim=axis, keepdim=keep)
        return x.shape[axis] - 1 - function(x.flip(axis), dim=axis, keepdim=keep)

    return meaning


def _top(tensors: Sequence[Tensor], site: Site) -> list[Tensor]:
    axis, k = site.attributes["axis"], site.attributes["k"]
    found = torch.sort(tensors[0], dim=axis, descending=site.attributes["largest"], stable=True)
    return [found.values.narrow(axis, 0, k), found.indices.narrow(axis, 0, k)]


def _running(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x, axis, reverse = tensors[0], site.attributes["axis"], site.attributes["reverse"]
    turned = x.flip(axis) if reverse else x
    sums = turned.cumsum(axis)
    if site.attributes["exclusive"]:
        first = torch.zeros_like(sums.narrow(axis, 0, 1))
        sums = torch.cat([first, sums.narrow(axis, 0, x.shape[axis] - 1)], dim=axis)
    return sums.flip(axis) if reverse else sums


def _whole(function: Callable[[Sequence[Tensor], Site], Tensor]) -> Callable[[Sequence[Tensor], Site], Tensor]:
    """A function of plain integers, in int64."""
    return lambda tensors, site: wrapped(function([tensors[0].to(torch.int64)], site), site.outputs[0].element)


RULES = {
    "reduce_sum": Rule(floats=_over(torch.sum), integers=_sum_integers),
    "reduce_mean": Rule(floats=_over(torch.mean), integers=_mean_integers),
    "reduce_max": Rule(moves=_over(torch.amax)),
    "reduce_min": Rule(moves=_over(torch.amin)),
    "reduce_product": Rule(floats=_product, integers=_whole(_product)),
    "argmax": Rule(moves=_place(torch.argmax)),
    "argmin": Rule(moves=_place(torch.argmin)),
    "top_k": Rule(moves=_top),
    "cumulative_sum": Rule(floats=_running, integers=_whole(_running)),
}
