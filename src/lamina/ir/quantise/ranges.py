"""From how numbers are spread to the scale they get: four methods, two forms (INTERFACE, section 5).

    min_max      the smallest scale that clips nothing
    percentile   that clips what lies beyond a share of the numbers (99.99 %: half of the rest at either end)
    mse          with the least squared error of rounding and clipping together
    kl           whose integers are distributed most like the numbers: least sum p log(p / q) (Migacz, 2017)

    power_of_two   zero point 0, unsigned where no number is negative; candidates 2^e, e from "clips nothing" down
    float          unsigned with a zero point; candidates are both ends drawn in (mse), a largest magnitude (kl)

Weights are signed and symmetric; their numbers are all known, so that min_max clips none and every other method takes
the least squared error, per tensor or per channel. No paper's constants: percentile is the caller's, others have none.
"""

from dataclasses import dataclass
from math import ceil, frexp, ldexp

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput, unknown
from lamina.ir.quantise.spread import SIDE, Spread
from lamina.ir.types import Integer

METHODS = ("min_max", "percentile", "mse", "kl")
FORMS = ("power_of_two", "float")
DRAWN = [2.0 ** (-step / 40) for step in range(240)]  # candidates of mse in the float form: ends at these shares
EXPONENTS = 8  # candidates in the power_of_two form
SMOOTHING = 1e-6  # probability of an integer that no number became, in kl
LEAST_SCALE = 2.0**-100


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """How scales are chosen."""

    method: str = "min_max"
    form: str = "power_of_two"
    percentile: float = 99.99

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise unknown("method", self.method, METHODS)
        if self.form not in FORMS:
            raise unknown("form of scales", self.form, FORMS)
        if not 50 < self.percentile <= 100:
            raise BadInput(f"percentile {self.percentile}: above 50 and at most 100 are allowed")


def activation(spread: Spread, bits: int, rule: Rule, *, within: float = np.inf) -> Integer:
    """The element of an activation; no number beyond `within` in magnitude matters to who reads it."""
    low, high = ends(spread, bits, rule)
    low, high = max(low, -within), min(high, within)
    if rule.form == "power_of_two":
        if rule.method in ("mse", "kl"):
            return _best_power(spread, bits, rule, low, high)
        return _power(low, high, bits, signed=low < 0)
    return _affine(low, high, bits)


def ends(spread: Spread, bits: int, rule: Rule) -> tuple[float, float]:
    """The numbers between which nothing is clipped, 0 among them; mse and kl narrow them in the float form."""
    low, high = (min(spread.low, 0.0), max(spread.high, 0.0)) if spread.total else (0.0, 0.0)
    if rule.method == "percentile" and spread.total:
        rest = (1 - rule.percentile / 100) / 2
        return min(spread.quantile(rest), 0.0), max(spread.quantile(1 - rest), 0.0)
    if rule.form == "power_of_two" or not spread.counts.any():
        return low, high
    if rule.method == "mse":
        return _drawn(spread, low, high, bits)
    if rule.method == "kl":
        largest = threshold(spread, 1 << (bits - 1 if low < 0 else bits))
        return max(low, -largest), min(high, largest)
    return low, high


def _drawn(spread: Spread, low: float, high: float, bits: int) -> tuple[float, float]:
    """Both ends drawn in to the share with the least squared error: every eighth is tried, then its neighbours."""

    def judge(place: int) -> float:
        return error(spread, _affine(low * DRAWN[place], high * DRAWN[place], bits))

    coarse = min(range(0, len(DRAWN), 8), key=judge)
    best = min(range(max(coarse - 7, 0), min(coarse + 8, len(DRAWN))), key=judge)
    return low * DRAWN[best], high * DRAWN[best]


def error(spread: Spread, element: Integer) -> float:
    """The summed squared error of quantising every counted number: bins by their centre, or s^2/12 where the scale is
    hardly wider than a bin."""
    x, n = spread.filled()
    s, z = element.scale[0], element.zero_point
    stored = np.rint(x / s)
    kept = np.clip(stored, element.low - z, element.high - z)
    square = (kept * s - x) ** 2
    if s < 4 * spread.width:
        square = np.where(stored == kept, s * s / 12, square)
    return float((n * square).sum())


def divergence(magnitudes: NDArray[np.int64], bins: int, levels: int) -> float:
    """sum p log(p/q) of |x| clipped at `bins` bins (p) and of that in `levels` integers, spread over their bins (q).

    `bins` is a multiple of `levels`. What is clipped counts in the last bin of p, and in no bin of q.
    """
    inside = np.zeros(bins)
    kept = min(bins, len(magnitudes))
    inside[:kept] = magnitudes[:kept]
    p = inside.copy()
    p[-1] += magnitudes[kept:].sum()
    filled = (inside > 0).reshape(levels, -1)
    sums, several = inside.reshape(levels, -1).sum(axis=1), np.maximum(filled.sum(axis=1), 1)
    q = np.where(filled, (sums / several)[:, None], 0.0).reshape(-1)
    there = p > 0
    if not q.any():
        return np.inf
    shares, others = p[there] / p.sum(), np.maximum(q[there] / q.sum(), SMOOTHING)
    return float((shares * np.log(shares / others)).sum())


def threshold(spread: Spread, levels: int) -> float:
    """The largest magnitude that kl keeps: the best multiple of `levels` bins; all where bins are too few."""
    largest = max(-spread.low, spread.high)
    magnitudes = spread.magnitudes()
    choices = [bins for bins in range(levels, SIDE + 1, levels) if bins * spread.width < largest]
    every = ceil(largest / spread.width / levels) * levels
    best = min([every, *reversed(choices)], key=lambda bins: divergence(magnitudes, bins, levels))
    return min(largest, best * spread.width)


def _best_power(spread: Spread, bits: int, rule: Rule, low: float, high: float) -> Integer:
    first = _power(low, high, bits, signed=low < 0)
    choices = [first] + [_scaled(first, 0.5**step) for step in range(1, EXPONENTS)]
    if rule.method == "mse":
        return min(choices, key=lambda element: error(spread, element))
    levels = first.high + 1
    judged = [(e, round(e.scale[0] * levels / spread.width)) for e in choices]
    fair = [(e, bins) for e, bins in judged if levels <= bins <= 4 * SIDE]
    magnitudes = spread.magnitudes()
    return min(fair, key=lambda pair: divergence(magnitudes, pair[1], levels))[0] if fair else first


def _power(low: float, high: float, bits: int, *, signed: bool) -> Integer:
    """The smallest power of two that clips nothing between `low` and `high`."""
    element = Integer(bits=bits, signed=signed)
    need = max(high / element.high, low / element.low if signed else 0.0)
    return _scaled(element, power_above(need) if need else 2.0 ** -(bits - signed))


def power_above(value: float) -> float:
    """The smallest power of two that is not below `value`, inside float32."""
    mantissa, exponent = frexp(max(value, LEAST_SCALE))
    return ldexp(1.0, exponent - (mantissa == 0.5))


def _scaled(element: Integer, by: float) -> Integer:
    return Integer(bits=element.bits, signed=element.signed, scale=(element.scale[0] * by,))


def _affine(low: float, high: float, bits: int) -> Integer:
    most = (1 << bits) - 1
    scale = single(max((high - low) / most, LEAST_SCALE) if high > low else 1.0 / most)
    return Integer(bits=bits, signed=False, scale=(scale,), zero_point=min(most, max(0, round(-low / scale))))


def weight(
    data: NDArray[np.floating], bits: int, rule: Rule, *, axis: int | None, least: NDArray[np.float64]
) -> Integer:
    """The element of weights, one scale or one per index of `axis`; none below `least` (of one entry, or of each)."""
    rows = data.reshape(1, -1) if axis is None else np.moveaxis(data, axis, 0).reshape(data.shape[axis], -1)
    wide = np.asarray(rows, np.float64)
    most = max((1 << (bits - 1)) - 1, 1)
    largest = np.abs(wide).max(axis=1)
    whole = np.where(largest > 0, largest, largest.max() or 1.0) / most
    if rule.form == "power_of_two":
        scales = np.array([power_above(s) for s in whole])
        choices = [scales * 0.5**step for step in range(EXPONENTS)]
        smallest = np.array([power_above(s) for s in least])
    else:
        choices = [whole * f for f in DRAWN[:80]]
        smallest = least
    if rule.method == "min_max":
        choices = choices[:1]
    best = _least_error(wide, choices, most)
    found = tuple(single(s) for s in np.maximum(best, np.maximum(smallest, LEAST_SCALE)))
    return Integer(bits=bits, signed=True, scale=found, axis=axis)


def _least_error(rows: NDArray[np.float64], choices: list[NDArray[np.float64]], most: int) -> NDArray[np.float64]:
    """Of each row the first of its scales with the least squared error."""
    if len(choices) == 1:
        return choices[0]

    def squares(scales: NDArray[np.float64]) -> NDArray[np.float64]:
        s = scales[:, None]
        return np.asarray(((np.clip(np.rint(rows / s), -most, most) * s - rows) ** 2).sum(axis=1))

    errors = np.stack([squares(scales) for scales in choices])
    return np.asarray(np.stack(choices)[errors.argmin(axis=0), np.arange(len(rows))])


def single(value: float) -> float:
    """`value` as the nearest float32."""
    return float(np.float32(value))
