"""One value in, one out: torch's functions where they are what the operator table says, else the table's formula.

    floats     differentiable; relu, sign, clip have torch's gradients at their corners
    integers   relu and clip compare stored numbers with stored bounds; negate and absolute are rescaled once

Other functions have no integer meaning: a quantised network has a `lookup` in their place.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lamina.ir.operators._table import Site
from lamina.ir.operators.activations import clip_bounds
from lamina.nn.network_rules._exact import clipped, reach, rescale
from lamina.nn.network_rules._rule import Rule, integer


def _elu(x: Tensor, alpha: float) -> Tensor:
    return torch.where(x > 0, x, alpha * torch.expm1(x.clamp(max=0)))


def _relu_integers(tensors: Sequence[Tensor], site: Site) -> Tensor:
    return tensors[0].clamp(min=integer(site.inputs[0].element).zero_point)


def _clip_integers(tensors: Sequence[Tensor], site: Site) -> Tensor:
    return tensors[0].clamp(*clip_bounds(site))


def _rescaled(function: Callable[[Tensor], Tensor]) -> Callable[[Sequence[Tensor], Site], Tensor]:
    def meaning(tensors: Sequence[Tensor], site: Site) -> Tensor:
        x, y = integer(site.inputs[0].element), integer(site.outputs[0].element)
        return clipped(function(rescale(tensors[0], x, y, site.attributes["rounding"], most=reach(x))), y)

    return meaning


def _floats(function: Callable[[Tensor, Any], Tensor], **more: Any) -> Rule:
    return Rule(floats=lambda tensors, site: function(tensors[0], site.attributes), **more)


def _plain(function: Callable[[Tensor], Tensor], **more: Any) -> Rule:
    return Rule(floats=lambda tensors, site: function(tensors[0]), **more)


def _question(function: Callable[[Tensor], Tensor]) -> Rule:
    return Rule(moves=lambda tensors, site: function(tensors[0]))


_TORCH = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "reciprocal": torch.reciprocal,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "round": torch.round,
    "sign": torch.sign,
    "erf": torch.erf,
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "asin": torch.asin,
    "acos": torch.acos,
    "atan": torch.atan,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "asinh": torch.asinh,
    "acosh": torch.acosh,
    "atanh": torch.atanh,
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    "softsign": F.softsign,
    "silu": F.silu,
}

RULES = {name: _plain(function) for name, function in _TORCH.items()} | {
    "relu": _plain(torch.relu, integers=_relu_integers),
    "negate": _plain(torch.neg, integers=_rescaled(torch.neg)),
    "absolute": _plain(torch.abs, integers=_rescaled(torch.abs)),
    "gelu": _floats(lambda x, a: F.gelu(x, approximate=a["approximate"])),
    "elu": _floats(lambda x, a: _elu(x, a["alpha"])),
    "selu": _floats(lambda x, a: a["gamma"] * _elu(x, a["alpha"])),
    "leaky_relu": _floats(lambda x, a: torch.where(x >= 0, x, a["slope"] * x)),
    "hard_sigmoid": _floats(lambda x, a: (a["alpha"] * x + a["beta"]).clamp(0, 1)),
    "clip": _floats(lambda x, a: x.clamp(a["low"], a["high"]), integers=_clip_integers),
    "is_nan": _question(torch.isnan),
    "is_infinite": _question(torch.isinf),
    "logical_not": _question(lambda x: 1 - x),
}
