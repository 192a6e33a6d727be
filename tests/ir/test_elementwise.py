"""Functions of two values: NumPy's on floats, one rounding (by fractions) on integers, Python's on plain ones."""

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest

from lamina.core.errors import BadInput
from lamina.ir.operators import elementwise
from lamina.ir.types import BOOL, INDEX, Fixed, Float, Integer, Type
from tests.ir.apply import apply, built, random_stored

FLOAT: dict[str, Any] = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "minimum": np.minimum, "maximum": np.maximum, "remainder": np.mod, "equal": np.equal, "less": np.less,
    "less_or_equal": np.less_equal, "greater": np.greater, "greater_or_equal": np.greater_equal,
    "power": lambda x, y: np.power(np.abs(x), y),
}  # fmt: skip
SHAPES = [((3, 4), (3, 4)), ((3, 4), ()), ((1, 4), (3, 1)), ((2, 3, 4), (4,)), ((), ())]


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("name", FLOAT)
def test_floats_are_numpys(name: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    rng = np.random.default_rng(3)
    x, y = (np.asarray(rng.normal(scale=2, size=shape), np.float32) for shape in shapes)
    if name == "power":
        x = np.abs(x)
    if name in ("equal", "less", "greater_or_equal") and x.shape == y.shape and x.size > 1:
        x.flat[::2] = y.flat[::2]
    (found,) = apply(name, x, y)
    np.testing.assert_allclose(found, FLOAT[name](x, y), rtol=1e-6)
    assert found.shape == np.broadcast_shapes(*shapes)


def test_every_operator_was_tried() -> None:
    others = {"logical_and", "logical_or", "logical_xor", "where"}
    assert {entry.name for entry in elementwise.OPERATORS} == {*FLOAT, *others}


def test_logic_and_where() -> None:
    a, b = np.array([0, 0, 1, 1], bool), np.array([0, 1, 0, 1], bool)
    assert apply("logical_and", a, b)[0].tolist() == [0, 0, 0, 1]
    assert apply("logical_or", a, b)[0].tolist() == [0, 1, 1, 1]
    assert apply("logical_xor", a, b)[0].tolist() == [0, 1, 1, 0]
    x, y = np.float32([[1], [2]]), np.float32([5, 6, 7, 8])
    assert apply("where", a, x, y)[0].tolist() == [[5, 6, 1, 1], [5, 6, 2, 2]]


A = Integer(scale=(2.0**-4,), zero_point=3)
B = Integer(bits=8, signed=False, scale=(2.0**-6,), zero_point=100)
OUT = Integer(scale=(2.0**-2,), zero_point=-9)
Q = Fixed(integer_bits=4, fraction_bits=4)


def _half_even(real: Fraction) -> int:
    return round(real)


@pytest.mark.parametrize("name", ["add", "subtract"])
def test_sums_round_each_operand_once(name: str) -> None:
    rng = np.random.default_rng(5)
    x, y = random_stored(rng, (400,), A), random_stored(rng, (400,), B)
    (found,) = apply(name, x, y, elements=[A, B], element=OUT)
    wanted, ties = [], 0
    for p, q in zip(x.tolist(), y.tolist(), strict=True):
        first = Fraction(p - A.zero_point) * Fraction(A.scale[0]) / Fraction(OUT.scale[0])
        second = Fraction(q - B.zero_point) * Fraction(B.scale[0]) / Fraction(OUT.scale[0])
        ties += first.denominator == 2 or second.denominator == 2
        total = _half_even(first) + (1 if name == "add" else -1) * _half_even(second) + OUT.zero_point
        wanted.append(min(max(total, OUT.low), OUT.high))
    assert found.tolist() == wanted
    assert ties > 50


@pytest.mark.parametrize("rounding", ["power_of_two", "float", "truncate"])
def test_products_round_once(rounding: str) -> None:
    rng = np.random.default_rng(6)
    a, b, out = (A, B, OUT) if rounding != "truncate" else (Q, Q, Q)
    x, y = random_stored(rng, (600,), a), random_stored(rng, (600,), b)
    (found,) = apply("multiply", x, y, elements=[a, b], element=out, rounding=rounding)
    wanted, ties = [], 0
    for p, q in zip(x.tolist(), y.tolist(), strict=True):
        total = (p - a.zero_point) * (q - b.zero_point)
        real = total * Fraction(a.scale[0]) * Fraction(b.scale[0]) / Fraction(out.scale[0])
        if rounding == "float":
            m = np.float32(np.float32(a.scale[0]) * np.float32(b.scale[0])) / np.float32(out.scale[0])
            rounded = round(float(np.float32(total) * m))
        else:
            rounded = real.numerator // real.denominator if rounding == "truncate" else _half_even(real)
        ties += real.denominator == 2
        wanted.append(min(max(rounded + out.zero_point, out.low), out.high))
    assert found.tolist() == wanted
    assert ties > 10


def test_plain_integers_are_pythons() -> None:
    values = [-7, -3, -1, 0, 1, 2, 5, 2**40]
    x, y = (np.array(v) for v in zip(*product(values, values), strict=True))
    pairs = list(zip(x.tolist(), y.tolist(), strict=True))
    assert apply("add", x, y)[0].tolist() == [a + b for a, b in pairs]
    assert apply("subtract", x, y)[0].tolist() == [a - b for a, b in pairs]
    assert apply("divide", x, y)[0].tolist() == [0 if b == 0 else int(Fraction(a, b)) for a, b in pairs]
    assert apply("remainder", x, y)[0].tolist() == [0 if b == 0 else a % b for a, b in pairs]
    by_dividend = apply("remainder", x, y, sign="dividend")[0].tolist()
    assert by_dividend == [0 if b == 0 else a - b * int(Fraction(a, b)) for a, b in pairs]
    small = [(a, b) for a, b in pairs if abs(a) < 10 and abs(b) < 10]
    powers = apply("power", *(np.array(v) for v in zip(*small, strict=True)))[0].tolist()
    assert powers == [a**b if b >= 0 else (0 if a == 0 else int(Fraction(1, a**-b))) for a, b in small]


def test_quotients_at_the_end_of_the_range() -> None:
    x, y = np.array([-(2**63), -(2**63), -(2**63) + 1, 7, -7, 9]), np.array([3, -1, 5, 0, 2, -2])
    assert apply("divide", x, y)[0].tolist() == [-(2**63 // 3), -(2**63), -((2**63 - 1) // 5), 0, -3, -4]


@pytest.mark.parametrize("name", ["minimum", "maximum", "equal", "less", "greater_or_equal", "where"])
def test_choices_look_at_stored_numbers(name: str) -> None:
    rng = np.random.default_rng(8)
    x, y = (rng.integers(-4, 5, 60).astype(np.int8) for _ in range(2))
    if name == "where":
        (found,) = apply("where", x > y, x, y, elements=[BOOL, A, A])
        assert np.array_equal(found, np.where(x > y, x, y))
    else:
        (found,) = apply(name, x, y, elements=[A, A])
        assert np.array_equal(found, FLOAT[name](x, y))


REFUSED = [
    ("add", [Type(shape=(2,)), Type(shape=(3,))], {}, "do not broadcast"),
    ("add", [Type(shape=(2,)), Type(shape=(2,), element=Float(bits=64))], {}, "different types meet"),
    ("minimum", [Type(shape=(2,), element=A), Type(shape=(2,), element=B)], {}, "different types meet"),
    ("less", [Type(shape=(2,), element=A), Type(shape=(2,), element=OUT)], {}, "one type"),
    ("where", [Type(shape=(2,)), Type(shape=(2,)), Type(shape=(2,))], {}, "the condition is f32"),
    ("logical_and", [Type(shape=(2,), element=INDEX)] * 2, {}, "truth values"),
    ("divide", [Type(shape=(2,), element=A)] * 2, {}, "plain integers"),
    ("remainder", [Type(shape=(2,))] * 2, {"sign": "none"}, "divisor and dividend"),
    ("multiply", [Type(shape=(2,), element=A)] * 2, {"rounding": "up"}, "are allowed"),
    ("add", [Type(shape=(2**21, 1)), Type(shape=(2**21,))], {}, "2\\^40"),
]


@pytest.mark.parametrize(("name", "types", "attributes", "message"), REFUSED)
def test_what_does_not_fit_is_refused(name: str, types: list[Type], attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        built(name, types, **attributes)
