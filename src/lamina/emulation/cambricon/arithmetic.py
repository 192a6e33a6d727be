"""What Cambricon's instructions compute, on stored integers; left out: how a circuit gets there (CORDIC, carry chains).

An element is 16 bits, real = stored / 2^f (f fraction bits, 10 unless told: Q6.10). One rule for all: the exact result
is rounded half to even, once, and saturated to 16 bits. The paper does not print its rounding: assumed, the house rule.

    product   round(a b / 2^f)          sum of products   round((sum of a b) / 2^f), the sum exact
    quotient  round(a 2^f / b)          b = 0: the largest number with the sign of a; 0 / 0 = 0
    exp, log  round(2^f e^(x / 2^f)), round(2^f ln(x / 2^f)); ln of zero and below: the lowest number
    truth     2^f (1.0) for vectors, 1 for scalars; everything but 0 counts as true

Tables of exp and log are made with `decimal`, whose exp and ln are correctly rounded: no maths library decides a bit.
Scalars are 32-bit integers and wrap. Shapes: vectors [n], matrices as vectors of their rows; arrays are int64 here.
"""

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
_CONTEXT = Context(prec=28)  # no e^q or ln q of these is nearer to a half than 10^-16


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
    """round(matrix vector / 2^f): [m, n] by [n] to [m]; sums are exact (float64 of integers below 2^53)."""
    if vector.size < 2**22:
        sums = (matrix.astype(np.float64) @ vector.astype(np.float64)).astype(np.int64)
    else:
        sums = matrix @ vector
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
    table = np.zeros(2**BITS, np.int64)
    for x in range(LOW, HIGH + 1):
        if x > 0 and x / one > 12:  # e^12 > 2^15 = the most any format holds
            table[x - LOW :] = HIGH
            break
        if x / one > -12:  # below, e^x 2^14 rounds to 0
            table[x - LOW] = min(HIGH, _rounded(_CONTEXT.exp(_real(x, one)) * one))
    return _frozen(table)


@lru_cache(maxsize=32)
def logarithm(fraction_bits: int) -> Ints:
    """Table [65536] of ln x, entry x - LOW."""
    one = 2**fraction_bits
    table = np.full(2**BITS, LOW, np.int64)
    for x in range(1, HIGH + 1):
        table[x - LOW] = min(HIGH, max(LOW, _rounded(_CONTEXT.ln(_real(x, one)) * one)))
    return _frozen(table)


def _real(x: int, one: int) -> Decimal:
    return _CONTEXT.divide(Decimal(x), Decimal(one))


def _rounded(x: Decimal) -> int:
    return int(x.to_integral_value(ROUND_HALF_EVEN))


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
