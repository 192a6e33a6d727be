"""Cambricon layer by layer: each layer is compiled and its program runs; left out: keeping values near between layers.

    operation ──compiler──▶ program ─┬─▶ timed simulator, the first example: cycles, result
                                     └─▶ functional simulator, all others: results

`prepare` brings a float network into the machine's arithmetic: Q6.10, exact sums rounded once, a bias as an addition of
its own (MMV has none), an average over a window that is no power of two as a product with its reciprocal, sigmoid and
tanh as the tables of VEXP, VAS, VDV (`cambricon.functions`). Additions and look-ups run by the operator table here: a
cost model cannot tell from their loop nest which program they are; the ten networks of `cambricon.networks` run whole.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.emulation.cambricon import functional, functions, timed
from lamina.emulation.cambricon import lockstep as side_by_side
from lamina.emulation.cambricon.compiler import Compiled, compile_network
from lamina.hw.families.vector_matrix import VectorMatrix
from lamina.ir.fixed import to_fixed
from lamina.ir.network import Array, Constant, Network, Operation, constant
from lamina.ir.operators._table import Site
from lamina.ir.types import Fixed, Float, Type

OPERATORS = ("conv2d", "linear", "max_pool2d", "average_pool2d", "relu")
MOST_HELD = 2**26  # elements of main memory of all examples
MOST_EXAMPLES = 1000


def element(machine: VectorMatrix) -> Fixed:
    """The machine's number format."""
    return Fixed(integer_bits=16 - machine.fraction_bits, fraction_bits=machine.fraction_bits)


def prepare(network: Network, machine: VectorMatrix) -> Network:
    """`network` in the machine's arithmetic: a float one is converted; another arithmetic raises `BadInput`."""
    own, types = element(machine), network.types
    if all(isinstance(t.element, Float) for t in types.values()):
        plain = _without_biases(_reciprocals(network, machine))
        fixed = to_fixed(plain, own, rounding="power_of_two", products="exact")
        return _tables(fixed, plain, machine)
    for operation in network.operations:
        if operation.operator not in OPERATORS:
            continue
        uses = {types[name].element for name in (*operation.inputs, *operation.outputs)}
        if uses != {own} or len(operation.inputs) > 2:
            raise BadInput(
                f"network {network.name!r} computes {operation.name} in {' and '.join(sorted(map(str, uses)))}, "
                f"the machine in {own} and without a bias in the sum: give it the float network"
            )
        for key, value in (("rounding", "power_of_two"), ("products", "exact")):
            if operation.attributes.get(key, value) != value:
                raise BadInput(f"{operation.name}: {key} is {operation.attributes[key]!r}, the machine's is {value!r}")
    return network


def _without_biases(network: Network) -> Network:
    """Every bias as an addition behind its product, which is then called NAME.sum."""
    constants, operations = dict(network.constants), []
    for operation in network.operations:
        if operation.operator not in ("conv2d", "linear") or len(operation.inputs) < 3:
            operations.append(operation)
            continue
        name, bias = operation.name, operation.inputs[2]
        if operation.operator == "conv2d":
            shaped = f"{bias}.maps"
            constants[shaped] = constant(network.data(bias).reshape(-1, 1, 1))
            bias = shaped
        outputs = {f"{name}.sum": operation.outputs[name]}
        operations.append(replace(operation, inputs=operation.inputs[:2], outputs=outputs))
        operations.append(Operation(operator="add", inputs=(f"{name}.sum", bias), outputs=operation.outputs))
    used = {name for operation in operations for name in operation.inputs} | set(network.outputs.values())
    kept = {name: c for name, c in constants.items() if name in used}
    return network.replaced(constants=kept, operations=tuple(operations))


def _reciprocals(network: Network, machine: VectorMatrix) -> Network:
    """Averages over a number of places that does not divide 2^f as grouped convolutions with its reciprocal."""
    constants, operations = dict(network.constants), []
    for operation in network.operations:
        kernel: Any = operation.attributes.get("kernel", (1, 1))
        padded = any(operation.attributes.get("padding", ()))  # type: ignore[arg-type]
        whole = operation.attributes.get("include_padding", True) or not padded
        if operation.operator != "average_pool2d" or 2**machine.fraction_bits % prod(kernel) == 0 or not whole:
            operations.append(operation)
            continue
        channels, name = operation.outputs[operation.name].shape[1], f"{operation.name}.reciprocal"
        constants[name] = constant(np.full((channels, 1, *kernel), 1 / prod(kernel), np.float32))
        kept = {k: v for k, v in operation.attributes.items() if k in ("stride", "padding", "dilation")}
        operations.append(
            Operation(
                operator="conv2d",
                inputs=(operation.inputs[0], name),
                outputs=operation.outputs,
                attributes={**kept, "groups": channels},
            )
        )
    return network.replaced(constants=constants, operations=tuple(operations))


def _tables(fixed: Network, real: Network, machine: VectorMatrix) -> Network:
    """`fixed` with the machine's tables where `to_fixed` put straight lines for a function of `real`."""
    constants, operations = dict(fixed.constants), []
    for operation in fixed.operations:
        if operation.operator != "piecewise_linear":
            operations.append(operation)
            continue
        source = real.producer(operation.name)
        assert source is not None
        name = f"{source.operator}.table"
        table = functions.table(source.operator, machine.fraction_bits)
        constants[name] = constant(table, Type(shape=table.shape, element=element(machine)))
        operations.append(Operation(operator="lookup", inputs=(operation.inputs[0], name), outputs=operation.outputs))
    used = {name for operation in operations for name in operation.inputs} | set(fixed.outputs.values())
    kept = {name: c for name, c in constants.items() if name in used}
    return fixed.replaced(constants=kept, operations=tuple(operations))


def lockstep(network: Network, machine: VectorMatrix) -> int:
    """Examples side by side: as many as memory is meant for."""
    largest = max(sum(t.size for t in network.with_batch(1).types.values()), 1)
    return int(np.clip(MOST_HELD // largest, 1, MOST_EXAMPLES))


def compile_layer(
    operation: Operation, site: Site, arrays: list[Array], examples: int, machine: VectorMatrix
) -> Compiled:
    """The program of one layer for one example; every operand behind the first is a constant."""
    if len(site.outputs[0].shape) < 2 or site.inputs[0].shape[0] % examples or site.outputs[0].shape[0] % examples:
        raise BadInput(f"{operation.name}: axis 0 of its input and result is not the examples")
    one = [t.with_shape((t.shape[0] // examples, *t.shape[1:])) for t in (site.inputs[0], site.outputs[0])]
    names = [f"operand{i}" for i in range(1, len(arrays))]
    held = {n: Constant(type=t, data=a) for n, t, a in zip(names, site.inputs[1:], arrays[1:], strict=True)}
    layer = replace(operation, inputs=("x", *names), outputs={operation.name: one[1]})
    network = Network(
        name="layer", inputs={"x": one[0]}, constants=held, operations=(layer,), outputs={"y": operation.name}
    )
    return compile_network(network, machine)


def layer(
    operation: Operation, site: Site, arrays: list[Array], examples: int, machine: VectorMatrix
) -> tuple[Array, int]:
    """The stored result of a layer for all `examples`, and the cycles of one."""
    made = compile_layer(operation, site, arrays, examples, machine)
    parts = np.split(arrays[0], examples)
    memories = [made.memory({"x": part}) for part in parts]
    first = timed.run(made.program, memories[0], machine=machine)
    left = [first.memory]
    if examples > 1:
        try:
            left.extend(side_by_side.run(made.program, memories[1:], machine=machine))
        except Unsupported:
            left.extend(functional.run(made.program, m, machine=machine).memory for m in memories[1:])
    results = [made.outputs(memory)["y"] for memory in left]
    return np.concatenate(results).reshape(site.outputs[0].shape), first.cycles


def trace(network: Network, inputs: Mapping[str, Array], path: Path, machine: VectorMatrix) -> timed.Run:
    """The whole network as one program on the first example, a line for each instruction in the file `path`."""
    from lamina.emulation.cambricon.trace import run_network  # it prepares the network with this module

    return run_network(network, inputs, path, machine=machine)
