"""Quantised values in an ONNX graph: which scale an integer has, and patterns that mean one integer operator.

    ahead       a stored integer's scale stands at the DequantizeLinear that reads it, sometimes behind nodes that only
                move numbers (Reshape, MaxPool, Gather): `element_ahead` looks there
    clipped     Clip of stored integers: a narrower type, a relu, or bounds
    saturated   Round, offset, Clip and Cast: addition and average written out in float32

Stored integers keep one scale; two scales for one value make its second reader compute from plain integers.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.errors import BadInput
from lamina.ir.types import Integer
from lamina.lowering import _onnx_model as model
from lamina.lowering._onnx_node import Node, Tensor, is_plain

if TYPE_CHECKING:
    from onnx import GraphProto

    from lamina.lowering._onnx_walk import Graph

MOVES = (
    "Reshape Flatten Transpose Squeeze Unsqueeze MaxPool Clip Gather Slice Concat Identity Split Expand Tile Pad Max Min "
    "DepthToSpace SpaceToDepth GatherElements"
).split()
ROLES = {  # operator -> for each operand that is stored integers: (place, place of its scale, place of its zero point)
    "DequantizeLinear": ((0, 1, 2),),
    "QLinearConv": ((0, 1, 2),),
    "QLinearMatMul": ((0, 1, 2), (3, 4, 5)),
}


def element_of_scale(scale: np.ndarray, zero: np.ndarray | None, dtype: np.dtype[Any], axis: int | None) -> Integer:
    """The element type of stored integers of ONNX's type `dtype`; raises `BadInput` for scales it cannot have."""
    width = model.integer_range(dtype)
    if width is None:
        raise BadInput(f"stored numbers of type {dtype} are no integers")
    scales = tuple(float(s) for s in np.asarray(scale, np.float32).reshape(-1))
    zeros = [0] if zero is None else [int(v) for v in zero.reshape(-1)]
    if len(set(zeros)) > 1:
        raise BadInput("zero points that differ along an axis")
    along = axis if len(scales) > 1 else None
    return Integer(bits=width[0], signed=width[1], scale=scales, zero_point=zeros[0], axis=along)


def element_ahead(graph: "Graph", name: str, dtype: np.dtype[Any]) -> Integer | None:
    """The element type that readers of `name` give its stored integers; None where they give none."""
    width = model.integer_range(dtype)
    if width is None or width[0] > 16:
        return None
    seen, queue = {name}, [name]
    while queue:
        current = queue.pop(0)
        for reader in graph.readers.get(current, []):
            for at, scale_at, zero_at in ROLES.get(reader.op_type, ()):
                if len(reader.input) > scale_at and reader.input[at] == current:
                    scale = graph.constant(reader.input[scale_at])
                    zero = graph.constant(reader.input[zero_at]) if len(reader.input) > zero_at else None
                    if scale is not None and scale.size == 1 and (zero is not None or len(reader.input) <= zero_at):
                        try:
                            return element_of_scale(scale, zero, dtype, None)
                        except BadInput:
                            return None
            if reader.op_type in MOVES and reader.input[0] == current:
                for output in reader.output:
                    if output and output not in seen and len(seen) < 256:
                        seen.add(output)
                        queue.append(output)
    return None


def clipped(node: Node, x: Tensor, low: Tensor | None, high: Tensor | None) -> Tensor | None:
    """Clip of stored integers with a scale; None where `x` is something else."""
    if x.dtype.kind not in "iu" or x.value is None or is_plain(x.value):
        return None
    return None


def saturated_integers(node: Node) -> Tensor | None:
    return None
