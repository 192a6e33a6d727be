"""From operations to loop nests: one `Layer` for each operation that computes or moves data, in order.

Views (flatten, reshape) have none. Bits come from the element types; the density is the share of stored weights that
are not zero, counted once.
"""

from typing import Any

import numpy as np

from lamina.ir.check import site
from lamina.ir.layer import Layer
from lamina.ir.network import Network, Operation
from lamina.ir.operators import operator
from lamina.ir.types import Type


def layers(network: Network) -> list[Layer]:
    """The layers of `network`; their MACs sum to the network's."""
    types = network.types
    found = []
    for operation in network.operations:
        nest = operator(operation.operator).nest
        if nest is not None:
            where = site(operation, types)
            found.append(
                Layer(
                    name=operation.name,
                    operator=operation.operator,
                    **nest(where),
                    **_widths(network, operation, types),
                )
            )
    return found


def _widths(network: Network, operation: Operation, types: dict[str, Type]) -> dict[str, Any]:
    widths: dict[str, Any] = {
        "input_bits": types[operation.inputs[0]].bits,
        "output_bits": next(iter(operation.outputs.values())).bits,
    }
    if len(operation.inputs) > 1:
        weights = operation.inputs[1]
        widths["weight_bits"] = types[weights].bits
        constant = network.constants.get(weights)
        if constant is not None and constant.data is not None:
            widths["density"] = float(np.count_nonzero(constant.data) / constant.data.size)
    return widths
