"""Sums, means and extremes over axes; places of extremes; running sums.

    ReduceL1 sum |x|   L2 sqrt sum x^2   SumSquare sum x^2   LogSum log sum x   LogSumExp m + log sum e^(x - m)

Axes are an attribute in older opsets, an operand from 18 on (13 for ReduceSum); none means all, or none at all with
`noop_with_empty_axes`.
"""

from lamina.core.errors import BadInput
from lamina.lowering._onnx_node import INT64, Node, Tensor
from lamina.lowering.onnx_rules._rule import Results, rule
from lamina.lowering.onnx_rules.shape import axes_of

PLAIN = {
    "ReduceSum": "reduce_sum",
    "ReduceMean": "reduce_mean",
    "ReduceMax": "reduce_max",
    "ReduceMin": "reduce_min",
    "ReduceProd": "reduce_product",
}


@rule(*PLAIN, "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp")
def reduce(node: Node) -> Tensor:
    x, kind, keep = node.x(), node.proto.op_type, bool(node.integer("keepdims", 1))
    axes = _axes(node, x)
    if axes is None:
        return _before(node, kind, x) if kind != "ReduceLogSumExp" else x
    if kind == "ReduceLogSumExp":
        return _log_sum_exp(node, x, axes, keep)
    x = _before(node, kind, x, last=False)
    name = PLAIN.get(kind, "reduce_sum")
    if not axes:
        return x
    last = kind not in ("ReduceL2", "ReduceLogSum")
    made: Tensor = (node.emit if last else node.step)(name, x, axes=tuple(axes), keep=keep)
    if kind == "ReduceL2":
        made = node.emit("sqrt", made)
    if kind == "ReduceLogSum":
        made = node.emit("log", made)
    return node.wrapped(made)


def _before(node: Node, kind: str, x: Tensor, *, last: bool = True) -> Tensor:
    """What is done to each number before it is summed."""
    make = node.emit if last else node.step
    if kind == "ReduceL1":
        if not x.is_float:
            return make("maximum", x, node.step("subtract", node.constant(0, x), x))
        return make("absolute", x)
    if kind in ("ReduceL2", "ReduceSumSquare"):
        return make("multiply", x, x)
    return make("log", x) if last and kind == "ReduceLogSum" else x


def _axes(node: Node, x: Tensor) -> list[int] | None:
    """The axes to reduce; None where nothing is reduced."""
    since = 13 if node.proto.op_type == "ReduceSum" else 18
    if node.opset >= since:
        found = node.numbers(1, "the axes of a reduction") if node.given(1) is not None else []
    else:
        found = node.ints("axes", [])
    if not found:
        return None if node.integer("noop_with_empty_axes", 0) else [*range(x.rank)]
    return axes_of(found, x.rank)


def _log_sum_exp(node: Node, x: Tensor, axes: list[int], keep: bool) -> Tensor:
    """m + log sum e^(x - m) with the greatest finite m, so that nothing overflows."""
    if not axes:
        return x
    most = node.step("reduce_max", x, axes=tuple(axes), keep=True)
    # an infinite maximum would give inf - inf
    finite = node.step("clip", most, low=-3.0e38, high=3.0e38)
    total = node.step("reduce_sum", node.step("exp", node.step("subtract", x, finite)), axes=tuple(axes), keep=True)
    made = node.emit("add", node.step("log", total), finite)
    return made if keep else node.reshape(made, [s for at, s in enumerate(x.shape) if at not in axes], last=True)


@rule("ArgMax", "ArgMin")
def extreme(node: Node) -> Tensor:
    name = "argmax" if node.proto.op_type == "ArgMax" else "argmin"
    last = bool(node.integer("select_last_index", 0))
    keep = bool(node.integer("keepdims", 1))
    made: Tensor = node.emit(name, node.x(), axis=node.axis("axis", 0), keep=keep, last=last, dtype=INT64)
    return made


@rule("TopK")
def top_k(node: Node) -> Results:
    x = node.x()
    k = node.numbers(1, "k of a TopK")[0] if node.opset >= 10 else node.integer("k")
    axis = node.axis("axis", -1)
    if not 1 <= k <= x.shape[axis]:
        raise BadInput(f"the {k} greatest of {x.shape[axis]} numbers")
    found = node.emit("top_k", x, k=k, axis=axis, largest=bool(node.integer("largest", 1)), dtype=[x.dtype, INT64])
    return [*found]


@rule("CumSum")
def cumulative_sum(node: Node) -> Tensor:
    x = node.x()
    axis = int(node.number(1, "the axis of a CumSum"))
    if not -x.rank <= axis < x.rank:
        raise BadInput(f"axis {axis} of a value of {x.rank} axes")
    made: Tensor = node.emit(
        "cumulative_sum",
        x,
        axis=axis % x.rank,
        exclusive=bool(node.integer("exclusive", 0)),
        reverse=bool(node.integer("reverse", 0)),
    )
    return node.wrapped(made)


@rule("LpNormalization")
def lp_normalise(node: Node) -> Tensor:
    """x over its norm along one axis; 0 where the norm is 0."""
    x, axis, p = node.x(), node.axis("axis", -1), node.integer("p", 2)
    if p not in (1, 2):
        raise BadInput(f"a norm of order {p}: 1 and 2 are ONNX's")
    inner = node.step("absolute", x) if p == 1 else node.step("multiply", x, x)
    norm = node.step("reduce_sum", inner, axes=(axis,), keep=True)
    norm = norm if p == 1 else node.step("sqrt", norm)
    none = node.step("equal", norm, node.constant(0, x), dtype=bool)
    return node.emit("divide", x, node.step("where", none, node.constant(1, x), norm, dtype=x.dtype))


@rule("Det")
def determinant(node: Node) -> Tensor:
    """By cofactors for matrices of up to three rows."""
    x = node.x()
    if x.rank < 2 or x.shape[-1] != x.shape[-2] or x.shape[-1] > 3:
        raise BadInput(f"a determinant of {list(x.shape)}: square matrices of up to 3 rows are read")
    size, lead = x.shape[-1], x.shape[:-2]
    entries = [
        [
            node.reshape(
                node.step(
                    "slice",
                    x,
                    starts=(*[0] * len(lead), i, j),
                    stops=(*lead, i + 1, j + 1),
                    steps=(1,) * x.rank,
                ),
                lead,
            )
            for j in range(size)
        ]
        for i in range(size)
    ]
    return _cofactors(node, entries)


def _cofactors(node: Node, entries: list[list[Tensor]]) -> Tensor:
    if len(entries) == 1:
        return entries[0][0]
    total: Tensor | None = None
    for j, first in enumerate(entries[0]):
        minor = [[row[c] for c in range(len(row)) if c != j] for row in entries[1:]]
        term = node.step("multiply", first, _cofactors(node, minor))
        total = term if total is None else node.step("subtract" if j % 2 else "add", total, term)
    assert total is not None
    return total
