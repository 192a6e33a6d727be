"""An ONNX graph under construction: nodes, stored tensors, names that cannot clash.

Values keep the network's own names; what the exporter adds is called `VALUE:part`, and no name of a network has a
colon. Operators write through `node`, `nodes` and `tensor` alone. Truth values are ONNX's bool, places its int64.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.ir.types import BOOL, Element

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto


def stored_type(element: Element) -> np.dtype[Any]:
    """The NumPy type in which ONNX stores numbers of `element`."""
    return np.dtype(np.bool_) if element == BOOL else np.dtype(element.storage)


@dataclass(slots=True)
class Graph:
    made: "list[NodeProto]" = field(default_factory=list)
    tensors: "dict[str, TensorProto]" = field(default_factory=dict)
    is_body: bool = False  # of a scan

    def node(self, operator: str, *inputs: str, to: str, **attributes: Any) -> str:
        """Add a node whose one result is `to`; returns that name. An input that is left out is ""."""
        self.nodes(operator, inputs, [to], **attributes)
        return to

    def nodes(self, operator: str, inputs: Sequence[str], to: Sequence[str], **attributes: Any) -> None:
        """Add a node with several results."""
        from onnx import helper

        self.made.append(helper.make_node(operator, list(inputs), list(to), name=f"{to[0]}:{operator}", **attributes))

    def tensor(self, name: str, data: Any, dtype: Any = None) -> str:
        """Store `data` as `name` once; returns the name."""
        from onnx import numpy_helper

        if name not in self.tensors:
            self.tensors[name] = numpy_helper.from_array(np.asarray(data, dtype), name)
        return name

    def places(self, name: str, data: Sequence[int]) -> str:
        """A list of sizes or axes, as ONNX takes them."""
        return self.tensor(name, list(data), np.int64)

    def cast(self, x: str, dtype: Any, *, to: str) -> str:
        """`x` converted to a NumPy dtype."""
        from onnx import helper

        # `to` is also what ONNX calls the attribute
        node = helper.make_node(
            "Cast", [x], [to], name=f"{to}:Cast", to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        )
        self.made.append(node)
        return to
