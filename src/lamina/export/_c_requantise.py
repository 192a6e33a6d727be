"""The end of every integer operation in C: from an exact sum to the stored integer of the result.

    power_of_two   a shift rounded half to even; one shift, or a table with one per channel
    float          rint((float)a * m): one m, or a table
    truncate       an arithmetic shift

Each is an expression in `a` (the sum) and `k` (the channel). Sums of 32 bits with shifts of 1 to 30 stay in 32 bits,
anything else is done in 64, which the network's checker has proven to be enough. `ir.integers` is the definition.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lamina.export._c_text import ctype, real, whole
from lamina.ir import integers as rules
from lamina.ir.integers import Quantised
from lamina.ir.network import Array

_BELOW_ONE = 0.99
_HALF = 2**30
_WORD = 31  # bits of a result whose offset leaves room in 32
WIDE = 2**63
_NARROW = 16  # results of up to so many bits are exact floats with room to spare


@dataclass(frozen=True, kw_only=True, slots=True)
class Finish:
    expression: str  # the stored integer, already of the result's C type
    stored: Mapping[str, Array] = field(default_factory=dict)  # tables it indexes by k
    helpers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Rounded:
    """An integer expression, of 32 bits where it is below 2^30, so that another may be added."""

    text: str
    helpers: tuple[str, ...] = ()
    bits: int = 64


def by_multiplier(m: NDArray[np.float32], y: Quantised, *, bits: int, low: int, high: int, prefix: str) -> Finish:
    """clip(rint((float)a m) + zero point), within low..high, with one m or one per channel; a has `bits` bits."""
    table: dict[str, Array] = {} if (m == m[0]).all() else {"multiplier": m}
    factor = "multiplier[k]" if table else real(m[0])
    if bits == 32 and y.bits <= _NARROW and m.max() < _BELOW_ONE:  # the product fits int32: compilers do eight at once
        value = f"(int32_t)rintf((float)a * {factor}){plus(y.zero_point)}"
        text = clipped(value, y, width=32, low=low, high=high, prefix=prefix)
        return Finish(expression=text, stored=table, helpers=("clip32",))
    expression, helpers = nearest(f"(float)a * {factor}", y, low=low, high=high, prefix=prefix)
    return Finish(expression=expression, stored=table, helpers=helpers)


def by_shift(shifts: list[int], y: Quantised, *, rounding: str, bits: int, low: int, high: int, prefix: str) -> Finish:
    """clip(round(a / 2^shift) + zero point), within low..high, with one shift or one per channel; a has `bits` bits."""
    least, most = min(shifts), max(shifts)
    table: dict[str, Array] = {} if least == most else {"shift": np.array(shifts, np.int8)}
    k = "shift[k]" if table else str(least)
    width = 32 if bits <= 32 and y.bits <= _NARROW and least >= 1 and most <= 30 else 64
    helper = f"{'floor' if rounding == 'truncate' else 'round'}_shift{width}"
    value = f"{prefix}_{helper}(a, {k}){plus(y.zero_point)}"
    return Finish(
        expression=clipped(value, y, width=width, low=low, high=high, prefix=prefix),
        stored=table,
        helpers=(helper, f"clip{width}"),
    )


def nearest(value: str, y: Quantised, *, low: int, high: int, prefix: str) -> tuple[str, tuple[str, ...]]:
    """clip(rint(value) + zero point) of a float expression, and the helpers it needs."""
    if y.bits <= _NARROW:
        bounds = f"{real(low - y.zero_point)}, {real(high - y.zero_point)}"
        return f"({ctype(y.storage)})({prefix}_nearest32({value}, {bounds}){plus(y.zero_point)})", ("nearest32",)
    inner = f"{prefix}_nearest64({value}){plus(y.zero_point)}"
    return clipped(inner, y, width=64, low=low, high=high, prefix=prefix), ("nearest64", "clip64")


def clipped(value: str, y: Quantised, *, width: int, low: int, high: int, prefix: str) -> str:
    """`value` clipped to low..high and converted to the result's type."""
    return f"({ctype(y.storage)}){prefix}_clip{width}({value}, {whole(low)}, {whole(high)})"


def rescaled(
    value: str, x: Quantised, y: Quantised, *, rounding: str, divisor: int, prefix: str, reach: int = WIDE
) -> Rounded:
    """`value`, an exact centred sum up to `reach` at scale s_x over `divisor`, rounded to scale s_y."""
    if rounding == "float":
        return _multiplied(value, float(rules.rescale_multiplier(x, y, divisor)), prefix, reach)
    shift = rules.exponent(y.scale[0]) - rules.exponent(x.scale[0])
    by = divisor << max(shift, 0)
    if by & (by - 1) == 0:
        return _shifted(value, by.bit_length() - 1 - max(-shift, 0), rounding, prefix, reach)
    numerator = f"(int64_t){value} * {whole(1 << -shift)}" if shift < 0 else value
    helper = "floor_divide" if rounding == "truncate" else "divide"
    return Rounded(text=f"{prefix}_{helper}({numerator}, {whole(by)})", helpers=(helper,))


def averaged(value: str, count: str, x: Quantised, y: Quantised, *, rounding: str, prefix: str) -> Rounded:
    """As `rescaled`, with a divisor that C counts: an expression of type int."""
    if rounding == "float":
        factor = f"({real(x.scale[0])} / (float){count} / {real(y.scale[0])})"
        return Rounded(text=f"{prefix}_nearest64((float){value} * {factor})", helpers=("nearest64",))
    shift = rules.exponent(y.scale[0]) - rules.exponent(x.scale[0])
    helper = "floor_divide" if rounding == "truncate" else "divide"
    numerator, divisor = whole(1 << max(-shift, 0)), whole(1 << max(shift, 0))
    text = f"{prefix}_{helper}((int64_t){value} * {numerator}, (int64_t){count} * {divisor})"
    return Rounded(text=text, helpers=(helper,))


def product(value: str, a: Quantised, b: Quantised, y: Quantised, rounding: str, prefix: str, reach: int) -> Rounded:
    """`value`, an exact product of centred integers up to `reach`, rounded to scale s_y."""
    if rounding == "float":
        return _multiplied(value, float(rules.multipliers(a, b, y)[0]), prefix, reach)
    return _shifted(value, int(rules.accumulator_exponents(a, b, y)[0]), rounding, prefix, reach)


def centred_reach(x: Quantised) -> int:
    """The largest centred integer of `x`, either way."""
    return max(x.high - x.zero_point, x.zero_point - x.low)


def _multiplied(value: str, m: float, prefix: str, reach: int) -> Rounded:
    text = f"(float){value} * {real(m)}"
    if reach * m < _HALF:
        return Rounded(text=f"(int32_t)rintf({text})", bits=32)
    return Rounded(text=f"{prefix}_nearest64({text})", helpers=("nearest64",))


def _shifted(value: str, shift: int, rounding: str, prefix: str, reach: int) -> Rounded:
    kind = "floor" if rounding == "truncate" else "round"
    if shift <= 0 and reach << -shift < _HALF:
        return Rounded(text=value if shift == 0 else f"{value} * {1 << -shift}", bits=32)
    width = 32 if 1 <= shift <= 30 and reach < 2 * _HALF else 64
    helper = f"{kind}_shift{width}"
    return Rounded(text=f"{prefix}_{helper}({value}, {shift})", helpers=(helper,), bits=width)


def saturated(
    value: str, y: Quantised, prefix: str, bounds: tuple[float, float] | None = None, *, bits: int = 64
) -> tuple[str, tuple[str, ...]]:
    """A sum of centred integers, offset and clipped to `y`, or to `bounds` inside it; and the helper it needs."""
    low, high = (y.low, y.high) if bounds is None else (int(bounds[0]), int(bounds[1]))
    width = 32 if bits == 32 and y.bits < _WORD else 64
    text = clipped(f"{value}{plus(y.zero_point)}", y, width=width, low=low, high=high, prefix=prefix)
    return text, (f"clip{width}",)


def plus(value: int) -> str:
    """` + value` as C, nothing for 0."""
    return "" if value == 0 else f" {'-' if value < 0 else '+'} {whole(abs(value))}"
