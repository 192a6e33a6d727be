"""Node by node through a graph, its branches and bodies, and functions.

    known operands   folded (`_onnx_fold`)
    a rule           `onnx_rules`: one function for each ONNX operator
    a function       of the file, or the one by which ONNX itself defines an operator: walked in its place
    anything else    `Unsupported`, with its name, its place and its share

Only nodes that a result needs are read. Depth and number of nodes are bounded, so that functions calling one another
cannot take the machine. Every error names the node.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.ir.build import Builder
from lamina.lowering import _onnx_model as model
from lamina.lowering._onnx_fold import MOST_FOLDED, fold, foldable
from lamina.lowering._onnx_node import Node, Tensor, known

if TYPE_CHECKING:
    from onnx import FunctionProto, GraphProto, NodeProto, TensorProto

MOST_NODES = 2**16
MOST_DEPTH = 12
WEIGHTS = 4  # folded numbers that each stored number allows: weights are turned, cast, scaled
STANDARD = ("", "ai.onnx")


@dataclass(slots=True, eq=False)
class Session:
    """One file while it is read: what all its graphs share."""

    folder: Path
    opset: int
    functions: "Mapping[tuple[str, str], FunctionProto]"
    nodes_left: int = MOST_NODES
    numbers_left: int = MOST_FOLDED

    def spend(self, numbers: int) -> None:
        """Count folded numbers; raises where a file makes too many."""
        self.numbers_left -= numbers
        if self.numbers_left < 0:
            raise BadInput(
                f"its {numbers} numbers are too many to fold: a file may fold 2^25 numbers, and 4 for each weight"
            )

    def step(self) -> None:
        self.nodes_left -= 1
        if self.nodes_left < 0:
            raise BadInput(f"more than {MOST_NODES} nodes are reached: functions or loops of this file multiply")


@dataclass(slots=True, eq=False)
class Graph:
    session: Session
    builder: Builder
    outside: "Graph | None" = None
    tensors: dict[str, Tensor] = field(default_factory=dict)
    stored: "dict[str, TensorProto]" = field(default_factory=dict)  # initialisers that nothing has read yet
    makers: "dict[str, NodeProto]" = field(default_factory=dict)
    readers: "dict[str, list[NodeProto]]" = field(default_factory=dict)
    depth: int = 0
    opset: int = 0

    def find(self, name: str) -> Tensor | None:
        """The tensor `name` here or outside; None where nothing has made it."""
        if name in self.tensors:
            return self.tensors[name]
        if name in self.stored:
            proto = self.stored[name]
            found = known(name, model.array(proto, self.session.folder))
            self.session.numbers_left += WEIGHTS * found.numbers.size
            self.tensors[name] = found
            return found
        return self.outside.find(name) if self.outside is not None else None

    def constant(self, name: str) -> np.ndarray | None:
        """The numbers of `name` where they are stored in the file, read before their turn."""
        if (found := self.find(name)) is not None:
            return found.array
        maker = self.makers.get(name)
        if maker is not None and maker.op_type == "Constant" and maker.attribute and maker.attribute[0].name == "value":
            return model.array(maker.attribute[0].t, self.session.folder)
        return None

    def inner(self, proto: "GraphProto", builder: Builder, given: Mapping[str, Tensor]) -> list[Tensor]:
        """The results of a branch or body, with `given` for its inputs."""
        graph = Graph(self.session, builder, self, dict(given), depth=self.depth + 1, opset=self.opset)
        return graph.run(proto.node, [o.name for o in proto.output], proto.initializer)

    def declare(self, nodes: "Sequence[NodeProto]", initializers: "Sequence[TensorProto]") -> None:
        """Who makes and who reads what, before any node is read."""
        if self.makers:
            return
        for tensor in initializers:
            is_text(tensor.name)
            self.stored.setdefault(tensor.name, tensor)
        for node in nodes:
            for name in node.output:
                is_text(name)
                if name and name in self.makers:
                    raise BadInput(f"two nodes make {one_line(name, 60)!r}: every value is made once")
                self.makers[name] = node
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def run(
        self, nodes: "Sequence[NodeProto]", results: Sequence[str], initializers: "Sequence[TensorProto]" = ()
    ) -> list[Tensor]:
        """Read the nodes that `results` need; the tensors of those names."""
        if self.depth > MOST_DEPTH:
            raise BadInput(f"graphs and functions are nested more than {MOST_DEPTH} deep")
        self.declare(nodes, initializers)
        wanted = needed(nodes, results)
        for at, node in enumerate(nodes):
            if wanted[at]:
                self.session.step()
                _read(self, node, at, nodes)
        found = []
        for name in results:
            tensor = self.find(name)
            if tensor is None:
                raise BadInput(f"the result {one_line(name, 60)!r} is made by no node")
            found.append(tensor)
        return found


def is_text(name: object) -> None:
    """Raise where the name of a value is no text: protobuf hands out bytes that are no UTF-8 as they are."""
    if not isinstance(name, str):
        raise BadInput(f"{one_line(name, 60)} is no name: names are text in UTF-8")


def needed(nodes: "Sequence[NodeProto]", results: Sequence[str]) -> list[bool]:
    """Which nodes some result needs."""
    names, wanted = {*results}, [False] * len(nodes)
    for at in range(len(nodes) - 1, -1, -1):
        if any(name and name in names for name in nodes[at].output):
            wanted[at] = True
            names.update(reads(nodes[at]))
    return wanted


def reads(node: "NodeProto", depth: int = 0) -> set[str]:
    """The names that a node, its branches and bodies read."""
    found = {name for name in node.input if name}
    if depth > MOST_DEPTH:
        raise BadInput(f"graphs are nested more than {MOST_DEPTH} deep")
    for attribute in node.attribute:
        graphs = [attribute.g] if attribute.HasField("g") else []
        for graph in (*graphs, *attribute.graphs):
            found.update(o.name for o in graph.output)
            for inner in graph.node:
                found |= reads(inner, depth + 1)
    return found


def _read(graph: Graph, proto: "NodeProto", at: int, nodes: "Sequence[NodeProto]") -> None:
    label = next((name for name in proto.output if name), proto.name or proto.op_type)
    where = f"node {at + 1} of {len(nodes)}, {one_line(proto.op_type, 40)} {one_line(proto.name or label, 60)!r}"
    inputs: list[Tensor | None] = []
    for name in proto.input:
        tensor = graph.find(name) if name else None
        if name and tensor is None:
            raise BadInput(
                f"{where}: reads {one_line(name, 60)!r}, which nothing makes before it (a missing tensor, or a cycle)"
            )
        inputs.append(tensor)
    node = Node(proto, graph, inputs, label, graph.opset or graph.session.opset)
    try:
        results = _results(node, at, nodes)
    except (BadInput, Unsupported) as e:
        raise type(e)(f"{where}: {e}") from e
    except (ValueError, TypeError, IndexError, OverflowError, ZeroDivisionError, MemoryError) as e:
        raise BadInput(f"{where}: its operands and attributes do not fit together: {one_line(e)}") from e
    for at_output, name in enumerate(proto.output):
        if name:
            if at_output >= len(results) or results[at_output] is None:
                raise Unsupported(f"{where}: its result {at_output} ({one_line(name, 60)!r}) is not computed")
            if name in graph.tensors or name in graph.stored:
                raise BadInput(
                    f"{where}: makes {one_line(name, 60)!r}, which is there already: every value is made once"
                )
            graph.tensors[name] = results[at_output]


def _results(node: Node, at: int, nodes: "Sequence[NodeProto]") -> list[Any]:
    from lamina.lowering.onnx_rules import RULES

    proto, session = node.proto, node.graph.session
    function = session.functions.get((proto.domain, proto.op_type))
    if function is not None:
        return _called(node, function)
    key = proto.op_type if proto.domain in STANDARD else f"{proto.domain}:{proto.op_type}"
    if proto.domain in STANDARD and foldable(node):
        return [_folded(node, array) for array in fold(node, session.spend)]
    if key in RULES:
        made = RULES[key](node)
        results = [*made] if isinstance(made, list | tuple) else [made]
        session.spend(sum(t.array.size for t in results if t is not None and t.array is not None and _is_new(t, node)))
        return results
    body = _definition(node) if proto.domain in STANDARD else None
    if body is None:
        raise _refused(node, nodes, RULES)
    return _called(node, body)


def _is_new(tensor: Tensor, node: Node) -> bool:
    """Whether the numbers of a result are none of its operands', perhaps in another shape."""
    return not any(
        t is not None and t.array is not None and np.shares_memory(tensor.numbers, t.array) for t in node.inputs
    )


def _folded(node: Node, array: np.ndarray) -> Tensor:
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    return known(node.name, array)


def _called(node: Node, function: "FunctionProto") -> list[Any]:
    """A function's nodes in the place of the call, attributes filled in."""
    if len(node.inputs) > len(function.input):
        raise BadInput(f"{len(node.inputs)} operands for a function of {len(function.input)}")
    given = {name: t for name, t in zip(function.input, node.inputs, strict=False) if t is not None}
    versions = [o.version for o in function.opset_import if o.domain in STANDARD]
    graph = Graph(
        node.graph.session,
        node.builder,
        tensors={n: Tensor(t.name, t.dtype, t.shape, t.array, t.value, t.again) for n, t in given.items()},
        depth=node.graph.depth + 1,
        opset=versions[0] if versions else node.opset,
    )
    attributes = {a.name: a for a in (*function.attribute_proto, *node.proto.attribute)}
    left_out = {*function.input} - given.keys()
    nodes = [_bound(n, attributes, left_out) for n in function.node]
    made = {name for n in nodes for name in n.output}
    results = [n for n, o in zip(function.output, node.proto.output, strict=False) if o and n in made | given.keys()]
    found = dict(zip(results, graph.run(nodes, results), strict=True))
    return [found.get(name) for name in function.output]


def _bound(node: "NodeProto", attributes: Mapping[str, Any], left_out: set[str]) -> "NodeProto":
    """`node` with the call's attributes where it refers to them, and without operands that the call leaves out."""
    copy = type(node)()
    copy.CopyFrom(node)
    del copy.attribute[:]
    for attribute in node.attribute:
        if not attribute.ref_attr_name:
            copy.attribute.append(attribute)
        elif attribute.ref_attr_name in attributes:
            copy.attribute.append(attributes[attribute.ref_attr_name])
            copy.attribute[-1].name = attribute.name
    if left_out & {*copy.input}:
        names = ["" if name in left_out else name for name in copy.input]
        del copy.input[:]
        copy.input.extend(names)
    return copy


def _definition(node: Node) -> "FunctionProto | None":
    """The function by which ONNX defines the operator for these operands; None where there is none."""
    import onnx
    from onnx import defs, helper

    schema: Any
    try:
        schema = defs.get_schema(node.proto.op_type, node.opset, "")
    except Exception:  # onnx names its class in C++ only
        return None
    if schema.has_function:
        return schema.function_body
    if not schema.has_context_dependent_function:
        return None
    types = [
        helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(t.dtype), t.shape).SerializeToString()
        if t is not None
        else b""
        for t in node.inputs
    ]
    try:
        text = schema.get_context_dependent_function(node.proto.SerializeToString(), types)
    except Exception as e:
        raise Unsupported(f"ONNX's definition does not fit these operands: {one_line(e)}") from e
    found = onnx.FunctionProto()
    found.ParseFromString(text)
    return found if found.node else None


def _refused(node: Node, nodes: "Sequence[NodeProto]", rules: Mapping[str, Any]) -> Unsupported:
    """The error for an operator without rule: itself, the others like it here, and their share of the nodes."""
    domain = "" if node.proto.domain in STANDARD else f" of domain {one_line(node.proto.domain, 40)!r}"
    same = [n for n in nodes if n.domain == node.proto.domain and n.op_type == node.proto.op_type]
    return Unsupported(
        f"no rule to read this operator{domain}: {len(same)} of {len(nodes)} nodes are like it "
        f"({len(same) / len(nodes):.0%}); export the model without it, or ask for it"
    )
