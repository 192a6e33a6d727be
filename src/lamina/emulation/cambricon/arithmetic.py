"""What Cambricon's instructions compute, on stored integers; left out: how a circuit gets there (CORDIC, carry chains).

An element is 16 bits, real = stored / 2^f (f fraction bits, 10 unless told: Q6.10). One rule for all: the exact result
is rounded half to even, once, and saturated to 16 bits. The paper does not print its rounding: assumed, the house rule.

    product   round(a b / 2^f)          sum of products   round((sum of a b) / 2^f), the sum exact
    quotient  round(a 2^f / b)          b = 0: the largest number with the sign of a; 0 / 0 = 0
    exp, log  round(2^f e^(x / 2^f)), round(2^f ln(x / 2^f)); ln of zero and below: the lowest number
    truth     2^f (1.0) for vectors, 1 for scalars; everything but 0 counts as true

Where exp or log comes near to a half, `decimal` decides, whose exp and ln are correctly rounded: no maths library does.
Scalars are 32-bit integers and wrap. Shapes: vectors [n], matrices as vectors of their rows; arrays are int64 here.
"""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput
from lamina.ir import integers as rules
from lamina.ir.operators.random import philox

Ints = NDArray[Any]

BITS = 16
LOW, HIGH = -(2 ** (BITS - 1)), 2 ** (BITS - 1) - 1
MOST_FRACTION_BITS = 14  # 1.0 must be a number
_DOUBT = 1e-4  # far above what any maths library errs by, 10^-10 of these numbers
_CONTEXT = Context(prec=28)


def saturate(a: Ints) -> Ints:
    """`a` held inside 16 bits."""
    return np.asarray(np.clip(a, LOW, HIGH))


def wrap(a: int) -> int:
    """`a` as a 32-bit register holds it."""
    return (a + 2**31) % 2**32 - 2**31


def product(a: Ints, b: Ints | int, fraction_bits: int) -> Ints:
    """round(a b / 2^f), element by element."""
    return saturate(rules.shift_half_even(np.asarray(a * b), fraction_bits))


def dot(matrix: Ints, vector: Ints, fraction_bits: int) -> Ints:
    """round(matrix vector / 2^f): [m, n] by [n] to [m]; 2^22 products of 2^30 are exact in float64, in any order."""
    sums = (matrix.astype(np.float64) @ vector.astype(np.float64)).astype(np.int64)
    return saturate(rules.shift_half_even(sums, fraction_bits))


def quotient(a: Ints, b: Ints, fraction_bits: int) -> Ints:
    """round(a 2^f / b), element by element."""
    safe = np.where(b == 0, 1, np.abs(b))
    floor, rest = np.divmod((a << fraction_bits) * np.where(b < 0, -1, 1), safe)
    up = (2 * rest > safe) | ((2 * rest == safe) & (floor & 1 == 1))
    return saturate(np.where(b == 0, np.sign(a) * 2**BITS, floor + up))


@lru_cache(maxsize=32)
def exponential(fraction_bits: int) -> Ints:
    """Table [65536] of e^x, entry x - LOW."""
    one = 2**fraction_bits
    x = np.arange(LOW, HIGH + 1)
    inside = x / one < 12  # e^12 is more than any format holds
    return _frozen(np.where(inside, _settle(np.exp(np.minimum(x / one, 12)) * one, x, one, _CONTEXT.exp), HIGH))


@lru_cache(maxsize=32)
def logarithm(fraction_bits: int) -> Ints:
    """Table [65536] of ln x, entry x - LOW."""
    one = 2**fraction_bits
    x = np.arange(1, HIGH + 1)
    return _frozen(np.concatenate([np.full(1 - LOW, LOW), _settle(np.log(x / one) * one, x, one, _CONTEXT.ln)]))


def _settle(near: NDArray[np.float64], x: Ints, one: int, exact: Callable[[Decimal], Decimal]) -> Ints:
    """`near` rounded and saturated; where it is within 10^-4 of a half, `exact` of x / one decides."""
    rounded = np.rint(near).astype(np.int64)
    for index in np.flatnonzero(np.abs(np.abs(near - np.floor(near)) - 0.5) < _DOUBT):
        real = exact(_CONTEXT.divide(Decimal(int(x[index])), Decimal(one))) * one
        rounded[index] = int(real.to_integral_value(ROUND_HALF_EVEN))
    return saturate(rounded)


def _frozen(table: Ints) -> Ints:
    table.setflags(write=False)
    return table


def exp(x: Ints, fraction_bits: int) -> Ints:
    """e^x, correctly rounded."""
    return np.asarray(exponential(fraction_bits)[x - LOW])


def log(x: Ints, fraction_bits: int) -> Ints:
    """ln x, correctly rounded; the lowest number where there is none."""
    return np.asarray(logarithm(fraction_bits)[x - LOW])


def truth(condition: Ints, fraction_bits: int) -> Ints:
    """1.0 where it holds, else 0."""
    return np.where(condition, 2**fraction_bits, 0)


def uniform(size: int, key: int, stream: int, fraction_bits: int) -> Ints:
    """`size` numbers in [0, 1]: what `ir`'s `uniform` gives for `key` and `stream`, quantised.

    The paper asks for a uniform vector and names no generator: Philox is ours, so that a run can be repeated.
    """
    blocks = np.arange(-(-size // 4), dtype=np.uint64)
    fill = [np.full_like(blocks, word) for word in (0, stream & 0xFFFFFFFF, stream >> 32)]
    words = philox(np.stack([blocks, *fill], axis=-1), (key & 0xFFFFFFFF, key >> 32 & 0xFFFFFFFF))
    top = (words.reshape(-1)[:size] >> np.uint64(8)).astype(np.int64)
    return rules.shift_half_even(top, 24 - fraction_bits)


def scalar_quotient(a: int, b: int) -> int:
    """a / b towards zero; raises `BadInput` for b = 0."""
    if b == 0:
        raise BadInput(f"SDIV divides {a} by 0")
    return wrap(abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1))
