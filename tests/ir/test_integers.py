"""Rounding, requantisation and accumulator bounds against exact fractions, exhaustively where the range is small."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lamina.core.errors import BadInput
from lamina.ir import Fixed, Integer, Type
from lamina.ir import integers as rules
from lamina.ir.operators.multiply import exact_product, truncated_product
from tests.networks import SEEDS

SMALL = np.arange(-1100, 1101, dtype=np.int64)
ENDS = np.array([-(2**61), 1 - 2**61, -1, 0, 1, 2**61 - 1, 2**61], np.int64)


@pytest.mark.parametrize("shift", [0, 1, 2, 3, 5, 10, 31, 61, 62])
def test_shift_right_rounds_halves_to_even(shift: int) -> None:
    for numbers in (SMALL, ENDS):
        expected = [round(Fraction(int(a), 2**shift)) for a in numbers]
        assert rules.shift_half_even(numbers, shift).tolist() == expected


@pytest.mark.parametrize("shift", [-1, -3, -31])
def test_negative_shifts_multiply(shift: int) -> None:
    assert rules.shift_half_even(SMALL, shift).tolist() == [int(a) * 2**-shift for a in SMALL]


def test_shifts_may_differ_along_an_axis() -> None:
    a = np.array([[5, 6, 7], [-5, -6, -7]], np.int64)
    shifted = rules.shift_half_even(a, np.array([[1, 2, -1]]))
    assert shifted.tolist() == [[2, 2, 14], [-2, -2, -14]]  # 2.5, 1.5, 14 and their negatives


@pytest.mark.parametrize("divisor", [1, 2, 3, 4, 6, 9, 12, 100])
def test_division_rounds_halves_to_even(divisor: int) -> None:
    assert rules.divide_half_even(SMALL, divisor).tolist() == [round(Fraction(int(a), divisor)) for a in SMALL]


@pytest.mark.parametrize(
    "element",
    [
        Integer(bits=8, signed=True, scale=(0.25,)),
        Integer(bits=8, signed=False, scale=(0.5,), zero_point=131),
        Integer(bits=3, signed=False, scale=(float(np.float32(0.1)),), zero_point=2),
        Fixed(),
    ],
    ids=str,
)
def test_quantise_rounds_halves_to_even_and_saturates(element: Integer | Fixed) -> None:
    halves = np.arange(4 * (element.low - 2), 4 * (element.high + 3)) / 4 - element.zero_point
    real = (halves * element.scale[0]).astype(np.float32)
    expected = [
        min(max(round(float(x / np.float32(element.scale[0]))) + element.zero_point, element.low), element.high)
        for x in real
    ]
    assert rules.quantise(real, element).tolist() == expected
    ends = np.array([-np.inf, -3e38, 3e38, np.inf], np.float32)
    assert rules.quantise(ends, element).tolist() == [element.low, element.low, element.high, element.high]
    with pytest.raises(BadInput, match="NaN"):
        rules.quantise(np.array([np.nan]), element)


def test_every_stored_number_survives_dequantise_and_quantise() -> None:
    for element in (Fixed(), Integer(bits=8, scale=(float(np.float32(0.1)),), zero_point=-7)):
        q = np.arange(element.low, element.high + 1)
        assert (rules.quantise(rules.dequantise(q, element), element) == q).all()


def test_the_float_form_saturates_where_a_cast_would_wrap() -> None:
    x, w = Integer(scale=(1.0,)), Integer(scale=(1.0,))
    y = Integer(scale=(2.0**-30,))
    a = np.array([2**40, -(2**40)], np.int64)
    assert rules.requantise(a, x, w, y, "float", axis=0).tolist() == [127, -128]


def test_multipliers_are_evaluated_from_left_to_right() -> None:
    s = [float(np.float32(v)) for v in (0.1, 0.3, 0.7)]
    x, w, y = (Integer(scale=(v,)) for v in s)
    left = np.float32(np.float32(s[0]) * np.float32(s[1])) / np.float32(s[2])
    assert rules.multipliers(x, w, y).tolist() == [left]
    found = {
        float(np.float32(s[0]) * np.float32(np.float32(s[1]) / np.float32(s[2]))),
        float(np.float32(0.1 * 0.3 / 0.7)),
    }
    assert found - {float(left)}, "these scales do not tell one order from another"


INPUTS = [
    Integer(bits=8, signed=True),
    Integer(bits=8, signed=False),
    Integer(bits=8, signed=False, zero_point=77),
    Integer(bits=2, signed=True),
    Integer(bits=16, signed=True, zero_point=-300),
    Fixed(),
]


@settings(max_examples=200, deadline=None)
@given(seed=SEEDS, x=st.sampled_from(INPUTS), has_bias=st.booleans(), shifted=st.sampled_from([0, 0, 3, 10]))
def test_the_accumulator_bound_is_reached_and_never_passed(
    seed: int, x: Integer | Fixed, has_bias: bool, shifted: int
) -> None:
    rng = np.random.default_rng(seed)
    w = rng.integers(-128, 128, (int(rng.integers(1, 4)), int(rng.integers(1, 9))))
    bias = rng.integers(-(10**4), 10**4, len(w)) if has_bias else None
    bound = rules.accumulator_bound(w, bias, x, shifted=shifted)
    ends = np.array([x.low, x.high]) - x.zero_point
    reached = 0
    for sign in (1, -1):  # every row's own worst input, and what is summed before the bias is added
        worst = np.where(((ends[1] * w) >> shifted) * sign >= ((ends[0] * w) >> shifted) * sign, ends[1], ends[0])
        sums = ((worst * w) >> shifted).sum(axis=1)
        reached = max(reached, np.abs(sums).max(), np.abs(sums + (0 if bias is None else bias)).max())
    assert bound == reached
    random = rng.integers(x.low, x.high + 1, (50, w.shape[1])) - x.zero_point
    parts = np.cumsum((random[:, None, :] * w) >> shifted, axis=2)
    assert np.abs(parts).max() <= bound
    assert bias is None or np.abs(parts + bias[:, None]).max() <= bound


def test_the_accumulator_bound_is_exact_beyond_int64() -> None:
    w: NDArray[np.int64] = np.full((1, 5), -(2**62), np.int64)
    x = Integer(bits=32, signed=True)
    assert rules.accumulator_bound(w, None, x) == 5 * 2**62 * 2**31


def test_accumulators_have_32_bits_up_to_8_bit_operands() -> None:
    def bits(x: int, w: int) -> int:
        return rules.accumulator_bits(
            Type(shape=(1,), element=Integer(bits=x)), Type(shape=(1,), element=Integer(bits=w))
        )

    assert (bits(8, 8), bits(2, 4), bits(9, 8), bits(8, 16)) == (32, 32, 64, 64)


@pytest.mark.parametrize(
    ("scale", "message"),
    [(0.3, "not a power of two"), (3 * 2.0**-9, "not a power of two"), (0.0, "not a power of two")],
)
def test_only_powers_of_two_have_an_exponent(scale: float, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        rules.exponent(scale)


def test_exponents_of_powers_of_two() -> None:
    assert [rules.exponent(2.0**k) for k in range(-149, 128)] == list(range(-149, 128))


def test_sums_are_exact_where_float64_is_not() -> None:
    """2^31 (2^31 - 1) has 62 bits: BLAS would lose the last ones."""
    a = np.array([[2**31, 3, -1]], np.int64)
    b = np.array([[2**31 - 1], [5], [7]], np.int64)
    assert exact_product(a, b).tolist() == [[2**31 * (2**31 - 1) + 8]]


def test_truncated_products_lose_their_low_bits_before_they_are_added() -> None:
    a, b = np.array([[3, -3, 5]], np.int64), np.array([[1], [1], [3]], np.int64)
    assert truncated_product(1)(a, b).tolist() == [[1 - 2 + 7]]  # floor(1.5), floor(-1.5), floor(7.5)


def test_averages_are_scaled_from_left_to_right_in_float32() -> None:
    differ = 0
    for seed in range(50):
        s_x, s_y = np.random.default_rng(seed).uniform(0.01, 1, 2).astype(np.float32)
        x, y = Integer(scale=(float(s_x),)), Integer(scale=(float(s_y),))
        left = np.float32(s_x / np.float32(9)) / s_y
        assert rules.rescale_multiplier(x, y, 9) == left
        differ += left != s_x / np.float32(np.float32(9) * s_y)
    assert differ > 5  # the order matters


def test_quantise_divides_in_float32() -> None:
    """As ONNX's QuantizeLinear does: some quotients round to a half in float32 that are no half."""
    element = Integer(bits=16, scale=(float(np.float32(0.1)),))
    x = (np.arange(-20000, 20000) + 0.5).astype(np.float32) * np.float32(0.1)
    found = rules.quantise(x, element)
    assert found.tolist() == [round(float(v / np.float32(0.1))) for v in x]
    exact = [round(Fraction(float(v)) / Fraction(element.scale[0])) for v in x]
    assert found.tolist() != exact
