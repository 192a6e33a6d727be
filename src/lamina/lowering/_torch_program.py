"""What torch.export gives, as plain data: stored tensors, inputs, calls in order, results.

    Program    stored (parameters, buffers, constant tensors) · inputs · calls · outputs
    Call       one operator: its target, its arguments by name with defaults filled in, the names of its results
    Ref        a tensor made before: name, shape, torch's element type

Two readers make it: `of_export` from a live `ExportedProgram`, `pt2` from a file. Operators that write into their
argument (`relu_`) are calls of the same operator without the underscore; that is right where nothing else sees that
memory, and elsewhere the program is made functional by torch first.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lamina.core.errors import Unsupported


@dataclass(frozen=True, slots=True)
class Ref:
    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class Stored:
    name: str
    ref: Ref
    data: np.ndarray | None  # None where the module is built without numbers (torch's meta device)


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    target: str  # "aten.conv2d.default"
    arguments: Mapping[str, Any]  # by name; tensors are Refs, also inside lists
    results: Sequence[Ref]
    several: bool  # whether the operator gives a list
    path: str  # of the module that made the call


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    stored: Mapping[str, Stored]  # name of a Ref -> parameter, buffer or constant tensor
    inputs: Sequence[Ref]
    calls: Sequence[Call]
    outputs: Mapping[str, Ref | None]  # None: the module returns no tensor here


def refs(argument: Any) -> Iterator[Ref]:
    """The tensors in an argument."""
    if isinstance(argument, Ref):
        yield argument
    elif isinstance(argument, list | tuple):
        for part in argument:
            yield from refs(part)


def of_export(program: torch.export.ExportedProgram) -> Program:
    """The data of a live program; raises `Unsupported` where it keeps state in a buffer."""
    if not _writes_alone(program):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch calls what it deprecates itself
            program = program.run_decompositions({})
    signature = program.graph_signature
    if signature.buffers_to_mutate:
        names = ", ".join(map(repr, signature.buffers_to_mutate.values()))
        raise Unsupported(f"the module writes into its buffer {names}: hand state in and out, or use nn.scan")
    where = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    where.update(signature.inputs_to_lifted_tensor_constants)
    tensors = {**program.state_dict, **program.constants}
    stored, inputs, calls, outputs = {}, [], [], {}
    known: dict[torch.fx.Node, Any] = {}
    for node in program.graph.nodes:
        if node.op == "placeholder":
            known[node] = _ref(node.name, node.meta.get("val"))
            if node.name in where:
                name = where[node.name]
                tensor = tensors[name].detach()
                data = None if tensor.is_meta else tensor.cpu().numpy()
                stored[node.name] = Stored(name, Ref(name, tuple(tensor.shape), tensor.dtype), data)
            elif known[node] is not None:
                inputs.append(known[node])
        elif node.op == "call_function" and str(node.target) == "<built-in function getitem>":
            known[node] = known[node.args[0]][node.args[1]]
        elif node.op == "call_function":
            calls.append(_call(node, known))
        elif node.op == "output":
            skipped = len(node.args[0]) - len(signature.user_outputs)  # inputs written in place come first
            results = [known.get(r) if isinstance(r, torch.fx.Node) else None for r in node.args[0][skipped:]]
            outputs = dict(zip(output_names(_form(program.call_spec.out_spec)), results, strict=True))
        else:
            raise Unsupported(f"the module calls {node.target} ({node.op}), which has no rule")
    return Program(stored=stored, inputs=inputs, calls=calls, outputs=outputs)


def _call(node: torch.fx.Node, known: dict[torch.fx.Node, Any]) -> Call:
    value = node.meta.get("val")
    several = isinstance(value, list | tuple)
    values = value if isinstance(value, list | tuple) else ([] if value is None else [value])
    # a place in the list that holds no tensor keeps its name, and nothing can use it
    results = [
        _ref(f"{node.name}.{i}" if several else node.name, v) or Ref(f"{node.name}.{i}", (), torch.float32)
        for i, v in enumerate(values)
    ]
    known[node] = results if several else next(iter(results), None)
    if not hasattr(node.target, "_schema"):
        raise Unsupported(f"{node.target} at {layer_name(node)!r} has no rule: only torch's operators have")
    target, arguments = str(node.target), bound(node, known)
    if node.target._schema.is_mutable and "_." in target:
        target = target.replace("_.", ".", 1)
        written = next(iter(node.args))
        known[written] = known[node]
    return Call(target=target, arguments=arguments, results=results, several=several, path=layer_name(node))


def _ref(name: str, value: Any) -> Ref | None:
    if not isinstance(value, torch.Tensor):
        return None
    if not all(type(s) is int for s in value.shape):
        raise Unsupported(f"the size of {name!r} depends on data: every shape has to follow from those of the inputs")
    return Ref(name, tuple(value.shape), value.dtype)


def bound(node: torch.fx.Node, values: Mapping[torch.fx.Node, Any] | None = None) -> dict[str, Any]:
    """The node's arguments by name, defaults filled in, nodes replaced by their `values` if given."""
    schema = node.target._schema
    given = {a.name: a.default_value for a in schema.arguments if a.has_default_value()}
    given.update(zip((a.name for a in schema.arguments), node.args, strict=False))
    given.update(node.kwargs)
    given = {a.name: given[a.name] for a in schema.arguments if a.name in given}  # in torch's order
    return given if values is None else {k: torch.fx.node.map_arg(v, lambda n: values[n]) for k, v in given.items()}


def layer_name(node: torch.fx.Node) -> str:
    """The path of the module that made the node; the node's own name at the top level."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return stack[-1][0] if stack and stack[-1][0] else node.name


def _writes_alone(program: torch.export.ExportedProgram) -> bool:
    """Whether every operator that writes into its argument writes into memory that nothing else reads afterwards."""
    nodes = list(program.graph.nodes)
    stored = {n.name for n in nodes if n.op == "placeholder"} - set(program.graph_signature.user_inputs)
    groups = {node: _memory(node) for node in nodes}
    for i, node in enumerate(nodes):
        schema = getattr(node.target, "_schema", None)
        if schema is None or not schema.is_mutable:
            continue
        target, memory = node.args[0], groups[node.args[0]]
        others = {n for n in nodes[:i] if groups[n] & memory and n is not target}
        if target.name in stored or str(node.target).count("_.") != 1 or any(n.name in stored for n in others):
            return False
        if any(set(later.all_input_nodes) & others for later in nodes[i + 1 :]):
            return False
    return True


def _memory(node: torch.fx.Node) -> set[int]:
    """The storages behind a node's value; dropout in evaluation mode hands its input on."""
    if "dropout" in str(node.target) and node.args:
        return _memory(node.args[0])
    value = node.meta.get("val")
    tensors = value if isinstance(value, list | tuple) else [value]
    return {t.untyped_storage()._cdata for t in tensors if isinstance(t, torch.Tensor)}


Form = Any  # None for a tensor, a list of forms, or a dict of forms


def _form(spec: Any) -> Form:
    """torch's tree of what a module returns: names and places alone."""
    if spec is None or spec.is_leaf():
        return None
    parts = [_form(child) for child in spec.children()]
    return dict(zip(map(str, spec.context), parts, strict=True)) if spec.type is dict else parts


def output_names(form: Form) -> list[str]:
    """A name for every tensor that a module returns: `output`, a dict's key, and the place in a tuple behind it."""

    def walk(part: Form, name: str) -> Iterator[str]:
        if part is None:
            yield name or "output"
            return
        places = part.items() if isinstance(part, dict) else enumerate(part)
        stem = f"{name}_" if name else ("" if isinstance(part, dict) else "output_")
        for key, inner in places:
            yield from walk(
                inner, name or "output" if len(part) == 1 and not isinstance(part, dict) else f"{stem}{key}"
            )

    return list(walk(form, ""))
