"""Weights that are a code book, in C: stored as half or whole bytes, decoded a block of channels at a time.

    block = book[code[0]], book[code[1]] ...     then the block's dense function, as if the weights had been stored

A block is eight channels, so the memory that decoding takes does not grow with the layer's width. A code has 4 bits
where at most 16 numbers differ, else 8; longer ones, or ones as wide as the weights themselves, gain nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamina.ir.network import Array

HALF, WHOLE = 4, 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Codes:
    bits: int  # of a code
    code: Array  # bytes; every block starts a new one
    book: Array

    def bytes(self, count: int) -> int:
        """Of a block of `count` weights."""
        return -(-count * self.bits // WHOLE)

    def decode(self, count: int) -> str:
        """The C statement that decodes the `count` weights at `codes` into `block`."""
        lines = [f"for (int i = 0; i < {count}; ++i) {{", "    block[i] = book[codes[i]];", "}"]
        if self.bits == HALF:
            lines = [
                f"for (int i = 0; i < {count // 2}; ++i) {{",
                "    block[2 * i] = book[codes[i] & 15];",
                "    block[2 * i + 1] = book[codes[i] >> 4];",
                "}",
                *([f"block[{count - 1}] = book[codes[{count // 2}] & 15];"] if count % 2 else []),
            ]
        return "\n".join(lines)


def encoded(blocks: Sequence[Array]) -> Codes | None:
    """`blocks` of weights as codes; None where too many differ, or codes take no fewer bytes."""
    book, code = np.unique(np.concatenate(blocks), return_inverse=True)
    bits = HALF if len(book) <= 1 << HALF else WHOLE
    whole = sum(block.nbytes for block in blocks)
    if len(book) > 1 << WHOLE or sum(-(-b.size * bits // WHOLE) for b in blocks) + book.nbytes >= whole:
        return None
    parts: list[Array] = np.split(code.ravel().astype(np.uint8), np.cumsum([block.size for block in blocks])[:-1])
    if bits == HALF:
        parts = [np.append(part, np.zeros(part.size % 2, np.uint8)) for part in parts]
        parts = [part[::2] | part[1::2] << HALF for part in parts]
    return Codes(bits=bits, code=np.concatenate(parts), book=book)
