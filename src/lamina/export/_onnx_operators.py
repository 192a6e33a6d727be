"""Operator to ONNX where numbers are real: products, pooling and views; `PLAIN` gathers every family.

conv2d Conv            linear Gemm, or MatMul and Add over more axes        matmul MatMul
conv_transpose2d ConvTranspose       max_pool2d MaxPool       average_pool2d AveragePool
max_pool2d_switches    MaxPool's Indices count over the whole tensor: their rest by h w is the place in the plane
max_unpool2d           ScatterElements into planes of zeros
"""

from math import prod
from typing import Any

import numpy as np

from lamina.export._onnx_elementwise import ELEMENTWISE
from lamina.export._onnx_moves import MOVES
from lamina.export._onnx_normalise import NORMALISE
from lamina.export._onnx_reduce import REDUCE
from lamina.export._onnx_write import Task, Write, plain, reshaped
from lamina.ir.operators._table import Attributes
from lamina.ir.types import Float


def window(a: Attributes) -> dict[str, Any]:
    """Stride, padding and dilation in ONNX's words: begins of all axes, then ends."""
    top, bottom, left, right = a["padding"]
    return {"strides": list(a["stride"]), "pads": [top, left, bottom, right], "dilations": list(a["dilation"])}


def _conv2d(task: Task) -> None:
    task.node("Conv", *task.inputs, group=task.attributes["groups"], **window(task.attributes))


def _conv_transpose2d(task: Task) -> None:
    a = task.attributes
    task.node("ConvTranspose", *task.inputs, group=a["groups"], output_padding=list(a["output_padding"]), **window(a))


def _linear(task: Task) -> None:
    if len(task.site.inputs[0].shape) == 2:
        task.node("Gemm", *task.inputs, transB=1)
        return
    weights = task.node("Transpose", task.inputs[1], part="weights", perm=[1, 0])
    if len(task.inputs) == 2:
        task.node("MatMul", task.inputs[0], weights)
        return
    task.node("Add", task.node("MatMul", task.inputs[0], weights, part="product"), task.inputs[2])


def _max_pool2d(task: Task) -> None:
    a = task.attributes
    task.node("MaxPool", *task.inputs, kernel_shape=list(a["kernel"]), **window(a))


def _max_pool2d_switches(task: Task) -> None:
    a, graph = task.attributes, task.graph
    places = f"{task.outputs[1]}:all"
    graph.nodes("MaxPool", task.inputs, [task.to, places], kernel_shape=list(a["kernel"]), **window(a))
    plane = graph.places(f"{task.to}:plane", [prod(task.site.inputs[0].shape[2:])])
    graph.node("Mod", places, plane, to=task.outputs[1])


def _max_unpool2d(task: Task) -> None:
    (n, c, *_), element = task.site.inputs[0].shape, task.site.inputs[0].element
    h, w = task.attributes["size"]
    values, places = (
        reshaped(task, x, [0, 0, -1], part) for x, part in zip(task.inputs, ("values", "places"), strict=True)
    )
    nothing = 0 if isinstance(element, Float) else element.zero_point
    planes = task.graph.tensor(f"{task.to}:nothing", np.full((n, c, h * w), nothing), task.dtype)
    reshaped(task, task.node("ScatterElements", planes, places, values, part="planes", axis=2), [0, 0, h, w])


def average(task: Task, x: str, part: str = "") -> str:
    """The mean of each window of a float value."""
    a = task.attributes
    counted = int(a["include_padding"])
    return task.node(
        "AveragePool", x, part=part, kernel_shape=list(a["kernel"]), count_include_pad=counted, **window(a)
    )


def _flatten(task: Task) -> None:
    reshaped(task, task.inputs[0], [0] * task.attributes["start"] + [-1])


def _reshape(task: Task) -> None:
    reshaped(task, task.inputs[0], task.attributes["shape"])


VIEWS: dict[str, Write] = {"flatten": _flatten, "reshape": _reshape}
POOLS: dict[str, Write] = {
    "max_pool2d": _max_pool2d,
    "max_pool2d_switches": _max_pool2d_switches,
    "max_unpool2d": _max_unpool2d,
}
PLAIN: dict[str, Write] = {
    **VIEWS,
    **POOLS,
    **MOVES,
    **ELEMENTWISE,
    **NORMALISE,
    **REDUCE,
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "linear": _linear,
    "matmul": plain("MatMul"),
    "average_pool2d": lambda task: average(task, task.inputs[0]),
}
