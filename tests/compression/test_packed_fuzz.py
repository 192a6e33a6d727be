"""Mutated packed files: a reader answers each with a network or with `BadInput`, quickly and in little memory.

Half of the mutants carry a right checksum, and of these half have a header that is rebuilt from altered fields, so that
the damage reaches the code behind each check.
"""

import hashlib
import io
import random
import tracemalloc

import numpy as np

from lamina.compression import packed
from lamina.compression.codings import number
from lamina.core.errors import BadInput
from lamina.core.units import MiB

MUTANTS = 12_000
INTERESTING = [0, 1, 2, 3, 127, 128, 255, 4096, 65535, 2**20, 2**31, 2**33, 2**34 + 1, 2**62]


def original() -> bytes:
    generator = np.random.default_rng(0)
    codebook = generator.normal(size=6).astype(np.float32)
    dense = codebook[generator.integers(0, 6, (12, 20))]
    tensors = {
        "raw": generator.normal(size=5),
        "short": np.arange(20, dtype=np.int32) << 16,
        "dense": dense,
        "sparse": np.where(generator.random((12, 20)) < 0.2, dense, np.float32(0)),
        "empty": np.zeros((4, 5), np.int8),
    }
    return packed.pack("network n\n" * 8, tensors)


def sealed(body: bytes) -> bytes:
    return body + hashlib.blake2b(body, digest_size=16).digest()


def scramble(data: bytes, random_: random.Random) -> bytes:
    """One to four edits: a byte replaced, removed, inserted, a piece copied or cut."""
    out = bytearray(data)
    for _ in range(random_.randint(1, 4)):
        place = random_.randrange(len(out) + 1)
        kind = random_.randrange(5)
        if kind == 0 and place < len(out):
            out[place] = random_.choice([random_.randrange(256), 0, 0xFF, out[place] ^ 1 << random_.randrange(8)])
        elif kind == 1:
            del out[place : place + random_.randint(1, 3)]
        elif kind == 2:
            out[place:place] = random_.randbytes(random_.randint(1, 3))
        elif kind == 3:
            other = random_.randrange(len(out) + 1)
            out[place:place] = out[other : other + random_.randint(1, 12)]
        else:
            del out[random_.randrange(len(out) // 2, len(out) + 1) :]
    return bytes(out)


def rebuild(data: bytes, random_: random.Random) -> bytes:
    """The same file with one or two fields of its header, or payload bytes, changed, and every length made to fit."""
    length = int.from_bytes(data[5:9], "little")
    payload = data[9 + length : -16]
    _, entries = packed._open(io.BytesIO(data), len(data))
    fields, pieces = [], []
    for entry, _, _ in entries:
        kind = packed.DTYPES.index(entry.dtype) | entry.coding << 4
        fields.append([entry.name.encode(), kind, list(entry.shape), None])
        pieces.append(payload[: entry.coded_bytes])
        payload = payload[entry.coded_bytes :]
    for _ in range(random_.randint(1, 2)):
        which = random_.randrange(len(fields))
        field, change = fields[which], random_.randrange(6)
        if change == 0:
            field[1] = random_.choice([random_.randrange(256), random_.randrange(7) | random_.randrange(4) << 4])
        elif change == 1 and field[2]:
            field[2][random_.randrange(len(field[2]))] = random_.choice([*INTERESTING, random_.randrange(400)])
        elif change == 2:
            field[2] = [random_.choice([0, 1, 2, 240, 2**17]) for _ in range(random_.randrange(10))]
        elif change == 3:
            field[3] = random_.choice([*INTERESTING, random_.randrange(400)])
        elif pieces[which]:
            pieces[which] = scramble(pieces[which], random_)
    head = number(0) * 2 + number(len(fields))
    for (name, kind, shape, size), piece in zip(fields, pieces, strict=True):
        head += number(len(name)) + name + bytes([kind, len(shape)]) + b"".join(number(n) for n in shape)
        head += number(len(piece) if size is None else size)
    return sealed(b"LMN\x1a\x01" + len(head).to_bytes(4, "little") + head + b"".join(pieces))


def test_only_bad_input_escapes():
    data = original()
    random_ = random.Random(2026)
    messages = []
    tracemalloc.start()
    for i in range(MUTANTS):
        if i % 4 == 0:
            mutant = rebuild(data, random_)
        elif i % 4 == 1:
            mutant = sealed(scramble(data[:-16], random_))
        else:
            mutant = scramble(data, random_)
        try:
            packed.unpack(mutant)
        except BadInput as error:
            messages.append(str(error))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert all("\n" not in message and len(message) < 400 for message in messages)
    accepted = MUTANTS - len(messages)
    assert MUTANTS / 100 < accepted < MUTANTS / 2, "some mutants with a right checksum reach the end"
    assert peak < 32 * MiB
