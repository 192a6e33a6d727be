"""Ranges: histograms against NumPy, each method against brute force on the numbers themselves."""

from math import ceil, log, log2

import numpy as np
import pytest

from lamina.core.errors import BadInput
from lamina.ir.quantise import ranges
from lamina.ir.quantise.ranges import Rule, activation, divergence, error, threshold, weight
from lamina.ir.quantise.spread import SIDE, Spread
from lamina.ir.types import Integer

RNG = np.random.default_rng(7)
SAMPLES = {
    "normal": RNG.normal(size=20_000) * 3,
    "laplace": RNG.laplace(size=20_000),
    "after_relu": np.maximum(RNG.normal(size=20_000), 0),
    "outliers": np.concatenate([RNG.normal(size=20_000), [40.0, -35.0]]),
    "off_centre": RNG.normal(size=20_000) * 0.3 + 2,
    "tiny": RNG.normal(size=5_000) * 1e-9,
}


def spread(numbers: np.ndarray) -> Spread:
    found = Spread()
    for part in np.array_split(numbers, 7):
        found.add(part)
    return found


@pytest.mark.parametrize("name", SAMPLES)
def test_histograms_count_every_number(name: str) -> None:
    x = SAMPLES[name]
    found = spread(x)
    edges = (np.arange(2 * SIDE + 1) - SIDE) * found.width
    assert np.array_equal(np.histogram(x[x != 0], edges)[0], found.counts)
    assert (found.low, found.high, found.zeros, found.total) == (x.min(), x.max(), (x == 0).sum(), x.size)
    assert 2.0**found.exponent / 2 <= np.abs(x).max() < 2.0**found.exponent


def test_the_order_does_not_matter() -> None:
    x = SAMPLES["outliers"] * np.logspace(-6, 3, 20_002)
    one, other, merged = spread(x), spread(x[::-1]), Spread()
    for part in np.array_split(RNG.permutation(x), 5):
        merged.merge(spread(part))
    for found in (other, merged):
        assert np.array_equal(found.counts, one.counts)
        assert (found.low, found.high, found.exponent) == (one.low, one.high, one.exponent)


def test_infinities_and_nothing() -> None:
    found = spread(np.array([np.inf, 1.0, -np.inf, 0.0, 2.0, -3.0, 4.0, 0.5]))
    assert (found.infinite, found.low, found.high, found.total) == (2, -3.0, 4.0, 6)
    assert activation(Spread(), 8, Rule()).scale == (2.0**-8,)
    for method in ranges.METHODS:
        for form in ranges.FORMS:
            activation(spread(np.zeros(9)), 8, Rule(method=method, form=form))


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("share", [0.0001, 0.01, 0.3, 0.5, 0.9, 0.9999])
def test_quantiles(name: str, share: float) -> None:
    x = SAMPLES[name]
    found = spread(x)
    below, above = np.quantile(x, [max(share - 2e-4, 0), min(share + 2e-4, 1)])
    assert below - found.width <= found.quantile(share) <= above + found.width


def quantised(x: np.ndarray, element: Integer) -> np.ndarray:
    s, z = element.scale[0], element.zero_point
    return (np.clip(np.rint(x / s) + z, element.low, element.high) - z) * s


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("form", ranges.FORMS)
def test_min_max_clips_nothing_and_wastes_nothing(name: str, bits: int, form: str) -> None:
    x = SAMPLES[name]
    element = activation(spread(x), bits, Rule(form=form))
    assert np.abs(quantised(x, element) - x).max() <= element.scale[0] * (0.5 if form == "power_of_two" else 1.01)
    assert element.signed == (form == "power_of_two" and x.min() < 0)
    if form == "power_of_two":
        half = Integer(bits=bits, signed=element.signed, scale=(element.scale[0] / 2,))
        assert x.max() > half.high * half.scale[0] or x.min() < half.low * half.scale[0]
    else:
        assert element.scale[0] * (2**bits - 1) == pytest.approx(max(x.max(), 0) - min(x.min(), 0), rel=1e-6)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("bits", [3, 4, 6, 8])
def test_mse_finds_the_best_scale(name: str, bits: int) -> None:
    """Against every scale of a fine scan, on the numbers themselves."""
    x = SAMPLES[name]
    found = activation(spread(x), bits, Rule(method="mse", form="float"))
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    elements = [ranges._affine(low * f, high * f, bits) for f in np.linspace(0.1, 1, 400)]
    best = min(((quantised(x, e) - x) ** 2).mean() for e in elements)
    assert ((quantised(x, found) - x) ** 2).mean() <= 1.05 * best
    power = activation(spread(x), bits, Rule(method="mse"))
    top = ceil(log2(max(x.max() / power.high, x.min() / power.low if power.signed else 0)))
    others = [Integer(bits=bits, signed=power.signed, scale=(2.0**e,)) for e in range(top - 8, top + 2)]
    best = min(((quantised(x, e) - x) ** 2).mean() for e in others)
    assert ((quantised(x, power) - x) ** 2).mean() <= 1.01 * best


@pytest.mark.parametrize("name", SAMPLES)
def test_the_error_of_a_histogram_is_that_of_the_numbers(name: str) -> None:
    x = SAMPLES[name]
    for scale in (0.3, 0.05, 0.01):
        element = Integer(bits=6, scale=(float(np.float32(scale * np.abs(x).max())),))
        assert error(spread(x), element) == pytest.approx(((quantised(x, element) - x) ** 2).sum(), rel=0.05)


def plain_divergence(counts: list[int], bins: int, levels: int) -> float:
    """Migacz's calibration, step by step in plain Python."""
    inside = counts[:bins] + [0] * (bins - len(counts[:bins]))
    p = [float(c) for c in inside]
    p[-1] += sum(counts[bins:])
    q = [0.0] * bins
    size = bins // levels
    for level in range(levels):
        block = range(level * size, (level + 1) * size)
        filled = [i for i in block if inside[i] > 0]
        for i in filled:
            q[i] = sum(inside[j] for j in block) / len(filled)
    if sum(q) == 0:
        return float("inf")
    total = 0.0
    for a, b in zip(p, q, strict=True):
        if a > 0:
            share = a / sum(p)
            total += share * log(share / max(b / sum(q), ranges.SMOOTHING))
    return total


def test_divergence_equals_plain_python() -> None:
    counts = RNG.poisson(np.exp(-np.arange(64) / 9) * 50)
    for bins, levels in ((8, 8), (16, 8), (24, 8), (64, 8), (96, 8), (48, 16)):
        wanted = plain_divergence(counts.tolist(), bins, levels)
        assert divergence(counts, bins, levels) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("name", ["laplace", "outliers", "normal"])
def test_kl_takes_the_least_divergence(name: str) -> None:
    found = spread(SAMPLES[name])
    levels = 128
    largest = max(-found.low, found.high)
    counts = found.magnitudes().tolist()
    choices = [b for b in range(levels, SIDE + 1, levels) if (b - levels) * found.width < largest]
    each = [plain_divergence(counts, bins, levels) for bins in choices]
    assert threshold(found, levels) == min(largest, choices[int(np.argmin(each))] * found.width)
    if name == "outliers":
        assert threshold(found, levels) < 0.5 * largest


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("form", ranges.FORMS)
@pytest.mark.parametrize("method", ["min_max", "mse"])
def test_weights(axis: int | None, form: str, method: str) -> None:
    w = RNG.normal(size=(4, 3, 5)) * np.array([1, 10, 0.1, 0]).reshape(4, 1, 1)
    element = weight(w, 4, Rule(method=method, form=form), axis=axis, least=np.zeros(1))
    rows = w.reshape(1, -1) if axis is None else np.moveaxis(w, axis, 0).reshape(w.shape[axis], -1)
    assert (len(element.scale), element.axis, element.signed, element.zero_point) == (len(rows), axis, True, 0)
    for row, s in zip(rows, element.scale, strict=True):
        squares = lambda t, row=row: ((np.clip(np.rint(row / t), -7, 7) * t - row) ** 2).sum()  # noqa: E731
        if not row.any():
            continue
        if form == "power_of_two":
            assert log2(s).is_integer()
            whole = 2.0 ** ceil(log2(np.abs(row).max() / 7))
            choices = whole * 0.5 ** np.arange(8)
        else:
            whole = np.abs(row).max() / 7
            choices = np.linspace(0.3, 1, 300) * whole
        if method == "min_max":
            assert s == pytest.approx(whole, rel=1e-6)
        else:
            assert squares(s) <= 1.1 * min(map(squares, choices))


def test_settings_are_checked() -> None:
    for bad in ({"method": "minmax"}, {"form": "int8"}, {"percentile": 50}, {"percentile": 101}):
        with pytest.raises(BadInput):
            Rule(**bad)
