"""matmul is torch's on floats, a sum of Python integers rounded once on quantised ones; its nest counts its work."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch

from lamina.core.errors import BadInput
from lamina.ir.types import FLOAT32, Element, Fixed, Float, Integer, Type
from tests.ir.apply import apply, built, random_stored, requantised

SHAPES = [
    ((3, 4), (4, 5)),
    ((2, 3, 4), (4, 5)),
    ((3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (1, 5, 4, 2)),
    ((1, 1), (1, 1)),
]
I8 = Integer(bits=8, scale=(2.0**-4,), zero_point=3)
U8 = Integer(bits=8, signed=False, scale=(2.0**-3,), zero_point=100)
OUT = Integer(bits=8, scale=(0.125,), zero_point=-5)


@pytest.mark.parametrize(("a", "b"), SHAPES)
@pytest.mark.parametrize("bits", [32, 64])
def test_floats_are_torchs(a: tuple[int, ...], b: tuple[int, ...], bits: int) -> None:
    rng = np.random.default_rng(len(a))
    x, y = (rng.normal(size=shape).astype(f"f{bits // 8}") for shape in (a, b))
    (found,) = apply("matmul", x, y)
    expected = torch.matmul(torch.tensor(x), torch.tensor(y)).numpy()
    assert found.shape == expected.shape
    assert found.dtype == x.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5 if bits == 32 else 1e-13, atol=1e-6 if bits == 32 else 1e-13)


def _brute(x: np.ndarray, y: np.ndarray, a: Element, b: Element, out: Element, rounding: str) -> tuple[np.ndarray, int]:
    """The product by nested loops over every batch, and how many ties it met."""
    assert not isinstance(a, Float)
    assert not isinstance(b, Float)
    assert not isinstance(out, Float)
    batches = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    x, y = np.broadcast_to(x, (*batches, *x.shape[-2:])), np.broadcast_to(y, (*batches, *y.shape[-2:]))
    found = np.empty((*batches, x.shape[-2], y.shape[-1]), np.int64)
    ties = 0
    for *batch, i, j in product(*map(range, found.shape)):
        row, column = x[(*batch, i)], y[(*batch, slice(None), j)]
        total = sum((int(p) - a.zero_point) * (int(q) - b.zero_point) for p, q in zip(row, column, strict=True))
        if rounding == "float":
            m = np.float32(np.float32(a.scale[0]) * np.float32(b.scale[0])) / np.float32(out.scale[0])
            q = round(float(np.float32(total) * m)) + out.zero_point
            found[(*batch, i, j)] = min(max(q, out.low), out.high)
        else:
            scale = Fraction(a.scale[0]) * Fraction(b.scale[0])
            found[(*batch, i, j)], tie = requantised(total, scale, out, rounding)
            ties += tie
    return found, ties


@pytest.mark.parametrize(("a_shape", "b_shape"), SHAPES)
@pytest.mark.parametrize("rounding", ["power_of_two", "float"])
def test_quantised_operands_with_zero_points(a_shape: tuple[int, ...], b_shape: tuple[int, ...], rounding: str) -> None:
    rng = np.random.default_rng(1)
    wide = Integer(bits=16, scale=(0.375 if rounding == "float" else 0.25,), zero_point=7)
    for out in (OUT, wide):
        x, y = random_stored(rng, a_shape, I8), random_stored(rng, b_shape, U8)
        (found,) = apply("matmul", x, y, elements=[I8, U8], element=out, rounding=rounding)
        np.testing.assert_array_equal(found, _brute(x, y, I8, U8, out, rounding)[0])
        assert found.dtype == np.dtype(out.storage)


def test_ties_go_to_the_even_number() -> None:
    rng = np.random.default_rng(2)
    out = Integer(bits=16, scale=(2.0**-6,), zero_point=1)  # a shift by one: half of all sums are ties
    x, y = random_stored(rng, (6, 3), I8), random_stored(rng, (3, 7), U8)
    expected, ties = _brute(x, y, I8, U8, out, "power_of_two")
    assert ties > 10
    np.testing.assert_array_equal(apply("matmul", x, y, elements=[I8, U8], element=out)[0], expected)


@pytest.mark.parametrize("rounding", ["power_of_two", "truncate"])
def test_fixed_point(rounding: str) -> None:
    rng = np.random.default_rng(3)
    q = Fixed(integer_bits=6, fraction_bits=10)
    x, y = (random_stored(rng, shape, q) // 8 for shape in ((4, 5), (5, 3)))
    (found,) = apply("matmul", x, y, elements=[q, q], element=q, rounding=rounding, accumulator=64)
    np.testing.assert_array_equal(found, _brute(x, y, q, q, q, rounding)[0])


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_the_nest_counts_the_work(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    network = built("matmul", [Type(shape=a), Type(shape=b)])
    (layer,) = network.layers()
    batches = np.broadcast_shapes(a[:-2], b[:-2])
    assert network.macs == int(np.prod(batches)) * a[-2] * a[-1] * b[-1]
    assert layer.outputs == int(np.prod(batches)) * a[-2] * b[-1]
    assert layer.weights == int(np.prod(b))


REFUSED = {
    "one axis": ((4,), (4, 5), {}, [], "takes a"),
    "sizes that differ": ((3, 4), (5, 4), {}, [], "takes a"),
    "batches that differ": ((2, 3, 4), (3, 4, 5), {}, [], "do not broadcast"),
    "too large a result": ((2**30, 1), (1, 2**30), {}, [], "2^40"),
    "a float and an integer": ((3, 4), (4, 5), {}, [FLOAT32, I8], "meet"),
    "truncation of a zero point": ((3, 4), (4, 5), {"rounding": "truncate"}, [I8, I8], "zero points of 0"),
    "a scale that is no power of two": ((3, 4), (4, 5), {}, [Integer(scale=(0.75,)), I8], "power of two"),
    "a scale per channel": ((3, 2), (2, 2), {}, [I8, Integer(scale=(1.0, 2.0), axis=1)], "one scale"),
    "another rounding": ((3, 4), (4, 5), {"rounding": "up"}, [I8, I8], "are allowed"),
    "an accumulator of 16 bits": ((3, 4), (4, 5), {"accumulator": 16}, [I8, I8], "are allowed"),
    "an accumulator that can overflow": ((3, 4), (4, 5), {}, [Integer(bits=16), Integer(bits=16)], "overflow"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    a, b, attributes, elements, reason = REFUSED[what]
    kinds = elements or [FLOAT32, FLOAT32]
    with pytest.raises(BadInput, match=reason.replace("^", r"\^")):
        built("matmul", [Type(shape=s, element=e) for s, e in zip((a, b), kinds, strict=True)], **attributes)
