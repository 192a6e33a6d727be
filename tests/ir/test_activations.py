"""Functions of one value: torch's (or the mathematics library's) on floats, exact on integers, stable at the ends."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.ir.operators import activations
from lamina.ir.operators._table import Site
from lamina.ir.operators.activations import clip_bounds
from lamina.ir.types import BOOL, Integer, Type
from tests.ir.apply import apply, built, random_stored, requantised

TORCH: dict[str, Any] = {
    "relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "exp": torch.exp, "log": torch.log,
    "sqrt": torch.sqrt, "reciprocal": torch.reciprocal, "negate": torch.neg, "absolute": torch.abs,
    "floor": torch.floor, "ceil": torch.ceil, "round": torch.round, "sign": torch.sign, "erf": torch.erf,
    "sin": torch.sin, "cos": torch.cos, "tan": torch.tan, "asin": torch.asin, "acos": torch.acos, "atan": torch.atan,
    "sinh": torch.sinh, "cosh": torch.cosh, "asinh": torch.asinh, "acosh": torch.acosh, "atanh": torch.atanh,
    "softplus": F.softplus, "softsign": F.softsign, "silu": F.silu, "gelu": F.gelu, "elu": F.elu, "selu": F.selu,
    "leaky_relu": F.leaky_relu, "hard_sigmoid": lambda x: torch.clamp(0.2 * x + 0.5, 0, 1),
    "clip": lambda x: x, "is_nan": torch.isnan, "is_infinite": torch.isinf,
}  # fmt: skip
UNIT = {"asin", "acos", "atanh"}  # defined on (-1, 1)
POSITIVE = {"log": 0.0, "sqrt": 0.0, "acosh": 1.0}


def samples(name: str, dtype: str) -> np.ndarray:
    x = np.random.default_rng(7).normal(scale=3, size=(4, 25)).astype(dtype)
    if name in UNIT:
        return np.asarray(np.tanh(x) * 0.999, dtype)
    return np.abs(x) + POSITIVE[name] + 1e-3 if name in POSITIVE else x


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", TORCH)
def test_floats_are_torchs(name: str, dtype: str) -> None:
    x = samples(name, dtype)
    (found,) = apply(name, x)
    wanted = TORCH[name](torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(
        found, wanted, rtol=2e-6 if dtype == "f4" else 1e-12, atol=1e-6 if dtype == "f4" else 1e-13
    )
    assert found.dtype == (np.uint8 if wanted.dtype == bool else dtype)


def test_every_activation_was_tried() -> None:
    assert {entry.name for entry in activations.OPERATORS} == {*TORCH, "logical_not"}


WITH = [
    ("gelu", {"approximate": "tanh"}, lambda x: F.gelu(x, approximate="tanh")),
    ("elu", {"alpha": 0.3}, lambda x: F.elu(x, 0.3)),
    ("leaky_relu", {"slope": 0.4}, lambda x: F.leaky_relu(x, 0.4)),
    ("hard_sigmoid", {"alpha": 1 / 6, "beta": 0.5}, F.hardsigmoid),
    ("clip", {"low": -0.5, "high": 1.25}, lambda x: x.clamp(-0.5, 1.25)),
    ("selu", {"alpha": 2.0, "gamma": 1.5}, lambda x: 1.5 * F.elu(x, 2.0)),
]


@pytest.mark.parametrize(("name", "attributes", "theirs"), WITH)
def test_attributes_count(name: str, attributes: dict[str, Any], theirs: Any) -> None:
    x = samples(name, "f4")
    np.testing.assert_allclose(
        apply(name, x, **attributes)[0], theirs(torch.from_numpy(x)).numpy(), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "silu", "tanh", "gelu", "elu", "softsign"])
def test_the_ends_are_finite(name: str) -> None:
    (found,) = apply(name, np.float32([-1e4, -100, 100, 1e4]))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, TORCH[name](torch.tensor([-1e4, -100.0, 100, 1e4])).numpy(), atol=1e-6)


def test_questions_are_answered_by_truth_values() -> None:
    x = np.float32([1, np.inf, -np.inf])
    assert apply("is_infinite", x)[0].tolist() == [0, 1, 1]
    assert apply("logical_not", np.array([True, False]))[0].tolist() == [0, 1]
    with pytest.raises(BadInput, match="logic is about truth values"):
        apply("logical_not", np.array([1, 2]))


I8 = Integer(scale=(2.0**-4,), zero_point=-7)
OUT = Integer(scale=(2.0**-3,), zero_point=5)


@pytest.mark.parametrize("name", ["negate", "absolute"])
@pytest.mark.parametrize("rounding", ["power_of_two", "float"])
def test_negate_and_absolute_are_rounded_once(name: str, rounding: str) -> None:
    x = random_stored(np.random.default_rng(1), (300,), I8)
    (found,) = apply(name, x, elements=[I8], element=OUT, rounding=rounding)
    sign = {"negate": lambda v: -v, "absolute": abs}[name]
    met = [requantised(int(q) - I8.zero_point, Fraction(I8.scale[0]), Integer(scale=OUT.scale), "half") for q in x]
    # the operand is rescaled first, and half to even is the same on both sides of zero
    wanted = [min(max(sign(q) + OUT.zero_point, OUT.low), OUT.high) for q, _ in met]
    assert found.tolist() == wanted
    assert sum(tie for _, tie in met) > 20


def test_relu_and_clip_compare_stored_numbers() -> None:
    x = random_stored(np.random.default_rng(2), (50,), I8)
    assert apply("relu", x, elements=[I8])[0].tolist() == [max(int(q), -7) for q in x]
    (found,) = apply("clip", x, elements=[I8], low=-1.0, high=2.53)
    low, high = round(-1.0 / I8.scale[0]) - 7, round(2.53 / I8.scale[0]) - 7
    assert found.tolist() == [min(max(int(q), low), high) for q in x]
    where = Site(inputs=(Type(shape=(1,), element=I8),), outputs=(), attributes={"low": -math.inf, "high": math.inf})
    assert clip_bounds(where) == (-128, 127)


def test_clip_holds_places_exactly() -> None:
    """float32, in which other bounds are quantised, has neither 2^24 + 1 nor 2^63 - 1."""
    ends = np.array([-(2**63), 2**63 - 1, 2**62 + 5, 0, 2**24 + 1])
    assert (apply("clip", ends)[0] == ends).all()
    (found,) = apply("clip", ends, low=2.0**24 + 1, high=2.0**40 + 1)
    assert found.tolist() == [2**24 + 1, 2**40 + 1, 2**40 + 1, 2**24 + 1, 2**24 + 1]


@pytest.mark.parametrize("name", ["negate", "absolute"])
def test_truncation_is_of_the_operand(name: str) -> None:
    x, fine, coarse = np.arange(-128, 128), Integer(scale=(0.125,)), Integer(scale=(0.5,))
    (found,) = apply(name, x, elements=[fine], element=coarse, rounding="truncate")
    assert found.tolist() == [-(q // 4) if name == "negate" else abs(q // 4) for q in x.tolist()]


REFUSED = [
    ("clip", {"low": 2.0, "high": 1.0}, "not above"),
    ("gelu", {"approximate": "some"}, "none and tanh"),
    ("elu", {"alpha": math.nan}, "not a number"),
    ("elu", {"beta": 1.0}, "unknown attribute"),
]


@pytest.mark.parametrize(("name", "attributes", "message"), REFUSED)
def test_bad_attributes_are_refused(name: str, attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        apply(name, np.float32([1, 2]), **attributes)


def test_integers_without_meaning_are_refused() -> None:
    for name in ("tanh", "exp", "gelu", "floor"):
        with pytest.raises(BadInput, match="no integer meaning"):
            built(name, [Type(shape=(2,), element=I8)])
    assert built("is_nan", [Type(shape=(2,))]).operations[0].outputs["is_nan"].element == BOOL
