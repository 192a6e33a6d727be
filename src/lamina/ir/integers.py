"""Integers: the one definition of rounding, requantisation and accumulation (INTERFACE, section 5).

    real value   r = s (q - z)
    accumulate   a = sum (x - z_x) w + b                                exact; b has scale s_x s_w
    requantise   power_of_two   q = clip(round_half_even(a 2^-k) + z_y)       2^k = s_y / (s_x s_w), an exact shift
                 float          q = clip(rint(float32(a) m) + z_y)            m = (s_x s_w) / s_y, this order, float32
                 truncate       q = clip(floor(a 2^-k))                       what a plain shifter does (DianNao)

Every link of the chain (torch, C, ONNX, emulators, RTL) computes these numbers; this file is what they are compared to.
Arrays are int64 here, so nothing can wrap: `accumulator_bound` proves what width is enough.
"""

from math import frexp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput
from lamina.ir.types import Fixed, Integer, Type, is_power_of_two

Ints = NDArray[np.int64]
Quantised = Integer | Fixed
ROUNDINGS = ("power_of_two", "float", "truncate")
MOST_MULTIPLIER = 2.0**30


def shift_half_even(a: Ints, shift: Ints | int) -> Ints:
    """round_half_even(a / 2^shift) on integers, `shift` in [-31, 62]; negative shifts multiply."""
    shift = np.broadcast_to(np.asarray(shift, np.int64), a.shape)
    right = np.clip(shift, 0, 62)
    floor = a >> right
    rest = a - (floor << right)
    half = np.where(right > 0, np.int64(1) << np.maximum(right - 1, 0), 1)
    up = (rest > half) | ((rest == half) & (floor & 1 == 1) & (right > 0))
    return np.asarray(np.where(shift < 0, a << np.clip(-shift, 0, 31), floor + up))


def divide_half_even(a: Ints, divisor: int) -> Ints:
    """round_half_even(a / divisor) on integers, divisor > 0."""
    floor, rest = np.divmod(a, divisor)
    up = (2 * rest > divisor) | ((2 * rest == divisor) & (floor & 1 == 1))
    return np.asarray(floor + up)


def _rint(real: NDArray[np.float32]) -> Ints:
    """The nearest integer, halves to even; beyond 2^62 it saturates, since no cast may wrap."""
    return np.asarray(np.rint(np.clip(real, -(2.0**62), 2.0**62)), np.int64)


def clip(a: Ints, to: Quantised) -> Ints:
    """`a` held inside the range of the integers of `to`."""
    return np.asarray(np.clip(a, to.low, to.high))


def exponent(scale: float) -> int:
    """k of scale == 2^k; raises `BadInput` when it is no power of two."""
    if not is_power_of_two(scale):
        raise BadInput(
            f"scale {scale!r} is not a power of two, and the power_of_two form needs one: quantise with scales='float'"
        )
    return frexp(scale)[1] - 1


def accumulator_exponents(x: Quantised, w: Quantised, y: Quantised) -> Ints:
    """The shift of each output channel: log2(s_y / (s_x s_w)); one entry, or one per channel."""
    return np.array([exponent(y.scale[0]) - exponent(x.scale[0]) - exponent(s) for s in w.scale], np.int64)


def multipliers(x: Quantised, w: Quantised, y: Quantised) -> NDArray[np.float32]:
    """m of each output channel, left to right in float32."""
    with np.errstate(over="ignore", under="ignore"):
        product = np.float32(x.scale[0]) * np.array(w.scale, np.float32)
        return np.asarray(product / np.float32(y.scale[0]), np.float32)


def rescale_multiplier(x: Quantised, y: Quantised, divisor: int = 1) -> np.float32:
    """m of an average or an addition: (s_x / divisor) / s_y, left to right in float32."""
    with np.errstate(over="ignore", under="ignore"):
        return np.float32((np.float32(x.scale[0]) / np.float32(divisor)) / np.float32(y.scale[0]))


def check_multipliers(m: NDArray[np.float32] | np.float32) -> None:
    """Raise `BadInput` where a multiplier is no positive number up to 2^30: products stay inside int64."""
    if not np.all((np.asarray(m) > 0) & (np.asarray(m) <= MOST_MULTIPLIER)):
        raise BadInput("the scales differ too much: (s_x s_w) / s_y is outside the float32 numbers in (0, 2^30]")


def check_shift(shift: int, reach: int = 1) -> None:
    """Raise `BadInput` where a number up to `reach` cannot be shifted right by `shift` (left if negative) in int64."""
    if not -31 <= shift <= 62 or reach << max(-shift, 0) >= 2**62:
        raise BadInput(f"the scales differ too much: a shift right by {shift} of numbers up to {reach} is not computed")


def requantise(
    a: Ints, x: Quantised, w: Quantised, y: Quantised, rounding: str, *, axis: int = 0, shifted: int = 0
) -> Ints:
    """Accumulators `a` at scale s_x s_w, to the integers of `y`; scales of `w` per channel lie along `axis`.

    `shifted` bits have been shifted out of the accumulators already (truncated products).
    """
    along = [1] * a.ndim
    if len(w.scale) > 1:
        along[axis] = -1
    if rounding == "float":
        m = multipliers(x, w, y).reshape(along)
        return clip(_rint(a.astype(np.float32) * m) + y.zero_point, y)
    shift = accumulator_exponents(x, w, y).reshape(along) - shifted
    if rounding == "truncate":
        return clip(np.where(shift < 0, a << np.clip(-shift, 0, 31), a >> np.clip(shift, 0, 62)), y)
    return clip(shift_half_even(a, shift) + y.zero_point, y)


def rescale(q: Ints, x: Quantised, y: Quantised, rounding: str, *, divisor: int = 1) -> Ints:
    """(q - z_x) s_x / divisor as an integer at scale s_y, not yet offset or clipped: an exact sum's one requantisation.

    power_of_two: the rational number is rounded once; float: rint(float32(q - z_x) * ((s_x / divisor) / s_y)).
    """
    centred = q - x.zero_point * divisor
    if rounding == "float":
        return _rint(centred.astype(np.float32) * rescale_multiplier(x, y, divisor))
    shift = exponent(y.scale[0]) - exponent(x.scale[0])
    numerator = centred << max(-shift, 0)
    if rounding == "truncate":
        return np.asarray(np.floor_divide(numerator, divisor << max(shift, 0)))
    return divide_half_even(numerator, divisor << max(shift, 0))


def quantise(real: NDArray[Any], to: Quantised) -> Ints:
    """clip(rint(real / s) + z), divided in float32 as ONNX's QuantizeLinear does; NaN raises `BadInput`."""
    if np.isnan(real).any():
        raise BadInput("NaN cannot be quantised: the input of the network is not finite")
    with np.errstate(over="ignore"):  # an infinity is clipped like any large number
        scaled = real.astype(np.float32) / np.float32(to.scale[0])
    return clip(_rint(scaled) + to.zero_point, to)


def dequantise(q: Ints, of: Quantised) -> NDArray[np.float32]:
    """s (q - z) in float32."""
    return (q - of.zero_point).astype(np.float32) * np.float32(of.scale[0])


def accumulator_bound(weights: NDArray[Any], bias: Ints | None, x: Quantised, *, shifted: int = 0) -> int:
    """The largest |sum| any input can give, while it is summed in any order and at its end; weights [k, ...], bias [k].

    Exact: products are extreme at an end of the input's range, and some input reaches all of them at once. `shifted`
    bits are dropped from every product (truncated products).
    """
    low, high = x.low - x.zero_point, x.high - x.zero_point  # low <= 0 <= high, so no partial sum is larger
    rows = weights.reshape(len(weights), -1)
    biases = [0] * len(rows) if bias is None else bias.tolist()
    large = max(-int(rows.min()), int(rows.max())) * max(-low, high) * rows.shape[1] >= 2**62
    reach = 0
    step = max(1, 2**20 // rows.shape[1])  # rows at a time: weights are small in memory, their int64 is not
    for start in range(0, len(rows), step):
        some = rows[start : start + step].astype(object if large else np.int64)
        ends = (some * low) >> shifted, (some * high) >> shifted
        most, least = np.maximum(*ends).sum(axis=1).tolist(), np.minimum(*ends).sum(axis=1).tolist()
        for up, down, b in zip(most, least, biases[start : start + step], strict=True):
            reach = max(reach, up, up + b, -down, -(down + b))
    return int(reach)


def accumulator_bits(x: Type, w: Type) -> int:
    """The accumulator's width by INTERFACE section 5: 32 up to 8-bit operands, 64 above."""
    return 32 if max(x.element.bits, w.element.bits) <= 8 else 64
