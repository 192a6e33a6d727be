"""From operations to loop nests: one `Layer` for each operation that computes or moves data, in order.

Views (flatten, reshape) have none; a scan has those of its body, each with `repeats`, named `scan/operation`. Bits
come from the element types; the density is the share of stored weights that are not zero, counted once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from lamina.ir.check import site
from lamina.ir.layer import Layer
from lamina.ir.network import Constant, Network, Operation
from lamina.ir.operators import operator
from lamina.ir.operators._table import Site
from lamina.ir.operators.loop import trip_count


def layers(network: Network) -> list[Layer]:
    """The layers of `network`; their MACs sum to the network's."""
    return [layer for _, layer in walk(network)]


def walk(network: Network) -> Iterator[tuple[Operation, Layer]]:
    """Each layer with the operation of `network` that it belongs to."""
    return _walk(network, network.constants)


def _walk(network: Network, constants: Mapping[str, Constant]) -> Iterator[tuple[Operation, Layer]]:
    types = network.types
    for operation in network.operations:
        where = site(operation, types)
        body = where.attributes.get("body")
        if isinstance(body, Network):
            captured = dict(zip(body.inputs, operation.inputs, strict=True))
            inner = {inside: constants[outer] for inside, outer in captured.items() if outer in constants}
            for _, layer in _walk(body, inner):
                steps = trip_count([t.shape for t in where.inputs], where.attributes)
                yield operation, replace(layer, name=f"{operation.name}/{layer.name}", repeats=layer.repeats * steps)
            continue
        nest = operator(operation.operator).nest
        if nest is not None:
            given = {**_widths(operation, where, constants), **nest(where)}
            yield operation, Layer(name=operation.name, operator=operation.operator, **given)


def _widths(operation: Operation, where: Site, constants: Mapping[str, Constant]) -> dict[str, Any]:
    widths: dict[str, Any] = {"input_bits": where.inputs[0].bits, "output_bits": where.outputs[0].bits}
    if len(operation.inputs) > 1:
        widths["weight_bits"] = where.inputs[1].bits
        constant = constants.get(operation.inputs[1])
        if constant is not None and constant.data is not None:
            widths["density"] = constant.density
    return widths
