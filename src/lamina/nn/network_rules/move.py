"""Numbers moved by a rule, and views: stored numbers move, whatever they mean."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lamina.ir.operators._table import Site
from lamina.ir.operators.move import fill, padded_places
from lamina.ir.operators.shape import OPERATORS
from lamina.nn.network_rules._rule import Rule

_SHAPES = {entry.name: entry.shape for entry in OPERATORS}


def _view(name: str) -> Callable[[Sequence[Tensor], Site], Tensor]:
    def meaning(tensors: Sequence[Tensor], site: Site) -> Tensor:
        return tensors[0].reshape(_SHAPES[name]([tuple(tensors[0].shape)], site.attributes))

    return meaning


def _slice(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x, a, declared = tensors[0], site.attributes, site.inputs[0].shape
    for axis, part in enumerate(map(slice, a["starts"], a["stops"], a["steps"])):
        if (part.start, part.step) == (0, 1) and part.stop >= declared[axis]:
            continue  # all of it, whatever size comes
        found = range(*part.indices(x.shape[axis]))
        whole = found.step == 1  # a view suffices
        x = x.narrow(axis, found.start, len(found)) if whole else x.index_select(axis, torch.tensor(found))
    return x


def _pad(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x, a = tensors[0], site.attributes
    pairs = [*zip(a["before"], a["after"], strict=True)]
    if a["mode"] == "constant":
        sides = [side for pair in reversed(pairs) for side in pair]
        return torch.nn.functional.pad(x, sides, value=fill(a["value"], site.outputs[0].element))
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            x = x.index_select(axis, torch.from_numpy(padded_places(x.shape[axis], before, after, a["mode"])))
    return x


def _expand(tensors: Sequence[Tensor], site: Site) -> Tensor:
    x, wanted = tensors[0], site.attributes["shape"]
    own = (1,) * (len(wanted) - x.ndim) + tuple(x.shape)
    return x.expand([o if w == 0 else w for o, w in zip(own, wanted, strict=True)])


RULES = {
    "flatten": Rule(floats=_view("flatten"), integers=_view("flatten")),
    "reshape": Rule(floats=_view("reshape"), integers=_view("reshape")),
    "transpose": Rule(moves=lambda tensors, site: tensors[0].permute(site.attributes["order"])),
    "concatenate": Rule(moves=lambda tensors, site: torch.cat(list(tensors), dim=site.attributes["axis"])),
    "slice": Rule(moves=_slice),
    "pad": Rule(moves=_pad),
    "expand": Rule(moves=_expand),
    "tile": Rule(moves=lambda tensors, site: tensors[0].repeat(site.attributes["repeats"])),
}
