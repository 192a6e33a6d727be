"""Pooling over windows, and its undoing.

Maxima are torch's own behind an explicit border of the lowest number; switches are its flat places in the unpadded
plane; an average is the sum of its window, divided, or requantised once by its window's divisor.
"""

from collections.abc import Sequence
from math import inf, prod

import torch
from torch import Tensor
from torch.nn import functional as F

from lamina.ir.operators._table import Site
from lamina.ir.types import Float
from lamina.nn.network_rules._exact import clipped, reach, rescale
from lamina.nn.network_rules._rule import Rule, integer
from lamina.nn.network_rules.multiply import padded, windows


def _max(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x, a = tensors[0], site.attributes
    if x.dtype == torch.int64:
        return windows(x, a["kernel"], a, torch.iinfo(x.dtype).min).amax(dim=(4, 5))
    return F.max_pool2d(padded(x, a, -inf), a["kernel"], a["stride"], 0, a["dilation"])


def _max_and_switches(tensors: Sequence[Tensor], site: Site) -> list[Tensor]:
    x, a = tensors[0], site.attributes
    lowest = torch.iinfo(x.dtype).min if x.dtype == torch.int64 else -inf
    found = windows(x, a["kernel"], a, lowest).flatten(4)
    places = torch.arange(x.shape[2] * x.shape[3]).reshape(1, 1, *x.shape[2:])
    places = windows(places, a["kernel"], a, -1).flatten(4)
    highest = found.amax(dim=-1, keepdim=True)
    first = ((found == highest) & (places >= 0)).to(torch.uint8).argmax(dim=-1, keepdim=True)
    values = found.gather(-1, first)[..., 0]
    return [values, places.expand(found.shape).gather(-1, first)[..., 0]]


def _unpool(tensors: Sequence[Tensor], site: Site) -> Tensor:
    from lamina.nn.network_rules.indexing import last_of_each, placed

    x, switches = tensors
    (n, c), (height, width), element = x.shape[:2], site.attributes["size"], site.outputs[0].element
    zero = 0 if isinstance(element, Float) else element.zero_point
    rows = torch.arange(n * c).reshape(-1, 1) * (height * width)
    flat = placed(switches, height * width, "switches").reshape(n * c, -1) + rows
    y = x.new_full((n * c * height * width,), zero)
    kept = last_of_each(flat.reshape(-1), len(y))
    y = y.index_put((flat.reshape(-1)[kept],), x.reshape(-1)[kept])
    return y.reshape(n, c, height, width)


def _divisors(x: Tensor, site: Site) -> Tensor:
    """What the sum of each window is divided by: [1, 1], or [p, q] where padding is not counted."""
    a = site.attributes
    if a["include_padding"]:
        return torch.full((1, 1), prod(a["kernel"]))
    inside = torch.ones(1, 1, *x.shape[2:], dtype=torch.int64)
    return windows(inside, a["kernel"], a).sum(dim=(4, 5))[0, 0]


def _average(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x, a = tensors[0], site.attributes
    if a["include_padding"] and a["dilation"] == (1, 1):
        return F.avg_pool2d(padded(x, a), a["kernel"], a["stride"])
    return windows(x, a["kernel"], a).sum(dim=(4, 5)) / _divisors(x, site).to(x.dtype)


def _average_integers(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x, y, a = integer(site.inputs[0].element), integer(site.outputs[0].element), site.attributes
    q = tensors[0]
    sums = windows(q - x.zero_point, a["kernel"], a).sum(dim=(4, 5))
    by = _divisors(q, site).expand(sums.shape[2:])
    scaled = torch.zeros_like(sums, dtype=torch.float64)
    for divisor in by.unique().tolist():
        most = reach(x) * prod(a["kernel"])
        uncentred = sums + x.zero_point * divisor
        found = rescale(uncentred, x, y, a["rounding"], most=most, divisor=divisor)
        scaled = torch.where(by == divisor, found, scaled.to(found.dtype))
    return clipped(scaled, y)


RULES = {
    "max_pool2d": Rule(moves=_max),
    "max_pool2d_switches": Rule(moves=_max_and_switches),
    "max_unpool2d": Rule(moves=_unpool),
    "average_pool2d": Rule(floats=_average, integers=_average_integers),
}
