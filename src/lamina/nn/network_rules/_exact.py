"""INTERFACE section 5 on tensors: requantisation and rescaling of exact sums, rounded half to even.

    requantise   power_of_two   round(a 2^-k)        truncate   floor(a 2^-k)        float   round(float32(a) m)
    rescale      the same for one operand: m = (s_x / divisor) / s_y, and k from s_y / s_x

Sums lie in float64 while they stay below 2^52 (a power of two scales them exactly, a quotient by an integer is at least
1/(2 divisor) away from a tie that it is not: far more than the division's error), else in int64. Multipliers are
computed by `ir.integers`, the one definition.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lamina.ir import integers as rules
from lamina.ir.integers import Quantised
from lamina.nn.network_rules._rule import held

EXACT = 2**52  # integers of float64 that may also be halved
_SATURATED = 2.0**62  # where `ir.integers` holds a rounded float


def reach(of: Quantised) -> int:
    """The largest |q - z|."""
    return max(of.high - of.zero_point, of.zero_point - of.low)


def carried(bound: int, *tensors: Tensor) -> list[Tensor]:
    """`tensors` in the type whose sums up to `bound` are exact."""
    return [t.to(torch.float64 if bound < EXACT else torch.int64) for t in tensors]


def clipped(scaled: Tensor, to: Quantised) -> Tensor:
    """clip(scaled + z) as numbers of `to`."""
    return (scaled.to(held(to)) + to.zero_point).clamp(to.low, to.high)


def requantise(
    a: Tensor, x: Quantised, w: Quantised, y: Quantised, rounding: str, *, axis: int = 0, shifted: int = 0
) -> Tensor:
    """Sums `a` at scale s_x s_w as numbers of `y`; see `ir.integers.requantise`."""
    along = [1] * a.ndim
    if len(w.scale) > 1:
        along[axis] = -1
    if rounding == "float":
        return clipped(_nearest(a.to(torch.float32) * _multipliers(x, w, y).reshape(along)), y)
    shifts, factors = _shifts(x, w, y, shifted)
    if a.dtype == torch.int64:
        return clipped(_shifted(a, shifts.reshape(along), rounding), y)
    scaled = a * factors.reshape(along)
    return clipped(torch.floor(scaled) if rounding == "truncate" else torch.round(scaled), y)


def rescale(q: Tensor, x: Quantised, y: Quantised, rounding: str, *, most: int, divisor: int = 1) -> Tensor:
    """(q - z_x divisor) s_x / divisor at scale s_y, neither offset nor clipped; `most` bounds |q - z_x divisor|.

    See `ir.integers.rescale`. The result lies in the type in which it was computed.
    """
    if rounding == "float":
        (q,) = carried(most, q)
        m = torch.tensor(rules.rescale_multiplier(x, y, divisor))
        return _nearest((q - x.zero_point * divisor).to(torch.float32) * m)
    shift = rules.exponent(y.scale[0]) - rules.exponent(x.scale[0])
    (q,) = carried(most << max(-shift, 0), q)
    numerator, denominator = (q - x.zero_point * divisor) * 2 ** max(-shift, 0), divisor << max(shift, 0)
    if q.dtype == torch.float64:
        quotient = numerator / float(denominator)
        return torch.floor(quotient) if rounding == "truncate" else torch.round(quotient)
    return _divided(numerator, torch.tensor(denominator), rounding)


def _nearest(real: Tensor) -> Tensor:
    """The nearest integer of a float32, halves to even, as float64."""
    return torch.round(real.clamp(-_SATURATED, _SATURATED)).to(torch.float64)


def _divided(a: Tensor, divisor: Tensor, rounding: str) -> Tensor:
    """a / divisor on int64, rounded half to even, or down."""
    floor = torch.div(a, divisor, rounding_mode="floor")
    if rounding == "truncate":
        return floor
    rest = a - floor * divisor
    above = rest > divisor - rest
    return floor + (above | ((rest == divisor - rest) & (floor & 1 == 1))).to(torch.int64)


def _shifted(a: Tensor, shifts: Tensor, rounding: str) -> Tensor:
    """a / 2^shifts on int64; negative shifts multiply."""
    left, right = (-shifts).clamp(0, 31), shifts.clamp(0, 62)
    return _divided(a << left, torch.ones_like(right) << right, rounding)


@lru_cache(maxsize=4096)
def _multipliers(x: Quantised, w: Quantised, y: Quantised) -> Tensor:
    return torch.from_numpy(rules.multipliers(x, w, y))


@lru_cache(maxsize=4096)
def _shifts(x: Quantised, w: Quantised, y: Quantised, shifted: int) -> tuple[Tensor, Tensor]:
    """The right shifts of the channels, and 2^-shift."""
    shifts = rules.accumulator_exponents(x, w, y) - shifted
    return torch.from_numpy(shifts), torch.from_numpy(np.ldexp(1.0, -shifts))
