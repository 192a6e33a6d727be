"""Plain arrays of an HDF5 file by their path, read from its bytes; just enough for the weights that Keras writes.

    superblock ─▶ root group ─▶ B-tree ─▶ symbol nodes: names and headers ─▶ … ─▶ dataset: shape, type, place

The library for this format (libhdf5) is made for files one trusts: it follows links into other files, and what it does
with a damaged one happens in native code. Here every address is checked against the end of the file, nodes and entries
are counted, and a link to elsewhere, data outside of the file, packed, chunked and virtual arrays are refused. The form
is that of the format's first versions, which h5py writes unless it is told otherwise. Arrays are views of the bytes.

Errors    `BadInput` where the file is damaged, `Unsupported` for parts of the format that Keras does not use
Source    HDF5 File Format Specification, version 3.0 (superblock 0, object header 1, layout 3)
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

import numpy as np

from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.ir.network import Array

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MOST_ENTRIES = 500_000  # names of all groups together
MOST_NODES = 50_000  # of one group
MOST_MESSAGES = 10_000  # of one object
HARD = (0, 1)  # what a symbol may cache of an object; 2 is a soft link
SPACE, TYPE, EXTERNAL, LAYOUT, FILTERS, CONTINUED, SYMBOLS = 1, 3, 7, 8, 11, 16, 17
NEW_GROUP = (2, 6)
EXPONENTS = {2: 5, 4: 8, 8: 11}  # bytes of a float -> bits of its exponent


@dataclass(slots=True)
class File:
    data: bytes
    groups: dict[int, dict[str, int]] = field(default_factory=dict)  # header of a group -> names to headers
    entries: int = 0

    def __post_init__(self) -> None:
        if not self.data.startswith(SIGNATURE):
            raise BadInput("this is no HDF5 file")
        if self.at("<B", 8)[0] not in (0, 1) or self.at("<BB", 13) != (8, 8):
            raise Unsupported("an HDF5 file of a newer form than Keras writes (libver='latest'?)")

    @property
    def root(self) -> int:
        """The address of the root group's header."""
        newer = 4 if self.at("<B", 8)[0] else 0
        return int(self.at("<Q", 64 + newer)[0])

    def array(self, path: str) -> Array:
        """The array at `path`."""
        address = self.root
        for part in path.split("/"):
            names = self.group(address, path)
            if part not in names:
                raise BadInput(f"there are no weights at {one_line(path, 120)!r}: the file is not whole")
            address = names[part]
            if address < 0:
                raise BadInput(f"{one_line(path, 120)!r} is a link to elsewhere: only arrays of this file are read")
        try:
            return self.dataset(address)
        except (BadInput, Unsupported) as e:
            raise type(e)(f"{one_line(path, 120)!r}: {e}") from e

    # groups

    def group(self, header: int, path: str) -> dict[str, int]:
        """Names of a group to the headers of its members; -1 for a link."""
        if header not in self.groups:
            messages = dict(self.messages(header))
            if SYMBOLS in messages:
                tree, heap = self.at("<QQ", messages[SYMBOLS])
                self.groups[header] = dict(self._symbols(tree, self._names(heap)))
            elif any(kind in messages for kind in NEW_GROUP):
                raise BadInput(
                    f"{one_line(path, 120)!r} leads through a group with links to elsewhere, or of a newer form"
                )
            else:
                raise BadInput(f"{one_line(path, 120)!r} leads through what is no group")
        return self.groups[header]

    def _names(self, heap: int) -> tuple[int, int]:
        """Where the names of a group lie: from, to."""
        self._signed(heap, b"HEAP")
        size, _, address = self.at("<QQQ", heap + 8)
        if address + size > len(self.data):
            raise BadInput("a group's names pass the end of the file")
        return address, address + size

    def _symbols(self, tree: int, names: tuple[int, int]) -> Iterator[tuple[str, int]]:
        waiting, nodes = [(tree, 256)], 0
        while waiting:
            address, above = waiting.pop()
            nodes += 1
            if nodes > MOST_NODES:
                raise BadInput("a group of very many nodes: the file is damaged")
            if self.data[address : address + 4] == b"SNOD":
                yield from self._symbol_node(address, names)
                continue
            self._signed(address, b"TREE")
            kind, level, used = self.at("<BBH", address + 4)
            if kind or level >= above:
                raise BadInput("a group's tree is damaged")
            # a key stands before each child and one behind the last
            children = self.at(f"<{2 * used}Q", address + 24)[1::2]
            waiting.extend((child, level) for child in reversed(children))

    def _symbol_node(self, node: int, names: tuple[int, int]) -> Iterator[tuple[str, int]]:
        (count,) = self.at("<H", node + 6)
        self.entries += count
        if self.entries > MOST_ENTRIES:
            raise BadInput(f"groups of more than {MOST_ENTRIES} names")
        for i in range(count):
            offset, header, cached = self.at("<QQI", node + 8 + 40 * i)
            start = names[0] + offset
            end = self.data.find(b"\0", start, min(names[1], start + 1000))
            if end < 0:
                raise BadInput("a name without an end: the file is damaged")
            yield self.data[start:end].decode(errors="replace"), header if cached in HARD else -1

    # objects

    def messages(self, header: int) -> Iterator[tuple[int, int]]:
        """(kind, address of the contents) of each message of the object at `header`."""
        version, _, count, _, size = self.at("<BBHII", header)
        if version != 1:
            raise Unsupported("an object of a newer form than Keras writes")
        blocks = [(header + 16, size)]
        left = min(count, MOST_MESSAGES)
        while blocks and left:
            at, length = blocks.pop(0)
            end = at + length
            if end > len(self.data):
                raise BadInput("an object passes the end of the file")
            while at + 8 <= end and left:
                kind, size = self.at("<HH", at)
                if at + 8 + size > end:
                    raise BadInput("a message passes the end of its object")
                if kind == CONTINUED:
                    further, size_there = self.at("<QQ", at + 8)
                    blocks.append((further, size_there))
                yield kind, at + 8
                at += 8 + size
                left -= 1

    def dataset(self, header: int) -> Array:
        """The array of the object at `header`."""
        messages = dict(self.messages(header))
        if EXTERNAL in messages:
            raise BadInput("is kept in another file: only arrays of this file are read")
        if FILTERS in messages or not {SPACE, TYPE, LAYOUT} <= set(messages):
            raise Unsupported("is packed, or no array")
        shape, dtype = self._shape(messages[SPACE]), self._type(messages[TYPE])
        at = messages[LAYOUT]
        version, kind = self.at("<BB", at)
        if version != 3 or kind not in (0, 1):
            raise Unsupported("is chunked or virtual: Keras writes weights in one piece")
        start, stored = (at + 4, self.at("<H", at + 2)[0]) if kind == 0 else self.at("<QQ", at + 2)
        size = prod(shape) * dtype.itemsize
        if size > stored or (size and start + size > len(self.data)):
            raise BadInput(f"has shape {list(shape)} with {stored} bytes stored for it")
        if size == 0:
            return np.zeros(shape, dtype)
        return np.frombuffer(self.data, dtype, prod(shape), start).reshape(shape)

    def _shape(self, at: int) -> tuple[int, ...]:
        version, axes, _, kind = self.at("<BBBB", at)
        if version not in (1, 2) or axes > 16 or (version == 2 and kind == 2):
            raise BadInput("has a shape of an unknown form")
        return self.at(f"<{axes}Q", at + (8 if version == 1 else 4))

    def _type(self, at: int) -> "np.dtype[np.generic]":
        kind, flags, size = self.at("<BBxxI", at)
        offset, precision = self.at("<HH", at + 8)
        plain = offset == 0 and precision == 8 * size and not flags & 1 and size in (1, 2, 4, 8)
        if kind & 15 == 0 and plain:
            return np.dtype(f"<{'i' if flags & 8 else 'u'}{size}")
        if kind & 15 == 1 and plain and self.at("<B", at + 13)[0] == EXPONENTS.get(size):
            return np.dtype(f"<f{size}")
        raise Unsupported("holds no plain numbers (integers and IEEE floats, little-endian, are read)")

    # bytes

    def at(self, form: str, address: int) -> tuple[int, ...]:
        """Numbers of the struct format `form` at `address`."""
        if address < 0 or address + struct.calcsize(form) > len(self.data):
            raise BadInput("an address lies behind the end of the file: it is cut short or damaged")
        return struct.unpack_from(form, self.data, address)

    def _signed(self, address: int, signature: bytes) -> None:
        if self.data[address : address + 4] != signature:
            raise BadInput(f"there is no {signature.decode()} where one should be: the file is damaged")
