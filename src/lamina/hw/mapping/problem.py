"""A layer as the mapper sees it: eight loops, three operands, which loops move which of them.

    outputs   n g k p q               moved by these loops, untouched by c r s (partial sums)
    weights   g k c r s               of an addition: the second operand, n g c p q
    inputs    n g c, and along each axis the places that p and r (q and s) touch:

    places(a, b) = a b - max(0, b - S) max(0, a - D)       S = stride / gcd, D = dilation / gcd

which counts the distinct values of stride i + dilation j for i < a, j < b, clipped to the unpadded input. Inputs that
no window touches, and biases, are `untouched_bits`: they cross the pins once and are never looked at.

Shapes    arrays of loop sizes [..., 8] in the order of `LOOPS`
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import gcd, prod
from typing import Any

import numpy as np

from lamina.hw.kinds import POOLING
from lamina.hw.mapping.structure import LOOPS, Operand
from lamina.ir.layer import Layer

Array = np.ndarray[Any, np.dtype[Any]]
INDEX: dict[str, int] = {name: place for place, name in enumerate(LOOPS)}
AXES = ((INDEX["p"], INDEX["r"]), (INDEX["q"], INDEX["s"]))


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """Loop bounds and operands of one layer; equal layers are equal problems whatever their names."""

    bounds: tuple[int, ...]  # in the order of LOOPS
    relevant: tuple[tuple[bool, ...], ...]  # of outputs, weights, inputs: loops that move it, axes of inputs excluded
    sliding: bool  # inputs have the axes p+r and q+s
    stride: tuple[int, int]
    dilation: tuple[int, int]
    size: tuple[int, int]  # of the unpadded input
    input_bits: int
    weight_bits: int  # 0: no second operand
    output_bits: int
    untouched_bits: float = 0.0

    @property
    def macs(self) -> int:
        """Operations of the nest: multiply-accumulates, additions or comparisons."""
        return prod(self.bounds)

    def bits(self, operand: Operand) -> int:
        """Of one element of `operand`; outputs when they are finished."""
        return {"outputs": self.output_bits, "weights": self.weight_bits, "inputs": self.input_bits}[operand]

    def elements(self, place: int, sizes: Array) -> Array:
        """Distinct elements of operand number `place` that a tile of loop `sizes` [..., 8] touches."""
        found: Array = np.ones(sizes.shape[:-1])
        for loop in self.movers(place):
            found = found * sizes[..., loop]
        if place == 2 and self.sliding:
            for axis, (outer, inner) in enumerate(AXES):
                if self.bounds[outer] > 1 or self.bounds[inner] > 1:
                    found = found * self._places(axis, sizes[..., outer], sizes[..., inner])
        return found

    def movers(self, place: int) -> list[int]:
        """Loops of more than one step that move operand number `place` by whole elements."""
        return [loop for loop, moves in enumerate(self.relevant[place]) if moves and self.bounds[loop] > 1]

    def _places(self, axis: int, a: Array, b: Array) -> Array:
        shared = gcd(self.stride[axis], self.dilation[axis])
        step, spread = self.stride[axis] // shared, self.dilation[axis] // shared
        distinct = a * b - np.maximum(0, b - step) * np.maximum(0, a - spread)
        found: Array = np.minimum(self.size[axis], distinct)
        return found

    def irrelevant(self, place: int) -> tuple[bool, ...]:
        """Loops under which operand number `place` stays the same."""
        slides = {loop for axis in AXES for loop in axis} if place == 2 and self.sliding else set()
        return tuple(not moved and loop not in slides for loop, moved in enumerate(self.relevant[place]))

    def tensor_bits(self, operand: Operand, place: int) -> float:
        """Of the whole operand, every touched element once."""
        return float(self.elements(place, np.array(self.bounds, float))) * self.bits(operand)


def is_nest(layer: Layer) -> bool:
    """Whether `layer` runs on the array: it multiplies, pools or adds two tensors of one shape."""
    return layer.macs > 0 or layer.operator in POOLING or (layer.operator == "add" and layer.operands == 2)


@lru_cache(maxsize=4096)
def problem(layer: Layer) -> Problem:
    """The nest of `layer`, for which `is_nest` holds; names do not matter."""
    bounds = (layer.n, layer.groups, layer.k, layer.c, layer.p, layer.q, layer.r, layer.s)
    adds = layer.operator == "add"
    moves = {
        "outputs": "ngkpq",
        "weights": "ngcpq" if adds else "gkcrs" if layer.macs else "rs",
        "inputs": "ngcpq" if adds else "ngc",
    }
    found = Problem(
        bounds=bounds,
        relevant=tuple(tuple(loop in loops for loop in LOOPS) for loops in moves.values()),
        sliding=not adds,
        stride=layer.stride,
        dilation=layer.dilation,
        size=(max(layer.input_size[0], 1), max(layer.input_size[1], 1)),
        input_bits=layer.input_bits,
        weight_bits=layer.weight_bits if layer.macs else (layer.input_bits if adds else 0),
        output_bits=layer.output_bits,
    )
    touched = float(found.elements(2, np.array(bounds, float))) * (2 if adds else 1)
    spare = max(0.0, layer.inputs - touched) * layer.input_bits
    spare += max(0.0, layer.outputs - float(found.elements(0, np.array(bounds, float)))) * layer.output_bits
    return replace(found, untouched_bits=float(spare) + layer.biases * layer.output_bits)
