"""One integer operator for what stands between DequantizeLinear and QuantizeLinear, and for the QLinear operators.

    q_y = clip(rint(m sum (q_x - z_x) q_w) + z_y)        m = s_x s_w / s_y

Weights are stored without their zero point; where they then leave eight bits they have nine. The bias is an int32 at
the scale of the sum. The accumulator is as wide as the stored weights need.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.ir import integers as rules
from lamina.ir.operators.multiply import bias_scale
from lamina.ir.types import Integer, Type
from lamina.lowering._coded import coding
from lamina.lowering._onnx_ahead import element_of_scale
from lamina.lowering._onnx_coding import average_integers, integer_of, rounding_of, stored
from lamina.lowering._onnx_node import Node, Tensor, place
from lamina.lowering.onnx_rules.convolution import convolution

if TYPE_CHECKING:
    from onnx import NodeProto

MOVING = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "MaxPool", "Slice", "Concat", "Identity")
BIAS_MATCH = 1e-5  # relative difference of a bias's scale from s_x s_w that is taken as rounding


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """Stored weights [k, ...] without zero point, their scales along axis 0."""

    name: str
    array: np.ndarray
    element: Integer


def weights_of(name: str, array: np.ndarray, scale: np.ndarray, zero: np.ndarray | None, axis: int | None) -> Weights:
    """Weights of the file as symmetric integers with one scale, or one along axis 0 (`axis` of the file's array)."""
    data = array.astype(np.int64)
    along = [1] * data.ndim
    if axis is not None and max(scale.size, 1 if zero is None else zero.size) > 1:
        along[axis] = -1
    if zero is not None:
        data = data - zero.astype(np.int64).reshape(along if zero.size > 1 else [1] * data.ndim)
    scales = tuple(float(s) for s in scale.astype(np.float32).reshape(-1))
    bits = 8 if array.dtype.itemsize == 1 else 16
    if data.size and not (-(1 << (bits - 1)) <= data.min() and data.max() < 1 << (bits - 1)):
        bits += 1
    element = Integer(bits=bits, signed=True, scale=scales, axis=0 if len(scales) > 1 else None)
    return Weights(name=name, array=data.astype(element.storage), element=element)


def accumulator(w: Weights, bias: np.ndarray | None, x: Integer) -> int:
    """32 where the stored weights prove that it is enough, else 64."""
    if max(x.bits, w.element.bits) > 9:
        return 64
    bound = rules.accumulator_bound(w.array, bias, x)
    return 32 if bound < 2**31 else 64


def multiplied(
    node: Node, x: Tensor, w: Weights, bias: np.ndarray | None, y: Integer, dtype: np.dtype[Any], *, conv: bool
) -> Tensor:
    """conv2d (the window of `node`) or linear on stored integers."""
    q = integer_of(x)
    assert q is not None
    form = rounding_of(q, w.element, y)
    more = {"element": y, "rounding": form, "accumulator": accumulator(w, bias, q), "dtype": dtype}
    operands = [_constant(node, w.name, w.array, w.element)]
    if bias is not None:
        scales = bias_scale(q, w.element)
        of = Integer(bits=32, scale=scales, axis=0 if len(scales) > 1 else None)
        operands.append(_constant(node, f"{w.name}/bias", bias.astype(np.int32), of))
    if conv:
        return convolution(node, x, operands[0], operands[1] if bias is not None else None, **more)
    made: Tensor = node.emit("linear", x, *operands, **more)
    return made


def _constant(node: Node, name: str, data: np.ndarray, element: Integer) -> Tensor:
    sparse, codebook_bits = coding(data)
    type_ = Type(shape=data.shape, element=element, sparse=sparse, codebook_bits=codebook_bits)
    value = node.builder.constant(name, data, type_)
    return Tensor(name, data.dtype, data.shape, None, value)


# ---- between DequantizeLinear and QuantizeLinear


def between(node: Node, y: Integer) -> Tensor | None:
    """The integer operator for the pattern that ends at this QuantizeLinear; None where it stays in floats."""
    graph = node.graph
    core = graph.makers.get(node.proto.input[0])
    after: list[NodeProto] = []
    while core is not None and core.op_type in ("Relu", "Clip") and len(after) < 2:
        after.append(core)
        core = graph.makers.get(core.input[0])
    if core is None:
        return None
    bounds = _bounds(node, after, y)
    if bounds is None:
        return None
    dtype = np.dtype(y.storage) if y.bits in (8, 16) else None
    if dtype is None:
        return None
    try:
        make = _maker(node, core, dtype)
        if make is None:
            return None
        made = make(y)
    except (BadInput, Unsupported):
        return None  # what integers cannot do here, floats do
    if made is None:
        return None
    if not after:
        made.again = lambda of: _kept(make(of))
    if bounds[0] > y.low or bounds[1] < y.high:
        made = _held(node, made, y, *bounds)
    return made


def _kept(made: Tensor | None) -> Tensor:
    assert made is not None
    return made


def _bounds(node: Node, after: "list[NodeProto]", y: Integer) -> tuple[int, int] | None:
    """The stored integers between which Relu and Clip hold the result; None where they are not known."""
    low, high = y.low, y.high
    for proto in after:
        ends = [0.0, np.inf]
        if proto.op_type == "Clip":
            found = _clip_ends(node, proto)
            if found is None:
                return None
            ends = found
        with np.errstate(all="ignore"):
            places = [np.rint(np.float32(e) / np.float32(y.scale[0])) + y.zero_point for e in ends]
        low, high = max(low, int(max(places[0], y.low))), min(high, int(min(places[1], y.high)))
    return (low, high) if low <= high else None


def _clip_ends(node: Node, proto: "NodeProto") -> list[float] | None:
    if node.opset < 11:
        attributes = {a.name: a.f for a in proto.attribute}
        return [attributes.get("min", -np.inf), attributes.get("max", np.inf)]
    ends = []
    for at, default in ((1, -np.inf), (2, np.inf)):
        if len(proto.input) <= at or not proto.input[at]:
            ends.append(default)
            continue
        data = node.graph.constant(proto.input[at])
        if data is None or data.size != 1:
            return None
        ends.append(float(data.reshape(-1)[0]))
    return ends


def _held(node: Node, x: Tensor, y: Integer, low: int, high: int) -> Tensor:
    if low == y.zero_point and high == y.high:
        made: Tensor = node.emit("relu", x)
        return made
    scale = float(np.float32(y.scale[0]))
    made = node.emit("clip", x, low=scale * (low - y.zero_point), high=scale * (high - y.zero_point))
    return made


def _source(node: Node, name: str) -> Tensor | None:
    """The stored integers that a DequantizeLinear turns into `name`; None where there is none of one scale."""
    maker = node.graph.makers.get(name)
    if maker is None or maker.op_type != "DequantizeLinear":
        return None
    found = node.graph.find(maker.input[0])
    q = integer_of(found) if found is not None else None
    scale = node.graph.constant(maker.input[1])
    has_zero = len(maker.input) > 2 and bool(maker.input[2])
    zero = node.graph.constant(maker.input[2]) if has_zero else None
    if found is None or q is None or scale is None or scale.size != 1 or (has_zero and zero is None):
        return None
    point = 0 if zero is None else int(zero.reshape(-1)[0])
    return found if (float(np.float32(scale.reshape(-1)[0])), point) == (q.scale[0], q.zero_point) else None


def _stored(
    node: Node, name: str, axes: int
) -> tuple[str, np.ndarray, np.ndarray, np.ndarray | None, int | None] | None:
    """Name, integers, scale, zero point and axis of weights behind a DequantizeLinear; None where they are computed."""
    maker = node.graph.makers.get(name)
    if maker is None or maker.op_type != "DequantizeLinear":
        return None
    if any(a.name == "block_size" and a.i for a in maker.attribute):
        return None
    found = node.graph.find(maker.input[0])
    scale = node.graph.constant(maker.input[1])
    zero = node.graph.constant(maker.input[2]) if len(maker.input) > 2 and maker.input[2] else None
    if found is None or found.array is None or found.rank != axes or scale is None or scale.ndim > 1:
        return None
    axis = next((a.i for a in maker.attribute if a.name == "axis"), 1)
    return found.name, found.array, scale, zero, place(axis, axes) if scale.size > 1 else None


def _maker(node: Node, core: "NodeProto", dtype: np.dtype[Any]) -> Any:
    """A function from element type to the integer operator for `core`; None where there is none."""
    kind = core.op_type
    if kind in MOVING:
        return _moving(node, core)
    x = _source(node, core.input[0]) if core.input else None
    if x is None:
        return None
    inner = Node(core, node.graph, [], node.name, node.opset)
    if kind in ("Conv", "Gemm") or (kind == "MatMul" and _source(node, core.input[1]) is None):
        return _weighted(node, core, inner, x, dtype)
    inner.inputs = [x]
    q = integer_of(x)
    assert q is not None
    if kind == "AveragePool":
        return lambda y: average_integers(inner, x, y, rounding_of(q, y))
    if kind == "GlobalAveragePool" and x.rank == 4:
        plane = x.shape[2:]
        return lambda y: node.emit(
            "average_pool2d", x, kernel=plane, stride=plane, element=y, rounding=rounding_of(q, y), dtype=dtype
        )
    if kind == "MatMul" and x.rank > 1:
        return _matmul(node, core, x, dtype)
    return None


def _matmul(node: Node, core: "NodeProto", a: Tensor, dtype: np.dtype[Any]) -> Any:
    b = _source(node, core.input[1])
    if b is None or b.rank < 2:
        return None
    return lambda y: products(node, a, b, y, dtype)


def products(node: Node, a: Tensor, b: Tensor, y: Integer, dtype: np.dtype[Any]) -> Tensor:
    """matmul of two stored values."""
    qa, qb = integer_of(a), integer_of(b)
    assert qa is not None
    assert qb is not None
    reach = [max(q.zero_point - q.low, q.high - q.zero_point) for q in (qa, qb)]
    wide = a.shape[-1] * reach[0] * reach[1] >= 2**31
    form = rounding_of(qa, qb, y)
    made: Tensor = node.emit("matmul", a, b, element=y, rounding=form, accumulator=64 if wide else 32, dtype=dtype)
    return made


def _moving(node: Node, core: "NodeProto") -> Any:
    """Numbers that only move between one scale and the same scale."""
    from lamina.lowering.onnx_rules import RULES

    count = len(core.input) if core.op_type == "Concat" else 1
    sources = [_source(node, name) for name in core.input[:count]]
    if any(s is None for s in sources) or (core.op_type == "MaxPool" and len(core.output) > 1):
        return None
    rest = [node.graph.find(name) if name else None for name in core.input[count:]]
    inner = Node(core, node.graph, [*sources, *rest], node.name, node.opset)

    def make(y: Integer) -> Tensor | None:
        if any(s is None or integer_of(s) != y for s in sources):
            return None
        made = RULES[core.op_type](inner)
        return made if isinstance(made, Tensor) else None

    return make


def _weighted(node: Node, core: "NodeProto", inner: Node, x: Tensor, dtype: np.dtype[Any]) -> Any:
    conv = core.op_type == "Conv"
    found = _stored(node, core.input[1], x.rank if conv else 2)
    q = integer_of(x)
    if found is None or q is None:
        return None
    name, array, scale, zero, axis = found
    rows_first = conv or bool(inner.integer("transB", 0))
    if axis is not None and axis != (0 if rows_first else 1):
        return None
    if core.op_type == "Gemm" and (
        inner.real("alpha", 1.0) != 1 or inner.real("beta", 1.0) != 1 or inner.integer("transA", 0)
    ):
        return None
    if not rows_first:
        array, axis = array.T, 0 if axis is not None else None
    w = weights_of(name, array, scale, zero, axis)
    bias: np.ndarray | None = None
    if len(core.input) > 2 and core.input[2]:
        bias = _bias(node, core.input[2], q, w)
        if bias is None:
            return None
    inner.inputs = [x]
    return lambda y: multiplied(inner, x, w, bias, y, dtype, conv=conv)


def _bias(node: Node, name: str, x: Integer, w: Weights) -> np.ndarray | None:
    """The integers of a bias at the scale of the sum; None for another bias."""
    found = _stored(node, name, 1)
    if found is None:
        return None
    _, array, scale, zero, _ = found
    wanted = np.asarray(bias_scale(x, w.element), np.float64)
    if array.dtype != np.int32 or (zero is not None and zero.any()) or array.shape != (len(w.array),):
        return None
    return array if np.allclose(scale.reshape(-1), wanted, rtol=BIAS_MATCH, atol=0) else None


# ---- for the QLinear operators


def quantised_operand(node: Node, at: int) -> Tensor:
    """Operand `at` with its scale and zero point behind it, as stored integers."""
    x, scale, zero = node.x(at), node.array(at + 1, "a scale"), node.array(at + 2, "a zero point")
    if scale.size != 1 or zero.size != 1:
        raise Unsupported("an activation with a scale for each channel")
    return stored(node, x, element_of_scale(scale, zero, x.dtype))
