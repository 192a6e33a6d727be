"""Operator to ONNX where numbers are real: one entry for each operator; views serve integers as well.

An entry is given the graph, where the operation stands, the names of its operands and of its result.
"""

from collections.abc import Callable, Sequence

import numpy as np

from lamina.export._onnx_graph import Graph
from lamina.ir.operators._table import Attributes, Site

Write = Callable[[Graph, Site, Sequence[str], str], object]


def window(a: Attributes) -> dict[str, list[int]]:
    """Stride, padding and dilation in ONNX's words: begins of all axes, then ends."""
    top, bottom, left, right = a["padding"]
    return {"strides": list(a["stride"]), "pads": [top, left, bottom, right], "dilations": list(a["dilation"])}


def _conv2d(graph: Graph, site: Site, inputs: Sequence[str], to: str) -> None:
    graph.node("Conv", *inputs, to=to, group=site.attributes["groups"], **window(site.attributes))


def _linear(graph: Graph, site: Site, inputs: Sequence[str], to: str) -> None:
    if len(site.inputs[0].shape) == 2:
        graph.node("Gemm", *inputs, to=to, transB=1)
        return
    weights = graph.node("Transpose", inputs[1], to=f"{to}:weights", perm=[1, 0])
    product = graph.node("MatMul", inputs[0], weights, to=f"{to}:product" if len(inputs) > 2 else to)
    if len(inputs) > 2:
        graph.node("Add", product, inputs[2], to=to)


def _max_pool2d(graph: Graph, site: Site, inputs: Sequence[str], to: str) -> None:
    a = site.attributes
    graph.node("MaxPool", *inputs, to=to, kernel_shape=list(a["kernel"]), **window(a))


def average(graph: Graph, site: Site, x: str, to: str) -> str:
    """The mean of each window of a float value, padding counted as zeros."""
    a = site.attributes
    return graph.node("AveragePool", x, to=to, kernel_shape=list(a["kernel"]), count_include_pad=1, **window(a))


def _flatten(graph: Graph, site: Site, inputs: Sequence[str], to: str) -> None:
    reshaped(graph, inputs[0], [0] * site.attributes["start"] + [-1], to)


def _reshape(graph: Graph, site: Site, inputs: Sequence[str], to: str) -> None:
    reshaped(graph, inputs[0], list(site.attributes["shape"]), to)


def reshaped(graph: Graph, x: str, shape: list[int], to: str) -> str:
    return graph.node("Reshape", x, graph.tensor(f"{to}:shape", shape, np.int64), to=to)


def _plain(operator: str, *attributes: str) -> Write:
    def write(graph: Graph, site: Site, inputs: Sequence[str], to: str) -> None:
        graph.node(operator, *inputs, to=to, **{name: site.attributes[name] for name in attributes})

    return write


VIEWS: dict[str, Write] = {"flatten": _flatten, "reshape": _reshape}
REAL: dict[str, Write] = {
    **VIEWS,
    "conv2d": _conv2d,
    "linear": _linear,
    "max_pool2d": _max_pool2d,
    "average_pool2d": lambda graph, site, inputs, to: average(graph, site, inputs[0], to),
    "relu": _plain("Relu"),
    "tanh": _plain("Tanh"),
    "sigmoid": _plain("Sigmoid"),
    "softmax": _plain("Softmax", "axis"),
    "log_softmax": _plain("LogSoftmax", "axis"),
    "add": _plain("Add"),
}
