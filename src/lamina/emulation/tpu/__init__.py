"""TPU v1 with its instructions: weight FIFO, double-buffered tile, systolic array, accumulators, unified buffer.

    isa       the instructions, twelve bytes each
    stage     a layer: window, tiles, function
    program   layers to instructions
    chip      the units, tick by tick
    array     the matrix unit, register by register
    gather    addresses in the unified buffer

`layer` runs one layer as a program of its own; its ticks lie between two tags: weights are first asked for when the
input has come from the host, and the results are in the unified buffer at the end. `whole` runs a chain of layers as
one program, in which tiles are fetched ahead across layers. The array has 8-bit multipliers; words up to 16 bits take
two or four passes. Layers that are not driven (tables, sums) run by the operator table; their network is the host's.

Paper     Jouppi et al., ISCA 2017, https://doi.org/10.1145/3079856.3080246
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamina.core.errors import BadInput
from lamina.emulation.tpu.chip import Chip
from lamina.emulation.tpu.isa import decode, encode
from lamina.emulation.tpu.program import Program, compiled
from lamina.emulation.tpu.stage import Stage, packed, stage, unpacked
from lamina.hw.families.tpu import Tpu
from lamina.ir.network import Array, Network, Operation
from lamina.ir.operators._table import Site
from lamina.ir.types import Float

__all__ = ["Run", "compiled", "layer", "lockstep", "prepare", "stage", "whole"]

OPERATORS = ("conv2d", "linear", "max_pool2d", "average_pool2d")
MOST_HELD = 2**25  # numbers of a value, and of a chunk's sums, of all examples
MOST_EXAMPLES = 50


def prepare(network: Network, machine: Tpu) -> Network:
    """`network` itself; raises `BadInput` where a driven layer is not integer, or its products are not exact."""
    types = network.types
    for operation in network.operations:
        if operation.operator not in OPERATORS:
            continue
        if isinstance(types[operation.inputs[0]].element, Float):
            raise BadInput(
                f"network {network.name!r} computes {operation.name} in float, the TPU in integers: lamina quantise "
                "makes an integer network"
            )
        if operation.attributes.get("products", "exact") != "exact":
            raise BadInput(f"{operation.name} has truncated products: the TPU's are exact")
    return network


def lockstep(network: Network, machine: Tpu) -> int:
    """Examples side by side: as many as memory is meant for."""
    largest = max(t.size for t in network.with_batch(1).types.values())
    sums = machine.accumulators * machine.columns
    return int(np.clip(MOST_HELD // max(largest, sums), 1, MOST_EXAMPLES))


def layer(operation: Operation, site: Site, arrays: list[Array], examples: int, machine: Tpu) -> tuple[Array, int]:
    """The stored result of a layer for `examples` in lockstep, and the ticks of one."""
    one = stage(operation, site, arrays, examples)
    found = whole([one], arrays[0], machine)
    return unpacked(found.result_EN, one.result, site.outputs[0].shape), found.ticks[one.name]


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    result_EN: Array  # the bytes that the host got
    ticks: dict[str, int]  # by stage
    host_ticks: int  # before the first and after the last
    program: Program


def whole(stages: Sequence[Stage], x: Array, machine: Tpu) -> Run:
    """Run `stages` as one program on the stored numbers `x`, axis 0 the examples; through the program's bytes."""
    program = compiled(stages, machine)
    source, result = stages[0].source, stages[-1].result
    input_EN = packed(x, source)
    host_EN = np.concatenate([input_EN, np.zeros((len(input_EN), result.bytes), np.uint8)], axis=1)
    chip = Chip(
        machine=machine,
        examples=len(input_EN),
        host_EN=host_EN,
        tiles_TRC=program.tiles_TRC,
        functions=program.functions,
        used_bytes=program.buffer_bytes,
    )
    chip.run(decode(encode(program.instructions)))
    tags = [chip.tags[number] for number in range(len(stages) + 3)]
    ticks = {one.name: tags[i + 2] - tags[i + 1] for i, one in enumerate(stages)}
    return Run(
        result_EN=host_EN[:, program.result_address :],
        ticks=ticks,
        host_ticks=tags[1] - tags[0] + tags[-1] - tags[-2],
        program=program,
    )
