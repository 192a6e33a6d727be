"""The table of ONNX operators that are read; each file of this folder adds to it with `rule`.

    @rule("Relu")
    def relu(node: Node) -> Tensor: return node.emit("relu", node.x())

A rule takes one node and gives its results: a `Tensor`, or a list. Names of operators of other domains are written
`domain:Operator`.
"""

from collections.abc import Callable
from typing import TypeAlias

from lamina.lowering._onnx_node import Node, Tensor

Results: TypeAlias = "Tensor | list[Tensor | None]"
Rule = Callable[[Node], Results]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a function as the reader of these operators."""

    def register(function: Rule) -> Rule:
        for name in names:
            if name in RULES:
                raise AssertionError(f"two rules read {name}")
            RULES[name] = function
        return function

    return register
