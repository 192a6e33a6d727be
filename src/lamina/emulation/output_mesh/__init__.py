"""ShiDianNao's mesh of elements, tick by tick: neurons move through FIFOs, synapses are broadcast, sums stay.

    NBin ──modes a-f──▶ mesh Py x Px ──▶ ALU ──▶ NBout        IB ──61-bit words──▶ state machine of two levels
    SB ───one synapse to all────┘

A tick is one state of the machine's second level: the buffer controller reads what the state asks for, elements take
the rest from their right or lower neighbour, multiply by the synapse and add (or compare). A classifier gives one
neuron to all elements, each with a synapse of its own. The ALU takes `alu_results_per_cycle` results a tick: functions,
and the division of an average. NBin and SB hold what is asked for: what does not fit is `hw`'s matter, as is DRAM.

Fixed     the machine's format; multipliers drop their product's fraction bits (as DianNao's: assumed), shifts truncate
Integers  of at most the machine's bits: exact products, the network's own requantisation; tables of functions lie in
          the ALU in place of its segments (assumed)
Sums      never overflow (assumed: elements' sums are wide enough), so that the bias may come last
Lockstep  examples side by side: ticks are those of one; quantise and softmax are the host's

Paper     Du et al., "ShiDianNao", ISCA 2015, https://doi.org/10.1145/2749469.2750389
"""

from math import prod

import numpy as np

from lamina.core.errors import BadInput
from lamina.emulation.output_mesh._chip import Chip
from lamina.emulation.output_mesh._control import BITS, FIELDS, Instruction, Operation, encode
from lamina.emulation.output_mesh._steps import STEPS
from lamina.hw.families.output_mesh import OutputMesh
from lamina.ir.check import site as site_of
from lamina.ir.fixed import to_fixed
from lamina.ir.network import Array, Network
from lamina.ir.network import Operation as Node
from lamina.ir.operators._table import Site, stored
from lamina.ir.operators.multiply import fraction_bits
from lamina.ir.types import Fixed, Float

OPERATORS = tuple(STEPS)
MOST_BITS = 32  # products are computed in 64
MOST_HELD = 2**25  # numbers of a value of all examples
MOST_EXAMPLES = 250


def prepare(network: Network, machine: OutputMesh) -> Network:
    """`network` in the machine's arithmetic: a float one is converted, an integer one stays; raises `BadInput` else."""
    if machine.bits > MOST_BITS:
        raise BadInput(f"output_mesh: bits is {machine.bits}, at most {MOST_BITS} are emulated")
    element = Fixed(integer_bits=machine.bits - machine.fraction_bits, fraction_bits=machine.fraction_bits)
    if all(isinstance(t.element, Float) for t in network.types.values()):
        network = to_fixed(network, element, segments=machine.segments)
    types = network.types
    for node in network.operations:
        if node.operator in OPERATORS:
            _check(node, site_of(node, types), machine, element)
    words = len(program(network))
    if words * BITS > machine.ib_bytes * 8:
        raise BadInput(
            f"network {network.name!r} takes {words} instructions of {BITS} bits, ib_bytes={machine.ib_bytes} holds "
            f"{machine.ib_bytes * 8 // BITS}"
        )
    return network


def _check(node: Node, where: Site, machine: OutputMesh, element: Fixed) -> None:
    """Raise `BadInput` where the machine computes otherwise than `node` asks."""
    used = [t.element for t in (*where.inputs[:2], where.outputs[0])]
    if any(isinstance(e, Float) for e in used):
        raise BadInput(f"{node.name} is float in a network that is not: give the float network or an integer one")
    if any(isinstance(e, Fixed) for e in used):
        if set(used) != {element}:
            raise BadInput(
                f"{node.name} is computed in {' and '.join(sorted(set(map(str, used))))}, the machine computes in "
                f"{element}: give it the float network"
            )
        for key, own in (("rounding", "truncate"), ("products", "truncated")):
            if node.attributes.get(key, own) != own:
                raise BadInput(f"{node.name}: {key} is {node.attributes[key]!r}, the machine's is {own!r}")
        if node.operator == "piecewise_linear" and where.inputs[1].size > machine.segments:
            raise BadInput(f"{node.name}: more segments than the machine's {machine.segments}")
        return
    widest = max(e.bits for e in used)
    if widest > machine.bits:
        raise BadInput(f"{node.name} has words of {widest} bits, the machine's have {machine.bits}")
    if node.attributes.get("products", "exact") != "exact":
        raise BadInput(f"{node.name} has truncated products of integers: exact ones are needed")


def lockstep(network: Network, machine: OutputMesh) -> int:
    """Examples side by side: as many as memory is meant for."""
    largest = max(t.size for t in network.with_batch(1).types.values())
    return int(np.clip(MOST_HELD // largest, 1, MOST_EXAMPLES))


def program(network: Network) -> list[int]:
    """The 61-bit words for one example of a network, in order: what IB holds."""
    single = network.with_batch(1)
    types = single.types
    driven = (node for node in single.operations if node.operator in OPERATORS)
    return [word for node in driven for word in instructions(node, site_of(node, types), 1)]


def instructions(node: Node, where: Site, examples: int) -> list[int]:
    """The words of one layer for one of `examples`: one for each image and group, or for each vector, else one."""
    shape, given = where.outputs[0].shape, where.attributes
    numbers = prod(shape) // examples
    if node.operator == "add":
        return [_word(Operation.COMBINE, numbers, len(where.inputs))]
    if node.operator in ("relu", "piecewise_linear", "lookup"):
        return [_word(Operation.FUNCTION, numbers, 1)]
    if node.operator == "linear":
        k, c = where.inputs[1].shape
        return [_word(Operation.CLASSIFY, k, c)] * (numbers // k)
    images, k, p, q = shape[0] // examples, *shape[1:]
    if node.operator != "conv2d":
        operation = Operation.MAXIMUM if node.operator == "max_pool2d" else Operation.SUM
        return [_word(operation, *given["kernel"], *given["stride"], *given["dilation"], p, q, 1, k)] * images
    groups, (_, c, r, s) = given["groups"], where.inputs[1].shape
    if p * q == 1:
        word = _word(Operation.CLASSIFY, k // groups, c * r * s)
    else:
        word = _word(Operation.CONVOLVE, r, s, *given["stride"], *given["dilation"], p, q, c, k // groups)
    return [word] * (images * groups)


def _word(operation: Operation, *values: int) -> int:
    names = (name for name, _ in FIELDS[operation])
    return encode(Instruction(operation=operation, values=dict(zip(names, values, strict=True))))


def layer(operation: Node, site: Site, arrays: list[Array], examples: int, machine: OutputMesh) -> tuple[Array, int]:
    """The stored result of a layer for `examples` in lockstep, and the ticks of one."""
    if len(site.outputs[0].shape) < 2 or site.outputs[0].shape[0] % examples:
        raise BadInput(f"{operation.name}: axis 0 of its result is not the examples")
    truncated = site.attributes.get("products") == "truncated"
    chip = Chip(machine=machine, examples=examples, shift=fraction_bits(stored(site.inputs[1])) if truncated else 0)
    words = instructions(operation, site, examples)
    return STEPS[operation.operator](chip, words, site, [a.astype(np.int64) for a in arrays]), chip.ticks
