"""What each module of Lua Torch's `nn` means: one file a family, the folder is the registry.

A rule is a function (module, x) -> result, where x and the result are a value, or a list of values where Lua has a
table of tensors. Values carry the batch on axis 0. Lua counts dimensions from 1; `Module.axis` turns that into an axis,
one further where the module was told the rank of one example (`nInputDims`) and the value has a batch before it.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.ir.build import Builder, Value
from lamina.ir.network import Array
from lamina.ir.types import Float, Type
from lamina.lowering import _parts as parts
from lamina.lowering._torch7_file import Table, Thing

LARGEST = 2**24  # of any size
Data = Value | list["Data"]
Rule = Callable[["Module", Any], Any]


@dataclass(slots=True)
class Constants:
    """Tensors that are constants already, and how many numbers the network may take from the file."""

    most: int
    known: dict[int, tuple[Any, Value]] = field(default_factory=dict)  # identity -> the array itself and its constant
    numbers: int = 0

    def count(self, numbers: int) -> None:
        self.numbers += numbers
        if self.numbers > self.most:
            raise BadInput(f"weights of more than {self.most} numbers, which is more than the file holds")


@dataclass(frozen=True, slots=True)
class Module:
    """One module of the file where it stands."""

    name: str  # its places from the root, then its kind: 2.1.Linear
    kind: str  # "Linear"
    thing: Thing
    builder: Builder
    element: Float
    constants: Constants
    run: Callable[[Thing, str, Data], Data]  # applies a module inside this one

    def children(self) -> list[Thing]:
        modules = self.thing.get("modules")
        found = modules.array() if isinstance(modules, Table) else []
        if not found or not all(isinstance(m, Thing) for m in found) or len(found) != len(modules.items):
            raise BadInput("its `modules` are no list of modules")
        return found

    def number(self, name: str, default: float | None = None) -> float:
        value = self.thing.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= parts.LARGEST_NUMBER:
            raise BadInput(f"{name} is {one_line(repr(value), 40)}: a number is needed")
        return value

    def whole(self, name: str, default: int | None = None, *, least: int = 0) -> int:
        value = self.number(name, default)
        if value != int(value) or not least <= value <= LARGEST:
            raise BadInput(f"{name} is {value}: whole numbers from {least} to {LARGEST} are allowed")
        return int(value)

    def truth(self, name: str, default: bool = False) -> bool:
        return bool(self.thing.get(name, default))

    def pair(self, height: str, width: str, default: int | None = None, *, least: int = 0) -> tuple[int, int]:
        return self.whole(height, default, least=least), self.whole(width, default, least=least)

    def sizes(self, name: str) -> list[int]:
        """A LongStorage of sizes."""
        value = self.thing.get(name)
        if isinstance(value, Table):
            value = np.array(value.array())
        if not isinstance(value, np.ndarray) or value.ndim != 1 or value.size > 16 or value.dtype.kind not in "iu":
            raise BadInput(f"{name} holds no sizes")
        if any(abs(int(size)) > LARGEST for size in value):
            raise BadInput(f"{name} is {value.tolist()}: sizes up to {LARGEST} are allowed")
        return [int(size) for size in value]

    def has(self, name: str) -> bool:
        value = self.thing.get(name)
        return isinstance(value, np.ndarray) and value.size > 0

    def weight(self, name: str, shape: tuple[int, ...]) -> Value:
        """The tensor `name` as a constant of `shape`; the same tensor twice is one constant."""
        array = self.array(name)
        if array.size != np.prod(shape, dtype=object):
            raise BadInput(f"{name} has shape {list(array.shape)}, {list(shape)} is needed")
        _, known = self.constants.known.get(id(array), (None, None))
        if known is None or known.shape != shape:
            known = self.constant(name, array.reshape(shape))
            self.constants.known[id(array)] = (array, known)
        return known

    def array(self, name: str) -> Array:
        array = self.thing.get(name)
        if not isinstance(array, np.ndarray) or array.size == 0:
            raise BadInput(f"the tensor {name} is missing")
        return array

    def constant(self, name: str, array: Array) -> Value:
        self.constants.count(array.size)
        rounded = parts.fitting(array, self.element, name)
        return self.builder.constant(f"{self.name}.{name}", rounded, Type(shape=array.shape, element=self.element))

    def scalar(self, value: float) -> Value:
        return self.constant("scalar", np.asarray(value, np.float64))

    def axis(self, given: float, axes: int, example: Any = None) -> int:
        """The axis that dimension `given`, counted from 1 or from the end, is of a value with `axes` axes."""
        behind = isinstance(example, int) and example > 0 and axes == example + 1
        axis = int(given) - 1 + int(behind) if given > 0 else int(given) + axes
        if given != int(given) or given == 0 or not 0 <= axis < axes:
            raise BadInput(f"dimension {given} of a value with {axes} axes")
        return axis

    def emit(self, operator: str, inputs: list[Value], *, part: str = "", **attributes: Any) -> Any:
        """An operation called after the module, or after a part of it."""
        name = f"{self.name}.{part}" if part else self.name
        return self.builder.emit(operator, inputs, name=name, **attributes)


def value(x: Data, axes: tuple[int, ...] = ()) -> Value:
    """`x`, which has to be one tensor, of one of the ranks `axes`."""
    if not isinstance(x, Value):
        raise BadInput("a table of tensors where one tensor is needed")
    if not x.shape or (axes and len(x.shape) not in axes):
        wanted = " or ".join(map(str, axes)) or "at least 1"
        raise Unsupported(f"a tensor of shape {list(x.shape)} where {wanted} axes are read")
    return x


def values(x: Data) -> list[Value]:
    """`x`, which has to be a table of tensors."""
    if isinstance(x, Value) or not x:
        raise BadInput("one tensor where a table of tensors is needed")
    return [value(part) for part in x]


def rules() -> Mapping[str, Rule]:
    """Kinds of modules to their rules: the `RULES` of every file of this folder."""
    found: dict[str, Rule] = {}
    for module in pkgutil.iter_modules(__path__):
        found.update(importlib.import_module(f"{__name__}.{module.name}").RULES)
    return found
