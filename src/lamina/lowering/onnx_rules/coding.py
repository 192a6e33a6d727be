"""QuantizeLinear, DequantizeLinear, and the operator between them.

    DequantizeLinear ─▶ Conv | Gemm | MatMul | AveragePool ─▶ [Relu | Clip] ─▶ QuantizeLinear      one integer operator
    DequantizeLinear ─▶ Reshape | Transpose | MaxPool | Concat ... ─▶ QuantizeLinear of the same scale: numbers move
    any other operator stays in float32 between dequantise and quantise, as the file says (Add rounds once there;
    Lamina's integer addition rounds each operand, so it is another number)

Requantisation is `power_of_two` where all scales are, else `float`. Weights with a zero point are stored without it.
"""

from typing import Any

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.ir.types import FLOAT32, INDEX, Integer
from lamina.lowering import _onnx_model as model
from lamina.lowering._onnx_ahead import element_of_scale
from lamina.lowering._onnx_coding import integer_of, real
from lamina.lowering._onnx_node import Node, Tensor, known, place
from lamina.lowering.onnx_rules._quantised import between
from lamina.lowering.onnx_rules._rule import rule

REAL = np.dtype(np.float32)


def _along(node: Node, x: Tensor, parameter: Tensor) -> tuple[int, ...]:
    """The shape in which a scale or zero point broadcasts against x."""
    if parameter.rank == 0 or (parameter.rank == 1 and parameter.shape[0] == 1):
        return ()
    axis = place(node.integer("axis", 1), x.rank)
    if parameter.rank == 1 and parameter.shape == (x.shape[axis],):
        return tuple(-1 if at == axis else 1 for at in range(x.rank))
    raise BadInput(f"a scale of shape {list(parameter.shape)} for a value of shape {list(x.shape)}, axis {axis}")


def _blocked(node: Node, x: Tensor, parameter: Tensor) -> np.ndarray | None:
    """A scale or zero point repeated over the blocks of opset 21; None where there are none."""
    block = node.integer("block_size", 0)
    if block <= 0 or parameter.rank != x.rank:
        return None
    if parameter.array is None:
        raise Unsupported("scales of blocks that are computed")
    axis = place(node.integer("axis", 1), x.rank)
    whole = np.repeat(parameter.array, min(block, x.shape[axis]), axis=axis)
    whole = whole[tuple(slice(0, s) for s in x.shape)]
    if whole.shape != x.shape:
        raise BadInput(f"scales of shape {list(parameter.shape)} in blocks of {block} for a value {list(x.shape)}")
    return whole


def _spread(node: Node, x: Tensor, parameter: Tensor) -> Tensor:
    """A scale or zero point in a shape that broadcasts against x."""
    blocks = _blocked(node, x, parameter)
    if blocks is not None:
        return known(parameter.name, blocks)
    along = _along(node, x, parameter)
    shape = [x.shape[at] if s == -1 else 1 for at, s in enumerate(along)]
    return node.reshape(parameter, shape)


def _target(node: Node) -> np.dtype[Any]:
    """The type of integers that QuantizeLinear makes."""
    zero = node.given(2)
    if zero is not None:
        return zero.dtype
    return model.kind(node.integer("output_dtype", 0) or 2)  # uint8


@rule("QuantizeLinear")
def quantize(node: Node) -> Tensor:
    x, scale, zero = node.x(0), node.x(1), node.given(2)
    dtype = _target(node)
    width = model.integer_range(dtype)
    if width is None or width[0] > 16:
        raise Unsupported(f"QuantizeLinear to {dtype}: integers of up to 16 bits are read")
    if not x.is_float:
        raise Unsupported("QuantizeLinear of integers")
    single = scale.known and scale.array is not None and scale.array.size == 1 and node.integer("block_size", 0) == 0
    if single and (zero is None or zero.known) and not x.known:
        element = element_of_scale(scale.numbers, zero.array if zero is not None else None, dtype)
        found = between(node, element)
        if found is not None:
            return found
        return _quantised(node, x, element, dtype)
    low, high = (-(1 << (width[0] - 1)), (1 << (width[0] - 1)) - 1) if width[1] else (0, (1 << width[0]) - 1)
    made = node.step("round", node.step("divide", x, _spread(node, x, scale)))
    if zero is not None:
        offset = (
            node.plain(_spread(node, x, zero)) if not zero.known else known(zero.name, zero.numbers.astype(np.int64))
        )
        offset = _spread(node, x, offset) if zero.known else offset
        made = node.step("add", made, node.step("cast", offset, element=FLOAT32, dtype=REAL))
    made = node.step("clip", made, low=float(low), high=float(high))
    found = node.emit("cast", made, element=INDEX, dtype=np.int64 if dtype.kind not in "iu" else dtype)
    return found if dtype.kind in "iu" else Tensor(found.name, dtype, found.shape, _narrow(found, dtype), found.value)


def _narrow(x: Tensor, dtype: np.dtype[Any]) -> np.ndarray | None:
    return None if x.array is None else x.array.astype(dtype)


def _quantised(node: Node, x: Tensor, element: Integer, dtype: np.dtype[Any]) -> Tensor:
    def make(of: Integer) -> Tensor:
        made: Tensor = node.emit("quantise", x, element=of, dtype=dtype)
        return made

    made = make(element)
    made.again = make
    return made


@rule("DequantizeLinear")
def dequantize(node: Node) -> Tensor:
    x, scale, zero = node.x(0), node.x(1), node.given(2)
    q = integer_of(x)
    if q is not None and scale.array is not None and scale.array.size == 1 and (zero is None or zero.known):
        wanted = element_of_scale(scale.array, None if zero is None else zero.array, x.dtype)
        same = (q.scale, q.zero_point, q.signed) == (wanted.scale, wanted.zero_point, wanted.signed)
        return real(node, x, q if same else wanted)
    if x.known and scale.known and (zero is None or zero.known):
        return _known(node, x, scale, zero)
    number = node.step("cast", node.plain(x), element=FLOAT32, dtype=REAL)
    if zero is not None:
        offset = known(zero.name, zero.array.astype(np.int64)) if zero.array is not None else node.plain(zero)
        number = node.step("subtract", number, node.step("cast", _spread(node, x, offset), element=FLOAT32, dtype=REAL))
    made: Tensor = node.emit("multiply", number, _spread(node, x, scale))
    return made


def _known(node: Node, x: Tensor, scale: Tensor, zero: Tensor | None) -> Tensor:
    """Stored weights as real numbers."""
    assert x.array is not None
    data = x.array.astype(np.float32)
    if zero is not None:
        offset = _spread(node, x, known(zero.name, np.asarray(zero.array).astype(np.float32)))
        data = data - offset.numbers
    return known(node.name, np.asarray(data * _spread(node, x, scale).numbers, np.float32))


@rule("DynamicQuantizeLinear")
def dynamic(node: Node) -> list[Tensor | None]:
    return [*dynamically(node, node.x())]


def dynamically(node: Node, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """uint8 of x with the scale of what came, that scale, and its zero point; 0 is always among the numbers."""
    axes = tuple(range(x.rank))
    zero = node.constant(0, x)
    high = node.step("maximum", node.step("reduce_max", x, axes=axes), zero)
    low = node.step("minimum", node.step("reduce_min", x, axes=axes), zero)
    spread = node.step("divide", node.step("subtract", high, low), node.constant(255, x))
    nothing = node.step("equal", spread, zero, dtype=bool)
    scale = node.step("where", nothing, node.constant(1, x), spread, dtype=x.dtype)
    offset = node.step("round", node.step("divide", node.step("subtract", zero, low), scale))
    offset = node.step("clip", offset, low=0.0, high=255.0)
    whole = node.step("add", node.step("round", node.step("divide", x, scale)), offset)
    clipped = node.step("clip", whole, low=0.0, high=255.0)
    q = node.emit("cast", clipped, element=INDEX, dtype=np.uint8)
    return (q, scale, node.step("cast", offset, element=INDEX, dtype=np.uint8))
