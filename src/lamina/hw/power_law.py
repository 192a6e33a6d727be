"""A power law through points: straight lines between the logarithms, the outermost ones going on.

y = y0 (x / x0)^e,   e = log(y1 / y0) / log(x1 / x0)   of the two neighbours of x
"""

from bisect import bisect_right
from collections.abc import Sequence
from math import log


def power_law(x: float, points: Sequence[tuple[float, float]]) -> float:
    """y at `x` > 0 by the power law through `points`, at least two pairs (x, y) of positive numbers in rising x."""
    index = min(max(bisect_right([at for at, _ in points], x) - 1, 0), len(points) - 2)
    (x0, y0), (x1, y1) = points[index], points[index + 1]
    return float(y0 * (x / x0) ** (log(y1 / y0) / log(x1 / x0)))
