"""The scale and width of a stored integer, found at those who read it.

    DequantizeLinear, QLinear operators    say scale and zero point of what they read
    Gather from a table                    has 2^bits entries: the width of its index
    cast, centred, times m, rounded        m is the scale over that of the sum's result, which is looked for in turn

Nodes that only move numbers (Reshape, MaxPool, Clip ...) are looked through. An integer whose scale nobody says is a
plain number of scale 1.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.errors import BadInput
from lamina.ir import integers as rules
from lamina.ir.types import Integer
from lamina.lowering import _onnx_model as model

if TYPE_CHECKING:
    from onnx import NodeProto

    from lamina.lowering._onnx_walk import Graph

MOST_SEEN = 256  # nodes looked at for one value
MOST_DEPTH = 8  # sums looked through, one behind the other

MOVES = {  # operators that move stored numbers and leave their scale
    *("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "MaxPool", "Clip", "Gather", "Slice", "Concat"),
    *("Identity", "Split", "Expand", "Tile", "Pad", "Max", "Min", "DepthToSpace", "SpaceToDepth", "GatherElements"),
}
ROLES = {  # operator -> for each operand that is stored integers: (place, place of its scale, place of its zero point)
    "DequantizeLinear": ((0, 1, 2),),
    "QLinearConv": ((0, 1, 2),),
    "QLinearMatMul": ((0, 1, 2), (3, 4, 5)),
}


def element_of_scale(
    scale: np.ndarray, zero: np.ndarray | None, dtype: np.dtype[Any], axis: int | None = None
) -> Integer:
    """The element type of stored integers of ONNX's type `dtype`; raises `BadInput` for scales it cannot have."""
    width = model.integer_range(dtype)
    if width is None:
        raise BadInput(f"stored numbers of type {dtype} are no integers")
    scales = tuple(float(s) for s in np.asarray(scale, np.float32).reshape(-1))
    zeros = [0] if zero is None else [int(v) for v in zero.reshape(-1)]
    if len(set(zeros)) > 1:
        raise BadInput("zero points that differ along an axis")
    if axis is None and len(set(scales)) == 1:
        scales = scales[:1]
    return Integer(bits=width[0], signed=width[1], scale=scales, zero_point=zeros[0], axis=axis)


def element_ahead(graph: "Graph", name: str, dtype: np.dtype[Any], depth: int = 0) -> Integer | None:
    """The element type that readers of `name` give its stored integers; None where they give none."""
    width = model.integer_range(dtype)
    if width is None or width[0] > 16 or depth > MOST_DEPTH:
        return None
    found: Integer | None = None
    bits = width[0]
    for at, reader in _readers(graph, name):
        found = found or _role(graph, reader, at, dtype) or _centred(graph, reader, dtype, depth)
        table = _index_bits(graph, reader)
        bits = table if table is not None and table <= bits else bits
    if found is None:
        return Integer(bits=bits, signed=width[1]) if bits < width[0] or _is_index(graph, name) else None
    if bits < found.bits:
        try:
            return Integer(bits=bits, signed=found.signed, scale=found.scale, zero_point=found.zero_point)
        except BadInput:
            return found
    return found


def _readers(graph: "Graph", name: str) -> "list[tuple[str, NodeProto]]":
    """Who reads `name`, and what it is called there, through nodes that move numbers."""
    seen, queue = {name}, [name]
    found = []
    while queue:
        current = queue.pop(0)
        for reader in graph.readers.get(current, []):
            found.append((current, reader))
            if reader.op_type in MOVES and reader.input[0] == current:
                for output in reader.output:
                    if output and output not in seen and len(seen) < MOST_SEEN:
                        seen.add(output)
                        queue.append(output)
    return found


def _is_index(graph: "Graph", name: str) -> bool:
    return any(_index_bits(graph, reader) is not None for _, reader in _readers(graph, name))


def _next(graph: "Graph", proto: "NodeProto", kind: str) -> "NodeProto | None":
    """The one reader of a node's result, where it is of this kind."""
    readers = graph.readers.get(proto.output[0], []) if proto.output else []
    return readers[0] if len(readers) == 1 and readers[0].op_type == kind else None


def _index_bits(graph: "Graph", reader: "NodeProto") -> int | None:
    """Cast, an offset, Gather from a list of 2^bits stored integers: those bits."""
    if reader.op_type != "Cast":
        return None
    gather = _next(graph, reader, "Gather")
    if gather is None:
        offset = _next(graph, reader, "Sub")
        gather = _next(graph, offset, "Gather") if offset is not None else None
    if gather is None or len(gather.input) < 2:
        return None
    table = graph.constant(gather.input[0])
    if table is None or table.ndim != 1 or table.dtype.kind not in "iu" or table.dtype.itemsize > 2:
        return None
    size = table.shape[0]
    return size.bit_length() - 1 if size > 1 and size & (size - 1) == 0 else None


def _centred(graph: "Graph", reader: "NodeProto", dtype: np.dtype[Any], depth: int) -> Integer | None:
    """The scale that a sum written out in float32 says: its factor and its result's scale give it."""
    if reader.op_type != "Cast" or (centred := _next(graph, reader, "Sub")) is None:
        return None
    zero = graph.constant(centred.input[1])
    count, last = 1, centred
    pool = _next(graph, centred, "AveragePool")
    if pool is not None:
        product = _next(graph, pool, "Mul")
        number = graph.constant(product.input[1]) if product is not None else None
        rounded = _next(graph, product, "Round") if product is not None else None
        if number is None or number.size != 1 or rounded is None:
            return None
        count, last = int(number.reshape(-1)[0]), rounded
    scaled = _next(graph, last, "Mul") or _next(graph, last, "Div")
    by = graph.constant(scaled.input[1]) if scaled is not None else None
    rounded = _next(graph, scaled, "Round") if scaled is not None else None
    if zero is None or zero.size != 1 or by is None or by.size != 1 or rounded is None or scaled is None or count < 1:
        return None
    result = _stored_sum(graph, rounded)
    if result is None:
        return None
    y = element_ahead(graph, result, dtype, depth + 1)
    width = model.integer_range(dtype)
    if y is None or width is None:
        return None
    factor, point = float(np.float32(by.reshape(-1)[0])), int(zero.reshape(-1)[0])
    try:
        start = Integer(bits=width[0], signed=width[1], zero_point=point)
    except BadInput:
        return None
    if scaled.op_type == "Div":
        return _with_scale(start, count * y.scale[0] / factor) if factor > 0 else None
    return next((x for x in _near(start, factor * y.scale[0] * count) if _multiplies(x, y, count, factor)), None)


def _stored_sum(graph: "Graph", rounded: "NodeProto") -> str | None:
    """The stored integer that a rounded term ends in: perhaps a sum, an offset, Clip, Cast."""
    first = _next(graph, rounded, "Add")
    second = _next(graph, first, "Add") if first is not None else None
    clip = _next(graph, second or first, "Clip") if first is not None else None
    cast = _next(graph, clip, "Cast") if clip is not None else None
    return cast.output[0] if cast is not None else None


def _with_scale(of: Integer, scale: float) -> Integer | None:
    try:
        return Integer(bits=of.bits, signed=of.signed, scale=(scale,), zero_point=of.zero_point)
    except BadInput:
        return None


def _near(of: Integer, scale: float) -> list[Integer]:
    """`of` with the float32 scales around `scale`."""
    if not 0 < scale < float(np.finfo(np.float32).max):
        return []
    steps = [np.float32(scale)]
    for direction in (np.float32(np.inf), np.float32(0)):
        at = steps[0]
        for _ in range(3):
            at = np.nextafter(at, direction)
            steps.append(at)
    return [e for s in steps if (e := _with_scale(of, float(s))) is not None]


def _multiplies(x: Integer, y: Integer, count: int, factor: float) -> bool:
    return float(rules.rescale_multiplier(x, y, count)) == factor


def solved(of: Integer, terms: "list[tuple[Integer, float, int]]") -> Integer | None:
    """`of` with the scale for which every term (element, factor, count) is rescaled by its factor; None without one."""
    x, factor, count = terms[0]
    if factor <= 0:
        return None
    near = _near(of, x.scale[0] / count / factor)
    return next((y for y in near if all(_multiplies(x, y, count, factor) for x, factor, count in terms)), None)


def _role(graph: "Graph", reader: "NodeProto", name: str, dtype: np.dtype[Any]) -> Integer | None:
    for at, scale_at, zero_at in ROLES.get(reader.op_type, ()):
        if len(reader.input) <= scale_at or reader.input[at] != name:
            continue
        scale = graph.constant(reader.input[scale_at])
        has_zero = len(reader.input) > zero_at and bool(reader.input[zero_at])
        zero = graph.constant(reader.input[zero_at]) if has_zero else None
        if scale is not None and scale.size == 1 and (zero is not None or not has_zero):
            try:
                return element_of_scale(scale, zero, dtype)
            except BadInput:
                return None
    return None
