"""How one tensor becomes bytes: four codings are tried, the shortest is kept (the byte layout is in docs/packed.md).

    raw        the elements, little-endian
    short      the elements without their lowest bytes, where these are zero in all of them (bfloat16 inside float32)
    codebook   the distinct values, once, and a Huffman code of each element's number
    sparse     the same for the non-zeros only, and the Huffman coded gaps between them (relative_index), the tensor
               read in rows or in columns: whichever is shorter, with gaps of 1 to 12 bits: whichever is shortest

Values are compared as bit patterns, so -0.0 and every NaN survive, and "zero" is the pattern of zeros. `decode`
believes nothing: each length is checked against what is there before anything of that length is made, and a tensor may
be at most `65,536 + 4,096 x coded bytes` long, so that a small file cannot ask for much memory.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.compression import huffman, relative_index
from lamina.core.errors import BadInput

Array = NDArray[Any]

DTYPES = ("float32", "float64", "int8", "uint8", "int16", "int32", "int64")
CODINGS = ("raw", "short", "codebook", "sparse")
FREE_BYTES, MOST_RATIO = 65_536, 4_096  # what a coded tensor may grow to
MOST_CODEBOOK = 4_096  # entries that the writer tries; the format allows 2^15
GAP_BITS = range(1, 13)
ROWS, COLUMNS = 0, 1


class Cursor:
    """A front-to-back reader of `data` that names what is missing."""

    def __init__(self, data: bytes, what: str) -> None:
        self.data, self.at, self.what = data, 0, what

    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        if size > self.left():
            raise BadInput(f"{self.what} needs {size} bytes and {self.left()} are left: the file is damaged")
        self.at += size
        return self.data[self.at - size : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self, most: int) -> int:
        """An unsigned LEB128 number in its shortest form, at most `most`."""
        value = 0
        for shift in range(0, 63, 7):
            part = self.byte()
            value |= (part & 0x7F) << shift
            if part < 0x80:
                if (part == 0 and shift) or value > most:
                    break
                return value
        raise BadInput(f"{self.what} holds a number above {most} or a longer form than needed: the file is damaged")

    def finish(self) -> None:
        if self.left():
            raise BadInput(f"{self.what} has {self.left()} bytes too many: the file is damaged")


def number(value: int) -> bytes:
    """`value` >= 0 in unsigned LEB128: seven bits a byte, lowest first, the top bit set on all but the last."""
    result = bytearray()
    while value >= 0x80:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*result, value])


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """Where a coded tensor's bytes went, code tables included; what is none of these is framing."""

    entries: int = 0  # codebook values
    nonzeros: int = 0
    gap_bits: int = 0
    codebook_bytes: int = 0
    index_bytes: int = 0  # gaps between non-zeros
    values_bytes: int = 0  # codes of values, or the values themselves


def encode(array: Array) -> tuple[int, bytes]:
    """The coding (a place in `CODINGS`) and bytes that are shortest for `array`; the first listed one in a tie."""
    best = (0, _raw(array))
    if array.size == 0:
        return best
    patterns = _patterns(array)
    candidates = [(1, _short(patterns))]
    values, index = np.unique(patterns, return_inverse=True)
    if values.size <= min(MOST_CODEBOOK, patterns.size):
        index = index.reshape(-1)
        candidates.append((2, _codebook(values, index)))
        if values[0] == 0:
            candidates += [(3, data) for data in _sparse(values[1:], index, array.shape)]
    for coding, data in candidates:
        if data is not None and len(data) < len(best[1]) and array.nbytes <= most_bytes(len(data)):
            best = (coding, data)
    return best


def most_bytes(coded: int) -> int:
    """How many bytes a tensor of `coded` bytes may decode to."""
    return FREE_BYTES + MOST_RATIO * coded


def decode(coding: int, data: bytes, dtype: str, shape: tuple[int, ...], what: str) -> tuple[Array, Parts]:
    """The tensor in `data`, and where its bytes went; `what` names it in errors."""
    size = prod(shape) * np.dtype(dtype).itemsize
    if size > most_bytes(len(data)):
        raise BadInput(f"{what} claims {size} bytes out of {len(data)}, at most {most_bytes(len(data))} are believed")
    read = Cursor(data, what)
    if coding == 0:
        array = np.frombuffer(read.take(size), _little(dtype))
        parts = Parts(values_bytes=size, nonzeros=int(np.count_nonzero(array)))
    elif coding == 1:
        patterns = _read_values(read, prod(shape), np.dtype(dtype).itemsize)
        array = patterns.view(_little(dtype))
        parts = Parts(values_bytes=read.at, nonzeros=int(np.count_nonzero(patterns)))
    elif coding == 2:
        array, parts = _read_codebook(read, dtype, prod(shape))
    else:
        array, parts = _read_sparse(read, dtype, shape)
    read.finish()
    return array.reshape(shape).astype(dtype), parts


def _little(dtype: str) -> np.dtype[Any]:
    return np.dtype(dtype).newbyteorder("<")


def _raw(array: Array) -> bytes:
    return array.astype(_little(array.dtype.name)).tobytes()


def _patterns(array: Array) -> Array:
    """The elements in C order as unsigned integers of the same bits."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(f"u{array.dtype.itemsize}")


def _short(patterns: Array) -> bytes:
    """How many low bytes are zero in all elements (one byte), then the other bytes of each."""
    size = patterns.dtype.itemsize
    merged = int(np.bitwise_or.reduce(patterns))
    drop = 0
    while drop < size - 1 and not (merged >> 8 * drop) & 0xFF:
        drop += 1
    bytes_of = patterns.astype(patterns.dtype.newbyteorder("<")).view(np.uint8).reshape(-1, size)
    return bytes([drop]) + bytes_of[:, drop:].tobytes()


def _read_values(read: Cursor, count: int, size: int) -> Array:
    drop = read.byte()
    if drop >= size:
        raise BadInput(f"{read.what} drops {drop} of {size} bytes: the file is damaged")
    kept = np.frombuffer(read.take(count * (size - drop)), np.uint8).reshape(count, size - drop)
    full = np.zeros((count, size), np.uint8)
    full[:, drop:] = kept
    return full.reshape(-1).view(f"<u{size}")


def _table(lengths: huffman.Lengths) -> bytes:
    """One nibble a symbol, the first symbol in the low half."""
    padded = np.append(lengths, 0)[: (lengths.size + 1) // 2 * 2]
    return (padded[0::2] | padded[1::2] << 4).astype(np.uint8).tobytes()


def _read_table(read: Cursor, size: int) -> huffman.Lengths:
    packed = np.frombuffer(read.take((size + 1) // 2), np.uint8)
    both = np.stack([packed & 15, packed >> 4], 1).reshape(-1)
    if size % 2 and both[-1]:
        raise BadInput(f"{read.what} has a table that is not filled with zeros: the file is damaged")
    return both[:size]


def _codebook(values: Array, index: Array) -> bytes:
    lengths = huffman.lengths(np.bincount(index, minlength=values.size))
    return number(values.size) + _short(values) + _table(lengths) + huffman.encode(index, lengths)


def _read_codebook(read: Cursor, dtype: str, count: int) -> tuple[Array, Parts]:
    begin = read.at
    entries = read.number(huffman.MOST_SYMBOLS)
    values = _read_values(read, entries, np.dtype(dtype).itemsize)
    codebook_bytes = read.at - begin
    lengths = _read_table(read, entries)
    index = huffman.decode(read.take(read.left()), lengths, count)
    patterns = values[index]
    parts = Parts(
        entries=entries,
        nonzeros=int(np.count_nonzero(patterns)),
        codebook_bytes=codebook_bytes,
        values_bytes=read.at - begin - codebook_bytes,
    )
    return patterns.view(_little(dtype)), parts


def _sparse(values: Array, index: Array, shape: tuple[int, ...]) -> list[bytes]:
    """The tensor as its non-zeros, in rows and (where that differs) in columns; index 0 is zero, i is values[i - 1]."""
    if values.size == 0:
        return [bytes([ROWS]) + number(0)]
    results = []
    for order in (ROWS, COLUMNS) if len(shape) > 1 else (ROWS,):
        flat = index if order == ROWS else np.moveaxis(index.reshape(shape), 0, -1).reshape(-1)
        positions = np.flatnonzero(flat)
        best = min((_gaps(flat, positions, bits, values.size) for bits in GAP_BITS), key=len)
        results.append(bytes([order]) + number(values.size) + _short(values) + best)
    return results


def _gaps(flat: Array, positions: Array, bits: int, entries: int) -> bytes:
    gaps, real = relative_index.encode(positions, bits)
    codes = np.zeros(gaps.size, np.int64)
    codes[real] = flat[positions]
    gap_lengths = huffman.lengths(np.bincount(gaps))
    code_lengths = huffman.lengths(np.bincount(codes, minlength=entries + 1))
    coded = huffman.encode(gaps, gap_lengths)
    return b"".join(
        [
            number(gaps.size),
            number(gap_lengths.size),
            _table(gap_lengths),
            number(len(coded)),
            coded,
            _table(code_lengths),
            huffman.encode(codes, code_lengths),
        ]
    )


def _read_sparse(read: Cursor, dtype: str, shape: tuple[int, ...]) -> tuple[Array, Parts]:
    size, item = prod(shape), np.dtype(dtype).itemsize
    order = read.byte()
    if order not in (ROWS, COLUMNS) or (order == COLUMNS and len(shape) < 2):
        raise BadInput(f"{read.what} has the unknown order {order}: the file is damaged")
    patterns = np.zeros(size, f"<u{item}")
    entries = read.number(min(size, huffman.MOST_SYMBOLS - 1))
    if entries == 0:
        return patterns.view(_little(dtype)), Parts()
    begin = read.at
    values = np.concatenate([np.zeros(1, f"<u{item}"), _read_values(read, entries, item)])
    codebook_bytes, begin = read.at - begin, read.at
    count = read.number(size)
    gap_lengths = _read_table(read, read.number(huffman.MOST_SYMBOLS))
    gaps = huffman.decode(read.take(read.number(read.left())), gap_lengths, count)
    positions = relative_index.entries(gaps)
    if count and int(positions[-1]) >= size:
        raise BadInput(f"{read.what} has an entry at {int(positions[-1])} of {size}: the file is damaged")
    index_bytes, begin = read.at - begin, read.at
    code_lengths = _read_table(read, entries + 1)
    codes = huffman.decode(read.take(read.left()), code_lengths, count)
    patterns[positions] = values[codes]
    if order == COLUMNS:
        patterns = np.moveaxis(patterns.reshape(*shape[1:], shape[0]), -1, 0)
    parts = Parts(
        entries=entries,
        nonzeros=int(np.count_nonzero(codes)),
        gap_bits=max(1, (gap_lengths.size - 1).bit_length()),
        codebook_bytes=codebook_bytes,
        index_bytes=index_bytes,
        values_bytes=read.at - begin,
    )
    return np.ascontiguousarray(patterns).reshape(-1).view(_little(dtype)), parts
