"""Canonical Huffman coding with bounded code lengths: the shortest prefix code of whole bits.

    lengths   minimise sum_a count_a len_a   over   len_a <= 15,  sum_a 2^-len_a = 1        (package-merge, exact)
    codes     symbols in order of (length, symbol) get consecutive numbers: only the lengths are stored
    bound     H <= bits per symbol < H + 1                                                  (where 15 is long enough)

Decoding looks like a chain (where a code ends is known only after reading it), so it is done for every bit position
at once: `jump[p] = p + length of the code that would start at p`, then four doublings `jump = jump[jump]` give strides
of 16 codes; Python walks the strides and NumPy fills in between. Windows of `WINDOW` bits keep the memory bounded.
NumPy alone; a table that is no complete code, or a stream of another size, is a `BadInput`.

Paper      Huffman 1952, https://doi.org/10.1109/JRPROC.1952.273898; Larmore and Hirschberg 1990 (length limit),
           https://doi.org/10.1145/79147.79150; in networks: Han et al. 2016, https://arxiv.org/abs/1510.00149
"""

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput

LONGEST = 15  # bits of the longest code: a length fits a nibble
MOST_SYMBOLS = 2**LONGEST  # that many codes of 15 bits exist
WINDOW = 2**20  # bit positions looked at together
DOUBLINGS = 4

Lengths = NDArray[np.uint8]
Symbols = NDArray[np.int64]


def lengths(counts: NDArray[np.int64]) -> Lengths:
    """The optimal code length of each symbol, 0 for one that never occurs; a lone symbol gets length 1.

    counts: (symbols,), at least 0. Raises `BadInput` for more than 2^15 symbols that occur.
    """
    counts = np.asarray(counts, np.int64)
    result = np.zeros(counts.size, np.uint8)
    used = np.flatnonzero(counts)
    if used.size > MOST_SYMBOLS:
        raise BadInput(f"{used.size} different symbols: a code of at most {LONGEST} bits has {MOST_SYMBOLS}")
    if used.size <= 1:
        result[used] = 1
        return result
    order = used[np.argsort(counts[used], kind="stable")]
    leaves = counts[order]
    # package-merge: the list of level l holds the leaves and the pairs of level l + 1, by weight; leaves first in a tie
    is_leaf, merged = [], leaves
    for level in range(LONGEST):
        if level == 0:
            is_leaf.append(np.ones(leaves.size, bool))
            continue
        pairs = merged[: merged.size // 2 * 2].reshape(-1, 2).sum(1)
        both = np.concatenate([leaves, pairs])
        by_weight = np.argsort(both, kind="stable")
        merged = both[by_weight]
        is_leaf.append(by_weight < leaves.size)
    depth = np.zeros(leaves.size, np.int64)
    take = 2 * leaves.size - 2
    for leaf in reversed(is_leaf):
        taken = int(np.count_nonzero(leaf[:take]))
        depth[:taken] += 1
        take = 2 * (take - taken)
    result[order] = depth
    return result


def codes(lengths: Lengths) -> NDArray[np.int64]:
    """The canonical code of each symbol (most significant bit first); 0 where the length is 0."""
    order = np.lexsort((np.arange(lengths.size), lengths))
    order = order[lengths[order] > 0]
    spans = np.int64(1) << (LONGEST - lengths[order].astype(np.int64))
    starts = np.cumsum(spans) - spans
    result = np.zeros(lengths.size, np.int64)
    result[order] = starts >> (LONGEST - lengths[order].astype(np.int64))
    return result


def check(lengths: Lengths) -> None:
    """Raise `BadInput` unless `lengths` are those of a complete prefix code, or of one symbol with length 1."""
    used = lengths[lengths > 0].astype(np.int64)
    if used.size == 0 or int(used.max()) > LONGEST:
        raise BadInput(f"a Huffman table needs code lengths from 1 to {LONGEST}: the file is damaged")
    room = int((np.int64(1) << (LONGEST - used)).sum())
    if room != 1 << LONGEST and not (used.size == 1 and int(used[0]) == 1):
        raise BadInput("a Huffman table does not describe a complete prefix code: the file is damaged")


def coded_bits(counts: NDArray[np.int64], lengths: Lengths) -> int:
    """How many bits `encode` writes for symbols that occur `counts` times: sum count_a len_a."""
    return int((np.asarray(counts, np.int64) * lengths).sum())


def encode(symbols: Symbols, lengths: Lengths) -> bytes:
    """`symbols` (n,) as bits: first code first, most significant bit first, the last byte filled with zeros."""
    symbols = np.asarray(symbols, np.int64)
    if symbols.size and int(lengths[symbols].min()) == 0:
        raise BadInput("a symbol has no code: build the lengths from counts of the same symbols")
    table = codes(lengths)
    parts, rest = [], np.zeros(0, np.uint8)
    for begin in range(0, symbols.size, WINDOW // LONGEST):
        chunk = symbols[begin : begin + WINDOW // LONGEST]
        size = lengths[chunk].astype(np.int64)
        ends = np.cumsum(size)
        from_right = np.repeat(ends, size) - 1 - np.arange(int(ends[-1]))
        bits = ((np.repeat(table[chunk], size) >> from_right) & 1).astype(np.uint8)
        bits = np.concatenate([rest, bits])
        whole = bits.size // 8 * 8
        parts.append(np.packbits(bits[:whole]).tobytes())
        rest = bits[whole:]
    return b"".join([*parts, np.packbits(rest).tobytes()])


def decode(data: bytes, lengths: Lengths, count: int) -> Symbols:
    """The `count` symbols that `encode` wrote into `data`: exactly all of it, filling bits zero, else `BadInput`."""
    check(lengths)
    if count > 8 * len(data):
        raise BadInput(f"{len(data)} bytes cannot hold {count} codes: the file is damaged")
    symbol_of, length_of = _window_table(lengths)
    source = np.concatenate([np.frombuffer(data, np.uint8), np.zeros(3, np.uint8)])
    bits = 8 * len(data)
    result = np.zeros(count, np.int64)
    done, position = 0, 0
    while done < count:
        if position >= bits:
            raise BadInput("a Huffman stream ends too early: the file is damaged")
        first = position // 8
        last = min(first + WINDOW // 8, len(data))
        ahead = _windows(source, first, last)
        starts = _chain(length_of[ahead], position - 8 * first, count - done)
        if starts.size == 0:
            raise BadInput("a Huffman stream holds a code that is not in its table: the file is damaged")
        seen = ahead[starts]
        result[done : done + starts.size] = symbol_of[seen]
        done += starts.size
        position = 8 * first + int(starts[-1]) + int(length_of[seen[-1]])
    if (position + 7) // 8 != len(data) or (position % 8 and data[-1] & (0xFF >> position % 8)):
        raise BadInput("a Huffman stream is longer than its codes: the file is damaged")
    return result


def _window_table(lengths: Lengths) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Symbol and code length for each possible next 15 bits; length 0 where no code begins so."""
    symbol_of = np.zeros(1 << LONGEST, np.int64)
    length_of = np.zeros(1 << LONGEST, np.int64)
    order = np.lexsort((np.arange(lengths.size), lengths))
    order = order[lengths[order] > 0]
    spans = np.int64(1) << (LONGEST - lengths[order].astype(np.int64))
    filled = int(spans.sum())
    symbol_of[:filled] = np.repeat(order, spans)
    length_of[:filled] = np.repeat(lengths[order].astype(np.int64), spans)
    return symbol_of, length_of


def _windows(source: NDArray[np.uint8], first: int, last: int) -> NDArray[np.int64]:
    """The 15 bits that begin at every bit position of the bytes first .. last - 1."""
    part = source[first : last + 2].astype(np.int64)
    words = (part[:-2] << 16) | (part[1:-1] << 8) | part[2:]
    shifts = np.arange(24 - LONGEST, 24 - LONGEST - 8, -1, dtype=np.int64)
    return ((words[:, None] >> shifts) & ((1 << LONGEST) - 1)).reshape(-1)


def _chain(length: NDArray[np.int64], start: int, most: int) -> NDArray[np.int64]:
    """The positions start, start + length[start], ... below length.size, at most `most`; ends before a length of 0."""
    end = length.size
    jump = np.append(np.minimum(np.arange(end) + length, end), end).astype(np.int32)
    jump[:-1][length == 0] = end
    jumps = [jump]
    for _ in range(DOUBLINGS):
        jumps.append(jumps[-1][jumps[-1]])
    stride, position, walked = jumps[-1].tolist(), start, []
    for _ in range(-(-most >> DOUBLINGS)):
        if position >= end:
            break
        walked.append(position)
        position = stride[position]
    positions = np.array(walked, np.int64)
    for jump in reversed(jumps[:-1]):
        positions = np.stack([positions, jump[positions]], 1).reshape(-1)
    positions = positions[positions < end]
    return positions[length[positions] > 0][:most]
