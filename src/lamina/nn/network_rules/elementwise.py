"""Two values (`where`: three) in, one out; torch broadcasts as NumPy does.

add, subtract               both operands rescaled to the result's scale, one rounding each, then added and clipped
multiply                    (q_a - z_a)(q_b - z_b), requantised once
divide, power, remainder    on plain integers (scale 1), in int64; a division by 0 gives 0
comparisons and choices     look at stored numbers
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lamina.ir.operators._table import Site
from lamina.nn.network_rules._exact import carried, clipped, reach, requantise, rescale
from lamina.nn.network_rules._rule import Rule, integer, wrapped


def _sums(sign: int) -> Callable[[Sequence[Tensor], Site], Tensor]:
    """Both operands at the result's scale, one rounding each, then added."""

    def meaning(tensors: Sequence[Tensor], site: Site) -> Tensor:
        a, b, y = (integer(t.element) for t in (*site.inputs, *site.outputs))
        rounding = site.attributes["rounding"]
        first = rescale(tensors[0], a, y, rounding, most=reach(a))
        second = rescale(tensors[1], b, y, rounding, most=reach(b))
        if first.dtype != second.dtype or reach(y) >= 2**52:
            first, second = first.to(torch.int64), second.to(torch.int64)
        return clipped(first + sign * second, y)

    return meaning


def _product(tensors: Sequence[Tensor], site: Site) -> Tensor:
    a, b, y = (integer(t.element) for t in (*site.inputs, *site.outputs))
    first, second = carried(reach(a) * reach(b), *tensors)
    product = (first - a.zero_point) * (second - b.zero_point)
    return requantise(product, a, b, y, site.attributes["rounding"])


def _whole(function: Callable[..., Tensor]) -> Callable[[Sequence[Tensor], Site], Tensor]:
    """A function of plain integers, in int64."""

    def meaning(tensors: Sequence[Tensor], site: Site) -> Tensor:
        x, y = torch.broadcast_tensors(*(t.to(torch.int64) for t in tensors))
        return wrapped(function(x, y, site), site.outputs[0].element)

    return meaning


def _quotient(x: Tensor, y: Tensor, site: Site) -> Tensor:
    found = torch.div(x, torch.where(y == 0, 1, y), rounding_mode="trunc")
    return torch.where(y == 0, 0, found)


def _power(x: Tensor, y: Tensor, site: Site) -> Tensor:
    below = torch.where(x == 1, 1, torch.where(x == -1, 1 - 2 * (y & 1), 0))  # x^-n, towards zero
    return torch.where(y < 0, below, torch.pow(x, y.clamp(min=0)))


def _remainder(x: Tensor, y: Tensor, site: Site) -> Tensor:
    return (torch.remainder if site.attributes["sign"] == "divisor" else torch.fmod)(x, y)


def _whole_remainder(x: Tensor, y: Tensor, site: Site) -> Tensor:
    return torch.where(y == 0, 0, _remainder(x, torch.where(y == 0, 1, y), site))


def _two(function: Callable[[Tensor, Tensor], Tensor], integers: Callable[[Sequence[Tensor], Site], Tensor]) -> Rule:
    return Rule(floats=lambda tensors, site: function(*tensors), integers=integers)


def _moves(function: Callable[..., Tensor]) -> Rule:
    return Rule(moves=lambda tensors, site: function(*tensors))


RULES = {
    "add": _two(torch.add, _sums(1)),
    "subtract": _two(torch.sub, _sums(-1)),
    "multiply": _two(torch.mul, _product),
    "divide": _two(torch.div, _whole(_quotient)),
    "power": _two(torch.pow, _whole(_power)),
    "remainder": Rule(
        floats=lambda tensors, site: _remainder(tensors[0], tensors[1], site), integers=_whole(_whole_remainder)
    ),
    "minimum": _moves(torch.minimum),
    "maximum": _moves(torch.maximum),
    "equal": _moves(torch.eq),
    "less": _moves(torch.lt),
    "less_or_equal": _moves(torch.le),
    "greater": _moves(torch.gt),
    "greater_or_equal": _moves(torch.ge),
    "logical_and": _moves(torch.minimum),
    "logical_or": _moves(torch.maximum),
    "logical_xor": _moves(torch.ne),
    "where": _moves(lambda condition, x, y: torch.where(condition != 0, x, y)),
}
