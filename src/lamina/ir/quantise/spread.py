"""How the numbers of one value are spread: extremes and a histogram, streamed, in bounded memory.

    bins     8,192 of one width over [-2^e, 2^e), 2^e the smallest power of two above the largest magnitude so far

When a larger number comes, neighbouring bins are added until 2^e holds it: as edges are powers of two times whole
numbers, nothing is split, and the result does not depend on the order in which numbers came. Zeros are counted apart:
every quantisation has the number 0 exactly. Infinities count as numbers beyond every range.
"""

from dataclasses import dataclass, field
from math import frexp
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 4096  # bins of positive, and as many of negative numbers
LEAST = -126  # the smallest e: subnormal numbers are zeros to a scale in float32


def _no_counts() -> NDArray[np.int64]:
    return np.zeros(2 * SIDE, np.int64)


@dataclass(slots=True)
class Spread:
    low: float = np.inf  # of the finite numbers; inf and -inf where there is none
    high: float = -np.inf
    zeros: int = 0
    infinite: int = 0
    exponent: int = LEAST  # e
    counts: NDArray[np.int64] = field(default_factory=_no_counts)

    def add(self, numbers: NDArray[Any]) -> None:
        """Count `numbers`, of any shape."""
        x = np.asarray(numbers, np.float64).reshape(-1)
        finite = x[np.isfinite(x)]
        self.infinite += x.size - finite.size
        if not finite.size:
            return
        self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))
        self._widen(frexp(max(-self.low, self.high))[1])
        some = finite[finite != 0]
        self.zeros += finite.size - some.size
        places = np.floor(some * (SIDE * 2.0**-self.exponent)).astype(np.int64) + SIDE
        self.counts += np.bincount(places, minlength=2 * SIDE)

    def merge(self, other: "Spread") -> None:
        """Count what `other` has counted."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.zeros += other.zeros
        self.infinite += other.infinite
        self._widen(other.exponent)
        self.counts += _coarser(other.counts, self.exponent - other.exponent)

    @property
    def total(self) -> int:
        """How many finite numbers came."""
        return int(self.counts.sum()) + self.zeros

    @property
    def width(self) -> float:
        """Of one bin."""
        return float(2.0**self.exponent / SIDE)

    def filled(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Centres and counts of the bins that hold numbers."""
        places = np.flatnonzero(self.counts)
        return np.asarray((places - SIDE + 0.5) * self.width, np.float64), self.counts[places]

    def quantile(self, share: float) -> float:
        """The number that `share` of all lie below, straight between the edges of its bin; inside [low, high]."""
        counts = self.counts.astype(np.float64)
        edges = (np.arange(2 * SIDE + 1) - SIDE) * self.width
        below = np.concatenate([[0.0], np.cumsum(counts)])
        below[SIDE + 1 :] += self.zeros
        wanted = share * self.total
        if below[SIDE] <= wanted <= below[SIDE] + self.zeros and self.zeros:
            return 0.0
        return float(np.clip(np.interp(wanted, below, edges), self.low, self.high))

    def magnitudes(self) -> NDArray[np.int64]:
        """Counts of |x| in bins of the same width from 0 on."""
        return np.asarray(self.counts[SIDE:] + self.counts[SIDE - 1 :: -1])

    def _widen(self, exponent: int) -> None:
        if exponent > self.exponent:
            self.counts = _coarser(self.counts, exponent - self.exponent)
            self.exponent = exponent


def _coarser(counts: NDArray[np.int64], doublings: int) -> NDArray[np.int64]:
    """The same numbers in bins that are 2^doublings times as wide."""
    if not doublings:
        return counts
    step = min(1 << min(doublings, 30), SIDE)
    wide = np.zeros_like(counts)
    half = SIDE // step
    wide[SIDE - half : SIDE + half] = counts.reshape(-1, step).sum(axis=1)
    return wide
