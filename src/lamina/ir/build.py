"""Building a network value by value: what every reader of a format uses.

    b = Builder()
    x = b.input("x", Type(shape=(1, 3, 8, 8)))
    y = b.emit("conv2d", [x, b.constant("w", weights)], name="conv1", stride=(1, 1))
    network = b.network("net", {"output": y})

`emit` asks the operator table for shapes and elements, and computes at once where every operand is a constant with
data: shape arithmetic of other tools folds away by itself. A constant enters the network when something uses it;
operations that no output needs are dropped at the end. Inside a scan's body a value of the network outside is captured.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina.core.errors import BadInput, one_line
from lamina.ir.check import completed, site
from lamina.ir.interpreter import meaning
from lamina.ir.network import Array, Attribute, Constant, Network, Operation
from lamina.ir.operators import operator
from lamina.ir.operators._table import Operator, types_of
from lamina.ir.types import BOOL, INDEX, Element, Float, Type

MOST_FOLDED = 2**26  # numbers of one folded result
COPYING = {"expand": 2**12, "tile": 2**12}  # the same for operators that repeat few numbers: not as many are stored


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A value of the network that is being built, or a constant that may not be in it yet."""

    name: str
    type: Type
    data: Array | None = None  # of a constant
    is_constant: bool = False  # with or without data

    @property
    def shape(self) -> tuple[int, ...]:
        return self.type.shape


Cell = Callable[["Builder", list[Value], list[Value]], tuple[Sequence[Value], Sequence[Value]]]


@dataclass(slots=True)
class Builder:
    inputs: dict[str, Type] = field(default_factory=dict)
    constants: dict[str, Constant] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    outside: "Builder | None" = None  # of a body: the builder around it
    captured: dict[str, Value] = field(default_factory=dict)  # of a body: its own name -> the value outside
    own: set[Value] = field(default_factory=set)  # of a body: values that are its own
    scalars: dict[tuple[str, Element], Value] = field(default_factory=dict)

    def input(self, name: str, type_: Type) -> Value:
        """A new input of the network."""
        name = self.unique(name)
        self.inputs[name] = type_
        return self._made(Value(name, type_))

    def constant(self, name: str, data: Array | None, type_: Type | None = None) -> Value:
        """A constant; its type follows from the data unless given (without data it has to be)."""
        if type_ is None:
            if data is None:
                raise BadInput(f"constant {name!r} has neither numbers nor a type")
            type_ = Type(shape=tuple(data.shape), element=element_of(data.dtype))
        stored = None if data is None else np.ascontiguousarray(data, type_.element.storage).reshape(type_.shape)
        return Value(self._outermost().unique(name), type_, stored, is_constant=True)

    def scalar(self, value: float, like: Value | None = None) -> Value:
        """A constant without axes, of the element of `like` (f32 without it); one for each number."""
        element = Float() if like is None else like.type.element
        key, known = (repr(float(value)), element), self._outermost().scalars
        if key not in known:
            known[key] = self.constant("scalar", np.asarray(value), Type(shape=(), element=element))
        return known[key]

    def emit(
        self,
        operator_name: str,
        inputs: Sequence[Value],
        *,
        name: str | None = None,
        element: Element | Sequence[Element] | None = None,
        **attributes: Any,
    ) -> Any:
        """Append an operation; one `Value`, or a list where it has several results.

        `name` is what its first result is called. Raises `BadInput` where the operands do not fit.
        """
        entry = operator(operator_name)
        given = {key: _plain(value, entry.attributes.get(key)) for key, value in attributes.items()}
        found = types_of(entry, [v.type for v in inputs], completed(entry, given))
        types = found if isinstance(found, list) else [found]
        if element is not None:
            elements = [element] * len(types) if isinstance(element, Element) else element
            types = [Type(shape=t.shape, element=e) for t, e in zip(types, elements, strict=True)]
        name = name or operator_name
        most = COPYING.get(operator_name, MOST_FOLDED)
        if all(v.data is not None for v in inputs) and sum(t.size for t in types) <= most:
            made = self._folded(entry, inputs, types, given, name)
        else:
            names = [self.unique(name if i == 0 else f"{name}.{i}") for i in range(len(types))]
            used = tuple(self._used(v) for v in inputs)
            outputs = dict(zip(names, types, strict=True))
            self.operations.append(Operation(operator=operator_name, inputs=used, outputs=outputs, attributes=given))
            made = [self._made(Value(n, t)) for n, t in outputs.items()]
        return made if isinstance(found, list) else made[0]

    def _folded(
        self, entry: Operator, inputs: Sequence[Value], types: Sequence[Type], given: Mapping[str, Any], name: str
    ) -> list[Value]:
        """The results as constants, computed by the table."""
        outputs = {f"r{i}": t for i, t in enumerate(types)}
        names = tuple(f"v{i}" for i in range(len(inputs)))
        operation = Operation(operator=entry.name, inputs=names, outputs=outputs, attributes=given)
        where = site(operation, {**dict(zip(names, (v.type for v in inputs), strict=True)), **outputs})
        if entry.elements is not None:
            entry.elements(where)
        arrays = meaning(operation, where, [v.data for v in inputs if v.data is not None])
        return [self.constant(name, a, t) for a, t in zip(arrays, types, strict=True)]

    def scan(
        self,
        name: str,
        cell: Cell,
        *,
        states: Sequence[Value],
        sequences: Sequence[Value] = (),
        steps: int = 0,
        reverse: bool = False,
    ) -> tuple[list[Value], list[Value]]:
        """(final states, stacked outputs) of `cell(inner, states, slices) -> (next states, outputs)`, step by step."""
        inner = Builder(outside=self)
        inside = [inner.input(f"state_{i}", v.type) for i, v in enumerate(states)]
        slices = [inner.input(f"slice_{i}", v.type.with_shape(v.type.shape[1:])) for i, v in enumerate(sequences)]
        following, results = cell(inner, inside, slices)
        ends = {f"next_{i}": v for i, v in enumerate(following)} | {f"out_{i}": v for i, v in enumerate(results)}
        carry = {f"next_{i}": v.name for i, v in enumerate(inside)}
        body = inner.network(name, ends, carry)
        made = self.emit(
            "scan",
            [*states, *sequences, *inner.captured.values()],
            name=name,
            body=body,
            sequences=len(sequences),
            steps=steps,
            reverse=reverse,
        )
        return made[: len(states)], made[len(states) :]

    def network(self, name: str, outputs: Mapping[str, Value], carry: Mapping[str, str] | None = None) -> Network:
        """The network of `outputs`; what none of them needs is dropped, a constant output becomes a value."""
        ends = {output: self._used(value) for output, value in outputs.items()}
        needed, kept = set(ends.values()), []
        for operation in reversed(self.operations):
            if needed & set(operation.outputs):
                needed.update(operation.inputs)
                kept.append(operation)
        return Network(
            name=legal(name),
            inputs=self.inputs,
            constants={n: c for n, c in self.constants.items() if n in needed},
            operations=tuple(reversed(kept)),
            outputs=ends,
            carry=carry or {},
        )

    def unique(self, name: str) -> str:
        """`name` made legal, with a number behind it where it is taken."""
        name = legal(name)
        candidate, count = name, 1
        while candidate in self.taken:
            count += 1
            candidate = f"{name}_{count}"
        self.taken.add(candidate)
        return candidate

    def _made(self, value: Value) -> Value:
        self.own.add(value)
        return value

    def _outermost(self) -> "Builder":
        return self if self.outside is None else self.outside._outermost()

    def _used(self, value: Value) -> str:
        """The name of `value` here: constants enter the outermost network, a body captures what is outside of it."""
        if value in self.own:
            return value.name
        if self.outside is None:
            if not value.is_constant:
                raise BadInput(f"{one_line(value.name, 60)!r} is no value of this network")
            self.constants.setdefault(value.name, Constant(type=value.type, data=value.data))
            return value.name
        for name, captured in self.captured.items():
            if captured is value:
                return name
        name = self.unique(value.name)
        self.inputs[name] = value.type
        self.captured[name] = value
        return name


def element_of(dtype: Any) -> Element:
    """The element type that numbers of a NumPy type have by themselves."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return Float(bits=64 if kind.itemsize > 4 else 32)
    if kind.kind == "b":
        return BOOL
    if kind.kind in "iu":
        return INDEX
    raise BadInput(f"numbers of type {kind} have no element type here: floats, integers and truth values have")


def legal(name: str) -> str:
    """`name` with letters that the text form allows."""
    name = re.sub(r"[^A-Za-z0-9_./\-]", "_", name)[:180].lstrip("./-")
    return name or "value"


def _plain(value: Any, default: Attribute | type | None) -> Any:
    """Lists as tuples, NumPy's numbers as Python's, whole numbers as floats where floats are wanted."""
    if isinstance(value, list | tuple):
        inner = default[0] if isinstance(default, tuple) and default else None
        return tuple(_plain(part, inner) for part in value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, int) and not isinstance(value, bool) and (default is float or isinstance(default, float)):
        return float(value)
    return value
