"""Normalisation: running statistics stand still (they are no weights), all else is differentiated through."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from lamina.ir.operators._table import Site
from lamina.ir.operators.normalise import first_axis
from lamina.nn.network_rules._rule import Rule


def _batch(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x, scale, bias, mean, variance = tensors
    return F.batch_norm(x, mean, variance, scale, bias, False, 0.0, site.attributes["epsilon"])


def _layer(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x = tensors[0]
    own = x.shape[first_axis(tuple(x.shape), site.attributes) :]
    scale, bias = (tensors[place] if len(tensors) > place else None for place in (1, 2))
    return F.layer_norm(x, own, scale, bias, site.attributes["epsilon"])


def _lrn(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x, a = tensors[0], site.attributes
    size, channels = a["size"], tensors[0].shape[1]
    before = (size - 1) // 2
    squares = F.pad((x * x).flatten(2) if x.ndim > 2 else (x * x)[..., None], (0, 0, before, size - 1 - before))
    sums = sum(squares[:, shift : shift + channels] for shift in range(size))
    return x / (a["k"] + a["alpha"] / size * sums.reshape(x.shape)) ** a["beta"]


RULES = {
    "batch_norm": Rule(floats=_batch),
    "layer_norm": Rule(floats=_layer),
    "lrn": Rule(floats=_lrn),
    "softmax": Rule(floats=lambda tensors, site: torch.softmax(tensors[0], site.attributes["axis"])),
    "log_softmax": Rule(floats=lambda tensors, site: torch.log_softmax(tensors[0], site.attributes["axis"])),
}
