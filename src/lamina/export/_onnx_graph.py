"""An ONNX graph under construction: nodes, stored tensors, names that cannot clash.

Values keep the network's own names; what the exporter adds is called `VALUE:part`, and no name of a network has a
colon. Operators write through `node` and `tensor` alone.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto


@dataclass(slots=True)
class Graph:
    nodes: "list[NodeProto]" = field(default_factory=list)
    tensors: "dict[str, TensorProto]" = field(default_factory=dict)

    def node(self, operator: str, *inputs: str, to: str, **attributes: Any) -> str:
        """Add a node whose one result is `to`; returns that name."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, list(inputs), [to], name=f"{to}:{operator}", **attributes))
        return to

    def tensor(self, name: str, data: Any, dtype: Any = None) -> str:
        """Store `data` as `name` once; returns the name."""
        from onnx import numpy_helper

        if name not in self.tensors:
            self.tensors[name] = numpy_helper.from_array(np.asarray(data, dtype), name)
        return name

    def cast(self, x: str, dtype: Any, *, to: str) -> str:
        """`x` converted to a NumPy dtype."""
        from onnx import helper

        # `to` is also what ONNX calls the attribute
        node = helper.make_node(
            "Cast", [x], [to], name=f"{to}:Cast", to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        )
        self.nodes.append(node)
        return to
