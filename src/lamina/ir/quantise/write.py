"""The integer network while it is written: each float value has its integers, its real numbers, or both.

    stored(name)   the integers: as they were made, else requantised or quantised on first need
    real(name)     the real numbers: as they were computed, else dequantised on first need

Integers go from one element to another without floats: multiplied by a stored 1, requantised once. In the body of a
scan, values from outside are asked for outside, so that what could be converted once is not at every step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.ir.build import Builder, Value
from lamina.ir.network import Array, Constant, Operation
from lamina.ir.quantise import ranges
from lamina.ir.quantise.scopes import Key, Scope
from lamina.ir.quantise.spread import Spread
from lamina.ir.types import Element, Fixed, Float, Integer, Type

if TYPE_CHECKING:
    from lamina.ir.quantise.assign import Plan
    from lamina.ir.quantise.settings import Settings

ONE = Integer(bits=2)


@dataclass(slots=True)
class Written:
    """A value of the float network as it stands in the integer one."""

    key: Key
    name: Key  # path and name there
    element: Element


@dataclass(slots=True)
class Writer:
    plan: "Plan"
    scope: Scope
    builder: Builder
    outer: "Writer | None" = None
    ints: dict[str, list[Value]] = field(default_factory=dict)  # the first as it was made
    reals: dict[str, Value] = field(default_factory=dict)
    written: list[Written] = field(default_factory=list)
    weights: dict[Key, Integer] = field(default_factory=dict)  # of layers, for the report
    accumulators: dict[Key, int] = field(default_factory=dict)

    @property
    def settings(self) -> "Settings":
        return self.plan.settings

    def key(self, name: str) -> Key:
        return self.scope.key(name)

    def layer(self, operation: Operation) -> str:
        """What the layer is called in settings and reports."""
        return "/".join((*self.scope.path, operation.name))

    def element(self, name: str, *, narrow: bool = False) -> Integer | Fixed:
        """The element of float value `name`; a constant's is its own."""
        constant = self.scope.constant(name)
        if constant is not None:
            return self._constant_element(constant)
        return self.plan.element(self.key(name), narrow=narrow)

    def stored(self, name: str, element: Integer | Fixed | None = None) -> Value:
        """The integers of `name`, in its own element or another."""
        constant = self.scope.constant(name)
        if constant is not None:
            return self.constant(name, constant, element or self._constant_element(constant))
        if name in self.scope.captured and self.outer is not None:
            return self.outer.stored(self.scope.captured[name], element)
        element = element or self.element(name)
        forms = self.ints.setdefault(name, [])
        for form in forms:
            if form.type.element == element:
                return form
        if forms:
            made = self.requantised(forms[0], element)
        else:
            made = self.builder.emit("quantise", [self.real(name)], element=element, name=f"{name}.quantised")
            self._note(name, made)
        forms.append(made)
        return made

    def operand(self, name: str) -> Value:
        """The integers that a multiplying layer or a table reads: a wide state's are narrowed."""
        return self.stored(name, self.element(name, narrow=True))

    def real(self, name: str) -> Value:
        """The real numbers of `name`; values that are no floats as they are."""
        constant = self.scope.constant(name)
        if constant is not None:
            return self._kept(":".join(self.key(name)) + ":real", name, constant.data, constant.type)
        if name in self.scope.captured and self.outer is not None:
            return self.outer.real(self.scope.captured[name])
        if name not in self.reals:
            kind = self.scope.types[name].element
            self.reals[name] = self.builder.emit(
                "dequantise", [self.ints[name][0]], element=kind, name=f"{name}.dequantised"
            )
        return self.reals[name]

    def emit(self, operation: Operation, inputs: Sequence[Value], *, operator: str = "", **more: Any) -> Any:
        """The operation on integers, its result (of the element that the plan gives) noted under its name."""
        (name,) = operation.outputs
        attributes = {**operation.attributes, **more} if not operator else more
        made = self.builder.emit(
            operator or operation.operator, inputs, name=name, element=self.element(name), **attributes
        )
        self.put(name, made)
        return made

    def put(self, name: str, value: Value) -> None:
        """`value` are the integers, or the real numbers, of `name`."""
        if self.scope.is_float(name) and not isinstance(value.type.element, Float):
            self.ints.setdefault(name, []).append(value)
        else:
            self.reals[name] = value
        self._note(name, value)

    def rounding(self) -> dict[str, Any]:
        """The attribute of operators that requantise; the default is not written."""
        return {} if self.settings.rule.form == "power_of_two" else {"rounding": "float"}

    def requantised(self, value: Value, element: Integer | Fixed) -> Value:
        one = self._kept(":one", "one", np.ones((), np.int8), Type(shape=(), element=ONE))
        name = f"{value.name}.rescaled"
        made: Value = self.builder.emit("multiply", [value, one], element=element, name=name, **self.rounding())
        return made

    def constant(self, name: str, constant: Constant, element: Integer | Fixed, *, coded: bool = False) -> Value:
        """The numbers of a constant as integers; `coded` keeps that zeros or repeats are stored once."""
        cache = self._outermost().ints.setdefault(":".join(self.key(name)) + ":constant", [])
        for form in cache:
            if form.type.element == element:
                return form
        data = self.scope.network.data(name) if constant.data is None else constant.data
        book = constant.type.codebook_bits if element.axis is None else None
        shape, sparse = constant.type.shape, coded and constant.type.sparse
        type_ = Type(shape=shape, element=element, sparse=sparse, codebook_bits=book if coded else None)
        made = self.builder.constant(name, _integers(data, element), type_)
        cache.append(made)
        return made

    def _constant_element(self, constant: Constant) -> Integer:
        spread = Spread()
        if constant.data is not None:
            spread.add(constant.data)
        rule = ranges.Rule(form=self.settings.rule.form)
        return ranges.activation(spread, self.settings.bits, rule)

    def shared(self, name: str, data: Array, type_: Type) -> Value:
        """A constant that everything with the same numbers shares."""
        kept = np.ascontiguousarray(data, type_.element.storage)
        return self._kept(f"{name}:{type_}:{sha256(kept.tobytes()).hexdigest()}", name, kept, type_)

    def _kept(self, key: str, name: str, data: Array | None, type_: Type) -> Value:
        """A constant that is made once for the whole network."""
        found = self._outermost().reals
        if key not in found:
            found[key] = self.builder.constant(name, data, type_)
        return found[key]

    def _outermost(self) -> "Writer":
        return self if self.outer is None else self.outer._outermost()

    def _note(self, name: str, value: Value) -> None:
        self.written.append(Written(self.scope.key(name), (value.name,), value.type.element))


def _integers(data: Array, element: Integer | Fixed) -> Array:
    """clip(rint(x / s) + z) in float64; scales may lie along an axis."""
    scale = np.asarray(element.scale)
    if element.axis is not None:
        along = [1] * data.ndim
        along[element.axis] = -1
        scale = scale.reshape(along)
    low = element.low + (1 if element.axis is not None else 0)
    whole = np.rint(np.clip(data.astype(np.float64) / scale, -(2.0**40), 2.0**40)).astype(np.int64)
    return np.asarray(np.clip(whole + element.zero_point, low, element.high), element.storage)
