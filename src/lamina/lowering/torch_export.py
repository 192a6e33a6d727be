"""From a torch module to a network, through public `torch.export`.

    module ──torch.export──▶ graph of aten and lamina operators ──RULES──▶ ir.Network

Each operator has one rule (`_torch_rules.py`). Shapes are those of the example input; a batch stays open where the
module keeps axis 0. Dropout is the identity: networks are lowered in evaluation mode. What has no rule raises
`Unsupported` with its name, where it stands and its share of the multiply-accumulates.

Names     operations are called after the module that makes them (`conv1`), constants after their parameters
          (`conv1.weight`), inputs after the arguments of `forward`; a single result is called `output`.
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.ir import Constant, Network, Operation, Type
from lamina.ir.check import completed
from lamina.ir.operators import operator
from lamina.ir.operators._table import types_of
from lamina.ir.types import FLOAT32, Element, Float

ROWS = ("T1",)


@dataclass(slots=True)
class Value:
    """What a torch node is here: a value of the network, or a constant that is not in it yet."""

    name: str
    type: Type
    data: np.ndarray | None = None  # of a constant


@dataclass(slots=True)
class Graph:
    """A network while its nodes are read."""

    inputs: dict[str, Type] = field(default_factory=dict)
    constants: dict[str, Constant] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def emit(
        self, name: str, operator_name: str, inputs: Sequence[Value], element: Element | None = None, **attributes: Any
    ) -> Value:
        """Append an operation; its shape comes from the table, its element from the first input unless given."""
        entry = operator(operator_name)
        (result,) = types_of(entry, [v.type for v in inputs], completed(entry, attributes))
        result = Type(shape=result.shape, element=element or result.element)
        name = self.unique(name)
        names = tuple(self._used(v) for v in inputs)
        self.operations.append(
            Operation(operator=operator_name, inputs=names, outputs={name: result}, attributes=attributes)
        )
        return Value(name, result)

    def unique(self, name: str) -> str:
        name = re.sub(r"[^A-Za-z0-9_./\-]", "_", name)[:180] or "value"
        candidate, count = name, 1
        while candidate in self.taken:
            count += 1
            candidate = f"{name}_{count}"
        self.taken.add(candidate)
        return candidate

    def _used(self, value: Value) -> str:
        """The name of `value`; a constant enters the network when it is first used."""
        if value.data is not None and value.name not in self.constants:
            self.taken.add(value.name)
            self.constants[value.name] = Constant(
                type=value.type, data=np.ascontiguousarray(value.data, value.type.element.storage)
            )
        return value.name


def lower(
    module: nn.Module,
    *,
    input_shape: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
    name: str | None = None,
) -> Network:
    """The network that `module` computes in evaluation mode.

    `input_shape` is the shape of its one input, batch included, or argument names to shapes. Raises `BadInput` where
    the module does not take that shape, `Unsupported` where an operator has no rule.
    """
    shapes = input_shape if isinstance(input_shape, Mapping) else {None: input_shape}
    for shape in shapes.values():
        if shape is None or not shape or any(not isinstance(s, int) or s < 1 for s in shape):
            raise BadInput(f"input shape {shape!r}: positive sizes, batch first, are needed, such as (1, 1, 28, 28)")
    program = _export(module, {k: tuple(v) for k, v in shapes.items() if v is not None})
    return _translate(program, name or _default_name(module), argument_names(module))


def argument_names(module: nn.Module) -> dict[str, str]:
    """torch.export's names of the arguments of `forward` -> ours: a suffix of shape letters (x_BCHW) goes."""
    names = inspect.signature(module.forward).parameters
    return {name.lower(): re.sub(r"_[A-Z]+$", "", name) for name in names}


def _export(module: nn.Module, shapes: Mapping[str | None, tuple[int, ...]]) -> torch.export.ExportedProgram:
    examples = {k: torch.zeros(shape) for k, shape in shapes.items()}
    positional = tuple(v for k, v in examples.items() if k is None)
    named = {k: v for k, v in examples.items() if k is not None}
    was_training = module.training
    try:
        module.eval()
        return torch.export.export(module, positional, named or None)
    except Exception as e:
        given = ", ".join(str(list(s)) for s in shapes.values())
        raise BadInput(f"{type(module).__name__} cannot be exported with input shape {given}: {one_line(e)}") from e
    finally:
        module.train(was_training)


def _translate(program: torch.export.ExportedProgram, name: str, arguments: Mapping[str, str]) -> Network:
    from lamina.lowering._torch_rules import RULES

    nodes = list(program.graph.nodes)
    _refuse_unknown(nodes, RULES)
    graph = Graph()
    values: dict[torch.fx.Node, Any] = {}
    stored = _stored(program)
    outputs: dict[str, str] = {}
    for node in nodes:
        if node.op == "placeholder":
            values[node] = stored[node.name] if node.name in stored else _input(graph, node, arguments)
        elif node.op == "call_function":
            values[node] = RULES[str(node.target)](graph, layer_name(node), **bound(node, values))
        elif node.op == "output":
            outputs = _outputs(graph, node, values, program)
    return Network(
        name=graph.unique(name) if name in graph.taken else name,
        inputs=graph.inputs,
        constants=graph.constants,
        operations=tuple(graph.operations),
        outputs=outputs,
    )


def _stored(program: torch.export.ExportedProgram) -> dict[str, Value]:
    """Placeholders that are parameters, buffers or constant tensors, as constants named after them."""
    signature = program.graph_signature
    where = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    where.update(signature.inputs_to_lifted_tensor_constants)
    tensors = {**program.state_dict, **program.constants}
    return {node: _constant(name, tensors[name]) for node, name in where.items()}


def _constant(name: str, tensor: torch.Tensor) -> Value:
    data = tensor.detach().cpu().numpy()
    if data.dtype == np.float64:
        return Value(name, Type(shape=data.shape, element=Float(bits=64)), data)
    sparse, codebook_bits = coding(data)
    return Value(name, Type(shape=data.shape, element=FLOAT32, sparse=sparse, codebook_bits=codebook_bits), data)


def coding(data: np.ndarray) -> tuple[bool, int | None]:
    """How weights are best stored: sparse when half of them are zero, by code book when few values repeat often.

    An index is worth it only where it is shorter than the number itself.
    """
    if data.ndim < 2:
        return False, None
    sparse = bool(np.count_nonzero(data) <= data.size / 2)
    few = 256
    if len(np.unique(data.reshape(-1)[: 64 * few])) > few + 1:  # a look at a part spares sorting millions
        return sparse, None
    values = np.unique(data)
    distinct = len(values[values != 0] if sparse else values)
    repeats = distinct and np.count_nonzero(data) >= 4 * distinct
    bits = max(1, int(distinct - 1).bit_length())
    return sparse, (bits if distinct <= few and repeats and bits < 8 * data.itemsize else None)


def _input(graph: Graph, node: torch.fx.Node, arguments: Mapping[str, str]) -> Value:
    tensor = node.meta["val"]
    name = graph.unique(arguments.get(node.name, node.name))
    graph.inputs[name] = Type(shape=tuple(int(s) for s in tensor.shape))
    return Value(name, graph.inputs[name])


def bound(node: torch.fx.Node, values: Mapping[torch.fx.Node, Any] | None = None) -> dict[str, Any]:
    """The node's arguments by name, defaults filled in, nodes replaced by their `values` if given."""
    schema = node.target._schema
    given = {a.name: a.default_value for a in schema.arguments if a.has_default_value()}
    given.update(zip((a.name for a in schema.arguments), node.args, strict=False))
    given.update(node.kwargs)
    return given if values is None else {k: torch.fx.node.map_arg(v, lambda n: values[n]) for k, v in given.items()}


def layer_name(node: torch.fx.Node) -> str:
    """The path of the module that made the node; the node's own name at the top level."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return stack[-1][0] if stack and stack[-1][0] else node.name


def _outputs(
    graph: Graph, node: torch.fx.Node, values: Mapping[torch.fx.Node, Any], program: torch.export.ExportedProgram
) -> dict[str, str]:
    results = [values[n] for n in node.args[0]]
    for result in results:
        if not isinstance(result, Value) or result.data is not None:
            raise Unsupported("the module returns a constant or something that is no tensor")
    spec = program.call_spec.out_spec
    keys = getattr(spec, "context", None) if spec is not None and spec.type is dict else None
    names = list(keys) if keys else (["output"] if len(results) == 1 else [f"output_{i}" for i in range(len(results))])
    return {str(n): v.name for n, v in zip(names, results, strict=True)}


def _refuse_unknown(nodes: Sequence[torch.fx.Node], rules: Mapping[str, Any]) -> None:
    calls = [n for n in nodes if n.op == "call_function"]
    unknown = [n for n in calls if str(n.target) not in rules]
    if not unknown:
        return
    total = sum(map(_macs, calls))
    parts = []
    for node in unknown[:5]:
        share = f"{_macs(node) / total:.1%} of the multiply-accumulates" if total else "no multiply-accumulates"
        parts.append(f"{node.target} at {layer_name(node)!r} ({share})")
    more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
    raise Unsupported(
        f"no rule to lower {', '.join(parts)}{more}: rewrite it with operators that have one, or ask for it"
    )


def _macs(node: torch.fx.Node) -> float:
    """Multiply-accumulates of a node by torch's own flop formulas; 0 where torch knows none."""
    from torch.utils.flop_counter import flop_registry

    packet = getattr(node.target, "overloadpacket", None)
    formula = flop_registry.get(packet) or flop_registry.get(_ALIASES.get(str(packet)))
    if formula is None:
        return 0.0
    meta = torch.fx.node.map_arg(node.args, lambda n: n.meta.get("val"))
    if str(packet) == "aten.linear":
        x, w = meta[0], meta[1]
        return float(x.numel() * w.shape[0])
    if str(packet) in ("aten.conv1d", "aten.conv2d", "aten.conv3d"):
        return float(node.meta["val"].numel() * meta[1][0].numel())
    try:
        return float(formula(*meta, out_val=node.meta["val"])) / 2
    except (TypeError, ValueError, AttributeError, IndexError):
        return 0.0


_ALIASES = {
    "aten.linear": torch.ops.aten.mm,
    "aten.conv1d": torch.ops.aten.convolution,
    "aten.conv2d": torch.ops.aten.convolution,
    "aten.conv3d": torch.ops.aten.convolution,
    "aten.matmul": torch.ops.aten.mm,
}


def _default_name(module: nn.Module) -> str:
    """A registered model is called after its file (`lenet5`), another module after its class in snake case."""
    package, _, file = type(module).__module__.rpartition(".")
    if package == "lamina.models":
        return file
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(module).__name__).lower()
