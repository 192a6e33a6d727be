"""A network: operations in order, every value with a name and a type. The waist of the house.

    inputs ──▶ operation ──▶ value ──▶ operation ──▶ … ──▶ outputs
                   ▲ constants (weights)

A network is a pure function. State is explicit: `carry` maps an output to the input that receives it at the next
call, one mechanism for recurrent nets, spikes and training. An operation names its operator; what that operator means
is one entry of the table in `ir/operators`. Operations are in topological order; names are unique over inputs,
constants and operations' results. Every value's type is stored, so a printed network can be read without inference,
and checked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput
from lamina.ir.layer import Layer
from lamina.ir.types import BOOL, INDEX, Type

Array = NDArray[Any]
Attribute = Union[int, float, str, bool, tuple[int, ...], tuple[float, ...], "Network"]
TABLES = ("lookup", "piecewise_linear")  # operators whose constants are tables, not weights


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    operator: str
    inputs: tuple[str, ...]  # names of values: network inputs, constants, results
    outputs: Mapping[str, Type]  # the results it names, in order
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The layer's name: that of its first result."""
        return next(iter(self.outputs))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Constant:
    type: Type
    data: Array | None = None  # stored numbers, dtype `type.element.storage`; None where only the shape is known
    density: float = field(init=False, repr=False)  # share of the numbers that are not zero, counted once

    def __post_init__(self) -> None:
        data = self.data
        object.__setattr__(self, "density", 1.0 if data is None else np.count_nonzero(data) / max(1, data.size))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Network:
    name: str
    inputs: Mapping[str, Type]
    constants: Mapping[str, Constant]
    operations: tuple[Operation, ...]
    outputs: Mapping[str, str]  # output name -> the value it is
    carry: Mapping[str, str] = field(default_factory=dict)  # output name -> input name

    def __post_init__(self) -> None:
        from lamina.ir.check import check

        check(self)

    def __str__(self) -> str:
        from lamina.ir.text import print_network

        return print_network(self)

    @property
    def types(self) -> dict[str, Type]:
        """The type of every value."""
        found = dict(self.inputs)
        found.update((name, constant.type) for name, constant in self.constants.items())
        for operation in self.operations:
            found.update(operation.outputs)
        return found

    @property
    def batch(self) -> int:
        """Axis 0 of the first input that has axes."""
        return next((type_.shape[0] for type_ in self.inputs.values() if type_.shape), 1)

    @property
    def parameters(self) -> int:
        """Numbers in the constants that are weights, zeros included; see `weights`."""
        return sum(self.constants[name].type.size for name in self.weights)

    @property
    def weights(self) -> list[str]:
        """The constants that count as parameters: all but tables, places, truth values, single numbers, the running
        statistics of batch normalisation, and the zeros that a scan starts from."""
        others = _no_weights(self)
        return [
            name
            for name, c in self.constants.items()
            if name not in others and c.type.shape and c.type.element not in (BOOL, INDEX)
        ]

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers())

    def layers(self) -> list[Layer]:
        """The loop nests, one per operation that does work or moves data, in order."""
        from lamina.ir.nests import layers

        return layers(self)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Output names to arrays by the reference interpreter; see `ir.interpreter.run`."""
        from lamina.ir.interpreter import run

        return run(self, inputs)

    def with_batch(self, batch: int) -> "Network":
        """The same network for `batch` examples: axis 0 of every input replaced, every shape inferred again."""
        from lamina.ir.transform import with_batch

        return with_batch(self, batch)

    def producer(self, value: str) -> Operation | None:
        """The operation that makes `value`; None for an input or a constant."""
        return next((o for o in self.operations if value in o.outputs), None)

    def consumers(self, value: str) -> Iterator[Operation]:
        return (o for o in self.operations if value in o.inputs)

    def data(self, name: str) -> Array:
        """The stored numbers of constant `name`; raises `BadInput` where only its shape is known."""
        data = self.constants[name].data
        if data is None:
            raise BadInput(
                f"network {self.name!r} has no weights for {name!r}: it was read from a text without its weights file"
            )
        return data

    def replaced(self, **changes: Any) -> "Network":
        """A copy with fields replaced, checked again."""
        return replace(self, **changes)


def _no_weights(network: Network) -> set[str]:
    """Values whose place in an operation, in a body too, is not that of a weight."""
    found: set[str] = set()
    for operation in network.operations:
        if operation.operator in TABLES:
            found.update(operation.inputs[1:])
        if operation.operator == "batch_norm":
            found.update(operation.inputs[3:])
        if isinstance(body := operation.attributes.get("body"), Network):
            inside = _no_weights(body)
            found.update(n for own, n in zip(body.inputs, operation.inputs, strict=True) if own in inside)
            initial = [n for n in operation.inputs[: len(body.carry)] if n in network.constants]
            found.update(n for n in initial if (data := network.constants[n].data) is None or not data.any())
    return found


def constant(data: Array, type_: Type | None = None) -> Constant:
    """A constant of `data`; its type is float of the data's width unless given."""
    if type_ is None:
        type_ = Type(shape=tuple(data.shape))
    return Constant(type=type_, data=np.ascontiguousarray(data, dtype=type_.element.storage))
