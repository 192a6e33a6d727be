"""Operator to ONNX where numbers are integers of up to 8 bits (INTERFACE, section 5).

    conv2d, linear      DequantizeLinear of input, weights and bias, the float operator, QuantizeLinear: a runtime
                        recognises this pattern and computes in integers; a relu is the clipping at zero
    max_pool2d, views   on the stored integers themselves
    lookup              Gather from the stored table, the integer less its lowest as index
    add, average_pool2d written out in float32, where their sums are exact: centre, scale, Round (half to even), offset

Raises `Unsupported` for what ONNX does not say: more than 8 bits, fixed point, truncation.
"""

from collections.abc import Sequence
from math import prod

import numpy as np

from lamina.core.errors import Unsupported
from lamina.export._onnx_graph import Graph
from lamina.export._onnx_operators import REAL, VIEWS, Write, average, reshaped
from lamina.ir import integers as rules
from lamina.ir.operators._table import Site
from lamina.ir.types import Element, Float, Integer, Type

_MOST_BITS = 8


def element(of: Element) -> Integer:
    """An element type that QuantizeLinear can have; others raise `Unsupported`."""
    if not isinstance(of, Integer) or of.bits > _MOST_BITS:
        raise Unsupported(f"{of} has no QuantizeLinear in ONNX: integers of up to 8 bits have; export C instead")
    return of


def quantised(graph: Graph, x: str, to: str, of: Integer) -> str:
    """Float value `x` as stored integers: rounded half to even, saturated, clipped below 8 bits."""
    narrow = of.bits < _MOST_BITS
    whole = graph.node("QuantizeLinear", x, *_coding(graph, to, of), to=f"{to}:whole" if narrow else to)
    if narrow:
        _clip(graph, whole, to, of, low=of.low)
    return to


def dequantised(graph: Graph, q: str, to: str, of: Integer) -> str:
    """Stored integers `q` as float, one scale or one along an axis."""
    axis = {} if of.axis is None else {"axis": of.axis}
    return graph.node("DequantizeLinear", q, *_coding(graph, to, of), to=to, **axis)


def _coding(graph: Graph, to: str, of: Integer) -> tuple[str, str]:
    """Scale and zero point as stored tensors: scalars, or lists along the axis."""
    scale = of.scale if of.axis is not None else of.scale[0]
    zero = [of.zero_point] * len(of.scale) if of.axis is not None else of.zero_point
    return graph.tensor(f"{to}:scale", scale, np.float32), graph.tensor(f"{to}:zero", zero, of.storage)


def _clip(graph: Graph, x: str, to: str, of: Integer, *, low: int) -> str:
    ends = [graph.tensor(f"{to}:{name}", end, of.storage) for name, end in (("low", low), ("high", of.high))]
    return graph.node("Clip", x, *ends, to=to)


def _weighted(graph: Graph, site: Site, inputs: Sequence[str], to: str) -> None:
    a = site.attributes
    if a["rounding"] == "truncate" or a["products"] != "exact":
        raise Unsupported(f"{to}: truncated sums or products have no form in ONNX: export C instead")
    y = element(site.outputs[0].element)
    kinds = [element(site.inputs[0].element), element(site.inputs[1].element)]
    kinds += [t.element for t in site.inputs[2:] if isinstance(t.element, Integer)]
    x, shape, inputs = inputs[0], site.inputs[0].shape, [*inputs]
    flat = len(shape) != 2 and "groups" not in a  # a linear layer over more axes: rows of one matrix
    if flat:
        inputs[0] = reshaped(graph, x, [-1, shape[-1]], f"{to}:rows")
    reals = [
        dequantised(graph, name, f"{to}:{part}", kind)
        for name, part, kind in zip(inputs, ("x", "w", "b"), kinds, strict=False)
    ]
    if "groups" in a:
        REAL["conv2d"](graph, site, reals, f"{to}:real")
    else:
        graph.node("Gemm", *reals, to=f"{to}:real", transB=1)
    quantised(graph, f"{to}:real", f"{to}:flat" if flat else to, y)
    if flat:
        reshaped(graph, f"{to}:flat", [-1, *site.outputs[0].shape[1:]], to)


def _add(graph: Graph, site: Site, inputs: Sequence[str], to: str) -> None:
    y = element(site.outputs[0].element)
    terms = [
        _rescaled(graph, _centred(graph, x, f"{to}:{at}", t), f"{to}:{at}", t, site)
        for at, (x, t) in enumerate(zip(inputs, site.inputs, strict=True))
    ]
    _saturated(graph, graph.node("Add", *terms, to=f"{to}:sum"), to, y)


def _average(graph: Graph, site: Site, inputs: Sequence[str], to: str) -> None:
    count = prod(site.attributes["kernel"])
    centred = _centred(graph, inputs[0], f"{to}:0", site.inputs[0])
    mean = average(graph, site, centred, f"{to}:mean")
    # mean times count is within 1/2 of the exact sum, which Round then gives
    product = graph.node("Mul", mean, graph.tensor(f"{to}:count", count, np.float32), to=f"{to}:product")
    total = graph.node("Round", product, to=f"{to}:total")
    _saturated(
        graph, _rescaled(graph, total, f"{to}:total", site.inputs[0], site, divisor=count), to,
        element(site.outputs[0].element),
    )  # fmt: skip


def _centred(graph: Graph, q: str, stem: str, of: Type) -> str:
    real = graph.cast(q, np.float32, to=f"{stem}:cast")
    zero = graph.tensor(f"{stem}:offset", element(of.element).zero_point, np.float32)
    return graph.node("Sub", real, zero, to=f"{stem}:centred")


def _rescaled(graph: Graph, centred: str, stem: str, of: Type, site: Site, *, divisor: int = 1) -> str:
    """An exact centred sum, over `divisor`, at the result's scale and rounded: `ir.integers.rescale` in float32.

    Sums below 2^24 are exact. With power-of-two scales it is one division by an exact number, and what the division
    rounds is too far from a half to reach it.
    """
    x, y = element(of.element), element(site.outputs[0].element)
    rounding = site.attributes["rounding"]
    if rounding == "truncate":
        raise Unsupported(f"{stem}: truncation has no form in ONNX here: export C instead")
    if rounding == "float":
        by = graph.tensor(f"{stem}:multiplier", rules.rescale_multiplier(x, y, divisor), np.float32)
        scaled = graph.node("Mul", centred, by, to=f"{stem}:scaled")
    else:
        by = graph.tensor(f"{stem}:divisor", divisor * y.scale[0] / x.scale[0], np.float32)
        scaled = graph.node("Div", centred, by, to=f"{stem}:scaled")
    return graph.node("Round", scaled, to=f"{stem}:rounded")


def _saturated(graph: Graph, x: str, to: str, y: Integer) -> None:
    """Centred whole numbers in float, offset, clipped and stored."""
    moved = graph.node("Add", x, graph.tensor(f"{to}:zero", y.zero_point, np.float32), to=f"{to}:moved")
    ends = [graph.tensor(f"{to}:{name}", end, np.float32) for name, end in (("low", y.low), ("high", y.high))]
    clipped = graph.node("Clip", moved, *ends, to=f"{to}:clipped")
    graph.cast(clipped, y.storage, to=to)


def _relu(graph: Graph, site: Site, inputs: Sequence[str], to: str) -> None:
    y = element(site.outputs[0].element)
    _clip(graph, inputs[0], to, y, low=y.zero_point)


def _lookup(graph: Graph, site: Site, inputs: Sequence[str], to: str) -> None:
    x = element(site.inputs[0].element)
    element(site.outputs[0].element)
    index = graph.cast(inputs[0], np.int32, to=f"{to}:cast")
    if x.low:
        index = graph.node("Sub", index, graph.tensor(f"{to}:low", x.low, np.int32), to=f"{to}:index")
    graph.node("Gather", inputs[1], index, to=to)


def _quantise(graph: Graph, site: Site, inputs: Sequence[str], to: str) -> None:
    quantised(graph, inputs[0], to, element(site.outputs[0].element))


def _dequantise(graph: Graph, site: Site, inputs: Sequence[str], to: str) -> None:
    dequantised(graph, inputs[0], to, element(site.inputs[0].element))


INTEGERS: dict[str, Write] = {
    **VIEWS,
    "conv2d": _weighted,
    "linear": _weighted,
    "max_pool2d": REAL["max_pool2d"],
    "average_pool2d": _average,
    "relu": _relu,
    "add": _add,
    "lookup": _lookup,
    "quantise": _quantise,
    "dequantise": _dequantise,
}


def is_integer(site: Site) -> bool:
    return not all(isinstance(t.element, Float) for t in (*site.inputs, *site.outputs))
