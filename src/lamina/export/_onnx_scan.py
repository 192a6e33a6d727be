"""scan to ONNX's Scan: the body is a graph inside, states first, then sequences, then the rest from outside.

ONNX gives the last states before the stacked outputs, and needs a sequence: a scan over nothing but its steps is handed
their numbers, which the body ignores. Values of the body are called `SCAN:body:NAME`, since names inside must not be
those outside.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from lamina.export._onnx_graph import Graph, stored_type
from lamina.export._onnx_write import Task
from lamina.ir.network import Network

if TYPE_CHECKING:
    from onnx import ValueInfoProto

Body = Callable[[Graph, Network, Mapping[str, str]], None]  # writes a network's operations under these names


def scan(task: Task, write: Body) -> None:
    """The Scan node of `task`; `write` is the exporter itself, for the body."""
    from onnx import helper

    body: Network = task.attributes["body"]
    states, sequences = len(body.carry), task.attributes["sequences"]
    own = [*body.inputs][: states + sequences]
    names = {name: f"{task.to}:body:{name}" for name in body.types}
    names.update(zip([*body.inputs][states + sequences :], task.inputs[states + sequences :], strict=True))
    inner = Graph(is_body=True)
    write(inner, body, names)
    begins = [_value(names[name], body, name) for name in own]
    given = list(task.inputs[: states + sequences])
    if not sequences:
        begins.append(
            helper.make_tensor_value_info(
                f"{task.to}:body:step", helper.np_dtype_to_tensor_dtype(np.dtype(np.int64)), []
            )
        )
        given.append(task.graph.places(f"{task.to}:steps", range(task.attributes["steps"])))
    next_of = {into: output for output, into in body.carry.items()}
    order = [next_of[name] for name in own[:states]] + [name for name in body.outputs if name not in body.carry]
    ends = []
    for output in order:  # a value may end twice, or come straight from an input: every end has a name of its own
        end = inner.node("Identity", names[body.outputs[output]], to=f"{task.to}:end:{output}")
        ends.append(_value(end, body, body.outputs[output]))
    graph = helper.make_graph(inner.made, f"{task.to}:body", begins, ends, initializer=list(inner.tensors.values()))
    results = dict(zip(body.outputs, task.outputs, strict=True))
    backward = int(task.attributes["reverse"])
    stacked = len(order) - states
    directions = {"scan_input_directions": [backward] * max(1, sequences)}
    if stacked:
        directions["scan_output_directions"] = [backward] * stacked
    task.graph.nodes(
        "Scan",
        given,
        [results[output] for output in order],
        body=graph,
        num_scan_inputs=max(1, sequences),
        **directions,
    )


def _value(name: str, body: Network, inside: str) -> "ValueInfoProto":
    from onnx import helper

    type_ = body.types[inside]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(stored_type(type_.element)), type_.shape)
