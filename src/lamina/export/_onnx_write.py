"""What every operator's writer is given, and small things they share.

A writer adds the nodes of one operation to a graph: where it stands, the names of its operands and of its results. It
raises `Unsupported` for what ONNX cannot say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.export._onnx_graph import Graph, stored_type
from lamina.ir.operators._table import Attributes, Site


@dataclass(frozen=True, slots=True)
class Task:
    """One operation to write."""

    graph: Graph
    site: Site
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def to(self) -> str:
        """The name of the first result; what a writer adds is called after it."""
        return self.outputs[0]

    @property
    def attributes(self) -> Attributes:
        return self.site.attributes

    @property
    def dtype(self) -> np.dtype[Any]:
        """How ONNX stores the first operand."""
        return stored_type(self.site.inputs[0].element)

    def number(self, part: str, value: float) -> str:
        """A stored number of the first operand's type."""
        return self.graph.tensor(f"{self.to}:{part}", value, self.dtype)

    def node(self, operator: str, *inputs: str, part: str = "", **attributes: Any) -> str:
        """A node whose result is the operation's, or a `part` on the way to it."""
        to = f"{self.to}:{part}" if part else self.to
        return self.graph.node(operator, *inputs, to=to, **attributes)


Write = Callable[[Task], object]


def plain(operator: str, **renamed: str) -> Write:
    """The same operator in ONNX; `renamed` maps ONNX's attribute names to the table's."""

    def write(task: Task) -> None:
        attributes = {onnx: task.attributes[name] for onnx, name in renamed.items()}
        task.graph.node(operator, *task.inputs, to=task.to, **attributes)

    return write


def reshaped(task: Task, x: str, shape: Sequence[int], part: str = "") -> str:
    to = f"{task.to}:{part}" if part else task.to
    return task.node("Reshape", x, task.graph.places(f"{to}:shape", shape), part=part)


def widened(write: Write, to: Any = np.int32) -> Write:
    """`write` on operands converted to a type that runtimes compute with, and the result converted back."""

    def wide(task: Task) -> None:
        graph = task.graph
        inputs = [graph.cast(x, to, to=f"{task.to}:wide{i}") for i, x in enumerate(task.inputs)]
        inner = Task(graph, task.site, tuple(inputs), (f"{task.to}:narrow", *task.outputs[1:]))
        write(inner)
        graph.cast(inner.to, stored_type(task.site.outputs[0].element), to=task.to)

    return wide
