"""Operator to ONNX where numbers are integers of up to 8 bits (INTERFACE, section 5).

    conv2d, linear, matmul   DequantizeLinear of the operands, the float operator, QuantizeLinear: a runtime recognises
                             this pattern and computes in integers; a relu is the clipping at zero
    views, moves, extremes   on the stored integers themselves
    lookup                   Gather from the stored table, the integer less its lowest as index
    sums, products, means    written out in float32, where they are exact (`_onnx_sums`)

Raises `Unsupported` for what ONNX does not say: more than 8 bits, fixed point, truncation.
"""

from typing import Any

import numpy as np

from lamina.core.errors import Unsupported
from lamina.export._onnx_elementwise import COMPARED, chosen, compared, extreme
from lamina.export._onnx_graph import Graph
from lamina.export._onnx_moves import MOVES
from lamina.export._onnx_operators import PLAIN, POOLS, VIEWS
from lamina.export._onnx_reduce import REDUCE
from lamina.export._onnx_write import Task, Write, reshaped
from lamina.ir.operators.activations import clip_bounds
from lamina.ir.types import BOOL, Element, Float, Integer

_MOST_BITS = 8


def element(of: Element) -> Integer:
    """An element type that QuantizeLinear can have; others raise `Unsupported`."""
    if not isinstance(of, Integer) or of.bits > _MOST_BITS:
        raise Unsupported(f"{of} has no QuantizeLinear in ONNX: integers of up to 8 bits have; export C instead")
    return of


def is_quantised(of: Element) -> bool:
    """Whether numbers have a scale: not floats, truth values, or plain integers of more than 8 bits."""
    whole = isinstance(of, Integer) and of.bits in (16, 32, 64) and (of.scale, of.zero_point) == ((1.0,), 0)
    return not isinstance(of, Float) and of != BOOL and not whole


def exact(task: Task) -> str:
    """The rounding of the operation; truncation raises."""
    a = task.attributes
    if a.get("rounding") == "truncate" or a.get("products", "exact") != "exact":
        raise Unsupported(f"{task.to}: truncated sums or products have no form in ONNX: export C instead")
    return str(a["rounding"])


def quantised(graph: Graph, x: str, to: str, of: Integer) -> str:
    """Float value `x` as stored integers: rounded half to even, saturated, clipped below 8 bits."""
    narrow = of.bits < _MOST_BITS
    whole = graph.node("QuantizeLinear", x, *_coding(graph, to, of), to=f"{to}:whole" if narrow else to)
    if narrow:
        clipped = f"{to}:byte" if of == BOOL else to
        _clip(graph, whole, clipped, of, of.low, of.high)
        if of == BOOL:  # an integer of one bit is what ONNX calls a truth value
            graph.cast(clipped, np.bool_, to=to)
    return to


def dequantised(graph: Graph, q: str, to: str, of: Integer) -> str:
    """Stored integers `q` as float, one scale or one along an axis."""
    if of == BOOL:
        return graph.cast(q, np.float32, to=to)
    axis = {} if of.axis is None else {"axis": of.axis}
    return graph.node("DequantizeLinear", q, *_coding(graph, to, of), to=to, **axis)


def _coding(graph: Graph, to: str, of: Integer) -> tuple[str, str]:
    """Scale and zero point as stored tensors: scalars, or lists along the axis."""
    scale = of.scale if of.axis is not None else of.scale[0]
    zero = [of.zero_point] * len(of.scale) if of.axis is not None else of.zero_point
    return graph.tensor(f"{to}:scale", scale, np.float32), graph.tensor(f"{to}:zero", zero, of.storage)


def _clip(graph: Graph, x: str, to: str, of: Integer, low: int, high: int) -> str:
    ends = [graph.tensor(f"{to}:{name}", end, of.storage) for name, end in (("low", low), ("high", high))]
    return graph.node("Clip", x, *ends, to=to)


def _product(task: Task) -> None:
    exact(task)
    graph, to, inputs = task.graph, task.to, [*task.inputs]
    y = element(task.site.outputs[0].element)
    kinds = [element(task.site.inputs[0].element), element(task.site.inputs[1].element)]
    kinds += [t.element for t in task.site.inputs[2:] if isinstance(t.element, Integer)]
    shape = task.site.inputs[0].shape
    layer = "products" in task.attributes and "groups" not in task.attributes
    flat = layer and len(shape) != 2  # a linear layer over more axes: rows of one matrix
    if flat:
        inputs[0] = reshaped(task, inputs[0], [-1, shape[-1]], "rows")
    reals = [
        dequantised(graph, name, f"{to}:{part}", kind)
        for name, part, kind in zip(inputs, ("x", "w", "b"), kinds, strict=False)
    ]
    if layer:
        graph.node("Gemm", *reals, to=f"{to}:real", transB=1)
    else:
        operator = "conv2d" if "groups" in task.attributes else "matmul"
        PLAIN[operator](Task(graph, task.site, tuple(reals), (f"{to}:real",)))
    quantised(graph, f"{to}:real", f"{to}:flat" if flat else to, y)
    if flat:
        reshaped(task, f"{to}:flat", [-1, *task.site.outputs[0].shape[1:]])


def _relu(task: Task) -> None:
    y = element(task.site.outputs[0].element)
    _clip(task.graph, task.inputs[0], task.to, y, y.zero_point, y.high)


def _clipped(task: Task) -> None:
    _clip(task.graph, task.inputs[0], task.to, element(task.site.outputs[0].element), *clip_bounds(task.site))


def _lookup(task: Task) -> None:
    x = element(task.site.inputs[0].element)
    element(task.site.outputs[0].element)
    index = task.graph.cast(task.inputs[0], np.int32, to=f"{task.to}:cast")
    if x.low:
        index = task.node("Sub", index, task.graph.tensor(f"{task.to}:low", x.low, np.int32), part="index")
    task.node("Gather", task.inputs[1], index)


def _quantise(task: Task) -> None:
    x = task.inputs[0]
    if any(node.op_type == "DequantizeLinear" and x in node.output for node in task.graph.made):
        # ONNX Runtime would take the two away and round once where the network rounds twice
        x = task.node("Max", x, task.number("lowest", -np.inf), part="kept")
    quantised(task.graph, x, task.to, element(task.site.outputs[0].element))


def _dequantise(task: Task) -> None:
    dequantised(task.graph, task.inputs[0], task.to, element(task.site.inputs[0].element))


def _stored(write: Write) -> Write:
    """A writer that moves stored integers, of up to 8 bits."""

    def checked(task: Task) -> None:
        for type_ in (*task.site.inputs, *task.site.outputs):
            if is_quantised(type_.element):
                element(type_.element)
        write(task)

    return checked


def _scatter(write: Write) -> Write:
    def placed(task: Task) -> None:
        if task.attributes["reduction"] in ("add", "mul"):
            raise Unsupported(f"{task.to}: quantised numbers that are added into places have no form in ONNX: export C")
        write(task)

    return placed


def _cast(task: Task) -> None:
    narrow: Any = task.site.outputs[0].element
    if narrow.bits not in (1, 8, 16, 32, 64):
        raise Unsupported(f"{task.to}: a cast to {narrow} has no form in ONNX: 8, 16, 32 and 64 bits have")
    MOVES["cast"](task)


_MOVED = {**VIEWS, **POOLS, **MOVES, **{name: compared(operator) for name, operator in COMPARED.items()}}
_MOVED |= {"minimum": extreme("Min"), "maximum": extreme("Max"), "where": chosen}
_MOVED |= {name: REDUCE[name] for name in ("reduce_max", "reduce_min", "argmax", "argmin", "top_k")}
INTEGERS: dict[str, Write] = {
    **{name: _stored(write) for name, write in _MOVED.items()},
    "scatter_elements": _scatter(_stored(MOVES["scatter_elements"])),
    "scatter_nd": _scatter(_stored(MOVES["scatter_nd"])),
    "cast": _cast,
    "conv2d": _product,
    "linear": _product,
    "matmul": _product,
    "relu": _relu,
    "clip": _clipped,
    "lookup": _lookup,
    "quantise": _quantise,
    "dequantise": _dequantise,
}
