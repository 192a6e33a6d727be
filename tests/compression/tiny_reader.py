"""A second reader of packed files, written from docs/packed.md alone: bit by bit, no NumPy, nothing of Lamina."""

import hashlib
import struct
import zlib

FORMATS = ["<f", "<d", "<b", "<B", "<h", "<i", "<q"]


class Bytes:
    def __init__(self, data):
        self.data, self.i = data, 0

    def take(self, n):
        assert self.i + n <= len(self.data)
        self.i += n
        return self.data[self.i - n : self.i]

    def number(self):
        value, shift = 0, 0
        while True:
            (byte,) = self.take(1)
            value += (byte % 128) << shift
            shift += 7
            if byte < 128:
                return value

    def rest(self):
        return self.take(len(self.data) - self.i)


def read(data):
    """(text, {name: (shape, [elements])})"""
    assert hashlib.blake2b(data[:-16], digest_size=16).digest() == data[-16:]
    file = Bytes(data[:-16])
    assert file.take(5) == b"LMN\x1a\x01"
    header = Bytes(file.take(struct.unpack("<I", file.take(4))[0]))
    size, squeezed = header.number(), header.number()
    text = zlib.decompress(header.take(squeezed)) if squeezed else header.take(size)
    assert len(text) == size
    tensors = []
    for _ in range(header.number()):
        name = header.take(header.number()).decode()
        kind, axes = header.take(2)
        shape = [header.number() for _ in range(axes)]
        tensors.append((name, kind % 16, kind // 16, shape, header.number()))
    assert not header.rest()
    result = {}
    for name, dtype, coding, shape, size in tensors:
        form, n = FORMATS[dtype], 1
        for extent in shape:
            n *= extent
        coded = Bytes(file.take(size))
        patterns = [raw, short, codebook, sparse][coding](coded, n, struct.calcsize(form), shape)
        assert not coded.rest()
        result[name] = shape, [struct.unpack(form, pattern)[0] for pattern in patterns]
    assert not file.rest()
    return text.decode(), result


def raw(coded, n, s, shape):
    return [coded.take(s) for _ in range(n)]


def short(coded, n, s, shape):
    (drop,) = coded.take(1)
    return [bytes(drop) + coded.take(s - drop) for _ in range(n)]


def codebook(coded, n, s, shape):
    k = coded.number()
    values = short(coded, k, s, shape)
    lengths = table(coded, k)
    return [values[i] for i in string(coded.rest(), lengths, n)]


def sparse(coded, n, s, shape):
    (order,) = coded.take(1)
    k = coded.number()
    elements = [bytes(s)] * n
    if k == 0:
        return elements
    values = [bytes(s), *short(coded, k, s, shape)]
    e = coded.number()
    gap_lengths = table(coded, coded.number())
    gaps = string(coded.take(coded.number()), gap_lengths, e)
    code_lengths = table(coded, k + 1)
    symbols = string(coded.rest(), code_lengths, e)
    position = -1
    inner = n // shape[0] if shape else n
    for gap, symbol in zip(gaps, symbols, strict=True):
        position += 1 + gap
        # columns: position = (index in the other axes) * extent of the first axis + (index in the first axis)
        place = position if order == 0 else position % shape[0] * inner + position // shape[0]
        elements[place] = values[symbol]
    return elements


def table(coded, m):
    nibbles = []
    for byte in coded.take((m + 1) // 2):
        nibbles += [byte % 16, byte // 16]
    return nibbles[:m]


def string(data, lengths, count):
    code_of, code, last = {}, -1, 0
    for length, symbol in sorted((n, i) for i, n in enumerate(lengths) if n):
        code = (code + 1) << (length - last) if last else 0
        last = length
        code_of[length, code] = symbol
    bits = [byte >> shift & 1 for byte in data for shift in range(7, -1, -1)]
    symbols, at = [], 0
    for _ in range(count):
        length = code = 0
        while (length, code) not in code_of:
            code, length, at = code * 2 + bits[at], length + 1, at + 1
        symbols.append(code_of[length, code])
    assert len(data) == (at + 7) // 8
    assert not any(bits[at:])
    return symbols
