"""The house's own operators on integers (`lamina.nn.integer`): element types are read off the scales, constants here.

torch holds the integers as float64; here they are stored in the type that their range says.
"""

from typing import Any

import numpy as np

from lamina.ir import Integer, Type
from lamina.ir import integers as integer_rules
from lamina.ir.build import Builder, Value
from lamina.ir.types import FLOAT32
from lamina.lowering.torch_rules._rule import around, coding, operands, pair, rule


def element(scale: Value, zero_point: int, low: int, high: int) -> Integer:
    """The element type of integers low..high; a symmetric range (-127..127) is the type that holds it."""
    assert scale.data is not None
    scales = tuple(float(s) for s in scale.data.reshape(-1))
    bits = max(high, -low - 1).bit_length() + (1 if low < 0 else 0)
    return Integer(bits=bits, signed=low < 0, scale=scales, zero_point=zero_point, axis=0 if len(scales) > 1 else None)


def result(y_scale: Value, more: dict[str, Any]) -> Integer:
    return element(y_scale, more["y_zero"], more["y_low"], more["y_high"])


@rule("lamina.quantise")
def quantise(b: Builder, name: str, x: Value, scale: Value, zero_point: int, low: int, high: int) -> Any:
    to = element(scale, zero_point, low, high)
    if x.data is None:
        return b.emit("quantise", [x], name=name, element=to)
    divisor = np.array(to.scale, np.float32).reshape(-1, *[1] * (x.data.ndim - 1))
    stored = np.rint(x.data.astype(np.float32) / divisor).astype(np.int64) + zero_point
    stored = np.clip(stored, low, high).astype(to.storage)
    sparse, codebook_bits = coding(stored)
    type_ = Type(shape=x.data.shape, element=to, sparse=sparse, codebook_bits=codebook_bits)
    return Value(x.name, type_, stored, is_constant=True)  # takes the place and the name of the float constant


@rule("lamina.dequantise")
def dequantise(b: Builder, name: str, q: Value, scale: Value, zero_point: int) -> Any:
    return b.emit("dequantise", [q], name=name, element=FLOAT32)


@rule("lamina.conv2d_integer")
def conv2d_integer(
    b: Builder, name: str, q: Value, weight: Value, bias: Value | None, y_scale: Value, rounding: str, **more: Any
) -> Any:
    return b.emit(
        "conv2d",
        operands(q, weight, bias),
        name=name,
        element=result(y_scale, more),
        stride=pair(more["stride"]),
        padding=around(more["padding"]),
        dilation=pair(more["dilation"]),
        groups=more["groups"],
        rounding=rounding,
        accumulator=integer_rules.accumulator_bits(q.type, weight.type),
    )


@rule("lamina.linear_integer")
def linear_integer(
    b: Builder, name: str, q: Value, weight: Value, bias: Value | None, y_scale: Value, rounding: str, **more: Any
) -> Any:
    return b.emit(
        "linear",
        operands(q, weight, bias),
        name=name,
        element=result(y_scale, more),
        rounding=rounding,
        accumulator=integer_rules.accumulator_bits(q.type, weight.type),
    )


@rule("lamina.average_pool2d_integer")
def average_pool2d_integer(b: Builder, name: str, q: Value, y_scale: Value, rounding: str, **more: Any) -> Any:
    return b.emit(
        "average_pool2d",
        [q],
        name=name,
        element=result(y_scale, more),
        kernel=pair(more["kernel"]),
        stride=pair(more["stride"]),
        padding=around(more["padding"]),
        rounding=rounding,
    )


@rule("lamina.lookup")
def lookup(b: Builder, name: str, q: Value, table: Value, y_scale: Value, **more: Any) -> Any:
    to = result(y_scale, more)
    assert table.data is not None
    entries = Value(
        table.name, Type(shape=table.data.shape, element=to), table.data.astype(to.storage), is_constant=True
    )
    return b.emit("lookup", [q, entries], name=name, element=to)
