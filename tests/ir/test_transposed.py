"""conv_transpose2d is torch's on floats, a sum of Python integers rounded once on quantised ones, conv2d's gradient."""

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
from lamina.ir.types import FLOAT32, Fixed, Float, Integer, Type
from tests.ir.apply import apply, built, random_stored, requantised

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def settings_of(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Shapes of x and w, and attributes that leave something of the result."""
    groups = draw(st.integers(1, 2))
    c, k, kernel, size = (groups * draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(pairs), draw(pairs))
    attributes: dict[str, Any] = {"stride": draw(pairs), "dilation": draw(pairs), "groups": groups}
    extra = tuple(draw(st.integers(0, max(attributes["stride"][a], attributes["dilation"][a]) - 1)) for a in (0, 1))
    attributes["output_padding"] = extra
    padding: list[int] = []
    for a in (0, 1):
        whole = (size[a] - 1) * attributes["stride"][a] + attributes["dilation"][a] * (kernel[a] - 1) + 1 + extra[a]
        before = draw(st.integers(0, min(2, whole - 1)))
        padding += [before, draw(st.integers(0, min(2, whole - 1 - before)))]
    attributes["padding"] = tuple(padding)
    return (draw(st.integers(1, 2)), c, *size), (c, k, *kernel), attributes


def _by_torch(x: np.ndarray, w: np.ndarray, bias: np.ndarray, a: dict[str, Any]) -> np.ndarray:
    """torch's padding is symmetric, so what lies in the padding is cut here."""
    top, bottom, left, right = a["padding"]
    y = F.conv_transpose2d(
        torch.tensor(x),
        torch.tensor(w),
        torch.tensor(bias),
        a["stride"],
        0,
        a["output_padding"],
        a["groups"],
        a["dilation"],
    ).numpy()
    return np.asarray(y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right])


@settings(max_examples=80, deadline=None)
@given(settings_of(), st.sampled_from([32, 64]), st.integers(0, 2**32))
def test_floats_are_torchs(setting: Any, bits: int, seed: int) -> None:
    x_shape, w_shape, attributes = setting
    rng = np.random.default_rng(seed)
    shapes = (x_shape, w_shape, (w_shape[1] * attributes["groups"],))
    x, w, bias = (rng.normal(size=shape).astype(f"f{bits // 8}") for shape in shapes)
    (found,) = apply("conv_transpose2d", x, w, bias, **attributes)
    np.testing.assert_allclose(found, _by_torch(x, w, bias, attributes), atol=1e-5 if bits == 32 else 1e-12)


def test_it_is_the_gradient_of_conv2d() -> None:
    """<conv2d(y), x> = <y, conv_transpose2d(x)> for every x and y."""
    rng = np.random.default_rng(0)
    x, w, y = rng.normal(size=(1, 3, 4, 5)), rng.normal(size=(3, 2, 3, 2)), rng.normal(size=(1, 2, 8, 11))
    same: dict[str, Any] = {"stride": (2, 2), "padding": (1, 0, 0, 0), "dilation": (1, 1)}
    (forward,) = apply("conv2d", y, w, **same)
    assert forward.shape == x.shape
    (back,) = apply("conv_transpose2d", x, w, output_padding=(0, 1), **same)
    assert back.shape == y.shape
    assert float((forward * x).sum()) == pytest.approx(float((back * y).sum()), rel=1e-12)


def _brute(
    x: np.ndarray, w: np.ndarray, bias: np.ndarray, kinds: list[Integer | Fixed], a: dict[str, Any], shape: Any
) -> tuple[np.ndarray, int]:
    """Every product of one input number with one tap, added to its place in Python integers, then rounded."""
    x_kind, w_kind, out = kinds
    groups, k = a["groups"], w.shape[1]
    sums = {index: int(bias[index[1]]) for index in product(*map(range, shape))}
    for n, c, i, j in product(*map(range, x.shape)):
        for t, r, s in product(range(k), range(w.shape[2]), range(w.shape[3])):
            row = i * a["stride"][0] + r * a["dilation"][0] - a["padding"][0]
            column = j * a["stride"][1] + s * a["dilation"][1] - a["padding"][2]
            place = (n, c // (x.shape[1] // groups) * k + t, row, column)
            if place in sums:
                term = (int(x[n, c, i, j]) - x_kind.zero_point) * int(w[c, t, r, s])
                if a.get("products") == "truncated":
                    term = (term * Fraction(w_kind.scale[0])).__floor__()
                sums[place] += term
    found, ties = np.empty(shape, np.int64), 0
    for index, total in sums.items():
        s_w = w_kind.scale[index[1] if len(w_kind.scale) > 1 else 0]
        if a["rounding"] == "float":
            m = np.float32(np.float32(x_kind.scale[0]) * np.float32(s_w)) / np.float32(out.scale[0])
            q = round(float(np.float32(total) * m)) + out.zero_point
            found[index] = min(max(q, out.low), out.high)
            continue
        unit = 1 if a.get("products") == "truncated" else Fraction(s_w)
        found[index], tie = requantised(total, Fraction(x_kind.scale[0]) * unit, out, a["rounding"])
        ties += tie
    return found, ties


@settings(max_examples=60, deadline=None)
@given(settings_of(), st.sampled_from(["power_of_two", "float"]), st.booleans(), st.integers(0, 2**32))
def test_quantised_values_are_summed_exactly_and_rounded_once(
    setting: Any, rounding: str, per_channel: bool, seed: int
) -> None:
    x_shape, w_shape, attributes = setting
    rng, k = np.random.default_rng(seed), w_shape[1] * attributes["groups"]
    several = per_channel and attributes["groups"] == 1
    scales = tuple(2.0 ** -int(e) for e in rng.integers(3, 7, size=w_shape[1] if several else 1))
    x_kind = Integer(signed=False, scale=(0.5,), zero_point=int(rng.integers(0, 256)))
    w_kind = Integer(bits=5, scale=scales, axis=1 if several else None)
    out = Integer(scale=(2.0,) if rounding == "power_of_two" else (1.7000000476837158,), zero_point=4)
    x, w = random_stored(rng, x_shape, x_kind), random_stored(rng, w_shape, w_kind)
    bias = rng.integers(-2000, 2000, size=k).astype(np.int32)
    bias_scale = tuple(0.5 * s for s in scales)
    bias_kind = Integer(bits=32, scale=bias_scale, axis=0 if several else None)
    attributes |= {"rounding": rounding, "accumulator": 64}
    (found,) = apply("conv_transpose2d", x, w, bias, elements=[x_kind, w_kind, bias_kind], element=out, **attributes)
    expected, _ = _brute(x, w, bias, [x_kind, w_kind, out], attributes, found.shape)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("rounding", ["power_of_two", "truncate"])
@pytest.mark.parametrize("products", ["exact", "truncated"])
def test_fixed_point_with_ties(rounding: str, products: str) -> None:
    rng = np.random.default_rng(5)
    x_kind, w_kind, out = Fixed(integer_bits=4, fraction_bits=4), Fixed(integer_bits=4, fraction_bits=2), Fixed()
    out = Fixed(integer_bits=12, fraction_bits=3)
    x, w = random_stored(rng, (2, 3, 4, 3), x_kind), random_stored(rng, (3, 2, 2, 3), w_kind)
    attributes: dict[str, Any] = {
        "stride": (2, 1),
        "padding": (1, 0, 0, 1),
        "dilation": (1, 1),
        "groups": 1,
        "rounding": rounding,
        "products": products,
        "accumulator": 64,
    }
    (found,) = apply("conv_transpose2d", x, w, elements=[x_kind, w_kind], element=out, **attributes)
    expected, ties = _brute(x, w, np.zeros(2, np.int64), [x_kind, w_kind, out], attributes, found.shape)
    assert ties > 5
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=40, deadline=None)
@given(settings_of())
def test_the_nest_counts_the_work(setting: Any) -> None:
    (n, c, h, w), (_, k, r, s), attributes = setting
    network = built("conv_transpose2d", [Type(shape=(n, c, h, w)), Type(shape=(c, k, r, s))], **attributes)
    (layer,) = network.layers()
    assert layer.macs == network.macs == n * h * w * c * k * r * s
    assert layer.inputs == n * c * h * w
    assert layer.weights == c * k * r * s
    assert layer.outputs == network.types[network.outputs["r0"]].size
    top, bottom, left, right = layer.padding
    assert (layer.height, layer.width) == (h, w)
    assert (h + top + bottom - r + 1, w + left + right - s + 1) == (layer.p, layer.q)


X, W = (1, 2, 4, 4), (2, 3, 3, 3)
Q = Integer()
REFUSED: dict[str, tuple[Any, Any, dict[str, Any], list[Any], str]] = {
    "three axes": ((2, 4, 4), W, {}, [], "takes x"),
    "channels that differ": ((1, 3, 4, 4), W, {}, [], "do not fit weights"),
    "groups that do not divide": (X, W, {"groups": 4}, [], "do not fit weights"),
    "no groups": (X, W, {"groups": 0}, [], "do not fit weights"),
    "padding of everything": (X, W, {"padding": (3, 3, 0, 0)}, [], "cuts away"),
    "negative output padding": (X, W, {"output_padding": (-1, 0)}, [], "at least 0"),
    "a huge stride": (X, W, {"stride": (2**39, 1)}, [], "2^40"),
    "a huge dilation": (X, W, {"dilation": (2**30, 2**30)}, [], "2^40"),
    "a huge output padding": (X, W, {"output_padding": (2**40, 0)}, [], "2^40"),
    "huge products": ((1, 1, 2**20, 2**10), (1, 1, 2**10, 2**10), {"padding": (2**10, 2**20, 0, 0)}, [], "2^40"),
    "a bias of another length": (X, W, {"bias": (2,)}, [], "bias"),
    "scales along another axis": (X, (2, 2, 3, 3), {}, [Q, Integer(scale=(1.0, 2.0), axis=0)], "per output channel"),
    "scales per channel in groups": (
        X,
        (2, 2, 3, 3),
        {"groups": 2},
        [Q, Integer(scale=(1.0, 2.0), axis=1)],
        "has one weight scale",
    ),
    "weights with a zero point": (X, W, {}, [Q, Integer(zero_point=1)], "symmetric"),
    "a float and an integer": (X, W, {}, [Float(), Q], "meet"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    x, w, attributes, elements, reason = REFUSED[what]
    attributes = dict(attributes)
    shapes = [x, w, *([attributes.pop("bias")] if "bias" in attributes else [])]
    kinds = elements or [FLOAT32] * len(shapes)
    with pytest.raises(BadInput, match=reason.replace("^", r"\^")):
        built("conv_transpose2d", [Type(shape=s, element=e) for s, e in zip(shapes, kinds, strict=True)], **attributes)
