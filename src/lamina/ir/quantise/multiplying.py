"""Layers in integers: conv2d, conv_transpose2d, linear, matmul.

    sum = (x - z_x) w + b        w signed and symmetric, per tensor or output channel; b int32 at s_x s_w (in the body
                                 of a scan 31 of its bits: weights are not known there, and sums proved by types)
    a channel's scale is at least |b| / (s_x 2^30), so that its bias fits
    the accumulator has 32 bits where both operands have up to 8 and no sum reaches 2^31, else 64

Weights that are computed are activations: they are stored signed with zero point 0, as the operators need them.
"""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.ir import integers
from lamina.ir.build import Value
from lamina.ir.check import by_output
from lamina.ir.network import Constant, Operation
from lamina.ir.operators.multiply import bias_scale
from lamina.ir.quantise import ranges
from lamina.ir.quantise.settings import Form
from lamina.ir.quantise.write import Writer
from lamina.ir.types import Fixed, Integer

CHANNELS = {"conv2d": 0, "linear": 0, "conv_transpose2d": 1}
BIAS_BITS = 32
BIAS_REACH = 2.0**30 - 1


def _weighted(w: Writer, operation: Operation) -> None:
    x = w.operand(operation.inputs[0])
    weights, rows = _weights(w, operation, x)
    kind = _integer(weights)
    inputs, bias = [x, weights], None
    if len(operation.inputs) > 2:
        name = operation.inputs[2]
        bits = BIAS_BITS if w.outer is None else BIAS_BITS - 1
        element = Integer(bits=bits, scale=bias_scale(_integer(x), kind), axis=None if kind.axis is None else 0)
        stored = w.scope.constant(name)
        made = w.stored(name, element) if stored is None else w.constant(name, stored, element)
        bias = made.data
        inputs.append(made)
    accumulator = _accumulator(w, operation, inputs, rows, None if bias is None else bias.astype(np.int64))
    assert isinstance(kind, Integer)
    w.weights[w.key(operation.name)] = kind
    w.emit(operation, inputs, **accumulator, **w.rounding())


def _weights(w: Writer, operation: Operation, x: Value) -> tuple[Value, NDArray[Any] | None]:
    """The weights as integers, and as rows of one sum where they are stored."""
    name, settings = operation.inputs[1], w.settings
    constant = w.scope.constant(name)
    if constant is None or constant.data is None:
        found = w.element(name, narrow=True)
        symmetric: Integer = Integer(bits=found.bits, scale=(_reach(found),))
        return w.stored(name, symmetric), None
    axis = CHANNELS[operation.operator]
    grouped = operation.operator == "conv_transpose2d" and operation.attributes.get("groups", 1) != 1
    several = settings.per_channel and not grouped and constant.type.codebook_bits is None
    bits = settings.layer_weight_bits(w.layer(operation))
    element = ranges.weight(
        constant.data, bits, settings.rule, axis=axis if several else None, least=_least(w, operation, x, several)
    )
    made = w.constant(name, constant, element, coded=True)
    assert made.data is not None
    where = w.scope.site(operation)
    return made, by_output(made.data, operation.operator, where.attributes)


def _reach(element: Integer | Fixed) -> float:
    """A scale at which signed integers of as many bits hold what `element` holds."""
    if isinstance(element, Integer) and element.signed and not element.zero_point:
        return element.scale[0]
    return element.scale[0] * 2  # unsigned, or off centre: the other side needs a bit


def _least(w: Writer, operation: Operation, x: Value, several: bool) -> NDArray[np.float64]:
    """The least scales of weights beside which their biases fit."""
    constant: Constant | None = w.scope.constant(operation.inputs[2]) if len(operation.inputs) > 2 else None
    if constant is None or constant.data is None:
        return np.zeros(1)
    sizes = np.abs(constant.data.astype(np.float64)) / (_integer(x).scale[0] * BIAS_REACH)
    return sizes if several else sizes.max(keepdims=True)


def _accumulator(
    w: Writer,
    operation: Operation,
    inputs: list[Value],
    rows: NDArray[Any] | None,
    bias: NDArray[np.int64] | None,
) -> dict[str, Any]:
    x, kind = _integer(inputs[0]), _integer(inputs[1])
    if max(x.bits, kind.bits) > 8:
        return _told(w, operation, 64)
    if w.outer is None and rows is not None and (bias is not None or len(inputs) < 3):
        bound = integers.accumulator_bound(rows, bias, x)
    else:
        reach = [max(e.zero_point - e.low, e.high - e.zero_point) for e in (x, kind)]
        terms = by_output(
            np.broadcast_to(np.int8(0), inputs[1].shape), operation.operator, w.scope.site(operation).attributes
        )
        bound = prod(terms.shape[1:]) * prod(reach)
        bound -= _integer(inputs[2]).low if len(inputs) > 2 else 0
    return _told(w, operation, 32 if bound < 2**31 else 64)


def _told(w: Writer, operation: Operation, bits: int) -> dict[str, Any]:
    w.accumulators[w.key(operation.name)] = bits
    return {} if bits == 32 else {"accumulator": bits}


def _matmul(w: Writer, operation: Operation) -> None:
    inputs = [w.operand(name) for name in operation.inputs]
    w.emit(operation, inputs, **_accumulator(w, operation, inputs, None, None), **w.rounding())


def _integer(value: Value) -> Integer | Fixed:
    assert isinstance(value.type.element, Integer | Fixed)
    return value.type.element


MULTIPLYING = {
    **{name: Form(write=_weighted) for name in CHANNELS},
    "matmul": Form(write=_matmul),
}
