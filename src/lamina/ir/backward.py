"""Reverse-mode differentiation: from the gradients of results to those of inputs, one network more.

    dL/dx = sum over the operations that read x of their gradient       (Linnainmaa 1970; Griewank and Walther 2008)

`replay` emits a network into a builder, `backward` walks it from its last operation to its first and asks the operator
table for each one's gradient. Only what lies between a wanted value and a given gradient is visited, and places and
truth values end a way, being constant almost everywhere; an operator on it without a gradient raises `Unsupported`.
`gradients` is both at once, for a network and one of its outputs.
"""

from collections.abc import Iterable, Mapping, Sequence

from lamina.core.errors import BadInput, Unsupported, unknown
from lamina.ir.build import Builder, Value
from lamina.ir.check import site
from lamina.ir.network import Network
from lamina.ir.operators import operator
from lamina.ir.operators._rules import plain
from lamina.ir.types import Float


def replay(b: Builder, network: Network, values: Mapping[str, Value]) -> dict[str, Value]:
    """Every value of `network`, emitted into `b`; `values` are its inputs and constants."""
    known = dict(values)
    for operation in network.operations:
        made = b.emit(
            operation.operator,
            [known[name] for name in operation.inputs],
            name=operation.name,
            element=[type_.element for type_ in operation.outputs.values()],
            **operation.attributes,
        )
        known.update(zip(operation.outputs, made if isinstance(made, list) else [made], strict=True))
    return known


def backward(
    b: Builder,
    network: Network,
    values: Mapping[str, Value],
    given: Iterable[tuple[str, Value]],
    wanted: Sequence[str],
) -> dict[str, Value]:
    """dL/d of each name in `wanted` that L depends on, emitted into `b`.

    `values` are those of `network` in `b` (`replay`); `given` names values and their gradients, which add up.
    """
    found: dict[str, Value] = {}
    for name, value in given:
        _add(b, found, name, value)
    depends = set(wanted)
    for operation in network.operations:
        if depends & set(operation.inputs):
            depends.update(name for name, t in operation.outputs.items() if not plain(t.element))
    types = network.types
    for operation in reversed(network.operations):
        if not depends & set(operation.inputs) or not found.keys() & set(operation.outputs):
            continue
        entry = operator(operation.operator)
        if entry.gradient is None:
            raise Unsupported(f"network {network.name!r}: {operation.operator} {operation.name!r} has no gradient")
        inputs, outputs = ([values[name] for name in names] for names in (operation.inputs, operation.outputs))
        back = entry.gradient(b, site(operation, types), inputs, outputs, [found.get(n) for n in operation.outputs])
        for name, share in zip(operation.inputs, back, strict=True):
            if share is not None and name in depends:
                _add(b, found, name, share)
    return {name: found[name] for name in wanted if name in found}


def _add(b: Builder, found: dict[str, Value], name: str, value: Value) -> None:
    found[name] = b.emit("add", [found[name], value], name=f"d.{name}") if name in found else value


def gradients(network: Network, output: str, wanted: Sequence[str]) -> Network:
    """The network of `network`'s inputs and of `given`, dL/d `output`, whose outputs are `output` and dL/d of `wanted`.

    Names in `wanted` are inputs or constants; what does not depend on one gets zeros.
    """
    if output not in network.outputs:
        raise unknown("output", output, network.outputs)
    b, types = Builder(), network.types
    values = {name: b.input(name, type_) for name, type_ in network.inputs.items()}
    values |= {name: b.constant(name, c.data, c.type) for name, c in network.constants.items()}
    for name in wanted:
        if name not in values:
            raise unknown("input or constant", name, values)
        if not isinstance(types[name].element, Float):
            raise BadInput(f"{name!r} is {types[name]}: floats have gradients")
    last = network.outputs[output]
    given = b.input("given", types[last].with_shape(types[last].shape))
    values = replay(b, network, values)
    found = backward(b, network, values, [(last, given)], wanted)
    ends = {output: values[last]}
    for name in wanted:
        zero = b.emit("expand", [b.scalar(0.0, values[name])], shape=values[name].shape)
        ends[f"d.{name}"] = found.get(name, zero)
    return b.network(f"{network.name}_gradients", ends)
