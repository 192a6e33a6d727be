"""caffemodel files: the weights of each layer, by name, out of protobuf's wire form.

    message = (key, value)*,   key = field * 8 + kind,   kind 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes

Only what holds weights is looked at; everything else is skipped by its length, so nothing is built that the file does
not contain. Field numbers are those of Caffe's published schema, old (`layers`, four sizes a blob) and new (`layer`,
`shape`):

    net  2 layers (old), 100 layer      layer  1 name, 7 blobs      old layer  4 name, 6 blobs
    blob 1-4 num, channels, height, width   5 floats   7 shape {1 sizes}   8 doubles

Numbers are views of the file's bytes until a network takes them. Errors are `BadInput`.
"""

from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np

from lamina.core import files
from lamina.core.errors import BadInput, one_line
from lamina.core.units import GiB
from lamina.ir.network import Array

LARGEST_FILE = 4 * GiB
MOST_LAYERS = 100_000
Piece = tuple[int, int, "int | memoryview"]  # field, kind, value


def read(path: Path) -> dict[str, list[Array]]:
    """Layer names to blobs of the file `path`."""
    try:
        return parse(files.read(path, limit=LARGEST_FILE))
    except BadInput as e:
        raise BadInput(e if str(e).startswith(str(path)) else f"{path}: {e}") from e


def parse(data: bytes) -> dict[str, list[Array]]:
    """Layer names to blobs; a layer without blobs is left out, a name that comes twice keeps the last."""
    found: dict[str, list[Array]] = {}
    for number, _, value in pieces(memoryview(data)):
        if number not in (2, 100) or not isinstance(value, memoryview):
            continue
        name, blobs = _layer(value, old=number == 2)
        if blobs:
            found[name] = blobs
        if len(found) > MOST_LAYERS:
            raise BadInput(f"more than {MOST_LAYERS} layers")
    return found


def pieces(data: memoryview) -> Iterator[Piece]:
    """The fields of one message; raises where a length passes the end."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise BadInput("field 0 in a message: this is no caffemodel, or it is damaged")
        value: int | memoryview
        if kind == 0:
            value, at = _varint(data, at)
        elif kind in (1, 2, 5):
            length, at = _varint(data, at) if kind == 2 else ((8 if kind == 1 else 4), at)
            if length > len(data) - at:
                raise BadInput(f"a field of {length} bytes where {len(data) - at} are left: the file is cut short")
            value, at = data[at : at + length], at + length
        else:
            raise BadInput(f"wire kind {kind}: this is no caffemodel, or it is damaged")
        yield number, kind, value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise BadInput("a number is cut short at the end of the file")
        byte = data[at]
        at += 1
        result |= (byte & 127) << shift
        if byte < 128:
            return result & (2**64 - 1), at
    raise BadInput("a number of more than ten bytes: the file is damaged")


def _layer(data: memoryview, *, old: bool) -> tuple[str, list[Array]]:
    name_field, blob_field = (4, 6) if old else (1, 7)
    name, blobs = "", []
    for number, _, value in pieces(data):
        if not isinstance(value, memoryview):
            continue
        if number == name_field:
            name = bytes(value[:1000]).decode(errors="replace")
        elif number == blob_field:
            blobs.append(value)
    try:
        return name, [_blob(blob) for blob in blobs]
    except BadInput as e:
        raise BadInput(f"layer {one_line(name, 60)!r}: {e}") from e


def _blob(data: memoryview) -> Array:
    """The numbers of one blob in its shape; the old form's four sizes keep their ones."""
    sizes: dict[int, int] = {}
    shape: list[int] | None = None
    packed: list[memoryview] = []
    width = 4
    for number, kind, value in pieces(data):
        if number in (1, 2, 3, 4) and isinstance(value, int):
            sizes[number] = value
        elif number == 7 and isinstance(value, memoryview):
            shape = _sizes(value)
        elif number in (5, 8) and isinstance(value, memoryview) and kind in (1, 2, 5):
            packed.append(value)
            width = 4 if number == 5 else 8
    if shape is None:
        shape = [sizes.get(number, 1) for number in (1, 2, 3, 4)] if sizes else []
    raw = packed[0] if len(packed) == 1 else b"".join(packed)
    if len(raw) % width or len(raw) // width != prod(shape):
        raise BadInput(f"a blob of shape {shape[:8]} with {len(raw) // width} numbers: the file is damaged")
    return np.frombuffer(raw, "<f4" if width == 4 else "<f8").reshape(shape)


def _sizes(data: memoryview) -> list[int]:
    found: list[int] = []
    for number, _, value in pieces(data):
        if number != 1:
            continue
        at = 0
        while isinstance(value, memoryview) and at < len(value):
            size, at = _varint(value, at)
            found.append(size)
        if isinstance(value, int):
            found.append(value)
        if len(found) > 16:
            raise BadInput("a blob with more than 16 axes")
    return found
