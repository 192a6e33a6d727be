"""The packed file (`.lmn`): a network's text and its tensors in as few real bytes as the codings find.

    magic "LMN\\x1a" · version 1 byte · header length 4 bytes · header · coded tensors · BLAKE2b-128 of all before it

The header holds the text (raw or zlib, whichever is shorter) and, per tensor, name, dtype, coding, shape and coded
size; docs/packed.md has every byte, well enough to write another reader. It is read front to back with bounded memory:
a length is checked against the file's size, a shape against the bytes that carry it, before anything is made of it.
An unknown version, dtype or coding is refused by name; so is anything after the end, and any altered byte.

Units      sizes in bytes; `sizes` gives bits per weight
Errors     `BadInput` for all that is wrong with a file; NumPy and the standard library are enough to read one
Paper      Han et al., "Deep Compression", ICLR 2016, https://arxiv.org/abs/1510.00149 (what the codings store)
"""

import hashlib
import io
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from lamina.compression import codings
from lamina.compression.codings import CODINGS, DTYPES, Array, Cursor, Parts, number
from lamina.core import files
from lamina.core.errors import BadInput, one_line
from lamina.core.units import GiB, MiB

MAGIC = b"LMN\x1a"
VERSION = 1
DIGEST_BYTES = 16
MOST_HEADER, MOST_TEXT = 16 * MiB, 64 * MiB
MOST_TENSORS, MOST_AXES, MOST_NAME = 65_536, 8, 255
MOST_DECODED = 16 * GiB  # all tensors together
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/\-]*\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What the header says of one tensor."""

    name: str
    dtype: str
    coding: int
    shape: tuple[int, ...]
    coded_bytes: int


def pack(text: str, tensors: Mapping[str, Array]) -> bytes:
    """The packed file of `text` and `tensors` (in their order); the same input gives the same bytes.

    Raises `BadInput` for a dtype that is none of `codings.DTYPES`, a name that is not plain, or more than 8 axes.
    """
    raw = text.encode()
    if len(raw) > MOST_TEXT or len(tensors) > MOST_TENSORS:
        raise BadInput(
            f"{len(raw)} bytes of text, {len(tensors)} tensors: at most {MOST_TEXT} and {MOST_TENSORS} are packed"
        )
    squeezed = zlib.compress(raw, 9)
    header = [number(len(raw))]
    header += [number(len(squeezed)), squeezed] if len(squeezed) < len(raw) else [number(0), raw]
    header.append(number(len(tensors)))
    payload = []
    for name, array in tensors.items():
        array = np.asarray(array)
        _check_tensor(name, array)
        coding, data = codings.encode(array)
        label = name.encode()
        header += [number(len(label)), label, bytes([DTYPES.index(array.dtype.name) | coding << 4, array.ndim])]
        header += [number(extent) for extent in array.shape] + [number(len(data))]
        payload.append(data)
    head = b"".join(header)
    if len(head) > MOST_HEADER:
        raise BadInput(f"the header has {len(head)} bytes, at most {MOST_HEADER} are packed: shorten the text")
    body = b"".join([MAGIC, bytes([VERSION]), len(head).to_bytes(4, "little"), head, *payload])
    return body + hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest()


def _check_tensor(name: str, array: Array) -> None:
    if not _NAME.match(name) or len(name) > MOST_NAME:
        raise BadInput(f"tensor name {one_line(name)!r}: 1 to {MOST_NAME} letters, digits and _ . : / - are packed")
    if array.dtype.name not in DTYPES:
        raise BadInput(f"tensor {name!r} has the type {array.dtype.name}: {', '.join(DTYPES)} can be packed")
    if array.ndim > MOST_AXES:
        raise BadInput(f"tensor {name!r} has {array.ndim} axes: at most {MOST_AXES} can be packed")


def unpack(data: bytes) -> tuple[str, dict[str, Array]]:
    """Text and tensors of a packed file; `BadInput` for anything that `pack` did not write."""
    text, entries = _open(io.BytesIO(data), len(data))
    return text, {entry.name: array for entry, array, _ in entries}


def write(path: Path, text: str, tensors: Mapping[str, Array]) -> int:
    """Pack into the file `path`, atomically; the number of bytes written."""
    data = pack(text, tensors)
    files.write(path, data)
    return len(data)


def read(path: Path) -> tuple[str, dict[str, Array]]:
    """Text and tensors of the packed file `path`, read front to back, one coded tensor in memory at a time."""
    try:
        with files.explained(path), path.open("rb") as file:
            text, entries = _open(file, path.stat().st_size)
            return text, {entry.name: array for entry, array, _ in entries}
    except BadInput as e:
        raise e if str(e).startswith(f"{path}: ") else BadInput(f"{path}: {e}") from e


def sizes(data: bytes) -> list[dict[str, Any]]:
    """One row per tensor, and the rows "header" and "total": where the bytes of a packed file are.

    Fields: name, coding, weights, nonzeros, entries (of the codebook), gap_bits, float_bytes (4 per weight), bytes, and
    of these codebook_bytes, index_bytes, values_bytes; then the same three as bits per weight (the paper's table).
    """
    text, entries = _open(io.BytesIO(data), len(data))
    rows = []
    for entry, array, parts in entries:
        rows.append(_row(entry.name, CODINGS[entry.coding], array.size, entry.coded_bytes, parts))
    framing = len(data) - sum(row["bytes"] for row in rows)
    rows.append(_row("header", f"text of {len(text.encode())} bytes", 0, framing, Parts()))
    total = {key: sum(row[key] for row in rows) for key in ("weights", "bytes")}
    counted = ("entries", "nonzeros", "codebook_bytes", "index_bytes", "values_bytes")
    whole = Parts(**{key: sum(row[key] for row in rows) for key in counted})
    rows.append(_row("total", "", total["weights"], total["bytes"], whole))
    return rows


def _row(name: str, coding: str, weights: int, size: int, parts: Parts) -> dict[str, Any]:
    per_weight = 8 / weights if weights else 0.0
    return {
        "name": name,
        "coding": coding,
        "weights": weights,
        "nonzeros": parts.nonzeros,
        "entries": parts.entries,
        "gap_bits": parts.gap_bits,
        "float_bytes": 4 * weights,
        "bytes": size,
        "codebook_bytes": parts.codebook_bytes,
        "index_bytes": parts.index_bytes,
        "values_bytes": parts.values_bytes,
        "codebook_bits_per_weight": parts.codebook_bytes * per_weight,
        "index_bits_per_weight": parts.index_bytes * per_weight,
        "values_bits_per_weight": parts.values_bytes * per_weight,
        "bits_per_weight": size * per_weight,
    }


class _Source:
    """The file's bytes before its checksum, in order, hashed as they pass."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.left = file, size - DIGEST_BYTES
        self.hash = hashlib.blake2b(digest_size=DIGEST_BYTES)

    def take(self, size: int, what: str) -> bytes:
        if size > self.left:
            raise BadInput(f"{what} needs {size} bytes and {max(self.left, 0)} are left: the file was cut short")
        data = self.file.read(size)
        if len(data) != size:
            raise BadInput(f"{what} ends after {len(data)} of {size} bytes: the file changed while it was read")
        self.left -= size
        self.hash.update(data)
        return data

    def finish(self) -> None:
        if self.left:
            raise BadInput(f"{self.left} bytes follow the last tensor: this is no packed file, or a damaged one")
        if self.file.read(DIGEST_BYTES + 1) != self.hash.digest():
            raise BadInput("the checksum (BLAKE2b-128) differs: the file is damaged, copy or pack it again")


def _open(file: IO[bytes], size: int) -> tuple[str, Iterator[tuple[Entry, Array, Parts]]]:
    """The text, and the tensors as they are read; the checksum is compared after the last one."""
    source = _Source(file, size)
    if source.take(len(MAGIC), "the magic") != MAGIC:
        raise BadInput("not a packed file: it does not begin with LMN: give a .lmn file that lamina compress wrote")
    version = source.take(1, "the version")[0]
    if version != VERSION:
        raise BadInput(f"packed file of version {version}: this Lamina reads version {VERSION}: update it")
    length = int.from_bytes(source.take(4, "the header's length"), "little")
    if length > MOST_HEADER:
        raise BadInput(f"a header of {length} bytes: at most {MOST_HEADER} are read")
    header = Cursor(source.take(length, "the header"), "the header")
    text = _read_text(header)
    entries = [_read_entry(header) for _ in range(header.number(MOST_TENSORS))]
    header.finish()
    if len({entry.name for entry in entries}) != len(entries):
        raise BadInput("two tensors have the same name: the file is damaged")
    total = sum(prod(entry.shape) * np.dtype(entry.dtype).itemsize for entry in entries)
    if total > MOST_DECODED:
        raise BadInput(f"tensors of {total} bytes in all: at most {MOST_DECODED} are read")
    return text, _tensors(source, entries)


def _tensors(source: _Source, entries: list[Entry]) -> Iterator[tuple[Entry, Array, Parts]]:
    for entry in entries:
        what = f"tensor {entry.name!r}"
        data = source.take(entry.coded_bytes, what)
        yield entry, *codings.decode(entry.coding, data, entry.dtype, entry.shape, what)
    source.finish()


def _read_text(header: Cursor) -> str:
    size = header.number(MOST_TEXT)
    squeezed = header.number(header.left())
    if squeezed:
        inflate = zlib.decompressobj()
        try:
            raw = inflate.decompress(header.take(squeezed), size + 1)
        except zlib.error as e:
            raise BadInput(f"the text is no zlib stream ({e}): the file is damaged") from e
        if len(raw) != size or not inflate.eof or inflate.unused_data:
            raise BadInput(f"the text has another length than the {size} bytes declared: the file is damaged")
    else:
        raw = header.take(size)
    try:
        return raw.decode()
    except UnicodeDecodeError as e:
        raise BadInput("the text is not UTF-8: the file is damaged") from e


def _read_entry(header: Cursor) -> Entry:
    label = header.take(header.number(MOST_NAME)).decode("ascii", "replace")
    if not _NAME.match(label):
        raise BadInput(f"tensor name {one_line(label)!r} is not plain: the file is damaged")
    kind, axes = header.byte(), header.byte()
    if kind & 15 >= len(DTYPES):
        raise BadInput(f"tensor {label!r} has the unknown type {kind & 15}: known: {', '.join(DTYPES)}")
    if kind >> 4 >= len(CODINGS):
        raise BadInput(
            f"tensor {label!r} has the unknown coding {kind >> 4}: known: {', '.join(CODINGS)}: update Lamina"
        )
    if axes > MOST_AXES:
        raise BadInput(f"tensor {label!r} has {axes} axes: at most {MOST_AXES} are read")
    shape = tuple(header.number(MOST_DECODED) for _ in range(axes))
    if prod(max(extent, 1) for extent in shape) > MOST_DECODED:
        raise BadInput(f"tensor {label!r} has the shape {shape}: at most {MOST_DECODED} elements are read")
    return Entry(name=label, dtype=DTYPES[kind & 15], coding=kind >> 4, shape=shape, coded_bytes=header.number(2**62))
