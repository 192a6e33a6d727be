"""What the random networks of `tests/networks.py` are built with: one value after another, shapes that fit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from numpy.random import Generator

from lamina.ir import Constant, Network, Operation, Type, constant
from lamina.ir.network import Array, Attribute
from lamina.ir.types import Element


@dataclass(slots=True)
class Builder:
    """A network under construction; `value` is the name of the last result, `types` knows every value."""

    rng: Generator
    types: dict[str, Type] = field(default_factory=dict)
    inputs: dict[str, Type] = field(default_factory=dict)
    constants: dict[str, Constant] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    value: str = ""

    def input(self, name: str, type_: Type) -> str:
        self.inputs[name] = self.types[name] = type_
        self.value = name
        return name

    def const(self, name: str, data: Array, type_: Type) -> str:
        self.constants[name] = constant(data, type_)
        self.types[name] = type_
        return name

    def op(
        self, operator: str, inputs: Sequence[str], sizes: Sequence[int], element: Element, **attributes: Attribute
    ) -> str:
        name = f"{operator}{len(self.operations)}"
        type_ = Type(shape=tuple(sizes), element=element)
        self.operations.append(
            Operation(operator=operator, inputs=tuple(inputs), outputs={name: type_}, attributes=attributes)
        )
        self.types[name] = type_
        self.value = name
        return name

    def finish(self, name: str, outputs: dict[str, str], **more: dict[str, str]) -> Network:
        return Network(
            name=name,
            inputs=self.inputs,
            constants=self.constants,
            operations=tuple(self.operations),
            outputs=outputs,
            **more,
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return self.types[self.value].shape

    @property
    def element(self) -> Element:
        return self.types[self.value].element

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)


def positions(size: int, before: int, after: int, kernel: int, stride: int, dilation: int) -> int:
    return (size + before + after - dilation * (kernel - 1) - 1) // stride + 1


def fitting_window(
    b: Builder, *, dilated: bool, most_padding: Sequence[int] | None = None
) -> dict[str, tuple[int, ...]]:
    """Kernel, stride, dilation and padding that fit the current value [n, c, h, w]; padding may differ on each side."""
    rows: list[tuple[int, int, int, int, int]] = []
    for size in b.shape[2:]:
        kernel = int(b.rng.integers(1, min(size, 4) + 1))
        dilation = 1
        if dilated and kernel > 1 and 2 * (kernel - 1) + 1 <= size and b.chance(0.3):
            dilation = 2
        most = min(kernel - 1, 2) if most_padding is None else most_padding[len(rows)]
        before = int(b.rng.integers(0, most + 1))
        after = before if b.chance(0.7) else int(b.rng.integers(0, most + 1))
        rows.append((kernel, int(b.rng.integers(1, 4)), dilation, before, after))
    (kh, sh, dh, top, bottom), (kw, sw, dw, left, right) = rows
    return {
        "kernel": (kh, kw),
        "stride": (sh, sw),
        "dilation": (dh, dw),
        "padding": (top, bottom, left, right),
    }


def pooled(b: Builder, window: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    n, c, h, w = b.shape
    (kh, kw), (sh, sw), (dh, dw) = window["kernel"], window["stride"], window["dilation"]
    top, bottom, left, right = window["padding"]
    return (n, c, positions(h, top, bottom, kh, sh, dh), positions(w, left, right, kw, sw, dw))


def start_shape(b: Builder) -> tuple[int, ...]:
    n = int(b.rng.integers(1, 3))
    if b.chance(0.2):
        return (n, int(b.rng.integers(1, 13)))
    return (n, *(int(v) for v in b.rng.integers((1, 3, 3), (5, 10, 10))))


def conv_shape(b: Builder, same: bool) -> tuple[tuple[int, ...], dict[str, Attribute], tuple[int, ...]]:
    """Weights' shape, attributes and result's shape of a convolution that fits; `same` keeps the shape."""
    n, c = b.shape[:2]
    groups = int(b.pick(*(g for g in range(1, c + 1) if c % g == 0)))
    k = c if same else groups * int(b.rng.integers(1, 4))
    if same:
        size = int(b.pick(1, 3))
        pad = size // 2
        attributes: dict[str, Attribute] = {"padding": (pad, pad, pad, pad), "groups": groups}
        return (k, c // groups, size, size), attributes, b.shape
    window = fitting_window(b, dilated=True)
    kernel = window.pop("kernel")
    shape = pooled(b, {"kernel": kernel, **window})
    return (k, c // groups, *kernel), {**window, "groups": groups}, (n, k, *shape[2:])


def coded_data(b: Builder, data: Array) -> tuple[Array, dict[str, object]]:
    """Sometimes zeros or repeats in `data`, declared as such."""
    choice = b.rng.random()
    if choice < 0.15:
        return data * (b.rng.random(data.shape) < 0.4), {"sparse": True}
    if choice < 0.3:
        values = b.rng.choice(data.reshape(-1), 4)
        return values[b.rng.integers(0, 4, data.shape)], {"codebook_bits": 2}
    if choice < 0.4:
        values = b.rng.choice(data.reshape(-1), 4)
        return values[b.rng.integers(0, 4, data.shape)] * (b.rng.random(data.shape) < 0.4), {
            "codebook_bits": 2,
            "sparse": True,
        }
    return data, {}


def flat(b: Builder) -> None:
    n, rest = b.shape[0], prod(b.shape[1:])
    if b.chance(0.7):
        b.op("flatten", (b.value,), (n, rest), b.element)
    else:
        b.op("reshape", (b.value,), (n, rest), b.element, shape=(0, -1))
