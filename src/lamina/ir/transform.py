"""From network to network: another batch, and the integer core without its float border."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.core.errors import BadInput
from lamina.ir.check import completed
from lamina.ir.network import Constant, Network, Operation
from lamina.ir.operators import operator
from lamina.ir.operators._table import shapes_of
from lamina.ir.operators.move import END
from lamina.ir.types import Type


def with_batch(network: Network, batch: int) -> Network:
    """`network` with axis 0 of every input replaced by `batch` and every shape inferred again.

    Raises `BadInput` where a shape inside does not follow (a reshape to fixed sizes, a constant of the old batch).
    """
    if batch < 1:
        raise BadInput(f"a batch of {batch}: at least 1 is needed")
    inputs = {
        name: type_.with_shape((batch, *type_.shape[1:])) if type_.shape else type_
        for name, type_ in network.inputs.items()
    }
    return inferred(network, inputs)


def inferred(network: Network, inputs: Mapping[str, Type]) -> Network:
    """`network` for inputs of other shapes: those of every value, of every body, and of states that are alike in every
    example follow.

    Raises `BadInput` where one does not.
    """
    batch = next((type_.shape[0] for type_ in inputs.values() if type_.shape), 1)
    try:
        return _inferred(network, inputs, network.constants)
    except BadInput:
        wider = _initial_states(network, batch)
        if not wider:
            raise
        return _inferred(network, inputs, {**network.constants, **wider})


def _initial_states(network: Network, batch: int) -> dict[str, Constant]:
    """The constants that a scan starts from, the same in every example of the old batch, for `batch` examples."""
    found = {}
    for operation in network.operations:
        body = operation.attributes.get("body")
        for name in operation.inputs[: len(body.carry)] if isinstance(body, Network) else ():
            constant = network.constants.get(name)
            if constant is None or constant.type.shape[:1] != (network.batch,):
                continue
            data, shape = constant.data, (batch, *constant.type.shape[1:])
            if data is None or (data == data[:1]).all():
                wide = None if data is None else np.array(np.broadcast_to(data[:1], shape))
                found[name] = Constant(type=constant.type.with_shape(shape), data=wide)
    return found


def _inferred(network: Network, inputs: Mapping[str, Type], constants: Mapping[str, Constant]) -> Network:
    types: dict[str, Type] = {**inputs, **{name: c.type for name, c in constants.items()}}
    before, operations = network.types, []
    for operation in network.operations:
        entry, attributes = operator(operation.operator), dict(operation.attributes)
        given = [types[name] for name in operation.inputs]
        body = attributes.get("body")
        if isinstance(body, Network):
            attributes["body"] = _body(body, given, int(str(attributes.get("sequences", 0))))
        if operation.operator == "slice":
            attributes["stops"] = _open_stops(attributes, before[operation.inputs[0]].shape)
        shapes = shapes_of(entry, [t.shape for t in given], completed(entry, attributes))
        results = {n: t.with_shape(shape) for (n, t), shape in zip(operation.outputs.items(), shapes, strict=True)}
        types.update(results)
        operations.append(
            Operation(operator=operation.operator, inputs=operation.inputs, outputs=results, attributes=attributes)
        )
    return network.replaced(inputs=dict(inputs), constants=constants, operations=tuple(operations))


def _open_stops(attributes: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The stops of a slice; an axis that it takes whole, it takes whole at any size."""
    parts = zip(attributes["starts"], attributes["stops"], attributes["steps"], shape, strict=True)
    return tuple(END if (start, step) == (0, 1) and stop >= size else stop for start, stop, step, size in parts)


def _body(body: Network, given: list[Type], sequences: int) -> Network:
    """The body of a scan for what comes: its sequences lose their axis of time."""
    first = len(body.carry)
    steps = range(first, first + sequences)
    inside = [t.with_shape(t.shape[1:]) if i in steps else t for i, t in enumerate(given)]
    return inferred(body, dict(zip(body.inputs, inside, strict=True)))


def integer_core(network: Network) -> Network:
    """`network` without the quantise at its inputs and the dequantise at its outputs: integers in, integers out.

    A border that something else also reads stays; a network with no integers inside is returned as it is.
    """
    inputs, outputs = dict(network.inputs), dict(network.outputs)
    renamed: dict[str, str] = {}
    gone: set[str] = set()
    for operation in network.operations:
        source, result = operation.inputs[0], operation.name
        alone = [*network.consumers(source)] == [operation]
        if operation.operator == "quantise" and source in inputs and alone and not _ends_at(network, source):
            inputs[source] = operation.outputs[result]
            renamed[result] = source
            gone.add(result)
        if operation.operator == "dequantise" and _ends_at(network, result) and not [*network.consumers(result)]:
            if network.carry and any(network.outputs[name] == result for name in network.carry):
                continue
            outputs.update((name, source) for name, value in network.outputs.items() if value == result)
            gone.add(result)
    moved = tuple(
        Operation(
            operator=o.operator,
            inputs=tuple(renamed.get(n, n) for n in o.inputs),
            outputs=o.outputs,
            attributes=o.attributes,
        )
        for o in network.operations
        if o.name not in gone
    )
    ends = {name: renamed.get(value, value) for name, value in outputs.items()}
    return network.replaced(inputs=inputs, operations=moved, outputs=ends)


def _ends_at(network: Network, value: str) -> bool:
    """Whether `value` leaves the network, or comes back into it from the call before."""
    return value in network.outputs.values() or value in network.carry.values()
