"""Shape arithmetic: a node whose operands are all known is computed when the file is read.

ONNX's own reference gives the numbers, one node at a time, and only for the operators of `SIZES`: each has a bound of
its result, counted before anything is computed, so that a ConstantOfShape of 2^40 numbers is refused and not tried.
Together the folded numbers of a file stay below `MOST_FOLDED`; weights are folded by Lamina's own operators instead.
"""

from collections.abc import Callable, Sequence
from math import ceil, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.errors import BadInput, one_line

if TYPE_CHECKING:
    from lamina.lowering._onnx_node import Node

MOST_FOLDED = 2**25  # numbers of all folded results of a file, beside what its weights allow
MOST_OPERAND = 2**20  # numbers of one operand: larger ones are weights

Size = Callable[[Sequence[np.ndarray], "Node"], int]


def _broadcast(arrays: Sequence[np.ndarray], node: "Node") -> int:
    return prod(np.broadcast_shapes(*(a.shape for a in arrays)))


def _first(arrays: Sequence[np.ndarray], node: "Node") -> int:
    return arrays[0].size


def _rank(arrays: Sequence[np.ndarray], node: "Node") -> int:
    return arrays[0].size * max(arrays[0].ndim, 1)


def _sum(arrays: Sequence[np.ndarray], node: "Node") -> int:
    return sum(a.size for a in arrays)


def _indexed(arrays: Sequence[np.ndarray], node: "Node") -> int:
    return arrays[0].size * max(arrays[1].size, 1)


def _sizes(array: np.ndarray) -> list[int]:
    """A list of sizes; negative ones raise."""
    if array.dtype.kind not in "iu" or array.ndim != 1 or array.size > 16 or (array < 0).any():
        raise BadInput(f"{one_line(array.tolist() if array.size < 20 else array.shape, 60)} is not a shape")
    return [int(v) for v in array]


def _filled(arrays: Sequence[np.ndarray], node: "Node") -> int:
    return prod(_sizes(arrays[0]))


def _expanded(arrays: Sequence[np.ndarray], node: "Node") -> int:
    shape = _sizes(arrays[1])
    if 0 in shape or 0 in arrays[0].shape:
        return 0
    return prod(np.broadcast_shapes(arrays[0].shape, tuple(shape)))


def _tiled(arrays: Sequence[np.ndarray], node: "Node") -> int:
    return arrays[0].size * prod(_sizes(arrays[1]))


def _range(arrays: Sequence[np.ndarray], node: "Node") -> int:
    start, limit, delta = (float(a.reshape(-1)[0]) if a.size == 1 else float("nan") for a in arrays[:3])
    if not (np.isfinite([start, limit, delta]).all() and delta):
        raise BadInput(f"a range from {start} to {limit} in steps of {delta}")
    return max(0, ceil((limit - start) / delta))


def _padded(arrays: Sequence[np.ndarray], node: "Node") -> int:
    pads = arrays[1].astype(np.int64).reshape(-1).tolist() if len(arrays) > 1 else node.ints("pads", [])
    return prod(size + sum(abs(p) for p in pads) for size in arrays[0].shape)


def _one_hot(arrays: Sequence[np.ndarray], node: "Node") -> int:
    depth = arrays[1].reshape(-1)
    if depth.size != 1 or not 0 < depth[0] < 2**40:
        raise BadInput("the depth of a OneHot is one positive number")
    return arrays[0].size * int(depth[0])


ELEMENTWISE = [
    "Abs",
    "Add",
    "And",
    "BitShift",
    "BitwiseAnd",
    "BitwiseNot",
    "BitwiseOr",
    "BitwiseXor",
    "Ceil",
    "Clip",
    "Cos",
    "Div",
    "Equal",
    "Erf",
    "Exp",
    "Floor",
    "Greater",
    "GreaterOrEqual",
    "IsInf",
    "IsNaN",
    "Less",
    "LessOrEqual",
    "Log",
    "Max",
    "Mean",
    "Min",
    "Mod",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "Pow",
    "Reciprocal",
    "Relu",
    "Round",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sqrt",
    "Sub",
    "Sum",
    "Tanh",
    "Where",
    "Xor",
]
SAME = [
    "ArgMax",
    "ArgMin",
    "Compress",
    "CumSum",
    "EyeLike",
    "Flatten",
    "Hardmax",
    "Reshape",
    "ReverseSequence",
    "ScatterElements",
    "ScatterND",
    "Slice",
    "Split",
    "Squeeze",
    "TopK",
    "Transpose",
    "Trilu",
    "Unique",
    "Unsqueeze",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
]
SIZES: dict[str, Size] = {
    **dict.fromkeys(ELEMENTWISE, _broadcast),
    **dict.fromkeys(SAME, _first),
    "Concat": _sum,
    "ConstantOfShape": _filled,
    "Expand": _expanded,
    "Gather": _indexed,
    "GatherElements": _sum,
    "GatherND": _indexed,
    "NonZero": _rank,
    "OneHot": _one_hot,
    "Pad": _padded,
    "Range": _range,
    "Tile": _tiled,
}


def foldable(node: "Node") -> bool:
    """Whether the node's result may be computed now."""
    operands = [t for t in node.inputs if t is not None]
    return (
        node.proto.op_type in SIZES
        and bool(operands)
        and all(t.array is not None and t.array.size <= MOST_OPERAND and t.dtype.kind in "fiub" for t in operands)
        and not any(t.value is not None and t.value.data is None for t in operands)
    )


def fold(node: "Node", spend: Callable[[int], None]) -> list[np.ndarray]:
    """The results of a foldable node; `spend` is told how many numbers they may have, and may raise."""
    from onnx import GraphProto, ValueInfoProto
    from onnx.reference import ReferenceEvaluator

    arrays: list[Any] = [None if t is None else t.array for t in node.inputs]
    try:
        size = SIZES[node.proto.op_type]([a for a in arrays if a is not None], node)
    except (ValueError, IndexError) as e:
        raise BadInput(f"its operands do not fit: {one_line(e)}") from e
    spend(size)
    names = [f"i{at}" if a is not None else "" for at, a in enumerate(arrays)]
    results = [f"o{at}" for at in range(max(1, len(node.proto.output)))]
    graph = GraphProto(
        node=[node.proto],
        input=[ValueInfoProto(name=n) for n in names if n],
        output=[ValueInfoProto(name=n) for n in results],
    )
    proto = graph.node[0]
    proto.domain = ""
    del proto.input[:], proto.output[:]
    proto.input.extend(names)
    proto.output.extend(results)
    given = {n: a for n, a in zip(names, arrays, strict=True) if a is not None}
    try:
        with np.errstate(all="ignore"):
            found = ReferenceEvaluator(graph, opsets={"": node.opset}).run(None, given)
    except Exception as e:  # the reference raises whatever its NumPy code raises
        raise BadInput(f"it cannot be computed: {one_line(e)}") from e
    return [np.asarray(r) for r in found]
