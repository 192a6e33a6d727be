"""Work of a loop that needs no state, taken out of it: a layer over one step's slice becomes one layer over all steps.

    for t:  h = f(W x[t] + U h)      becomes      z = W x (all t at once);  for t:  h = f(z[t] + U h)

Weights that overflow a small cache are then read once for several steps, instead of in every step; the price is memory
for all the results. So only layers with many weights are moved: a microcontroller's net stays as small as it was.
"""

from dataclasses import replace

from lamina.core.units import KiB
from lamina.ir.network import Network, Operation
from lamina.ir.operators.loop import states
from lamina.ir.types import Type

LEAST_BYTES = 192 * KiB  # of weights


def hoisted(network: Network) -> Network:
    """`network` with every such layer before its loop; loops inside loops stay as they are."""
    operations: list[Operation] = []
    taken = set(network.types)
    for operation in network.operations:
        operations += _loop(network, operation, taken) if operation.operator == "scan" else [operation]
    if len(operations) == len(network.operations):
        return network
    return network.replaced(operations=tuple(operations))


def _loop(network: Network, scan: Operation, taken: set[str]) -> list[Operation]:
    """The layers that come before the loop, and the loop."""
    body = scan.attributes["body"]
    assert isinstance(body, Network)
    sequences, first = int(str(scan.attributes.get("sequences", 0))), states(scan.attributes)
    given = dict(zip(body.inputs, scan.inputs, strict=True))
    names = list(body.inputs)
    slices, captured = set(names[first : first + sequences]), set(names[first + sequences :])
    before: list[Operation] = []
    new: dict[str, Type] = {}  # further slices of the body
    outer: list[str] = []
    for inner in body.operations:
        if not _moves(network, inner, given, slices, captured):
            continue
        result, type_ = inner.name, inner.outputs[inner.name]
        name = _free(f"{scan.name}.{result}", taken)
        steps = network.types[given[inner.inputs[0]]].shape[0]
        types = {name: type_.with_shape((steps, *type_.shape))}
        before.append(replace(inner, inputs=tuple(given[n] for n in inner.inputs), outputs=types))
        new[result] = type_
        outer.append(name)
    if not before:
        return [scan]
    kept = tuple(o for o in body.operations if o.name not in new)
    at = first + sequences
    inputs = {n: body.inputs[n] for n in names[:at]} | new | {n: body.inputs[n] for n in names[at:]}
    lean = body.replaced(inputs=inputs, operations=kept)
    attributes = {**scan.attributes, "body": lean, "sequences": sequences + len(new)}
    loop = replace(scan, inputs=(*scan.inputs[:at], *outer, *scan.inputs[at:]), attributes=attributes)
    return [*before, loop]


def _moves(network: Network, inner: Operation, given: dict[str, str], slices: set[str], captured: set[str]) -> bool:
    """Whether `inner` is a layer over a slice alone, with many constant weights."""
    if inner.operator != "linear" or inner.inputs[0] not in slices or not captured.issuperset(inner.inputs[1:]):
        return False
    outside = [given[name] for name in inner.inputs[1:]]
    if any(name not in network.constants for name in outside):
        return False
    weights = network.constants[outside[0]].type
    return weights.bytes >= LEAST_BYTES


def _free(name: str, taken: set[str]) -> str:
    """`name`, or one like it that no value has."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}.{number}"
    taken.add(found)
    return found
