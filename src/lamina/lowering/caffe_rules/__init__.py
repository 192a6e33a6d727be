"""What each Caffe layer means: one file a family, the folder is the registry.

A rule is a function (layer, inputs) -> results: the values of a layer's tops from those of its bottoms. `Layer` holds
what the text and the weights say of it. Caffe's arrays are [n, c, h, w], as ours are.
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from lamina.core.errors import BadInput, one_line
from lamina.ir.build import Builder, Value
from lamina.ir.network import Array
from lamina.ir.types import FLOAT32, Type
from lamina.lowering import _parts as parts
from lamina.lowering._caffe_text import Message

LARGEST = 2**24  # of any size
MOST_FILLED = 2**22  # numbers of constants that no file holds


@dataclass(slots=True)
class Shared:
    """What the layers of one network share: constants by the name of their parameter, and how much was made up."""

    constants: dict[str, Value] = field(default_factory=dict)
    filled: int = 0


@dataclass(slots=True)
class Layer:
    name: str
    kind: str  # "Convolution"
    text: Message
    blobs: Sequence[Array] | None  # None: no weights are given, only shapes are known
    builder: Builder
    shared: Shared
    normaliser: "Layer | None" = None  # of a Scale: the BatchNorm that it completes

    def parameters(self, field_name: str) -> Message:
        """The block of this layer's own settings."""
        return self.text.message(field_name)

    def weight(self, index: int, shape: tuple[int, ...], label: str) -> Value:
        """Blob `index` as a constant called after the layer; raises where the file's does not fit."""
        names = [message.text("name") for message in self.text.messages("param") if isinstance(message, Message)]
        shared = names[index] if index < len(names) else ""
        if shared and shared in self.shared.constants:
            found = self.shared.constants[shared]
            if prod(found.shape) != prod(shape):
                raise BadInput(f"{label} of shape {list(shape)} shares {shared!r} of shape {list(found.shape)}")
            return found if found.shape == shape else self.builder.constant(found.name, found.data, Type(shape=shape))
        made = self.builder.constant(f"{self.name}.{label}", self.data(index, shape, label), Type(shape=shape))
        if shared:
            self.shared.constants[shared] = made
        return made

    def data(self, index: int, shape: tuple[int, ...], label: str) -> Array | None:
        """Blob `index` in `shape`; None without weights."""
        if prod(shape) > 2**40 or max(shape, default=1) > LARGEST:
            raise BadInput(f"{label} of shape {list(shape)}: sizes up to {LARGEST} and 2^40 numbers are allowed")
        if self.blobs is None:
            return None
        if index >= len(self.blobs):
            raise BadInput(f"{len(self.blobs)} blobs in the weights where {label} is number {index + 1}")
        blob = np.asarray(self.blobs[index])
        given = [size for size in blob.shape if size != 1]
        if given != [size for size in shape if size != 1]:
            raise BadInput(f"{label} has shape {list(blob.shape)} in the weights, {list(shape)} is needed")
        return parts.fitting(blob.reshape(shape), FLOAT32, label)

    def constant(self, label: str, shape: tuple[int, ...], value: float) -> Value:
        """A constant of one number everywhere, which no file holds."""
        self.shared.filled += prod(shape)
        if self.shared.filled > MOST_FILLED:
            raise BadInput(f"normalisations of more than {MOST_FILLED} channels together")
        return self.builder.constant(f"{self.name}.{label}", np.full(shape, value, np.float32))


Rule = Callable[[Layer, list[Value]], list[Value]]


def rules() -> dict[str, Rule]:
    """Kinds of layers to their rules: the `RULES` of every file of this folder."""
    found: dict[str, Rule] = {}
    for module in pkgutil.iter_modules(__path__):
        found.update(importlib.import_module(f"{__name__}.{module.name}").RULES)
    return found


def axis_of(given: int, value: Value) -> int:
    """`given` counted from the front; raises where there is no such axis."""
    axes = len(value.shape)
    if not -axes <= given < axes:
        raise BadInput(f"axis {given} of a value of shape {list(value.shape)}")
    return given % axes


def pair(message: Message, name: str, default: int | None, *, short: str | None = None) -> tuple[int, int]:
    """A setting along height and width: repeated `name`, or `short`_h and `short`_w."""
    short = short or name
    if f"{short}_h" in message or f"{short}_w" in message:
        found = [message.integer(f"{short}_h", -1), message.integer(f"{short}_w", -1)]
    else:
        found = message.integers(name) or ([] if default is None else [default])
    if not 1 <= len(found) <= 2:
        raise BadInput(f"{name} is given {len(found)} times: once, or once along height and once along width")
    height, width = found[0], found[-1]
    least = 0 if name == "pad" else 1
    if not (least <= height <= LARGEST and least <= width <= LARGEST):
        raise BadInput(f"{name} of {one_line(found)}: {least} to {LARGEST} are allowed")
    return height, width


def count(message: Message, name: str) -> int:
    """A size that has to be given."""
    value = message.integer(name, 0)
    if not 1 <= value <= LARGEST:
        raise BadInput(f"{name} is {value}: 1 to {LARGEST} are allowed")
    return value
