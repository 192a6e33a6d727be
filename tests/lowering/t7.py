"""Lua Torch files for tests: a writer of the documented format, binary and ascii.

A Python list is a Lua table from 1, a dict a table, an array a tensor, `Thing` an object, `Raw` bytes as they are. The
same object twice is written once and referred to by its index, as Torch does.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

TENSORS = {"f8": "Double", "f4": "Float", "i8": "Long", "i4": "Int", "u1": "Byte"}


@dataclass
class Thing:
    kind: str
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass
class Sizes:
    """A torch.LongStorage."""

    sizes: tuple[int, ...]


@dataclass
class Raw:
    """Bytes that stand for a value, of the binary form."""

    data: bytes


def module(kind: str, **fields: Any) -> Thing:
    return Thing(f"nn.{kind}", fields)


def sequential(*modules: Thing) -> Thing:
    return module("Sequential", modules=list(modules))


def write(value: Any, *, ascii: bool = False) -> bytes:
    writer = _Writer(ascii)
    writer.value(value)
    return b"".join(writer.parts)


class _Writer:
    def __init__(self, ascii: bool) -> None:
        self.ascii, self.parts = ascii, []
        self.known: dict[int, int] = {}
        self.kept: list[Any] = []  # so that no identity is used twice
        self.stored: set[int] = set()  # storages that are written

    def int(self, number: int) -> None:
        self.parts.append(b"%d\n" % number if self.ascii else number.to_bytes(4, "little", signed=True))

    def longs(self, numbers: Any) -> None:
        if self.ascii:
            self.parts.append(b" ".join(b"%d" % n for n in numbers) + b"\n")
        else:
            self.parts.append(np.array(numbers, "<i8").tobytes())

    def text(self, text: str) -> None:
        self.int(len(text))
        self.parts.append(text.encode("latin-1") + (b"\n" if self.ascii else b""))

    def new(self, value: Any) -> bool:
        """Write the index of an object; whether it is new."""
        known = id(value) in self.known
        index = self.known.setdefault(id(value), len(self.known) + 1)
        self.kept.append(value)
        self.int(index)
        return not known

    def value(self, value: Any) -> None:
        if value is None:
            self.int(0)
        elif isinstance(value, bool):
            self.int(5)
            self.int(value)
        elif isinstance(value, int | float):
            self.int(1)
            self.parts.append(b"%.17g\n" % value if self.ascii else np.float64(value).tobytes())
        elif isinstance(value, str):
            self.int(2)
            self.text(value)
        elif isinstance(value, Raw):
            self.parts.append(value.data)
        elif isinstance(value, dict | list):
            self.int(3)
            if self.new(value):
                items = value if isinstance(value, dict) else dict(enumerate(value, start=1))
                self.int(len(items))
                for key, held in items.items():
                    self.value(key)
                    self.value(held)
        else:
            self.int(4)
            if self.new(value):
                self.thing(value)

    def thing(self, value: Any) -> None:
        self.text("V 1")
        if isinstance(value, Sizes):
            self.text("torch.LongStorage")
            self.longs([len(value.sizes)])
            self.longs(value.sizes)
        elif isinstance(value, np.ndarray):
            kind = TENSORS[value.dtype.str[1:]]
            self.text(f"torch.{kind}Tensor")
            self.int(value.ndim)
            self.longs(value.shape)
            self.longs([stride // value.itemsize for stride in value.strides])
            storage = value
            while isinstance(storage.base, np.ndarray):
                storage = storage.base
            start = (value.__array_interface__["data"][0] - storage.__array_interface__["data"][0]) // value.itemsize
            self.longs([start + 1])
            self.int(4)
            # a tensor and its storage are two objects; the storage's identity is that of the memory
            index = self.known.setdefault(storage.__array_interface__["data"][0], len(self.known) + 1)
            self.kept.append(storage)
            self.int(index)
            if index not in self.stored:
                self.stored.add(index)
                self.text("V 1")
                self.text(f"torch.{kind}Storage")
                self.numbers(storage.reshape(-1))
        else:
            self.text(value.kind)
            self.value(value.fields)  # a fresh table

    def numbers(self, numbers: np.ndarray) -> None:
        self.longs([numbers.size])
        if not self.ascii or numbers.dtype == np.uint8:
            self.parts.append(numbers.tobytes() + (b"\n" if self.ascii else b""))
        else:
            form = b"%d" if numbers.dtype.kind == "i" else b"%.17g"
            self.parts.append(b" ".join(form % n for n in numbers) + b"\n")
