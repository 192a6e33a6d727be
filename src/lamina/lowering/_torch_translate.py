"""From the calls of a torch program to a network: one rule per operator, one body per scan.

    stored tensors ─┐
    inputs ─────────┼─▶ call ──RULES[target]──▶ Values ──▶ … ──▶ Builder.network
                    └─▶ scan_begin … scan_end ──▶ Builder.scan, the calls between them in its body

Between the two marks of `nn.scan` those calls are the body's that depend on what the beginning made; all others stay
outside, and what the body uses of them is captured. What has no rule raises `Unsupported` with its name, where it
stands and its share of the multiply-accumulates.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from lamina.core.errors import BadInput, Unsupported
from lamina.ir import Network, Type
from lamina.ir.build import Builder, Value, element_of
from lamina.lowering._torch_patterns import composed
from lamina.lowering._torch_program import Call, Program, Ref, Stored, refs
from lamina.lowering.torch_rules import RULES
from lamina.lowering.torch_rules._rule import coding, numpy_type

BEGIN, END = "lamina.scan_begin.default", "lamina.scan_end.default"
Values = dict[str, Any]


def translate(program: Program, name: str, arguments: Mapping[str, str]) -> Network:
    """The network of `program`; `arguments` renames inputs. Raises `Unsupported`, `BadInput`."""
    calls = composed(program.calls)
    _refuse_unknown(calls)
    b, values = Builder(), Values()
    for ref in program.inputs:
        element = element_of(numpy_type(ref.dtype))
        values[ref.name] = b.input(arguments.get(ref.name, ref.name), Type(shape=ref.shape, element=element))
    for key, tensor in program.stored.items():
        values[key] = _constant(b, tensor)
    _run(b, calls, values)
    outputs = {output: _found(values, ref.name) for output, ref in program.outputs.items() if ref is not None}
    if not all(isinstance(value, Value) for value in outputs.values()):
        raise Unsupported("the module returns something that is no tensor")
    return b.network(b.unique(name) if name in b.taken else name, outputs)


def _constant(b: Builder, tensor: Stored) -> Value:
    element = element_of(numpy_type(tensor.ref.dtype))
    sparse, codebook_bits = (False, None)
    if tensor.data is not None and tensor.data.dtype == np.float32:
        sparse, codebook_bits = coding(tensor.data)
    type_ = Type(shape=tensor.ref.shape, element=element, sparse=sparse, codebook_bits=codebook_bits)
    return b.constant(tensor.name, tensor.data, type_)


def _run(b: Builder, calls: Sequence[Call], values: Values) -> None:
    """Every call in order, its results into `values`."""
    bodies = _bodies(calls)
    inside = {index for body in bodies.values() for index in body}
    begun: dict[str, Call] = {call.results[0].name: call for call in calls if call.target == BEGIN}
    for index, call in enumerate(calls):
        if index in inside or call.target == BEGIN:
            continue
        given = {name: _argument(argument, values) for name, argument in call.arguments.items() if call.target != END}
        try:
            if call.target == END:
                body = [calls[i] for i in bodies[index]]
                made = _scan(b, begun[call.arguments["begun"].name], body, call, values)
            else:
                made = RULES[call.target](b, call.path, **given)
        except BadInput as e:
            raise type(e)(f"{call.target} at {call.path!r}: {e}") from e
        results = made if call.several else [made]
        values.update((ref.name, value) for ref, value in zip(call.results, results, strict=False))


def _scan(b: Builder, begin: Call, body: Sequence[Call], end: Call, values: Values) -> list[Value]:
    states = [_found(values, ref.name) for ref in begin.arguments["states"]]
    sequences = [_found(values, ref.name) for ref in begin.arguments["sequences"]]

    def cell(inner: Builder, before: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        known = dict(values)
        known.update((ref.name, value) for ref, value in zip(begin.results, [*before, *slices], strict=True))
        _run(inner, body, known)
        following, outputs = ([_found(known, ref.name) for ref in end.arguments[k]] for k in ("states", "outputs"))
        return following, outputs

    name = "scan" if begin.path.startswith("scan_begin") else begin.path  # that of the call: outside of any module
    finals, stacked = b.scan(name, cell, states=states, sequences=sequences, reverse=bool(begin.arguments["reverse"]))
    return [*finals, *stacked]


def _bodies(calls: Sequence[Call]) -> dict[int, list[int]]:
    """The index of each outermost scan's end -> the indices of the calls in its body."""
    bodies: dict[int, list[int]] = {}
    ends = {call.arguments["begun"].name: i for i, call in enumerate(calls) if call.target == END}
    taken: set[int] = set()
    for at, begin in enumerate(calls):
        if begin.target != BEGIN or at in taken:
            continue
        if begin.results[0].name not in ends:
            raise Unsupported(f"the scan at {begin.path!r} has no end: its cell must return")
        end = ends[begin.results[0].name]
        made, body = {ref.name for ref in begin.results}, []
        for i in range(at + 1, end):
            if any(ref.name in made for argument in calls[i].arguments.values() for ref in refs(argument)):
                made.update(ref.name for ref in calls[i].results)
                body.append(i)
        bodies[end] = body
        taken.update(body)
    return bodies


def _argument(argument: Any, values: Values) -> Any:
    if isinstance(argument, Ref):
        return _found(values, argument.name)
    if isinstance(argument, list | tuple):
        return [_argument(part, values) for part in argument]
    return argument


def _found(values: Values, name: str) -> Any:
    value = values.get(name)
    if value is None:
        raise Unsupported(f"the value {name!r} is used where it has no meaning: a cell's inside, or an unread result")
    return value


def _refuse_unknown(calls: Sequence[Call]) -> None:
    unknown = [call for call in calls if call.target not in RULES and call.target not in (BEGIN, END)]
    if not unknown:
        return
    total = sum(map(_macs, calls))
    parts = []
    for call in unknown[:5]:
        share = f"{_macs(call) / total:.1%} of the multiply-accumulates" if total else "no multiply-accumulates"
        parts.append(f"{call.target} at {call.path!r} ({share})")
    more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
    raise Unsupported(
        f"no rule to lower {', '.join(parts)}{more}: rewrite it with operators that have one, or ask for it"
    )


def _macs(call: Call) -> float:
    """Multiply-accumulates of a call by torch's own flop formulas; 0 where torch knows none."""
    from torch.utils.flop_counter import flop_registry

    packet = ".".join(call.target.split(".")[:2])
    given = [argument.shape if isinstance(argument, Ref) else argument for argument in call.arguments.values()]
    if packet == "aten.linear":
        return float(np.prod(given[0]) * given[1][0])
    if packet in ("aten.conv1d", "aten.conv2d", "aten.conv3d"):
        return float(np.prod(call.results[0].shape) * np.prod(given[1][1:]))
    if packet == "aten.matmul" and given[0]:
        return float(np.prod(call.results[0].shape) * given[0][-1])
    namespace, _, operator = packet.partition(".")
    formula = flop_registry.get(getattr(getattr(torch.ops, namespace), operator, None))
    try:
        return float(formula(*given, out_val=call.results[0].shape)) / 2 if formula else 0.0
    except (TypeError, ValueError, AttributeError, IndexError):
        return 0.0
