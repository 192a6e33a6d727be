"""Pooling by plain loops over windows: maxima and their switches, unpooling, averages with and without padding."""

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.ir.types import BOOL, INDEX, Element, Fixed, Float, Integer, Type
from tests.ir.apply import apply, built, random_stored, requantised

U8 = Integer(signed=False, scale=(0.25,), zero_point=17)
ELEMENTS: list[Element] = [Float(), Float(bits=64), U8, BOOL, INDEX, Fixed()]
small = st.tuples(st.integers(1, 3), st.integers(1, 3))


def _values(rng: np.random.Generator, shape: tuple[int, ...], element: Element) -> np.ndarray:
    """Few different numbers, so that maxima are often met twice; -inf among the floats."""
    if isinstance(element, Float):
        found = rng.integers(-2, 3, size=shape).astype(element.storage)
        found[rng.random(shape) < 0.2] = -np.inf
        return found
    return np.clip(rng.integers(-3, 4, size=shape), element.low, element.high).astype(element.storage)


def _window(x: np.ndarray, place: tuple[int, ...], a: dict[str, Any]) -> list[tuple[int, int]]:
    """Row and column of what window `place` sees inside x, in order."""
    found = []
    for r, s in product(range(a["kernel"][0]), range(a["kernel"][1])):
        row = place[2] * a["stride"][0] + r * a["dilation"][0] - a["padding"][0]
        column = place[3] * a["stride"][1] + s * a["dilation"][1] - a["padding"][2]
        if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
            found.append((row, column))
    return found


def _places(shape: tuple[int, ...], a: dict[str, Any]) -> list[tuple[int, ...]]:
    """All windows."""
    p, q = (
        (shape[2 + i] + sum(a["padding"][2 * i : 2 * i + 2]) - a["dilation"][i] * (a["kernel"][i] - 1) - 1)
        // a["stride"][i]
        + 1
        for i in (0, 1)
    )
    return [*product(range(shape[0]), range(shape[1]), range(p), range(q))]


@st.composite
def pools(draw: st.DrawFn) -> tuple[tuple[int, ...], dict[str, Any]]:
    """A shape and attributes; whether every window sees a number is left open."""
    kernel, dilation = draw(small), draw(small)
    reach = [dilation[a] * (kernel[a] - 1) + 1 for a in (0, 1)]
    padding = tuple(draw(st.integers(0, reach[a // 2] - 1)) for a in range(4))
    size = [draw(st.integers(max(1, reach[a] - sum(padding[2 * a : 2 * a + 2])), 7)) for a in (0, 1)]
    attributes = {"kernel": kernel, "stride": draw(small), "padding": padding, "dilation": dilation}
    return (draw(st.integers(1, 2)), draw(st.integers(1, 2)), *size), attributes


@settings(max_examples=150, deadline=None)
@given(pools(), st.sampled_from(ELEMENTS), st.integers(0, 2**32))
def test_maxima_and_switches(pool: Any, element: Element, seed: int) -> None:
    shape, attributes = pool
    x = _values(np.random.default_rng(seed), shape, element)
    places = _places(shape, attributes)
    if not all(_window(x, place, attributes) for place in places):
        with pytest.raises(BadInput, match="maximum of nothing"):
            apply("max_pool2d_switches", x, elements=[element], **attributes)
        return
    values, switches = apply("max_pool2d_switches", x, elements=[element], **attributes)
    (alone,) = apply("max_pool2d", x, elements=[element], **attributes)
    assert values.dtype == x.dtype
    assert switches.dtype == np.int64
    np.testing.assert_array_equal(values, alone)
    for place in places:
        seen = _window(x, place, attributes)
        best = max(x[(*place[:2], *at)] for at in seen)
        first = next(at for at in seen if x[(*place[:2], *at)] == best)
        assert values[place] == best
        assert switches[place] == first[0] * shape[3] + first[1]


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1)])
def test_switches_and_unpooling_are_torchs(kernel: int, stride: int, padding: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 7, 8)).astype(np.float32)
    attributes = {"kernel": (kernel,) * 2, "stride": (stride,) * 2, "padding": (padding,) * 4}
    values, switches = apply("max_pool2d_switches", x, **attributes)
    expected, places = F.max_pool2d(torch.tensor(x), kernel, stride, padding, return_indices=True)
    np.testing.assert_array_equal(values, expected.numpy())
    np.testing.assert_array_equal(switches, places.numpy())
    (back,) = apply("max_unpool2d", values, switches, size=(7, 8))
    np.testing.assert_array_equal(back, F.max_unpool2d(expected, places, kernel, stride, padding, (7, 8)).numpy())


@pytest.mark.parametrize("element", ELEMENTS, ids=str)
def test_unpooling_leaves_real_zeros_and_the_last_update(element: Element) -> None:
    x = np.array([[[[1, 0, 1]]]]).astype(element.storage)
    switches = np.array([[[[5, 2, 5]]]])
    zero = 0 if isinstance(element, Float) else element.zero_point
    (found,) = apply("max_unpool2d", x, switches, elements=[element], size=(2, 4))
    expected = np.full(8, zero)
    expected[[2, 5]] = 0, 1
    np.testing.assert_array_equal(found.reshape(-1), expected)


@pytest.mark.parametrize("switch", [-1, 8, 2**62])
def test_a_switch_outside_is_refused(switch: int) -> None:
    with pytest.raises(BadInput, match="the result has places 0 to 7"):
        apply("max_unpool2d", np.ones((1, 1, 1, 1), np.float32), np.full((1, 1, 1, 1), switch), size=(2, 4))


@pytest.mark.parametrize("include", [True, False])
def test_averages_of_floats_are_torchs(include: bool) -> None:
    x = np.random.default_rng(1).normal(size=(2, 3, 7, 6))
    attributes: dict[str, Any] = {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 1, 1, 1)}
    (found,) = apply("average_pool2d", x, include_padding=include, **attributes)
    expected = F.avg_pool2d(torch.tensor(x), (3, 2), (2, 1), (1, 1), count_include_pad=include).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


@settings(max_examples=150, deadline=None)
@given(pools(), st.booleans(), st.sampled_from(["power_of_two", "float", "truncate"]), st.integers(0, 2**32))
def test_averages_of_integers_are_one_fraction_rounded_once(pool: Any, include: bool, rounding: str, seed: int) -> None:
    shape, attributes = pool
    zero = rounding != "truncate"
    element = Integer(signed=False, scale=(0.25,), zero_point=17 if zero else 0)
    out = Integer(bits=12, scale=(0.125 if rounding != "float" else 0.3125,), zero_point=-3 if zero else 0)
    x = random_stored(np.random.default_rng(seed), shape, element)
    attributes |= {"include_padding": include, "rounding": rounding}
    if not include and not all(_window(x, place, attributes) for place in _places(shape, attributes)):
        with pytest.raises(BadInput, match="maximum of nothing"):
            apply("average_pool2d", x, elements=[element], element=out, **attributes)
        return
    (found,) = apply("average_pool2d", x, elements=[element], element=out, **attributes)
    whole = attributes["kernel"][0] * attributes["kernel"][1]
    for place in np.ndindex(*found.shape):
        seen = _window(x, place, attributes)
        total = sum(int(x[(*place[:2], *at)]) - element.zero_point for at in seen)
        divisor = whole if include else len(seen)
        if rounding == "float":
            m = np.float32(np.float32(element.scale[0]) / np.float32(divisor)) / np.float32(out.scale[0])
            q = round(float(np.float32(total) * m)) + out.zero_point
            assert found[place] == min(max(q, out.low), out.high)
        else:
            assert found[place] == requantised(total, Fraction(element.scale[0]) / divisor, out, rounding)[0]


def test_ties_of_an_average_go_to_the_even_number() -> None:
    x = np.array([[[[1, 2, 3, 4, 5]]]], np.int8)  # windows of two inside: 3/2, 5/2, 7/2, 9/2; at the ends one alone
    attributes: dict[str, Any] = {"kernel": (1, 2), "stride": (1, 1), "padding": (0, 0, 1, 1)}
    (found,) = apply("average_pool2d", x, elements=[Integer()], include_padding=False, **attributes)
    assert found.reshape(-1).tolist() == [1, 2, 2, 4, 4, 5]
    (found,) = apply("average_pool2d", x, elements=[Integer()], **attributes)
    assert found.reshape(-1).tolist() == [0, 2, 2, 4, 4, 2]  # 1/2 and 5/2 at the ends


IMAGE = Type(shape=(1, 1, 4, 4))
REFUSED: dict[str, tuple[str, list[Type], dict[str, Any], str]] = {
    "three axes": ("max_pool2d", [Type(shape=(1, 4, 4))], {"kernel": (2, 2), "stride": (1, 1)}, "pooling takes"),
    "padding as wide as the window": (
        "average_pool2d",
        [IMAGE],
        {"kernel": (2, 2), "stride": (1, 1), "padding": (2, 0, 0, 0)},
        "not smaller",
    ),
    "a huge border": (
        "average_pool2d",
        [IMAGE],
        {"kernel": (2**39, 1), "stride": (1, 1), "padding": (2**38, 2**38, 0, 0)},
        "2^40",
    ),
    "an average of padding alone": (
        "average_pool2d",
        [Type(shape=(1, 1, 3, 4))],
        {"kernel": (2, 1), "stride": (1, 1), "padding": (2, 2, 0, 0), "dilation": (4, 1), "include_padding": False},
        "maximum of nothing",
    ),
    "switches of floats": ("max_unpool2d", [IMAGE, IMAGE], {"size": (8, 8)}, "switches are i64"),
    "switches of another shape": (
        "max_unpool2d",
        [IMAGE, Type(shape=(1, 1, 2, 2), element=INDEX)],
        {"size": (8, 8)},
        "switches of its shape",
    ),
    "a huge result": (
        "max_unpool2d",
        [IMAGE, Type(shape=(1, 1, 4, 4), element=INDEX)],
        {"size": (2**21, 2**21)},
        "2^40",
    ),
    "a size of three": (
        "max_unpool2d",
        [IMAGE, Type(shape=(1, 1, 4, 4), element=INDEX)],
        {"size": (2, 2, 2)},
        "height",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    operator, types, attributes, reason = REFUSED[what]
    with pytest.raises(BadInput, match=reason.replace("^", r"\^")):
        built(operator, types, **attributes)
