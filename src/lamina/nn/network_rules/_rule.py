"""What a torch rule is, and how a value of a network lies in a tensor.

    Float                          a tensor of its width
    integers of up to 32 bits      integer-valued float64: sums stay exact below 2^53 and gradients may flow
    wider integers (INDEX)         int64
    truth values                   float64, 0 and 1

A rule mirrors an entry of the operator table (`ir.operators`): `floats` where operands are real numbers, `integers`
where they are stored ones, `moves` where one meaning serves both. Each is a function (tensors, Site) -> tensor, or a
list of them. Rules read sizes from the tensors that come, not from the Site, so that a batch may have any size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from lamina.ir.operators._table import Site
from lamina.ir.types import Element, Fixed, Float, Integer

Meaning: TypeAlias = Callable[[Sequence[Tensor], Site], Tensor | list[Tensor]]
WIDEST_IN_FLOAT64 = 32  # bits


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    floats: Meaning | None = None
    integers: Meaning | None = None
    moves: Meaning | None = None


def held(element: Element) -> torch.dtype:
    """The dtype that numbers of `element` have in a tensor."""
    if isinstance(element, Float):
        return torch.float64 if element.bits == 64 else torch.float32
    return torch.float64 if element.bits <= WIDEST_IN_FLOAT64 else torch.int64


def integer(element: Element) -> Integer | Fixed:
    """`element`, which is no float: the checker has let none come here."""
    assert not isinstance(element, Float)
    return element


def wrapped(whole: Tensor, element: Element) -> Tensor:
    """int64 numbers as memory keeps them: the low bits of the width in which `element` is stored."""
    kept = integer(element)
    width = next(w for w in (8, 16, 32, 64) if kept.bits <= w)
    if width == 64:
        return whole
    low = whole & ((1 << width) - 1)
    signed = isinstance(kept, Fixed) or kept.signed
    return torch.where(low >= 1 << (width - 1), low - (1 << width), low) if signed else low
