"""cast: NumPy's and torch's where C defines the result, saturated where it does not, and the truth of a number."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.ir.build import Builder
from lamina.ir.types import BOOL, INDEX, Element, Float, Integer, Type
from tests.ir.apply import apply, built

F32, F64, I8, U8 = Float(), Float(bits=64), Integer(), Integer(signed=False)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=8))
def test_floats_to_integers_truncate_and_saturate(numbers: list[float]) -> None:
    for to in (INDEX, I8, U8, Integer(bits=5)):
        expected = [max(min(to.high, to.low if x < 0 else to.high) if np.isinf(x) else int(x), to.low) for x in numbers]
        expected = [min(x, to.high) for x in expected]
        assert apply("cast", np.array(numbers), element=to)[0].tolist() == expected


def test_the_ends_of_64_bits() -> None:
    numbers = np.array([2.0**63, 2.0**63 - 1024, -(2.0**63), -np.inf, np.inf, -0.9, 0.9])
    assert apply("cast", numbers, element=INDEX)[0].tolist() == [
        2**63 - 1,
        2**63 - 1024,
        -(2**63),
        -(2**63),
        2**63 - 1,
        0,
        0,
    ]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8))
def test_integers_to_integers_keep_the_low_bits(numbers: list[int]) -> None:
    x = np.array(numbers)
    np.testing.assert_array_equal(apply("cast", x, element=I8)[0], torch.tensor(x).to(torch.int8).numpy())
    np.testing.assert_array_equal(apply("cast", x, element=U8)[0], torch.tensor(x).to(torch.uint8).numpy())
    np.testing.assert_array_equal(apply("cast", x, element=Integer(bits=32))[0], x.astype(np.int32))
    assert apply("cast", x, element=Integer(bits=5))[0].tolist() == [(n + 16) % 32 - 16 for n in numbers]
    assert apply("cast", x, element=BOOL)[0].tolist() == [int(n != 0) for n in numbers]
    np.testing.assert_array_equal(apply("cast", x, element=F32)[0], x.astype(np.float32))


def test_truth_and_widths() -> None:
    x = np.array([0.0, -0.0, 1e-45, -3, np.inf], np.float32)
    assert apply("cast", x, element=BOOL)[0].tolist() == [0, 0, 1, 1, 1]
    truth = np.array([0, 1], np.uint8)
    for to in (F32, F64, INDEX):
        (found,) = apply("cast", truth, elements=[BOOL], element=to)
        assert found.tolist() == [0, 1]
        assert found.dtype == np.dtype(to.storage)
    wide = np.array([0.1, 1e300, -1e300])
    assert apply("cast", wide, element=F32)[0].tolist() == [float(np.float32(0.1)), np.inf, -np.inf]


def test_a_number_that_is_none() -> None:
    """NaN arises inside a network: inf - inf."""
    builder = Builder()
    x, y = (builder.input(name, Type(shape=(1,))) for name in "xy")
    nothing = builder.emit("cast", [builder.emit("add", [x, y])], element=INDEX)
    network = builder.network("n", {"y": nothing})
    assert network.run({"x": np.array([np.inf]), "y": np.array([-np.inf])})["y"].tolist() == [0]


@pytest.mark.parametrize("element", [Integer(scale=(0.5,)), Integer(zero_point=1)], ids=str)
def test_scales_are_refused(element: Element) -> None:
    with pytest.raises(BadInput, match="quantise or dequantise"):
        built("cast", [Type(shape=(2,), element=element)], F32)
    with pytest.raises(BadInput, match="quantise or dequantise"):
        built("cast", [Type(shape=(2,))], element)
