"""Quantised values in an ONNX graph, and what stands for one integer operator (scales: `_onnx_ahead`).

    clipped     Clip of stored integers: a narrower type, a relu, or bounds
    looked_up   Gather from a table with an entry for each integer
    saturated   Round, offset, Clip and Cast: addition and average written out in float32 (as `lamina.export` does)

A stored integer has one scale; a reader that wants another computes from its real number.
"""

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.errors import BadInput
from lamina.ir import integers as rules
from lamina.ir.types import FLOAT32, Integer, Type, is_power_of_two
from lamina.lowering import _onnx_model as model
from lamina.lowering._onnx_ahead import element_ahead, solved
from lamina.lowering._onnx_node import Node, Tensor, is_plain

if TYPE_CHECKING:
    from onnx import NodeProto

    from lamina.lowering._onnx_walk import Graph


def integer_of(tensor: Tensor) -> Integer | None:
    """The element type of a stored integer with a scale; None for any other tensor."""
    if tensor.value is None or is_plain(tensor.value):
        return None
    element = tensor.value.type.element
    return element if isinstance(element, Integer) else None


def stored(node: Node, tensor: Tensor, element: Integer) -> Tensor:
    """Integers of the file as stored integers of `element`, whatever scale they had before: the same integers."""
    if integer_of(tensor) == element:
        return tensor
    made: Tensor = node.step("quantise", real(node, tensor, element), element=element, dtype=tensor.dtype)
    return made


def real(node: Node, tensor: Tensor, element: Integer) -> Tensor:
    """The real numbers s (q - z) of integers of the file, in float32."""
    if integer_of(tensor) == element:
        return Tensor(
            tensor.name,
            np.dtype(np.float32),
            tensor.shape,
            None,
            node.builder.emit("dequantise", [node.value(tensor)], name=f"{node.name}/real", element=FLOAT32),
        )
    plain = node.plain(tensor)
    wide = node.step("cast", plain, element=FLOAT32, dtype=np.float32)
    centred = node.step("subtract", wide, node.constant(element.zero_point, wide)) if element.zero_point else wide
    made: Tensor = node.step("multiply", centred, node.constant(element.scale[0], wide))
    return made


def rounding_of(*elements: Integer) -> str:
    """The form of requantisation that these scales allow: shifts where all are powers of two."""
    return "power_of_two" if all(is_power_of_two(s) for e in elements for s in e.scale) else "float"


# ---- patterns


def clipped(node: Node, x: Tensor, low: Tensor | None, high: Tensor | None) -> Tensor | None:
    """Clip of stored integers with a scale; None where `x` is something else."""
    q = integer_of(x)
    if q is None or any(t is not None and not t.known for t in (low, high)):
        return None
    ends = [
        int(t.array.reshape(-1)[0]) if t is not None and t.array is not None and t.array.size == 1 else default
        for t, default in ((low, q.low), (high, q.high))
    ]
    narrow = _narrower(q, *ends)
    if narrow is not None and x.again is not None:
        return x.again(narrow)
    if ends[0] <= q.low and ends[1] >= q.high:
        return x
    if ends[0] == q.zero_point and ends[1] >= q.high:
        made: Tensor = node.emit("relu", x)
        return made
    bounds = [float(np.float32(q.scale[0])) * (end - q.zero_point) for end in ends]
    made = node.emit("clip", x, low=bounds[0], high=bounds[1])
    return made


def _narrower(q: Integer, low: int, high: int) -> Integer | None:
    """The type of fewer bits whose range is low..high; None where there is none."""
    for bits in range(1, q.bits):
        if (low, high) == ((-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if q.signed else (0, (1 << bits) - 1)):
            return Integer(bits=bits, signed=q.signed, scale=q.scale, zero_point=q.zero_point)
    return None


def looked_up(node: Node, table: Tensor, places: Tensor) -> Tensor | None:
    """Gather from a table of stored integers with an entry for each integer of its index; None for another Gather."""
    graph, proto = node.graph, node.proto
    if table.array is None or table.rank != 1 or table.dtype.kind not in "iu" or table.dtype.itemsize > 2:
        return None
    maker, low = graph.makers.get(proto.input[1]), 0
    if maker is not None and maker.op_type == "Sub":
        offset = graph.constant(maker.input[1])
        if offset is None or offset.size != 1:
            return None
        low, maker = int(offset.reshape(-1)[0]), graph.makers.get(maker.input[0])
    if maker is None or maker.op_type != "Cast":
        return None
    source = graph.find(maker.input[0])
    x = integer_of(source) if source is not None else None
    width = model.integer_range(table.dtype)
    if source is None or x is None or width is None or x.low != low or table.shape != (2**x.bits,):
        return None
    to = element_ahead(graph, proto.output[0], table.dtype) or Integer(bits=width[0], signed=width[1])
    if table.numbers.min() < to.low or table.numbers.max() > to.high:
        return None
    entries = node.builder.constant(table.name, table.array, Type(shape=table.shape, element=to))
    value = node.builder.emit("lookup", [node.value(source), entries], name=node.name, element=to)
    return node.tensor(value, table.dtype)


def saturated_integers(node: Node) -> Tensor | None:
    """Cast(Clip(Add(whole numbers, zero point))): addition or average of stored integers; None for another Cast."""
    graph = node.graph
    clip = graph.makers.get(node.proto.input[0])
    if clip is None or clip.op_type != "Clip" or len(clip.input) < 3:
        return None
    low, high = (graph.constant(n) for n in clip.input[1:3])
    moved = graph.makers.get(clip.input[0])
    if low is None or high is None or moved is None or moved.op_type != "Add":
        return None
    zero, inner = graph.constant(moved.input[1]), graph.makers.get(moved.input[0])
    if zero is None or zero.size != 1 or inner is None:
        return None
    dtype = model.kind(node.integer("to"))
    terms = [inner] if inner.op_type == "Round" else [graph.makers.get(n) for n in inner.input]
    found = [_Term.of(graph, t) if t is not None else None for t in terms]
    if any(t is None for t in found) or inner.op_type not in ("Round", "Add"):
        return None
    parts = [t for t in found if t is not None]
    return _rebuilt(node, parts, int(zero.reshape(-1)[0]), int(low), int(high), dtype, average=inner.op_type == "Round")


class _Term:
    """Round(centred times or over a number): a stored integer at another scale."""

    def __init__(self, source: Tensor, q: Integer, by: float, divides: bool, pool: "NodeProto | None", count: int):
        self.source, self.q, self.by, self.divides, self.pool, self.count = source, q, by, divides, pool, count

    @classmethod
    def of(cls, graph: "Graph", proto: "NodeProto") -> "_Term | None":
        scaled = graph.makers.get(proto.input[0]) if proto.op_type == "Round" else None
        if scaled is None or scaled.op_type not in ("Mul", "Div"):
            return None
        by, name = graph.constant(scaled.input[1]), scaled.input[0]
        pool, count = None, 1
        total = graph.makers.get(name)
        if total is not None and total.op_type == "Round":  # the exact sum of a pool: mean times count
            product = graph.makers.get(total.input[0])
            number = graph.constant(product.input[1]) if product is not None and product.op_type == "Mul" else None
            pool = graph.makers.get(product.input[0]) if product is not None else None
            if number is None or pool is None or pool.op_type != "AveragePool":
                return None
            count, name = int(number.reshape(-1)[0]), pool.input[0]
        centred = graph.makers.get(name)
        cast = graph.makers.get(centred.input[0]) if centred is not None and centred.op_type == "Sub" else None
        source = graph.find(cast.input[0]) if cast is not None and cast.op_type == "Cast" else None
        q = integer_of(source) if source is not None else None
        offset = graph.constant(centred.input[1]) if centred is not None and len(centred.input) > 1 else None
        if source is None or q is None or by is None or by.size != 1 or offset is None or offset.size != 1:
            return None
        if int(offset.reshape(-1)[0]) != q.zero_point:
            return None
        return cls(source, q, float(np.float32(by.reshape(-1)[0])), scaled.op_type == "Div", pool, count)

    def fits(self, y: Integer) -> bool:
        """Whether the number stands for rescaling to `y`."""
        if self.divides:
            return self.by == float(np.float32(self.count * y.scale[0] / self.q.scale[0]))
        return self.by == float(rules.rescale_multiplier(self.q, y, self.count))


def _rebuilt(
    node: Node, terms: list[_Term], zero: int, low: int, high: int, dtype: np.dtype[Any], *, average: bool
) -> Tensor | None:
    width, first = model.integer_range(dtype), terms[0]
    assert width is not None
    ahead = element_ahead(node.graph, node.proto.output[0], dtype)
    try:
        y = Integer(bits=width[0], signed=width[1], zero_point=zero)
        y = y if (low, high) == (y.low, y.high) else _narrower(y, low, high) or y
        if first.divides:  # a power of two over a power of two: exact
            scale = first.by * first.q.scale[0] / first.count
            found: Integer | None = Integer(bits=y.bits, signed=y.signed, scale=(scale,), zero_point=zero)
        else:
            found = solved(y, [(t.q, t.by, t.count) for t in terms])
        if ahead is not None and ahead.zero_point == zero:
            said = Integer(bits=y.bits, signed=y.signed, scale=ahead.scale, zero_point=zero)
            found = said if all(t.fits(said) for t in terms) else found
    except BadInput:
        return None
    if found is None:
        return None
    y = found
    if (low, high) != (y.low, y.high) or len({t.divides for t in terms}) > 1 or not all(t.fits(y) for t in terms):
        return None
    form = "power_of_two" if first.divides else "float"
    if not average:
        if len(terms) != 2:
            return None
        made: Tensor = node.emit("add", *(t.source for t in terms), element=y, rounding=form, dtype=dtype)
        return made
    if first.pool is None:
        return None
    inner = Node(first.pool, node.graph, [first.source], node.name, node.opset)
    return average_integers(inner, first.source, y, form, first.count)


def average_integers(node: Node, x: Tensor, y: Integer, form: str, count: int | None = None) -> Tensor | None:
    """An integer average_pool2d for an AveragePool node; None where its windows are not all whole."""
    from lamina.lowering.onnx_rules.convolution import flat
    from lamina.lowering.onnx_rules.pooling import Pool, back

    pool = Pool(node, x)
    padded = any((*pool.before, *pool.after))
    if not pool.is_whole or (count is not None and count != prod(pool.kernel)):
        return None
    if padded and not node.integer("count_include_pad", 0):
        return None
    dtype = np.dtype(f"{'i' if y.signed else 'u'}{-(-y.bits // 8)}")
    made = node.emit("average_pool2d", flat(node, x), **pool.attributes, element=y, rounding=form, dtype=dtype)
    return back(node, made, pool.axes)
