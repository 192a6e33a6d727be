"""Operations that give back what they get: exporters write them, no machine should be billed for them.

    reshape, flatten, expand, tile, slice, pad, concatenate   that change no shape (a slice that reverses is none)
    transpose                                                 in the order that is there; two of them are one
    cast                                                      to the type that is there

Whoever read the copy reads its source; an output of the network keeps its name and is the source.
"""

from collections.abc import Mapping
from dataclasses import replace

from lamina.ir.network import Network, Operation
from lamina.ir.types import Type

BY_SHAPE = ("reshape", "flatten", "expand", "tile", "concatenate", "pad", "cast")  # same type, same numbers


def remove_copies(network: Network) -> Network:
    """`network` without copies, bodies of scans too; pairs of transposes are one."""
    types, renamed = network.types, dict[str, str]()
    made: dict[str, Operation] = {}
    kept: list[Operation] = []
    changed = False
    for operation in network.operations:
        read = replace(operation, inputs=tuple(renamed.get(name, name) for name in operation.inputs))
        merged = _merged(_with_body(read), made)
        changed |= merged is not read
        if _is_copy(merged, types):
            renamed[merged.name] = merged.inputs[0]
            changed = True
            continue
        made[merged.name] = merged
        kept.append(merged)
    if not changed:
        return network
    outputs = {name: renamed.get(value, value) for name, value in network.outputs.items()}
    return network.replaced(operations=tuple(kept), outputs=outputs)


def _is_copy(operation: Operation, types: Mapping[str, Type]) -> bool:
    x = operation.inputs[0]
    if types[x] != types[operation.name]:
        return False
    if operation.operator == "transpose":
        return _integers(operation, "order") == [*range(len(types[x].shape))]
    if operation.operator == "slice":
        return all(step > 0 for step in _integers(operation, "steps"))
    return operation.operator in BY_SHAPE


def _integers(operation: Operation, name: str) -> list[int]:
    value = operation.attributes[name]
    assert isinstance(value, tuple)
    return [int(part) for part in value]


def _merged(operation: Operation, made: Mapping[str, Operation]) -> Operation:
    """A transpose of a transpose as one of what that reads."""
    before = made.get(operation.inputs[0]) if operation.operator == "transpose" else None
    if before is None or before.operator != "transpose":
        return operation
    first = _integers(before, "order")
    order = tuple(first[axis] for axis in _integers(operation, "order"))
    return replace(operation, inputs=before.inputs, attributes={"order": order})


def _with_body(operation: Operation) -> Operation:
    body = operation.attributes.get("body")
    if not isinstance(body, Network) or (inside := remove_copies(body)) is body:
        return operation
    return replace(operation, attributes={**operation.attributes, "body": inside})
