"""What torch.export gives, as plain data: stored tensors, inputs, calls in order, results.

    Program    stored (parameters, buffers, constant tensors) · inputs · calls · outputs
    Call       one operator: its target, its arguments by name with defaults filled in, the names of its results
    Ref        a tensor made before: name, shape, torch's element type

Two readers make it: `of_export` from a live `ExportedProgram`, `pt2` from a file. Operators that write into their
argument (`relu_`) become calls of the same operator without the underscore; that is right where nothing else sees that
memory, and elsewhere a live program is made functional by torch first.
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
    made = _read(program)
    if made is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch calls what it deprecates itself
            made = _read(program.run_decompositions({}))
    if made is None:
        raise Unsupported("the module writes into parts of values in a way that torch cannot undo: write new values")
    return made


def _read(program: torch.export.ExportedProgram) -> Program | None:
    """None where the program writes into memory that others see."""
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
                data = None if tensor.is_meta else tensor.cpu().numpy().copy()  # the module may go on learning
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
    functional = in_place(calls, outputs, stored)
    if functional is None:
        return None
    return Program(stored=stored, inputs=inputs, calls=functional[0], outputs=functional[1])


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
    return Call(
        target=str(node.target),
        arguments=bound(node, known),
        results=results,
        several=several,
        path=layer_name(node),
    )


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


def schema_of(target: str) -> Any:
    """torch's own description of an operator that has a rule; None for others."""
    namespace, _, rest = target.partition(".")
    name, _, overload = rest.partition(".")
    if namespace not in ("aten", "lamina"):
        return None
    packet = getattr(getattr(torch.ops, namespace), name, None)
    return getattr(getattr(packet, overload, None), "_schema", None)


_HANDED_ON = ("dropout", "aten.type_as", "aten.broadcast_tensors", "aten.expand_as", "aten.reshape_as")


def in_place(
    calls: Sequence[Call], outputs: Mapping[str, Ref | None], stored: Mapping[str, Any]
) -> tuple[list[Call], dict[str, Ref | None]] | None:
    """The program with every operator that writes into its argument as the operator that does not.

    Later readers of the argument get the result. None where other names see the same memory and are read afterwards, or
    where a stored tensor is written to: then this would change what the program computes.
    """
    last = {ref.name: i for i, call in enumerate(calls) for ref in refs([*call.arguments.values()])}
    last.update((ref.name, len(calls)) for ref in outputs.values() if ref is not None)
    memory: dict[str, str] = {}  # a tensor -> the first one that had its memory
    now: dict[str, Ref] = {}  # a tensor that was written to -> what holds its value
    functional = []
    for i, call in enumerate(calls):
        schema, first = schema_of(call.target), next(refs([*call.arguments.values()]), None)
        writes = schema is not None and schema.is_mutable
        shares = schema is not None and any(r.alias_info for r in schema.returns)
        target = call.target
        if first is not None and (shares or writes or any(part in target for part in _HANDED_ON)):
            root = memory.setdefault(first.name, first.name)
            memory.update((ref.name, root) for ref in call.results)
        arguments = {name: _replaced(argument, now) for name, argument in call.arguments.items()}
        if writes:
            if first is None or not call.results or target.count("_.") != 1:
                return None
            target, holder = target.replace("_.", ".", 1), now.get(first.name, first).name
            same = _holding(now, holder)
            beside = {name for name, of in memory.items() if of == root} - same - {call.results[0].name}
            if root in stored or any(last.get(name, -1) > i for name in beside):
                return None
            now.update((name, call.results[0]) for name in same)
        functional.append(
            Call(target=target, arguments=arguments, results=call.results, several=call.several, path=call.path)
        )
    return functional, {name: now.get(ref.name, ref) if ref else None for name, ref in outputs.items()}


def _holding(now: Mapping[str, Ref], holder: str) -> set[str]:
    """The names whose value is now that of `holder`."""
    return {holder, *(name for name, ref in now.items() if ref.name == holder)}


def _replaced(argument: Any, now: Mapping[str, Ref]) -> Any:
    if isinstance(argument, Ref):
        return now.get(argument.name, argument)
    return [_replaced(part, now) for part in argument] if isinstance(argument, list | tuple) else argument


Form = Any  # None for a tensor, a list of forms, or a dict of forms


def _form(spec: Any) -> Form:
    """torch's tree of what a module returns: names and places alone."""
    if spec is None or spec.is_leaf():
        return None
    parts = [_form(child) for child in spec.children()]
    return dict(zip(map(str, spec.context), parts, strict=True)) if spec.type is dict else parts


def form_of(returned: Any) -> tuple[Form, list[Any]]:
    """The form of what a module has returned, and its tensors in order."""
    if isinstance(returned, dict):
        parts = {str(key): form_of(value) for key, value in returned.items()}
        return {key: form for key, (form, _) in parts.items()}, [t for _, found in parts.values() for t in found]
    if isinstance(returned, list | tuple):
        several = [form_of(value) for value in returned]
        return [form for form, _ in several], [t for _, found in several for t in found]
    if not isinstance(returned, torch.Tensor):
        raise Unsupported(f"the module returns {type(returned).__name__}: tensors, tuples and dicts of them are read")
    return None, [returned]


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
