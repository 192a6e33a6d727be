"""Parts of a random case: operands, shapes, element types; what every family of cases draws from."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator

from lamina.ir import Type
from lamina.ir.network import Array
from lamina.ir.types import BOOL, INDEX, Element, Float, Integer

Shape = tuple[int, ...]
EIGHT = Integer(bits=8, scale=(2.0**-5,))
ASYMMETRIC = Integer(bits=8, signed=False, scale=(2.0**-4,), zero_point=100)
SIXTEEN = Integer(bits=16, scale=(2.0**-9,))
UNEVEN = Integer(bits=8, signed=False, scale=(float(np.float32(0.0371)),), zero_point=77)


@dataclass(kw_only=True, slots=True)
class Operand:
    type: Type
    low: float = -2.0  # of random numbers
    high: float = 2.0
    data: Array | None = None  # of a constant

    def draw(self, rng: Generator) -> Array:
        element = self.type.element
        if isinstance(element, Float):
            return rng.uniform(self.low, self.high, self.type.shape).astype(element.storage)
        low, high = element.low, element.high
        if element == INDEX:
            low, high = int(self.low), int(self.high)
        return rng.integers(low, high, self.type.shape, endpoint=True).astype(element.storage)


@dataclass(kw_only=True, slots=True)
class Case:
    operands: list[Operand]
    attributes: dict[str, Any] = field(default_factory=dict)
    element: Element | list[Element] | None = None


def shape(rng: Generator, rank: int | None = None, most: int = 5) -> Shape:
    return tuple(int(v) for v in rng.integers(1, most + 1, int(rng.integers(1, 5)) if rank is None else rank))


def real(rng: Generator) -> Float:
    return Float(bits=64) if rng.random() < 0.25 else Float()


def anything(rng: Generator) -> Element:
    return pick(rng, Float(), Float(), Float(bits=64), EIGHT, ASYMMETRIC, SIXTEEN, BOOL, INDEX)


def pick(rng: Generator, *choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def chance(rng: Generator, share: float = 0.5) -> bool:
    return bool(rng.random() < share)


def operand(of: Shape, element: Element, low: float = -2.0, high: float = 2.0) -> Operand:
    return Operand(type=Type(shape=of, element=element), low=low, high=high)


def places(of: Shape, size: int) -> Operand:
    """Indices into an axis of `size`, negative ones too."""
    return operand(of, INDEX, -size, size - 1)


def fixed(rng: Generator, of: Shape, element: Element, low: float = -2.0, high: float = 2.0) -> Operand:
    """A constant."""
    made = operand(of, element, low, high)
    made.data = made.draw(rng)
    return made


def broadcast(rng: Generator) -> tuple[Shape, Shape]:
    whole = shape(rng)
    sides = [[1 if chance(rng, 0.3) else size for size in whole] for _ in range(2)]
    return tuple(sides[0]), tuple(sides[1][int(rng.integers(0, len(whole))) :])
