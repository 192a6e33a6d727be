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


def clip(a: Ints, to: Quantised) -> Ints:
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
    product = np.float32(x.scale[0]) * np.array(w.scale, np.float32)
    return np.asarray(product / np.float32(y.scale[0]), np.float32)


def requantise(
    a: Ints, x: Quantised, w: Quantised, y: Quantised, rounding: str, *, axis: int, shifted: int = 0
) -> Ints:
    """Accumulators `a` at scale s_x s_w, channels along `axis`, to the integers of `y`.

    `shifted` bits have been shifted out of the accumulators already (truncated products).
    """
    along = [1] * a.ndim
    along[axis] = -1
    if rounding == "float":
        m = multipliers(x, w, y).reshape(along if len(w.scale) > 1 else [1] * a.ndim)
        return clip(np.rint(a.astype(np.float32) * m).astype(np.int64) + y.zero_point, y)
    shift = accumulator_exponents(x, w, y).reshape(along if len(w.scale) > 1 else [1] * a.ndim) - shifted
    if rounding == "truncate":
        return clip(np.where(shift < 0, a << np.clip(-shift, 0, 31), a >> np.clip(shift, 0, 62)), y)
    return clip(shift_half_even(a, shift) + y.zero_point, y)


def rescale(q: Ints, x: Quantised, y: Quantised, rounding: str, *, divisor: int = 1) -> Ints:
    """(q - z_x) s_x / divisor as an integer at scale s_y, not yet offset or clipped: an exact sum's one requantisation.

    power_of_two: the rational number is rounded once; float: rint(float32(q - z_x) * ((s_x / divisor) / s_y)).
    """
    centred = q - x.zero_point * divisor
    if rounding == "float":
        m = (np.float32(x.scale[0]) / np.float32(divisor)) / np.float32(y.scale[0])
        return np.asarray(np.rint(centred.astype(np.float32) * m), np.int64)
    shift = exponent(y.scale[0]) - exponent(x.scale[0])
    numerator = centred << max(-shift, 0)
    if rounding == "truncate":
        return np.asarray(np.floor_divide(numerator, divisor << max(shift, 0)))
    return divide_half_even(numerator, divisor << max(shift, 0))


def quantise(real: NDArray[Any], to: Quantised) -> Ints:
    """clip(rint(real / s) + z), divided in float32 as ONNX's QuantizeLinear does; NaN raises `BadInput`."""
    if np.isnan(real).any():
        raise BadInput("NaN cannot be quantised: the input of the network is not finite")
    scaled = real.astype(np.float32) / np.float32(to.scale[0])
    return clip(np.rint(np.clip(scaled, -(2.0**53), 2.0**53)).astype(np.int64) + to.zero_point, to)


def dequantise(q: Ints, of: Quantised) -> NDArray[np.float32]:
    """s (q - z) in float32."""
    return (q - of.zero_point).astype(np.float32) * np.float32(of.scale[0])


def accumulator_bound(weights: Ints, bias: Ints | None, x: Quantised) -> int:
    """The largest |sum (x - z) w + b| any input can give; weights [k, ...], bias [k]."""
    reach = max(abs(x.low - x.zero_point), abs(x.high - x.zero_point))
    rows = np.abs(weights.reshape(len(weights), -1)).sum(axis=1) * reach
    if bias is not None:
        rows = rows + np.abs(bias)
    return int(rows.max(initial=0))


def accumulator_bits(x: Type, w: Type) -> int:
    """The accumulator's width by INTERFACE section 5: 32 up to 8-bit operands, 64 above."""
    return 32 if max(x.element.bits, w.element.bits) <= 8 else 64
