"""What the ten networks are built of, in the machine's fixed point; left out: a bias in a product (MMV has none).

    layer      y = W x + b        `linear` without bias, exact sums, one rounding; then `add`
    apply      y = f(x)           `lookup` in the table that VEXP, VAS, VDV give
    choose     1 or 0 (or any two numbers), where a comparison holds
    drawn      uniform numbers in [0, 1], from the key and the count of the draws before

Random weights: normal, standard deviation gain / sqrt(inputs), so that sums stay near 1 whatever the width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina.core.seeds import numpy_generator
from lamina.emulation.cambricon.functions import table
from lamina.ir.build import Builder, Value
from lamina.ir.network import Array, Network
from lamina.ir.types import INDEX, Fixed, Type

FORMAT = Fixed(integer_bits=6, fraction_bits=10)
PRODUCT: dict[str, Any] = {"rounding": "power_of_two", "products": "exact", "accumulator": 64}


@dataclass(kw_only=True, slots=True)
class Parts:
    """A network under construction."""

    seed: int
    element: Fixed = FORMAT
    b: Builder = field(default_factory=Builder)
    tables: dict[str, Value] = field(default_factory=dict)
    key: Value | None = None
    draws: int = 0

    def input(self, name: str, *shape: int) -> Value:
        """An input of stored fixed-point numbers."""
        return self.b.input(name, Type(shape=shape, element=self.element))

    def weights(self, name: str, real: Array | list[float]) -> Value:
        """A constant of real numbers, rounded to the format."""
        bits = self.element.fraction_bits
        stored = np.clip(np.rint(np.asarray(real, np.float64) * 2**bits), self.element.low, self.element.high)
        return self.b.constant(name, stored, Type(shape=np.shape(real), element=self.element))

    def normal(self, name: str, *shape: int, gain: float = 1.0) -> Value:
        """Random weights; all axes but the first are inputs of one neuron."""
        fan_in = int(np.prod(shape[1:])) or 1
        return self.weights(name, numpy_generator(self.seed, name).normal(size=shape) * gain / fan_in**0.5)

    def layer(self, name: str, x: Value, outputs: int, *, gain: float = 1.0) -> Value:
        """W x + b with weights of its own."""
        w, b = self.normal(f"{name}.weight", outputs, x.shape[-1], gain=gain), self.normal(f"{name}.bias", outputs)
        return self.add(self.times(x, w), b)

    def times(self, x: Value, w: Value) -> Value:
        return self.b.emit("linear", [x, w], **PRODUCT)

    def add(self, x: Value, y: Value) -> Value:
        return self.b.emit("add", [x, y])

    def subtract(self, x: Value, y: Value) -> Value:
        return self.b.emit("subtract", [x, y])

    def multiply(self, x: Value, y: Value) -> Value:
        return self.b.emit("multiply", [x, y])

    def apply(self, function: str, x: Value) -> Value:
        """sigmoid or tanh as the machine computes them."""
        if function not in self.tables:
            entries = table(function, self.element.fraction_bits)
            self.tables[function] = self.b.constant(
                f"{function}.table", entries, Type(shape=(2**16,), element=self.element)
            )
        return self.b.emit("lookup", [x, self.tables[function]], name=function)

    def choose(self, comparison: str, x: Value, y: Value, then: float = 1.0, otherwise: float = 0.0) -> Value:
        """`then` where `comparison` of x and y holds, else `otherwise`."""
        holds, one = self.b.emit(comparison, [x, y]), 2**self.element.fraction_bits
        return self.b.emit("where", [holds, self.b.scalar(then * one, x), self.b.scalar(otherwise * one, x)])

    def drawn(self, shape: Sequence[int]) -> Value:
        """Uniform numbers; the key is an input, made when the first draw is."""
        if self.key is None:
            self.key = self.b.input("key", Type(shape=(), element=INDEX))
        real = self.b.emit("uniform", [self.key], shape=tuple(shape), stream=self.draws)
        self.draws += 1
        return self.b.emit("quantise", [real], element=self.element)

    def finish(self, name: str, **outputs: Value) -> Network:
        return self.b.network(name, outputs)


def random_inputs(network: Network, seed: int = 0, *, deviation: float = 1.0) -> dict[str, Array]:
    """Stored numbers for every input: normal, of standard deviation `deviation`; a key is the seed itself."""
    found = {}
    for name, type_ in network.inputs.items():
        if isinstance(type_.element, Fixed):
            real = numpy_generator(seed, "inputs", name).normal(size=type_.shape) * deviation
            stored = np.rint(real * 2**type_.element.fraction_bits)
            found[name] = np.clip(stored, type_.element.low, type_.element.high).astype(type_.element.storage)
        else:
            found[name] = np.asarray(seed, type_.element.storage)
    return found
