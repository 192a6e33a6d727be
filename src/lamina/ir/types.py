"""Types of values: a shape, what one element means, and how zeros and repeats are stored.

    f32[1,6,28,28]                      floating point
    u8(scale=2^-8)[1,1,28,28]           integer: real value = scale * (stored - zero)
    i8(scale=[2^-7,2^-6],axis=0)[2,9]   one scale per output channel
    q6.10[1,16]                         fixed point: sign, 5 more integer bits, 10 fraction bits; real = stored / 2^10
    u1[4] i64[4]                      truth values; places and token ids (scale 1: plain integers)
    f32[500,800] sparse codebook(5)     zeros are not stored, the others are one of 2^5 values

Element types say what a stored number means, never how many bytes a machine moves: that is `bits`.
Scales are float32 values (INTERFACE, section 5); a power of two prints as one.
"""

from dataclasses import dataclass
from math import frexp, ldexp, prod

import numpy as np
from numpy.typing import DTypeLike

from lamina.core.errors import BadInput


@dataclass(frozen=True, kw_only=True, slots=True)
class Float:
    bits: int = 32  # 32 or 64

    def __str__(self) -> str:
        return f"f{self.bits}"

    @property
    def storage(self) -> DTypeLike:
        return np.float64 if self.bits == 64 else np.float32


@dataclass(frozen=True, kw_only=True, slots=True)
class Integer:
    """real = scale * (stored - zero_point); `scale` has one entry, or one per index of `axis`."""

    bits: int = 8  # 1..64, unsigned 1..63
    signed: bool = True
    scale: tuple[float, ...] = (1.0,)
    zero_point: int = 0
    axis: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 64:
            raise BadInput(f"an integer of {self.bits} bits: 1 to 64 are allowed")
        if self.bits == 64 and not self.signed:
            raise BadInput("an unsigned integer of 64 bits: arithmetic is in int64, at most 63 bits fit")
        scales = np.asarray(self.scale, np.float64)
        with np.errstate(over="ignore", under="ignore"):
            if not ((scales > 0) & np.isfinite(scales) & (scales.astype(np.float32) == scales)).all():
                raise BadInput("a scale is positive, finite and a float32 value")
        if (self.axis is None) != (len(self.scale) == 1) and self.axis is None:
            raise BadInput(f"{len(self.scale)} scales without an axis")
        if not self.low <= self.zero_point <= self.high:
            raise BadInput(f"zero point {self.zero_point} is outside {self.low}..{self.high}")

    @property
    def low(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        return (1 << (self.bits - 1 if self.signed else self.bits)) - 1

    @property
    def storage(self) -> DTypeLike:
        width = next(w for w in (8, 16, 32, 64) if self.bits <= w)
        return np.dtype(f"{'i' if self.signed else 'u'}{width // 8}")

    def __str__(self) -> str:
        parts = []
        if self.axis is not None:
            parts = [f"scale=[{','.join(map(number, self.scale))}]", f"axis={self.axis}"]
        elif self.scale != (1.0,):
            parts = [f"scale={number(self.scale[0])}"]
        if self.zero_point:
            parts.append(f"zero={self.zero_point}")
        return f"{'i' if self.signed else 'u'}{self.bits}" + (f"({','.join(parts)})" if parts else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fixed:
    """Signed fixed point Qm.n, m integer bits with the sign, n fraction bits: real = stored / 2^n."""

    integer_bits: int = 6
    fraction_bits: int = 10

    def __post_init__(self) -> None:
        if self.integer_bits < 1 or self.fraction_bits < 0 or self.bits > 64:
            raise BadInput(f"fixed point {self}: at least 1 integer bit, at least 0 fraction bits, at most 64 together")

    @property
    def bits(self) -> int:
        return self.integer_bits + self.fraction_bits

    @property
    def low(self) -> int:
        return -(1 << (self.bits - 1))

    @property
    def high(self) -> int:
        return (1 << (self.bits - 1)) - 1

    @property
    def scale(self) -> tuple[float, ...]:
        return (2.0**-self.fraction_bits,)

    @property
    def zero_point(self) -> int:
        return 0

    @property
    def axis(self) -> None:
        return None

    @property
    def storage(self) -> DTypeLike:
        return np.dtype(f"i{next(w for w in (8, 16, 32, 64) if self.bits <= w) // 8}")

    def __str__(self) -> str:
        return f"q{self.integer_bits}.{self.fraction_bits}"


Element = Float | Integer | Fixed
FLOAT32 = Float()
BOOL = Integer(bits=1, signed=False)  # 0 and 1, a byte each in memory
INDEX = Integer(bits=64)  # places and token ids: plain integers


@dataclass(frozen=True, kw_only=True, slots=True)
class Type:
    shape: tuple[int, ...]
    element: Element = FLOAT32
    sparse: bool = False  # zeros are not stored
    codebook_bits: int | None = (
        None  # the stored values (the non-zero ones when sparse) are at most 2**bits different ones
    )

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def bits(self) -> int:
        """Bits of one element as a machine without decoder moves it."""
        return self.element.bits

    @property
    def bytes(self) -> float:
        return self.size * self.bits / 8

    def with_shape(self, shape: tuple[int, ...]) -> "Type":
        return Type(shape=shape, element=self.element, sparse=self.sparse, codebook_bits=self.codebook_bits)

    def __str__(self) -> str:
        coding = (" sparse" if self.sparse else "") + (f" codebook({self.codebook_bits})" if self.codebook_bits else "")
        return f"{self.element}[{','.join(map(str, self.shape))}]{coding}"


def number(value: float) -> str:
    """A float as text that reads back to the same float: powers of two as 2^k, others by their shortest form."""
    if value > 0:
        mantissa, exponent = frexp(value)
        if mantissa == 0.5:
            return f"2^{exponent - 1}"
    return repr(float(value))


def parse_number(text: str) -> float:
    """The inverse of `number`."""
    if text.startswith("2^"):
        exponent = int(text[2:])
        if not -1074 <= exponent <= 1023:
            raise BadInput(f"{text} is outside the range of a float")
        return ldexp(1.0, exponent)
    return float(text)


def is_power_of_two(value: float) -> bool:
    """Whether `value` is 2^k for an integer k."""
    return value > 0 and frexp(value)[0] == 0.5
