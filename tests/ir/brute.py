"""The integer meaning once more, as slowly and plainly as it can be written: Python integers, fractions, nested loops.

Rounding is Python's own `round` (half to even) on exact fractions, or on a float32 product for the float form. Nothing
of `lamina.ir.integers` or of the operators' code is used, so that both can be held against each other.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from lamina.ir import Fixed, Float, Integer, Network, Operation, Type

Stored = Mapping[tuple[int, ...], int]  # index -> stored number
DEFAULTS: dict[str, Any] = {
    "stride": (1, 1),
    "padding": (0, 0, 0, 0),
    "dilation": (1, 1),
    "groups": 1,
    "rounding": "power_of_two",
    "products": "exact",
}


def run(network: Network, operation: Operation, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """What `operation` gives for the stored `values` of its inputs."""
    attributes = {**DEFAULTS, **operation.attributes}
    types = [network.types[name] for name in operation.inputs]
    arrays = [values[name] for name in operation.inputs]
    y = operation.outputs[operation.name]
    result = np.empty(y.shape, y.element.storage)
    for index in product(*map(range, y.shape)):
        result[index] = MEANINGS[operation.operator](index, arrays, types, y, attributes)
    return result


def clip(value: int, element: Integer | Fixed) -> int:
    return min(max(value, element.low), element.high)


def rounded(value: Fraction, rounding: str) -> int:
    return value.numerator // value.denominator if rounding == "truncate" else round(value)


def float32_product(a: int, *factors: tuple[str, float]) -> int:
    """rint(float32(a) * m), m multiplied and divided from left to right in float32."""
    m = np.float32(factors[0][1])
    for sign, value in factors[1:]:
        m = np.float32(m * np.float32(value)) if sign == "*" else np.float32(m / np.float32(value))
    return round(float(np.float32(a) * m))


def _taps(index: tuple[int, ...], x: Type, kernel: tuple[int, int], a: dict[str, Any]) -> Iterator[tuple[int, ...]]:
    """(r, s, row, column) of a window; rows and columns may lie in the padding."""
    for r, s in product(range(kernel[0]), range(kernel[1])):
        row = index[2] * a["stride"][0] + r * a["dilation"][0] - a["padding"][0]
        column = index[3] * a["stride"][1] + s * a["dilation"][1] - a["padding"][2]
        yield r, s, row, column


def _inside(row: int, column: int, x: Type) -> bool:
    return 0 <= row < x.shape[2] and 0 <= column < x.shape[3]


def _requantised(total: int, k: int, types: list[Type], y: Type, a: dict[str, Any]) -> int:
    x, w, out = types[0].element, types[1].element, y.element
    assert not isinstance(x, Float)
    assert not isinstance(w, Float)
    assert not isinstance(out, Float)
    s_w = w.scale[k if len(w.scale) > 1 else 0]
    if a["rounding"] == "float":
        q = float32_product(total, ("", x.scale[0]), ("*", s_w), ("/", out.scale[0]))
        return clip(q + out.zero_point, out)
    unit = Fraction(x.scale[0]) * (1 if a["products"] == "truncated" else Fraction(s_w))
    return clip(rounded(total * unit / Fraction(out.scale[0]), a["rounding"]) + out.zero_point, out)


def _multiplied(x: int, w: int, types: list[Type], a: dict[str, Any]) -> int:
    zero, scale = types[0].element.zero_point, types[1].element.scale[0]
    whole = (x - zero) * w
    return rounded(whole * Fraction(scale), "truncate") if a["products"] == "truncated" else whole


def conv2d(index: tuple[int, ...], arrays: list[Any], types: list[Type], y: Type, a: dict[str, Any]) -> int:
    n, k = index[:2]
    x, w = arrays[:2]
    channels = w.shape[1]
    first = k // (w.shape[0] // a["groups"]) * channels
    total = int(arrays[2][k]) if len(arrays) > 2 else 0
    for c in range(channels):
        for r, s, row, column in _taps(index, types[0], w.shape[2:], a):
            if _inside(row, column, types[0]):  # padding is the zero point, and adds nothing
                total += _multiplied(int(x[n, first + c, row, column]), int(w[k, c, r, s]), types, a)
    return _requantised(total, k, types, y, a)


def linear(index: tuple[int, ...], arrays: list[Any], types: list[Type], y: Type, a: dict[str, Any]) -> int:
    *rest, k = index
    row = arrays[0][tuple(rest)]
    total = int(arrays[2][k]) if len(arrays) > 2 else 0
    total += sum(_multiplied(int(row[c]), int(arrays[1][k, c]), types, a) for c in range(len(row)))
    return _requantised(total, k, types, y, a)


def max_pool2d(index: tuple[int, ...], arrays: list[Any], types: list[Type], y: Type, a: dict[str, Any]) -> int:
    taps = [tap for tap in _taps(index, types[0], a["kernel"], a) if _inside(*tap[2:], types[0])]
    return max(int(arrays[0][(*index[:2], row, column)]) for _, _, row, column in taps)


def _moved(total: int, x: Integer | Fixed, y: Integer | Fixed, rounding: str, divisor: int = 1) -> int:
    if rounding == "float":
        return float32_product(total, ("", x.scale[0]), ("/", float(divisor)), ("/", y.scale[0]))
    return rounded(Fraction(total, divisor) * Fraction(x.scale[0]) / Fraction(y.scale[0]), rounding)


def average_pool2d(index: tuple[int, ...], arrays: list[Any], types: list[Type], y: Type, a: dict[str, Any]) -> int:
    x, out = types[0].element, y.element
    assert not isinstance(x, Float)
    assert not isinstance(out, Float)
    taps = [tap for tap in _taps(index, types[0], a["kernel"], a) if _inside(*tap[2:], types[0])]
    total = sum(int(arrays[0][(*index[:2], row, column)]) - x.zero_point for _, _, row, column in taps)
    q = _moved(total, x, out, a["rounding"], a["kernel"][0] * a["kernel"][1])
    return clip(q + out.zero_point, out)


def add(index: tuple[int, ...], arrays: list[Any], types: list[Type], y: Type, a: dict[str, Any]) -> int:
    out, total = y.element, 0
    assert not isinstance(out, Float)
    for array, type_ in zip(arrays, types, strict=True):
        element = type_.element
        assert not isinstance(element, Float)
        own = index[len(index) - array.ndim :]
        at = tuple(i if size > 1 else 0 for i, size in zip(own, array.shape, strict=True))
        total += _moved(int(array[at]) - element.zero_point, element, out, a["rounding"])
    return clip(total + out.zero_point, out)


def relu(index: tuple[int, ...], arrays: list[Any], types: list[Type], y: Type, a: dict[str, Any]) -> int:
    return max(int(arrays[0][index]), types[0].element.zero_point)


def lookup(index: tuple[int, ...], arrays: list[Any], types: list[Type], y: Type, a: dict[str, Any]) -> int:
    return int(arrays[1][int(arrays[0][index]) - types[0].element.low])


def view(index: tuple[int, ...], arrays: list[Any], types: list[Type], y: Type, a: dict[str, Any]) -> int:
    return int(arrays[0].reshape(-1)[np.ravel_multi_index(index, y.shape)])


def quantise(index: tuple[int, ...], arrays: list[Any], types: list[Type], y: Type, a: dict[str, Any]) -> int:
    out = y.element
    assert not isinstance(out, Float)
    return clip(round(float(np.float32(arrays[0][index]) / np.float32(out.scale[0]))) + out.zero_point, out)


def dequantise(index: tuple[int, ...], arrays: list[Any], types: list[Type], y: Type, a: dict[str, Any]) -> np.float32:
    x = types[0].element
    assert not isinstance(x, Float)
    return np.float32(np.float32(int(arrays[0][index]) - x.zero_point) * np.float32(x.scale[0]))


def piecewise_linear(index: tuple[int, ...], arrays: list[Any], types: list[Type], y: Type, a: dict[str, Any]) -> int:
    out = y.element
    assert isinstance(out, Fixed)
    x, starts = int(arrays[0][index]), arrays[1]
    segment = 0
    while segment + 1 < len(starts) and starts[segment + 1] <= x:
        segment += 1
    slope = rounded(Fraction(int(arrays[2][segment]) * x, 2**out.fraction_bits), "truncate")
    return clip(slope + int(arrays[3][segment]), out)


MEANINGS = {
    f.__name__: f
    for f in (conv2d, linear, max_pool2d, average_pool2d, add, relu, lookup, quantise, dequantise, piecewise_linear)
} | {"flatten": view, "reshape": view}
