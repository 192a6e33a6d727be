"""A batch in parts, where activations would not fit the unified buffer; left out: parts of one image, shortcuts.

The first layers of a convolutional network have large activations and few weights, so that their weights may well be
fetched several times: layers 0 to e - 1 run for one part of the batch after another, and from layer e on the batch is
whole again. The results of layer e - 1 are kept for all parts; at the network's end they go to the host part by part.

    fits(e, S)    (read_i + written_i) / S + kept(e) <= capacity for i < e, and layers from e on fit whole
    chosen        the (e, S) that moves the fewest bytes, S a divisor of the batch; or what does not fit crosses the
                  link to the host, layer by layer, where that is less or nothing fits
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import gcd, isqrt


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """What one layer needs: bytes it reads and writes, and of weight memory when it runs in so many parts."""

    batch: int
    read: int
    written: int
    weights: Callable[[int], int]

    @property
    def held(self) -> int:
        return self.read + self.written


def parts(demands: Sequence[Demand], capacity: int) -> tuple[int, int]:
    """(e, S): the first e layers run in S parts; (0, 1) where everything fits, or where spilling moves less."""
    too_large = [i for i, d in enumerate(demands) if d.held > capacity]
    if not too_large:
        return 0, 1
    whole = [d.weights(1) for d in demands]
    used = [i for i, d in enumerate(demands) if d.held]
    spilled = sum(demands[i].read * (i != used[0]) + demands[i].written * (i != used[-1]) for i in too_large)
    best = (sum(whole) + spilled, 1, 0)
    common = demands[used[0]].batch
    found = dict.fromkeys(_divisors(common), (0, 0))  # parts -> the most held of one, bytes of weights so far
    for index in used:
        demand = demands[index]
        common = gcd(common, demand.batch)
        found = {
            count: (max(most, demand.held // count), fetched + demand.weights(count))
            for count, (most, fetched) in found.items()
            if common % count == 0
        }
        if index >= too_large[-1]:
            kept, after = demand.written * (index != used[-1]), sum(whole[index + 1 :])
            fitting = [(c, fetched) for c, (most, fetched) in found.items() if most + kept <= capacity]
            best = min([best, *((fetched + after, count, index + 1) for count, fetched in fitting)])
    return best[2], best[1]


def _divisors(number: int) -> list[int]:
    """All of them but 1."""
    small = [d for d in range(1, isqrt(number) + 1) if number % d == 0]
    return sorted({*small, *(number // d for d in small)} - {1})
