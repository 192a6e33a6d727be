"""A whole network as one program, where it is a chain: each layer reads what the one before it wrote.

    host: quantise │ TPU: conv2d, linear, pooling, with the one-operand functions behind them │ host: dequantise

A flatten costs nothing: the linear layer behind it reads the image as one window of its full size. Anything else
(a sum of two branches, a recurrence) is refused by name; `emulate` runs such networks layer by layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lamina.core.errors import Unsupported
from lamina.emulation.tpu import Run, whole
from lamina.emulation.tpu.stage import Function, Ints, Stage, stage, unpacked
from lamina.hw.families.tpu import Tpu
from lamina.hw.kinds import ON_THE_FLY
from lamina.ir.check import site
from lamina.ir.interpreter import meaning
from lamina.ir.network import Array, Network, Operation
from lamina.ir.operators._table import Site, stored

DRIVEN = ("conv2d", "linear", "max_pool2d", "average_pool2d")
VIEWS = ("flatten", "reshape")


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainRun:
    outputs: dict[str, Array]
    run: Run


def run(network: Network, machine: Tpu, inputs: Mapping[str, Array]) -> ChainRun:
    """Outputs of the integer network `network` for `inputs`, all examples in lockstep, and the run's ticks.

    Raises `Unsupported` for a network that is no chain of layers the TPU drives.
    """
    examples = len(next(iter(inputs.values())))
    fitted = network.with_batch(examples)
    types, operations = fitted.types, list(fitted.operations)
    value, *more = fitted.inputs
    if more or len(fitted.outputs) != 1:
        raise Unsupported(f"network {network.name!r} has several inputs or outputs: one chain is one program")
    x = np.asarray(inputs[value])
    while operations and operations[0].operator not in DRIVEN:
        operation = _next(operations, value, ("quantise", *VIEWS))
        (x,) = meaning(operation, site(operation, types), [x])
        value = operation.name
    stages: list[Stage] = []
    shape: Any = x.shape
    while operations and operations[0].operator != "dequantise":
        operation = _next(operations, value, (*DRIVEN, *VIEWS, *ON_THE_FLY))
        where, arrays = site(operation, types), [None, *(fitted.data(name) for name in operation.inputs[1:])]
        if operation.operator in DRIVEN:
            stages.append(_joined(stage(operation, where, arrays, examples), stages))
        elif operation.operator in ON_THE_FLY:
            stages[-1] = _behind(stages[-1], operation, where, arrays[1:])
        shape, value = where.outputs[0].shape, operation.name
    if not stages:
        raise Unsupported(f"network {network.name!r} has no layer that the TPU drives")
    found = whole(stages, x, machine)
    result: Array = unpacked(found.result_EN, stages[-1].result, types[stages[-1].name].shape).reshape(shape)
    result = result.astype(types[value].element.storage)
    for operation in list(operations):
        _next(operations, value, ("dequantise",))
        (result,) = meaning(operation, site(operation, types), [result])
        value = operation.name
    return ChainRun(outputs=dict.fromkeys(fitted.outputs, result), run=found)


def _next(operations: list[Operation], value: str, known: tuple[str, ...]) -> Operation:
    """The first operation, taken off; `Unsupported` unless it is `known` and goes on from `value`."""
    operation = operations.pop(0)
    if operation.operator not in known or operation.inputs[0] != value:
        raise Unsupported(
            f"{operation.operator} {operation.name!r} does not go on a chain of {', '.join(DRIVEN)}: lamina emulate "
            "runs the network layer by layer"
        )
    return operation


def _joined(own: Stage, before: list[Stage]) -> Stage:
    """`own`, reading what the stage before it wrote, where that is an image and `own` wants a vector."""
    if not before or own.source.image or not before[-1].result.image:
        return own
    image = before[-1].result
    return replace(own, source=image, kernel=image.size, fill=0)


def _behind(own: Stage, operation: Operation, where: Site, arrays: list[Any]) -> Stage:
    """`own` with a one-operand function on its results as they leave."""
    first: Function = own.function

    def both(sums_EVN: Ints, channels: slice, vectors: Ints) -> Ints:
        between = first(sums_EVN, channels, vectors).astype(where.inputs[0].element.storage)
        (found,) = meaning(operation, where, [between, *arrays])
        return found.astype(np.int64)

    return replace(own, result=replace(own.result, element=stored(where.outputs[0])), function=both)
