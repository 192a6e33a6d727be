"""Reductions, places of extremes, the largest k, running sums to ONNX.

Narrow integers and truth values are reduced as int32. The place of an extreme among int64 is the first of a TopK of
one, since runtimes have no ArgMax for them.
"""

import numpy as np

from lamina.core.errors import Unsupported
from lamina.export._onnx_write import Task, Write, reshaped, widened
from lamina.ir.types import Float


def _is_narrow(task: Task) -> bool:
    return not isinstance(task.site.inputs[0].element, Float) and np.dtype(task.dtype).itemsize < 4


def _reduce(operator: str) -> Write:
    def write(task: Task) -> None:
        axes = task.graph.places(f"{task.to}:axes", task.attributes["axes"])
        task.node(operator, task.inputs[0], axes, keepdims=int(task.attributes["keep"]))

    return lambda task: (widened(write) if _is_narrow(task) else write)(task)


def _place(operator: str) -> Write:
    def write(task: Task) -> None:
        a, x = task.attributes, task.inputs[0]
        if task.dtype == np.int64:
            if a["last"]:
                raise Unsupported(f"{task.to}: the last place of an extreme among int64 has no form in ONNX Runtime")
            best, places = f"{task.to}:best", task.to if a["keep"] else f"{task.to}:kept"
            one = task.graph.places(f"{task.to}:one", [1])
            task.graph.nodes("TopK", [x, one], [best, places], axis=a["axis"], largest=int(operator == "ArgMax"))
            if not a["keep"]:
                reshaped(task, places, task.site.outputs[0].shape)
            return
        if _is_narrow(task):
            x = task.graph.cast(x, np.int32, to=f"{task.to}:wide")
        how = {"axis": a["axis"], "keepdims": int(a["keep"]), "select_last_index": int(a["last"])}
        task.node(operator, x, **how)

    return write


def _top_k(task: Task) -> None:
    a, graph = task.attributes, task.graph
    x, values = task.inputs[0], task.outputs[0]
    if _is_narrow(task):
        x, values = graph.cast(x, np.int32, to=f"{task.to}:wide"), f"{task.to}:narrow"
    count = graph.places(f"{task.to}:count", [a["k"]])
    graph.nodes("TopK", [x, count], [values, task.outputs[1]], axis=a["axis"], largest=int(a["largest"]))
    if values != task.to:
        graph.cast(values, task.dtype, to=task.to)


def _cumulative_sum(task: Task) -> None:
    a = task.attributes
    axis = task.graph.tensor(f"{task.to}:axis", a["axis"], np.int64)
    task.node("CumSum", task.inputs[0], axis, exclusive=int(a["exclusive"]), reverse=int(a["reverse"]))


REDUCE: dict[str, Write] = {
    "reduce_sum": _reduce("ReduceSum"),
    "reduce_mean": _reduce("ReduceMean"),
    "reduce_max": _reduce("ReduceMax"),
    "reduce_min": _reduce("ReduceMin"),
    "reduce_product": _reduce("ReduceProd"),
    "argmax": _place("ArgMax"),
    "argmin": _place("ArgMin"),
    "top_k": _top_k,
    "cumulative_sum": _cumulative_sum,
}
