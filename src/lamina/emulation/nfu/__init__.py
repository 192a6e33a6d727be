"""DianNao's neural functional unit, tick by tick, in its fixed point, driven by its instruction words.

    layer ──generator──▶ words ──control──▶ NBin ──▶ NFU-1 ──▶ NFU-2 ──▶ NFU-3 ──▶ memory
                                            SB ────────┘         ▲▼
                                                               NBout

NFU-1 has Ti x Tn multipliers that drop the product's fraction bits, NFU-2 Tn adder trees with partial sums, and maximum
for pooling, NFU-3 a division and a piecewise-linear function of results as they leave. A tick reads one row of Ti
inputs from NBin and one of Ti x Tn synapses from SB.

Assumed, the paper does not say: adders, and rows of NBout that hold partial sums, are wide enough never to overflow, so
the order of additions cannot matter; a bias is what the sums start from, saturation comes last. DMA keeps up: loads are
counted and stall nothing. Examples run in lockstep: ticks are those of one. Other layers (quantise, softmax) are the
host's.

Paper     Chen et al., "DianNao", ASPLOS 2014, https://doi.org/10.1145/2541940.2541967
"""

import numpy as np

from lamina.core.errors import BadInput
from lamina.emulation.nfu.layers import layer as layer
from lamina.emulation.nfu.layers import program as program
from lamina.hw.families.nfu import Nfu
from lamina.ir.fixed import to_fixed
from lamina.ir.network import Network
from lamina.ir.types import Fixed, Float

OPERATORS = ("conv2d", "linear", "max_pool2d", "average_pool2d", "add", "relu", "piecewise_linear")
MOST_BITS = 32  # products are computed in 64
MOST_HELD = 2**25  # numbers of a value of all examples
MOST_EXAMPLES = 250


def prepare(network: Network, machine: Nfu) -> Network:
    """`network` in the machine's fixed point: a float one is converted; another arithmetic raises `BadInput`."""
    element = Fixed(integer_bits=machine.bits - machine.fraction_bits, fraction_bits=machine.fraction_bits)
    if machine.bits > MOST_BITS:
        raise BadInput(f"nfu: bits is {machine.bits}, at most {MOST_BITS} are emulated")
    types = network.types
    if all(isinstance(t.element, Float) for t in types.values()):
        return to_fixed(network, element, segments=machine.segments)
    for operation in network.operations:
        if operation.operator not in OPERATORS:
            continue
        uses = {types[name].element for name in (*operation.inputs[:2], operation.name)}
        if uses != {element}:
            raise BadInput(
                f"network {network.name!r} computes {operation.name} in {' and '.join(sorted(map(str, uses)))}, "
                f"the machine in {element}: give it the float network"
            )
        for key, own in (("rounding", "truncate"), ("products", "truncated")):
            if operation.attributes.get(key, own) != own:
                raise BadInput(f"{operation.name}: {key} is {operation.attributes[key]!r}, the machine's is {own!r}")
        if operation.operator == "piecewise_linear" and types[operation.inputs[1]].size > machine.segments:
            raise BadInput(f"{operation.name}: more segments than the machine's {machine.segments}")
    return network


def lockstep(network: Network, machine: Nfu) -> int:
    """Examples side by side: as many as memory is meant for."""
    largest = max(t.size for t in network.with_batch(1).types.values())
    return int(np.clip(MOST_HELD // largest, 1, MOST_EXAMPLES))
