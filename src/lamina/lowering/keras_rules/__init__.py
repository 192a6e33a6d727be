"""What each Keras layer means: one file a family, the folder is the registry.

A rule is a function (layer, inputs) -> result: tensors in, a tensor or a list of them out.

Layout    Keras thinks in [n, h, w, c], our convolutions in [n, c, h, w]. A `Tensor` keeps both: its value lies in
          whatever order the last layer left it in, `order[i]` being the place of Keras's axis i. Rules ask for `plain`
          (Keras's order) or `picture` (channels first), and only then a transpose is written, once a value; layers that
          act on each number take what is there. So a chain of convolutions has one transpose at its border.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.ir.build import Builder, Value
from lamina.ir.network import Array
from lamina.ir.types import Float, Type
from lamina.lowering import _parts as parts

LARGEST = 2**24  # of any size
MOST_FILLED = 2**22  # numbers of a constant that no file holds
Path = str


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A value and where its axes lie: Keras's axis i is the value's axis order[i].

    `mask` [n, t] says which steps count; a rule gives it to its result, or `keras_reader` where a layer keeps it.
    """

    value: Value
    order: tuple[int, ...]
    mask: Value | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape[axis] for axis in self.order)

    @property
    def is_plain(self) -> bool:
        return list(self.order) == sorted(self.order)

    def axis(self, given: Any) -> int:
        """Keras's axis, which may count from the end, as a number from the front."""
        if isinstance(given, bool) or not isinstance(given, int) or not -len(self.order) <= given < len(self.order):
            raise BadInput(f"axis {one_line(given, 20)} of a value of shape {list(self.shape)}")
        return given % len(self.order)


def plain(value: Value) -> Tensor:
    """`value` in Keras's order."""
    return Tensor(value, tuple(range(len(value.shape))))


Result = Any  # Tensor, or a list of them
Rule = Callable[["Layer", list[Tensor]], Result]


@dataclass(slots=True)
class Shared:
    """What all layers of one network share."""

    builder: Builder
    read: Callable[[Path], Array]  # a variable of the weights file
    run: Callable[["Layer", list[Tensor]], Result]  # applies a layer inside a layer
    turned: dict[tuple[Value, tuple[int, ...]], Value] = field(default_factory=dict)
    constants: dict[tuple[Path, str], Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layer:
    name: str
    kind: str  # "Conv2D"
    config: Mapping[str, Any]
    path: Path  # of its weights
    shared: Shared
    arguments: Mapping[str, Any] = field(default_factory=dict)  # keywords of this call

    @property
    def builder(self) -> Builder:
        return self.shared.builder

    # settings

    def get(self, name: str, default: Any = None) -> Any:
        value = self.config.get(name)
        return default if value is None else value

    def number(self, name: str, default: float | None = None) -> float:
        value = self.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= parts.LARGEST_NUMBER:
            raise BadInput(f"{name} is {one_line(repr(value), 40)}: a number is needed")
        return value

    def whole(self, name: str, default: int | None = None, *, least: int = 1) -> int:
        return _whole(name, self.get(name, default), least)

    def truth(self, name: str, default: bool) -> bool:
        value = self.get(name, default)
        if not isinstance(value, bool):
            raise BadInput(f"{name} is {one_line(repr(value), 40)}: true or false is needed")
        return value

    def text(self, name: str, default: str, allowed: Sequence[str]) -> str:
        value = self.get(name, default)
        if value not in allowed:
            raise Unsupported(f"{name} {one_line(repr(value), 40)}: {', '.join(allowed)} are read")
        return str(value)

    def sizes(self, name: str, count: int, default: int | None = None, *, least: int = 1) -> tuple[int, ...]:
        """`count` sizes; one size stands for all."""
        value = self.get(name, default)
        values = value if isinstance(value, list) else [value] * count
        if len(values) != count:
            raise BadInput(f"{name} has {len(values)} entries, {count} are needed")
        return tuple(_whole(name, v, least) for v in values)

    @property
    def channels_last(self) -> bool:
        return self.text("data_format", "channels_last", ("channels_last", "channels_first")) == "channels_last"

    def refuse(self, *names: str) -> None:
        """Raise where a setting is given that has no meaning here."""
        for name in names:
            if self.get(name):
                raise Unsupported(f"{name} {one_line(repr(self.get(name)), 40)}")

    # weights

    def array(self, index: int, shape: Sequence[int], *, part: str = "") -> Array:
        """Variable `index`, which has to have `shape`."""
        place = f"{self.path}/{part}/vars/{index}" if part else f"{self.path}/vars/{index}"
        found = self.shared.read(place)
        if found.shape != tuple(shape):
            raise BadInput(f"the weights at {place!r} have shape {list(found.shape)}, {list(shape)} is needed")
        return found

    def constant(self, label: str, data: Array, like: Tensor | Value) -> Value:
        """Weights as a constant of the element of `like`; a layer that is called again has the same one."""
        value = like.value if isinstance(like, Tensor) else like
        element = value.type.element if isinstance(value.type.element, Float) else Float()
        key = (self.path, f"{label} {element} {data.shape}")
        if key not in self.shared.constants:
            type_ = Type(shape=tuple(data.shape), element=element)
            rounded = parts.fitting(data, element, label)
            self.shared.constants[key] = self.builder.constant(f"{self.name}.{label}", rounded, type_)
        return self.shared.constants[key]

    def filled(self, label: str, shape: Sequence[int], value: float, like: Tensor | Value) -> Value:
        """A constant of one number everywhere, which the file does not hold."""
        return self.constant(label, np.full(bounded(shape), value), like)

    def inner(self, described: Any, part: str, name: str | None = None) -> "Layer":
        """The layer that the setting `described` holds, with its weights at `part` of this one's."""
        if not isinstance(described, dict) or not isinstance(described.get("config"), dict):
            raise BadInput("an inner layer is not described")
        kind, config = described.get("class_name"), described["config"]
        title = name or f"{self.name}.{one_line(config.get('name', kind), 60)}"
        return replace(self, name=title, kind=str(kind), config=config, path=f"{self.path}/{part}", arguments={})

    # layout

    def plain(self, x: Tensor) -> Value:
        """`x` in Keras's order."""
        return self.turned(x.value, x.order)

    def picture(self, x: Tensor, axes: int | None = None) -> Value:
        """`x` as [n, c, ...]; it has `axes` axes."""
        if len(x.order) < 3 or (axes and len(x.order) != axes):
            raise BadInput(f"a value of shape {list(x.shape)} where {axes or 'at least 3'} axes are needed")
        return self.turned(x.value, tuple(x.order[i] for i in first(len(x.order), self.channels_last)))

    def from_picture(self, value: Value) -> Tensor:
        """The inverse of `picture`: a value [n, c, ...] as a tensor."""
        order = first(len(value.shape), self.channels_last)
        return Tensor(value, tuple(order.index(i) for i in range(len(order))))

    def turned(self, value: Value, order: tuple[int, ...]) -> Value:
        """`value` with its axes in `order`."""
        if list(order) == sorted(order):
            return value
        key = (value, order)
        if key not in self.shared.turned:
            large = [axis for axis in order if value.shape[axis] > 1 or axis == 0]
            if large == sorted(large):  # only axes of size 1 move: the numbers stay where they are
                shape = tuple(value.shape[axis] for axis in order)
                turned = parts.reshape(self.builder, f"{self.name}.view", value, shape)
            else:
                turned = self.builder.emit("transpose", [value], name=f"{self.name}.turned", order=order)
            self.shared.turned[key] = turned
        return self.shared.turned[key]

    def real(self, x: Tensor) -> Tensor:
        """`x` in floating point: Keras promotes whole numbers and truth values where they meet weights."""
        if isinstance(x.value.type.element, Float):
            return x
        return replace(x, value=self.emit("cast", [x.value], part="real", element=Float()))

    def aligned(self, tensors: Sequence[Tensor]) -> tuple[list[Value], tuple[int, ...]]:
        """The values in one order, that of the largest where all have its rank."""
        largest = max(tensors, key=lambda t: t.value.type.size)
        if any(len(t.order) != len(largest.order) for t in tensors):
            axes = max(len(t.order) for t in tensors)
            return [self.plain(t) for t in tensors], tuple(range(axes))
        places = [largest.order.index(axis) for axis in range(len(largest.order))]
        return [self.turned(t.value, tuple(t.order[i] for i in places)) for t in tensors], largest.order

    def emit(self, operator: str, inputs: Sequence[Value], *, part: str = "", **attributes: Any) -> Any:
        """An operation called after the layer, or after a part of it."""
        name = f"{self.name}.{part}" if part else self.name
        return self.builder.emit(operator, list(inputs), name=name, **attributes)


def first(axes: int, channels_last: bool) -> tuple[int, ...]:
    """Keras's axes in the order n, c, ..."""
    return (0, axes - 1, *range(1, axes - 1)) if channels_last else tuple(range(axes))


def bounded(shape: Sequence[int]) -> tuple[int, ...]:
    """`shape`, if a constant that no file holds may have it."""
    if prod(shape) > MOST_FILLED:
        raise BadInput(
            f"a constant of shape {list(shape)} that is not in the file: at most {MOST_FILLED} numbers are made"
        )
    return tuple(shape)


def only(inputs: Sequence[Tensor]) -> Tensor:
    if len(inputs) != 1:
        raise BadInput(f"{len(inputs)} inputs where one is needed")
    return inputs[0]


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LARGEST:
        raise BadInput(f"{name} is {one_line(repr(value), 40)}: whole numbers from {least} to {LARGEST} are allowed")
    return value


def rules() -> dict[str, Rule]:
    """Kinds of layers to their rules: the `RULES` of every file of this folder."""
    found: dict[str, Rule] = {}
    for module in pkgutil.iter_modules(__path__):
        found.update(getattr(importlib.import_module(f"{__name__}.{module.name}"), "RULES", {}))
    return found
