"""A function as straight segments in fixed point: the tables that `piecewise_linear` reads.

    y = ((slope[i] x) >> n) + intercept[i]        i = the last segment whose start is <= x

Rule      From the lowest stored number on, each segment is the longest whose error stays within E; E is the smallest
          (to 1/16 of the last place) for which the allowed number of segments reaches the highest. A segment's slope
          is its chord's, rounded to the format; its intercept halves the span of what is left, truncation included.
Error     `error` is the largest |y - f(x)| over every stored x, found by trying all of them.
Figures   Q6.10, 16 segments: tanh 0.0038, sigmoid 0.0022 (3.8 and 2.2 units of the last place); 16 segments of equal
          width over [-8, 8) would give 0.041 for tanh.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput, Unsupported, unknown
from lamina.ir.types import Fixed

MOST_BITS = 16  # every stored number is tried
FUNCTIONS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "tanh": lambda x: np.asarray(np.tanh(x)),
    "sigmoid": lambda x: 0.5 + 0.5 * np.tanh(0.5 * x),
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Segments:
    starts: NDArray[Any]  # stored numbers, rising; the first is the lowest of the format
    slopes: NDArray[Any]  # stored numbers of the format
    intercepts: NDArray[Any]
    error: float  # largest |y - f(x)| over all stored x, as a real number


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    slope: int
    intercept: int
    error: float  # units of the last place


@cache
def fit(function: str, element: Fixed, most: int = 16) -> Segments:
    """`function` ("tanh", "sigmoid") in at most `most` segments.

    Raises `BadInput` for another function or no segment, `Unsupported` for more than 16 bits.
    """
    if function not in FUNCTIONS:
        raise unknown("function", function, FUNCTIONS)
    if most < 1:
        raise BadInput(f"{most} segments: at least 1 is needed")
    if element.bits > MOST_BITS:
        raise Unsupported(
            f"{function} in {element}: tables are fitted over every stored number, up to {MOST_BITS} bits are tried"
        )
    x = np.arange(element.low, element.high + 1, dtype=np.int64)
    unit = 2.0**element.fraction_bits
    target = np.clip(FUNCTIONS[function](x / unit) * unit, element.low, element.high)
    below, within = 0.0, float(element.high - element.low)
    found = [(0, _line(x, target, element))]
    while within - below > 1 / 16:
        middle = (below + within) / 2
        better = _cover(x, target, element, middle, most)
        if better:
            within, found = middle, better
        else:
            below = middle
    lines = [line for _, line in found]
    return Segments(
        starts=np.array([x[start] for start, _ in found], element.storage),
        slopes=np.array([line.slope for line in lines], element.storage),
        intercepts=np.array([line.intercept for line in lines], element.storage),
        error=max(line.error for line in lines) / unit,
    )


def _cover(
    x: NDArray[np.int64], target: NDArray[np.float64], element: Fixed, within: float, most: int
) -> list[tuple[int, _Line]] | None:
    """Segments (index of the first number, line) of error at most `within`; None where `most` do not suffice."""
    found: list[tuple[int, _Line]] = []
    start = 0
    while start < len(x):
        if len(found) == most:
            return None
        end, line = start + 1, _line(x[start : start + 1], target[start : start + 1], element)
        step = 64
        while step and end < len(x):  # gallop, then halve: errors grow with a segment's length, nearly always
            tried = min(end + step, len(x))
            candidate = _line(x[start:tried], target[start:tried], element)
            if candidate.error <= within:
                end, line, step = tried, candidate, step * 2
            else:
                step = min(step // 2, (tried - end) // 2)
        found.append((start, line))
        start = end
    return found


def _line(x: NDArray[np.int64], target: NDArray[np.float64], element: Fixed) -> _Line:
    """The line for stored numbers `x` and targets in units of the last place."""
    n = element.fraction_bits
    run = int(x[-1] - x[0])
    slope = int(np.clip(np.rint((target[-1] - target[0]) / run * 2.0**n), element.low, element.high)) if run else 0
    left = target - ((slope * x) >> n)
    intercept = int(np.clip(np.rint((left.max() + left.min()) / 2), element.low, element.high))
    return _Line(slope=slope, intercept=intercept, error=float(np.abs(left - intercept).max()))
