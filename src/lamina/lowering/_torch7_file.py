"""Lua Torch's `.t7` files as data: numbers, text, tables, tensors and objects. No function is loaded, nothing runs.

    value   = kind (int), then: 0 nil | 1 number (double) | 2 text | 3 table | 4 object | 5 truth | 6-8 code, refused
    text    = length (int), bytes
    table   = index (int); the first time that an index comes: count (int), then that many keys and values
    object  = index (int); the first time: "V 1" and the class's name as texts, then
              torch.*Tensor   axes (int), sizes, strides, offset from 1 (longs), a storage as value
              torch.*Storage  count (long), numbers
              any other class its fields as one table

An index that comes again is the same thing again, which is how Torch writes shared weights. `long` has 8 bytes in the
binary form; in the ascii form every number stands in decimal digits. Tensors are views of their storage's bytes.

Errors    `BadInput` where a length passes the end, a tensor leaves its storage or values are nested too deep
Source    the format's description in Torch7's documentation (serialization)
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.ir.network import Array

DEEPEST = 100
MOST_VALUES = 1_000_000
MOST_AXES = 16
FUNCTIONS = (6, 7, 8)
KINDS = {
    "Double": "f8", "Float": "f4", "Cuda": "f4", "CudaDouble": "f8", "Long": "i8", "CudaLong": "i8",
    "Int": "i4", "CudaInt": "i4", "Short": "i2", "CudaShort": "i2", "Char": "i1", "CudaChar": "i1",
    "Byte": "u1", "CudaByte": "u1", "Half": "f2", "CudaHalf": "f2",
}  # fmt: skip
DIGITS = re.compile(rb"\s*([-+]?[0-9]{1,20}(?![0-9.eE]))")
DECIMAL = re.compile(rb"\s*([-+]?(?:nan|inf|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?))", re.IGNORECASE)


@dataclass(slots=True, eq=False)
class Table:
    """A Lua table: keys are numbers (whole ones as int), text or truth values."""

    items: dict[Any, Any] = field(default_factory=dict)

    def array(self) -> list[Any]:
        """The values at 1, 2, ... up to the first gap."""
        found: list[Any] = []
        while len(found) + 1 in self.items:
            found.append(self.items[len(found) + 1])
        return found


@dataclass(slots=True, eq=False)
class Thing:
    """An object of the class `kind` and its fields."""

    kind: str
    fields: Table = field(default_factory=Table)

    def get(self, name: str, default: Any = None) -> Any:
        value = self.fields.items.get(name)
        return default if value is None else value


def parse(data: bytes) -> Any:
    """The value that a file's bytes hold, binary or ascii (an ascii file begins with a digit)."""
    ascii_ = bool(re.match(rb"\s*[0-8]\s*\n", data))
    reader = _Reader(source=_Ascii(data) if ascii_ else _Binary(data))
    return reader.value(0)


@dataclass(slots=True)
class _Reader:
    source: "_Binary | _Ascii"
    known: dict[int, Any] = field(default_factory=dict)
    values: int = 0

    def value(self, depth: int) -> Any:
        if depth > DEEPEST:
            raise BadInput(f"values are nested deeper than {DEEPEST}")
        self.values += 1
        if self.values > MOST_VALUES:
            raise BadInput(f"more than {MOST_VALUES} values")
        kind = self.source.whole()
        if kind == 0:
            return None
        if kind == 1:
            return _whole(self.source.double())
        if kind == 2:
            return self.source.text()
        if kind == 5:
            return self.source.whole() == 1
        if kind in FUNCTIONS:
            raise Unsupported("the file holds a Lua function: code is not loaded; save the network without it")
        if kind not in (3, 4):
            raise BadInput(f"a value of kind {kind}: this is no t7 file, or it is damaged")
        index = self.source.whole()
        if index in self.known:
            return self.known[index]
        return self.table(index, depth) if kind == 3 else self.thing(index, depth)

    def table(self, index: int, depth: int) -> Table:
        result = self.known[index] = Table()
        count = self.source.whole()
        if count < 0 or count > self.source.left:
            raise BadInput(f"a table of {count} entries where {self.source.left} bytes are left")
        for _ in range(count):
            key, value = self.value(depth + 1), self.value(depth + 1)
            if isinstance(key, bool | int | float | str):
                result.items[key] = value
            else:
                raise BadInput(f"a table's key is {type(key).__name__}: numbers, text and truth values are read")
        return result

    def thing(self, index: int, depth: int) -> Any:
        name = self.source.text()
        if name.startswith("V "):
            name = self.source.text()
        match = re.fullmatch(r"torch\.(\w+?)(Tensor|Storage)", name)
        if match and match[1] in KINDS:
            make: Callable[[str, int], Array] = self.tensor if match[2] == "Tensor" else self.storage
            result = make(match[1], depth)
            self.known[index] = result
            return result
        if not re.fullmatch(r"[A-Za-z_][\w.]{0,99}", name):
            raise BadInput(f"class {one_line(name, 40)!r} is no name of a class")
        thing = self.known[index] = Thing(kind=name)
        fields = self.value(depth + 1)
        if not isinstance(fields, Table):
            raise Unsupported(f"an object of class {name!r} that is not written as a table of fields")
        thing.fields = fields
        return thing

    def storage(self, kind: str, _: int) -> Array:
        return self.source.numbers(self.source.long(), KINDS[kind])

    def tensor(self, kind: str, depth: int) -> Array:
        axes = self.source.whole()
        if not 0 <= axes <= MOST_AXES:
            raise BadInput(f"a tensor of {axes} axes: at most {MOST_AXES} are read")
        sizes = [self.source.long() for _ in range(axes)]
        strides = [self.source.long() for _ in range(axes)]
        offset = self.source.long() - 1
        storage = self.value(depth + 1)
        dtype = np.dtype("<" + KINDS[kind])
        if storage is None or axes == 0 or 0 in sizes:
            return np.zeros(0, dtype)
        if not isinstance(storage, np.ndarray) or storage.ndim != 1 or storage.dtype != dtype:
            raise BadInput(f"a {kind} tensor whose storage is something else")
        if any(size < 1 or stride < 0 for size, stride in zip(sizes, strides, strict=True)):
            raise BadInput(f"a tensor of sizes {sizes} and strides {strides}")
        last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        if offset < 0 or last >= storage.size or prod(sizes) > max(storage.size, 2**10):
            raise BadInput(f"a tensor of sizes {sizes} and strides {strides} leaves its storage of {storage.size}")
        steps = [stride * dtype.itemsize for stride in strides]
        return np.lib.stride_tricks.as_strided(storage[offset:], sizes, steps, writeable=False)


def _whole(number: float) -> int | float:
    return int(number) if number == number and abs(number) < 2**53 and number == int(number) else number


@dataclass(slots=True)
class _Binary:
    data: bytes
    at: int = 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        if count < 0 or count > self.left:
            raise BadInput(f"{count} bytes are needed and {self.left} are left: the file is cut short or damaged")
        self.at += count
        return self.data[self.at - count : self.at]

    def whole(self) -> int:
        return int.from_bytes(self.take(4), "little", signed=True)

    def long(self) -> int:
        return int.from_bytes(self.take(8), "little", signed=True)

    def double(self) -> float:
        return float(np.frombuffer(self.take(8), "<f8")[0])

    def text(self) -> str:
        return self.take(self.whole()).decode("latin-1")

    def numbers(self, count: int, kind: str) -> Array:
        dtype = np.dtype("<" + kind)
        if count < 0 or count * dtype.itemsize > self.left:
            raise BadInput(f"a storage of {count} numbers where {self.left} bytes are left: the file is cut short")
        found = np.frombuffer(self.data, dtype, count, self.at)
        self.at += count * dtype.itemsize
        return found


@dataclass(slots=True)
class _Ascii:
    data: bytes
    at: int = 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def word(self, pattern: "re.Pattern[bytes]") -> bytes:
        match = pattern.match(self.data, self.at)
        if match is None:
            raise BadInput(f"a number is missing at byte {self.at}: {one_line(self.data[self.at : self.at + 12])}")
        self.at = match.end()
        return match[1]

    def whole(self) -> int:
        return int(self.word(DIGITS))

    long = whole

    def double(self) -> float:
        return float(self.word(DECIMAL))

    def text(self) -> str:
        return self.characters(self.whole()).decode("latin-1")

    def characters(self, count: int) -> bytes:
        start = self.at + 1  # one newline ends the line of the length
        if count < 0 or start + count > len(self.data):
            raise BadInput(f"text of {count} bytes where {self.left} are left: the file is cut short")
        self.at = start + count
        return self.data[start : self.at]

    def numbers(self, count: int, kind: str) -> Array:
        dtype = np.dtype("<" + kind)
        if kind in ("u1", "i1"):
            return np.frombuffer(self.characters(count), dtype)
        if count < 0 or count > self.left:
            raise BadInput(f"a storage of {count} numbers where {self.left} bytes are left: the file is cut short")
        if dtype.kind == "f":
            return np.fromiter((float(self.word(DECIMAL)) for _ in range(count)), dtype, count)
        limits = np.iinfo(dtype)

        def word() -> int:
            number = int(self.word(DIGITS))
            if not limits.min <= number <= limits.max:
                raise BadInput(f"a whole number that does not fit {dtype.itemsize} bytes")
            return number

        return np.fromiter((word() for _ in range(count)), dtype, count)
