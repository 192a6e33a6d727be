"""From network to network: another batch, and the integer core without its float border."""

from lamina.core.errors import BadInput
from lamina.ir.check import completed
from lamina.ir.network import Network, Operation
from lamina.ir.operators import operator
from lamina.ir.types import Type


def with_batch(network: Network, batch: int) -> Network:
    """`network` with axis 0 of every input replaced by `batch` and every shape inferred again."""
    if batch < 1:
        raise BadInput(f"a batch of {batch}: at least 1 is needed")
    inputs = {name: type_.with_shape((batch, *type_.shape[1:])) for name, type_ in network.inputs.items()}
    types: dict[str, Type] = {**inputs, **{name: c.type for name, c in network.constants.items()}}
    operations = []
    for operation in network.operations:
        entry = operator(operation.operator)
        shape = entry.shape([types[n].shape for n in operation.inputs], completed(entry, operation.attributes))
        results = {name: type_.with_shape(shape) for name, type_ in operation.outputs.items()}
        types.update(results)
        operations.append(
            Operation(
                operator=operation.operator, inputs=operation.inputs, outputs=results, attributes=operation.attributes
            )
        )
    return network.replaced(inputs=inputs, operations=tuple(operations))


def integer_core(network: Network) -> Network:
    """`network` without the quantise at its inputs and the dequantise at its outputs: integers in, integers out.

    A network with no integers inside is returned as it is.
    """
    inputs = dict(network.inputs)
    renamed: dict[str, str] = {}
    operations = list(network.operations)
    for operation in network.operations:
        source = operation.inputs[0]
        if operation.operator == "quantise" and source in inputs and [*network.consumers(source)] == [operation]:
            inputs[source] = operation.outputs[operation.name]
            renamed[operation.name] = source
            operations.remove(operation)
    outputs = dict(network.outputs)
    for name, value in network.outputs.items():
        last = network.producer(value)
        if last is not None and last.operator == "dequantise" and not [*network.consumers(value)]:
            outputs[name] = last.inputs[0]
            if last in operations and [*network.outputs.values()].count(value) == 1:
                operations.remove(last)
    moved = tuple(
        Operation(
            operator=o.operator,
            inputs=tuple(renamed.get(n, n) for n in o.inputs),
            outputs=o.outputs,
            attributes=o.attributes,
        )
        for o in operations
    )
    ends = {name: renamed.get(value, value) for name, value in outputs.items()}
    return network.replaced(inputs=inputs, operations=moved, outputs=ends)
