"""Where the non-zeros are: the zeros before each one, in a few bits, with padding zeros where these are too few.

    positions    0 1 2 3 4 5 6 7 8 9        gap g: zeros since the entry before, 0 <= g <= 2^b - 1 = G
    weights      . . x . . . . . . y        b = 2: x has g = 2; y has six zeros before it, too many: a padding zero
    entries      (2, x) (3, 0) (2, y)       takes G = 3 of them and sits on a fourth, and y is left with 2

    padding before an entry with z zeros before it      floor(z / (G + 1))
    its own gap                                         z mod (G + 1)

Shapes     E entries (padding included), N non-zeros; everything is vectorised, decode is the inverse of encode.
Paper      Han et al., "Deep Compression", ICLR 2016, https://arxiv.org/abs/1510.00149, section 3; the same 4-bit gaps
           are what EIE reads (ISCA 2016, https://arxiv.org/abs/1602.01528)
"""

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput

MOST_BITS = 16


def encode(positions: NDArray[np.int64], bits: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Gaps (E,) and whether each entry is real (E,), for ascending `positions` (N,) and gaps of `bits` in [1, 16]."""
    if not 1 <= bits <= MOST_BITS:
        raise BadInput(f"gaps of {bits} bits: 1 to {MOST_BITS} are possible")
    positions = np.asarray(positions, np.int64)
    zeros = np.diff(positions, prepend=-1) - 1
    if zeros.size and int(zeros.min()) < 0:
        raise BadInput("positions must ascend from 0 without repeats: sort them first")
    padding, own = zeros >> bits, zeros & ((1 << bits) - 1)
    ends = np.cumsum(padding + 1)
    entries = int(ends[-1]) if ends.size else 0
    gaps = np.full(entries, (1 << bits) - 1, np.int64)
    real = np.zeros(entries, bool)
    gaps[ends - 1] = own
    real[ends - 1] = True
    return gaps, real


def entries(gaps: NDArray[np.int64]) -> NDArray[np.int64]:
    """The position of every entry (E,), padding included."""
    return np.cumsum(np.asarray(gaps, np.int64) + 1) - 1


def decode(gaps: NDArray[np.int64], real: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The ascending positions (N,) of the real entries: the inverse of `encode`."""
    return entries(gaps)[real]
