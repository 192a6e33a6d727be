"""A picture at another size: the taps of `ir.operators.resize`, gathered and weighted axis by axis."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lamina.ir.operators._table import Site
from lamina.ir.operators.resize import taps
from lamina.nn.network_rules._rule import Rule


def _resize(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x, a = tensors[0], site.attributes
    for axis in (2, 3):
        places, weights = taps(x.shape[axis], a["size"][axis - 2], a, axis - 2)
        read = [x.index_select(axis, torch.from_numpy(column.copy())) for column in places.T]
        if a["mode"] == "nearest":
            x = read[0]
            continue
        along = (-1, 1) if axis == 2 else (-1,)
        shares = [share.reshape(along) for share in torch.from_numpy(weights).to(x.dtype).T]
        x = sum((part * share for part, share in zip(read[1:], shares[1:], strict=True)), read[0] * shares[0])
    return x


RULES = {"resize": Rule(moves=_resize)}
