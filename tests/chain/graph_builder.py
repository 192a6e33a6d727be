"""A random integer graph under construction: every value carries a sample of its stored integers.

The sample tells what range a result has, so that its scale fits: integers are spread over their range, neither all
clipped nor all zero, and a wrong one shows. `apply` emits an operation and computes its sample by the interpreter.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import frexp, ldexp, prod
from typing import Any

import numpy as np
from numpy.random import Generator

from lamina.ir import integers
from lamina.ir.build import Builder, Value
from lamina.ir.check import completed, site
from lamina.ir.interpreter import meaning
from lamina.ir.network import Array
from lamina.ir.operators import TABLE
from lamina.ir.operators.multiply import bias_scale
from lamina.ir.types import BOOL, INDEX, Integer, Type

MOST = 2048  # numbers of one value


@dataclass(slots=True)
class Graph:
    rng: Generator
    form: str = "power_of_two"
    bits: tuple[int, int] = (2, 8)
    builder: Builder = field(default_factory=Builder)
    values: list[Value] = field(default_factory=list)  # quantised ones, truth values and places
    samples: dict[str, Array] = field(default_factory=dict)
    used: Counter[str] = field(default_factory=Counter)
    read: set[str] = field(default_factory=set)

    def enter(self, value: Value, sample: Array) -> Value:
        """A value that is there already: an input of a body."""
        self.samples[value.name] = sample
        self.values.append(value)
        return value

    def input(self, name: str, shape: Sequence[int]) -> Value:
        """A float input and its integers."""
        x = self.builder.input(name, Type(shape=tuple(shape)))
        real = self.rng.normal(size=shape)
        element = self.fitting(real)
        made = self.builder.emit("quantise", [x], element=element, name=f"{name}.quantised")
        return self.enter(made, integers.quantise(real, element).astype(element.storage))

    def constant(self, stem: str, data: Array, element: Integer) -> Value:
        """A stored value of integers."""
        stored = np.asarray(data, element.storage)
        return self.builder.constant(stem, stored, Type(shape=stored.shape, element=element))

    def apply(
        self, operator: str, inputs: Sequence[Value], *, like: Integer | None = None, fit: bool = False, **more: Any
    ) -> Any:
        """Emit an operation; its result's element is `like`, one that fits (`fit`), or what the table says."""
        if fit:
            entry = TABLE[operator]
            assert entry.run is not None
            real = entry.run([self.real(v) for v in inputs], completed(entry, {k: _tuple(a) for k, a in more.items()}))
            like = self.fitting(np.asarray(real))
        if fit or like is not None:
            more |= self.rounding(operator)
        made = self.builder.emit(operator, inputs, element=like, **more)
        several = made if isinstance(made, list) else [made]
        operation = self.builder.operations[-1]
        types = {v.name: v.type for v in (*inputs, *several)}
        named = dict(zip(operation.inputs, (v.name for v in inputs), strict=False))
        assert operation.operator == operator, f"{operator} was folded"
        where = site(operation, {**{inside: types[name] for inside, name in named.items()}, **types})
        for value, array in zip(several, meaning(operation, where, [self.sample(v) for v in inputs]), strict=True):
            self.enter(value, array)
        self.used[operator] += 1
        self.read.update(v.name for v in inputs)
        return made

    def rounding(self, operator: str) -> dict[str, str]:
        """The attribute of operators that requantise, where it is not the default."""
        takes = "rounding" in TABLE[operator].attributes and self.form == "float"
        return {"rounding": "float"} if takes else {}

    def sample(self, value: Value) -> Array:
        return self.samples[value.name] if value.data is None else value.data

    def real(self, value: Value) -> Array:
        element = value.type.element
        assert isinstance(element, Integer)
        scale = np.asarray(element.scale)
        if element.axis is not None:
            along = [1] * len(value.shape)
            along[element.axis] = -1
            scale = scale.reshape(along)
        return (self.sample(value).astype(np.float64) - element.zero_point) * scale

    def width(self) -> int:
        low, high = self.bits
        return high if self.chance(0.4) else int(self.rng.integers(low, high + 1))

    def scale(self, about: float) -> float:
        """A scale near `about`: a power of two, or any float32 (some are powers of two, so that halves are met)."""
        about = max(about, 2.0**-24)
        if self.form == "power_of_two" or self.chance(0.3):
            mantissa, exponent = frexp(about)
            return ldexp(1.0, exponent - (mantissa < 0.7))
        return float(np.float32(about * self.rng.uniform(0.8, 1.25)))

    def fitting(self, real: Array) -> Integer:
        """An element for numbers like `real`; some of them are clipped, some elements are not filled."""
        bits = self.width()
        reach = float(np.abs(real).max(initial=0.0)) or 1.0
        about = reach * 2.0 ** float(self.rng.choice([-1, 0, 0, 0, 1]))
        positive = bool((real >= 0).all())
        if self.form == "float":
            zero = 0 if positive or self.chance(0.1) else int(self.rng.integers(0, 2**bits))
            return Integer(bits=bits, signed=False, scale=(self.scale(2 * about / 2**bits),), zero_point=zero)
        signed = not positive if self.chance(0.9) else positive
        return Integer(bits=bits, signed=signed, scale=(self.scale(about / 2 ** (bits - signed)),))

    def numbers(self, shape: Sequence[int], element: Integer) -> Array:
        """Integers of `element`, spread over its range."""
        return self.rng.integers(element.low, element.high, shape, endpoint=True)

    def weights(self, shape: Sequence[int], *, axis: int | None) -> Value:
        """Signed symmetric weights, with a scale for each index of `axis` half of the time."""
        bits = self.width()
        high = 2 ** (bits - 1) - 1
        axis = axis if self.chance(0.5) else None
        count = 1 if axis is None else shape[axis]
        scales = tuple(self.scale(2.0 ** -(bits + int(self.rng.integers(0, 3)))) for _ in range(count))
        data = np.clip(np.rint(self.rng.normal(size=shape) * max(high / 2, 0.7)), -high, high)
        return self.constant("weight", data, Integer(bits=bits, scale=scales, axis=axis))

    def bias(self, x: Value, w: Value, k: int) -> Value:
        """int32 at the scale of the sums, of about their size."""
        bits = 32 if self.builder.outside is None else 31  # in a body sums are proved by types alone
        element = Integer(bits=bits, scale=bias_scale(_stored(x), _stored(w)), axis=_stored(w).axis and 0)
        reach = min(_stored(x).high * _stored(w).high * 2, 2**26)
        return self.constant("bias", np.rint(self.rng.normal(size=k) * reach), element)

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def of(self, *, ranks: Sequence[int] = (), least: int = 1, plain: bool = False) -> Value | None:
        """A quantised value of some rank, mostly a late one; `plain` asks for truth values or places instead."""
        found = [
            v
            for v in self.values
            if (v.type.element in (BOOL, INDEX)) == plain
            and (not ranks or len(v.shape) in ranks)
            and least <= prod(v.shape) <= MOST
        ]
        if not found:
            return None
        return found[-1] if self.chance(0.6) else found[int(self.rng.integers(len(found)))]

    def alike(self, x: Value) -> list[Value]:
        """Other quantised values of the shape of `x`."""
        return [v for v in self.values if v.shape == x.shape and v is not x and v.type.element not in (BOOL, INDEX)]


def _stored(value: Value) -> Integer:
    assert isinstance(value.type.element, Integer)
    return value.type.element


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
