"""Reductions: NumPy's and torch's on floats, exact sums rounded once on integers, places with ties as documented."""

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from lamina.core.errors import BadInput
from lamina.ir.types import INDEX, Integer, Type
from tests.ir.apply import apply, built, random_stored, requantised

NUMPY = {
    "reduce_sum": np.sum,
    "reduce_mean": np.mean,
    "reduce_max": np.max,
    "reduce_min": np.min,
    "reduce_product": np.prod,
}
X = Integer(scale=(2.0**-3,), zero_point=4)


@pytest.mark.parametrize("axes", [(), (0,), (1,), (2,), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("name", NUMPY)
@pytest.mark.parametrize("keep", [False, True])
def test_floats(name: str, axes: tuple[int, ...], keep: bool) -> None:
    x = np.random.default_rng(1).normal(size=(3, 4, 5)).astype(np.float32)
    (found,) = apply(name, x, axes=axes, keep=keep)
    wanted = NUMPY[name](x, axis=axes, keepdims=keep)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert found.shape == wanted.shape


@pytest.mark.parametrize("name", ["reduce_sum", "reduce_mean"])
@pytest.mark.parametrize("rounding", ["power_of_two", "float"])
def test_integer_sums_round_once(name: str, rounding: str) -> None:
    out = Integer(scale=(2.0**-1,), zero_point=-20)
    x = random_stored(np.random.default_rng(2), (8, 600), X)
    (found,) = apply(name, x, elements=[X], element=out, axes=(0,), rounding=rounding)
    ties = 0
    for column in range(600):
        total = sum(int(q) - X.zero_point for q in x[:, column])
        divisor = 8 if name == "reduce_mean" else 1
        wanted, tie = requantised(total, Fraction(X.scale[0]) / divisor, out, "half")
        ties += tie
        assert found[column] == wanted
    assert ties > 10


def test_extremes_of_integers() -> None:
    x = random_stored(np.random.default_rng(3), (4, 5), X)
    assert np.array_equal(apply("reduce_max", x, elements=[X], axes=(1,))[0], x.max(axis=1))
    assert np.array_equal(apply("reduce_min", x, elements=[X], axes=(0,))[0], x.min(axis=0))
    assert apply("reduce_product", np.array([[2, 3], [4, 5]]), axes=(1,))[0].tolist() == [6, 20]


@pytest.mark.parametrize(("name", "better"), [("argmax", lambda a, b: a > b), ("argmin", lambda a, b: a < b)])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", ["f4", "u1", "i8"])
def test_places_by_loops(name: str, better: Any, last: bool, axis: int, dtype: str) -> None:
    x = np.random.default_rng(4).integers(0, 3, (5, 6)).astype(dtype)
    element = {"u1": Integer(signed=False)}.get(dtype)
    (found,) = apply(name, x, elements=[element], axis=axis, last=last, keep=True)
    for j in range(x.shape[1 - axis]):
        line = np.moveaxis(x, axis, 0)[:, j]
        best = 0
        for i in range(len(line)):
            if better(line[i], line[best]) or (last and line[i] == line[best]):
                best = i
        assert np.moveaxis(found, axis, 0)[0, j] == best


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "u1", "i8"])
def test_top_k_by_sorting_pairs(largest: bool, dtype: str) -> None:
    x = np.random.default_rng(5).integers(0, 6, (7, 9)).astype(dtype)
    element = {"u1": Integer(signed=False)}.get(dtype)
    values, places = apply("top_k", x, elements=[element], k=4, axis=1, largest=largest)
    for row in range(7):
        order = sorted(range(9), key=lambda i: ((-1 if largest else 1) * int(x[row, i]), i))[:4]
        assert places[row].tolist() == order
        assert values[row].tolist() == [x[row, i] for i in order]


@pytest.mark.parametrize(("exclusive", "reverse", "axis"), list(product([False, True], [False, True], [0, 1])))
@pytest.mark.parametrize("dtype", ["f4", "i8"])
def test_running_sums_by_loops(exclusive: bool, reverse: bool, axis: int, dtype: str) -> None:
    x = np.random.default_rng(6).integers(-9, 9, (4, 5)).astype(dtype)
    (found,) = apply("cumulative_sum", x, axis=axis, exclusive=exclusive, reverse=reverse)
    lines = np.moveaxis(x, axis, 0)
    for i in range(len(lines)):
        inside = lines[i + exclusive :] if reverse else lines[: i + 1 - exclusive]
        assert np.array_equal(np.moveaxis(found, axis, 0)[i], inside.sum(axis=0))
    if not exclusive and not reverse:
        assert np.array_equal(found, torch.cumsum(torch.from_numpy(x), axis).numpy())


REFUSED = [
    ("reduce_sum", {"axes": (1, 0)}, "rising"),
    ("reduce_sum", {"axes": (2,)}, "rising"),
    ("argmax", {"axis": 2}, "axes are 0 to 1"),
    ("top_k", {"k": 5, "axis": 1}, "1 to 4 can be asked for"),
    ("cumulative_sum", {"axis": -1}, "axes are 0 to 1"),
]


@pytest.mark.parametrize(("name", "attributes", "message"), REFUSED)
def test_what_does_not_fit(name: str, attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        built(name, [Type(shape=(3, 4))], **attributes)


def test_running_sums_of_scaled_integers_are_refused() -> None:
    with pytest.raises(BadInput, match="plain integers"):
        built("cumulative_sum", [Type(shape=(3, 4), element=X)], axis=0)
    assert built("argmax", [Type(shape=(3, 4), element=X)], axis=0).operations[0].outputs["argmax"].element == INDEX
