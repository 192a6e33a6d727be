"""Run a network on a machine's emulator, layer by layer, and compare: bits with the interpreter, cycles with `hw`.

A family's emulator is a file of its name with `OPERATORS` it drives, `accepts(network)`, `NEEDS` in words, and
`layer(operation, site, arrays, parameters) -> (stored result, cycles of one example)`. Other layers run by the operator
table. A float network is brought into the machine's arithmetic first where that needs no data (fixed point).
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from lamina.core import progress
from lamina.core.errors import BadInput, Unsupported
from lamina.hw.machine import Machine
from lamina.ir.check import site
from lamina.ir.fixed import to_fixed
from lamina.ir.interpreter import trace
from lamina.ir.network import Array, Network
from lamina.ir.operators import operator
from lamina.ir.types import Fixed, Float

FAMILIES = ("systolic", "nfu")
CHUNK = 50  # examples in lockstep


@dataclass(frozen=True, kw_only=True, slots=True)
class Emulation:
    machine: str
    network: str
    examples: int
    outputs: Mapping[str, Array]
    cycles: Mapping[str, int]  # of one example, by layer: ticks of the emulator
    expected_cycles: Mapping[str, int]  # by hw's closed form
    differing: int  # numbers of any value that are not the interpreter's
    compared: int
    accuracy: float | None

    @property
    def bits_agree(self) -> bool:
        return self.differing == 0

    @property
    def cycles_agree(self) -> bool:
        return dict(self.cycles) == dict(self.expected_cycles)

    def to_json(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "network": self.network,
            "examples": self.examples,
            "accuracy": self.accuracy,
            "bits_agree": self.bits_agree,
            "differing": self.differing,
            "compared": self.compared,
            "cycles_agree": self.cycles_agree,
            "cycles": dict(self.cycles),
            "expected_cycles": dict(self.expected_cycles),
        }

    def __str__(self) -> str:
        accuracy = "" if self.accuracy is None else f", accuracy {self.accuracy:.2%}"
        bits = "no number differs from the interpreter" if self.bits_agree else f"{self.differing} numbers differ"
        same = "equal the closed form" if self.cycles_agree else "differ from the closed form"
        return (
            f"{self.network} on {self.machine}, {self.examples} examples{accuracy}: {bits} ({self.compared:,} compared)"
            f"; {sum(self.cycles.values()):,} cycles an example {same}"
        )


def emulate(
    network: Network, machine: Machine, inputs: Mapping[str, Array], *, labels: Array | None = None
) -> Emulation:
    """Emulate `network` on `machine` for the examples in `inputs`; with `labels` [n] the accuracy is told too.

    Raises `Unsupported` for a machine without an emulator, `BadInput` for a network in the wrong arithmetic.
    """
    emulator = emulator_of(machine)
    network = prepared(network, machine, emulator)
    count = len(next(iter(inputs.values())))
    parts: list[Mapping[str, Array]] = []
    cycles: dict[str, int] = {}
    differing = compared = 0
    with progress.bar(f"emulate on {machine.name}", count) as advance:
        for start in range(0, count, CHUNK):
            some = {name: np.asarray(array)[start : start + CHUNK] for name, array in inputs.items()}
            values, cycles = _run(network, machine, emulator, some)
            expected = trace(network, some)
            for operation in network.operations:
                wrong = values[operation.name] != expected[operation.name]
                differing, compared = differing + int(wrong.sum()), compared + wrong.size
            parts.append({name: values[value] for name, value in network.outputs.items()})
            advance(len(next(iter(some.values()))))
    outputs = {name: np.concatenate([part[name] for part in parts]) for name in network.outputs}
    return Emulation(
        machine=machine.name,
        network=network.name,
        examples=count,
        outputs=outputs,
        cycles=cycles,
        expected_cycles=_closed_form(network, machine, emulator),
        differing=differing,
        compared=compared,
        accuracy=None if labels is None else _accuracy(outputs, labels),
    )


def emulator_of(machine: Machine) -> ModuleType:
    """The emulator of the machine's family."""
    family = machine.family.__name__.rpartition(".")[2]
    if family not in FAMILIES:
        raise Unsupported(
            f"machine {machine.name} ({family}) has no emulator: those with one are {', '.join(FAMILIES)}"
        )
    return importlib.import_module(f"lamina.emulation.{family}")


def prepared(network: Network, machine: Machine, emulator: ModuleType) -> Network:
    """`network` in the machine's arithmetic; a float one becomes fixed point for an NFU."""
    if emulator.accepts(network):
        return network
    is_float = all(isinstance(t.element, Float) for t in network.types.values())
    if machine.family.__name__.endswith(".nfu") and is_float:
        m = machine.parameters
        element = Fixed(integer_bits=m.bits - m.fraction_bits, fraction_bits=m.fraction_bits)
        return to_fixed(network, element, segments=m.segments)
    raise BadInput(f"network {network.name!r} cannot run on {machine.name}: it needs {emulator.NEEDS}")


def _run(
    network: Network, machine: Machine, emulator: ModuleType, inputs: Mapping[str, Array]
) -> tuple[dict[str, Array], dict[str, int]]:
    """Every value by name, and the cycles of the layers that the emulator drives."""
    fitted = network.with_batch(len(next(iter(inputs.values()))))
    types = fitted.types
    values: dict[str, Array] = {name: np.asarray(array) for name, array in inputs.items()}
    values.update((name, fitted.data(name)) for name in fitted.constants)
    cycles = {}
    for operation in fitted.operations:
        where = site(operation, types)
        arrays = [values[name] for name in operation.inputs]
        if operation.operator in emulator.OPERATORS:
            stored, cycles[operation.name] = emulator.layer(operation, where, arrays, machine.parameters)
        else:
            stored = _by_table(operation.operator, where, arrays)
        values[operation.name] = stored
    return values, cycles


def _by_table(name: str, where: Any, arrays: list[Array]) -> Array:
    entry, result = operator(name), where.outputs[0].element
    if entry.integers is not None and not (isinstance(result, Float) and isinstance(where.inputs[0].element, Float)):
        wide = [a.astype(np.int64) if a.dtype.kind in "iu" else a for a in arrays]
        return np.asarray(entry.integers(wide, where)).astype(result.storage)
    return np.asarray(entry.run(arrays, where.attributes), result.storage)


def _closed_form(network: Network, machine: Machine, emulator: ModuleType) -> dict[str, int]:
    return {
        layer.name: machine.family.cycles(layer, machine.parameters)
        for layer in network.with_batch(1).layers()
        if layer.operator in emulator.OPERATORS
    }


def _accuracy(outputs: Mapping[str, Array], labels: Array) -> float:
    scores = next(iter(outputs.values()))
    return float((scores.reshape(len(scores), -1).argmax(axis=1) == labels).mean())
