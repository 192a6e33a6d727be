"""Run a network on a machine's emulator, layer by layer, and compare: bits with the interpreter, cycles with `hw`.

    network ──prepare──▶ the machine's arithmetic ──layer by layer──▶ values, ticks
                                      └──▶ interpreter: values        └──▶ hw: cycles

A family's emulator is a file of its name, with

    OPERATORS                                               the layers that it drives and counts
    prepare(network, parameters)                            the network in the machine's arithmetic, or BadInput
    lockstep(network, parameters)                           how many examples are emulated side by side
    layer(operation, site, arrays, examples, parameters)    stored result, cycles of one example
    trace(network, inputs, path, parameters)                optional: the first example, instruction by instruction

Other layers run by the operator table. The count comes from the emulator's loop alone; `hw` is asked afterwards.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from lamina.core import progress, registry
from lamina.core.errors import BadInput, CheckFailed, Unsupported
from lamina.hw import families
from lamina.hw.machine import Machine
from lamina.ir.check import site
from lamina.ir.interpreter import meaning, trace
from lamina.ir.network import Array, Network
from lamina.ir.types import Float


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
    first_differing: str | None  # the first layer with such a number
    accuracy: float | None

    @property
    def holds(self) -> bool:
        """Whether bits and cycles agree; the command exits with 1 where they do not."""
        return self.bits_agree and self.cycles_agree

    @property
    def bits_agree(self) -> bool:
        return self.differing == 0

    @property
    def cycles_agree(self) -> bool:
        return dict(self.cycles) == dict(self.expected_cycles)

    @property
    def total_cycles(self) -> int:
        """Of one example, layers one after another."""
        return sum(self.cycles.values())

    def to_json(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "network": self.network,
            "examples": self.examples,
            "accuracy": self.accuracy,
            "bits_agree": self.bits_agree,
            "differing": self.differing,
            "compared": self.compared,
            "first_differing": self.first_differing,
            "cycles_agree": self.cycles_agree,
            "total_cycles": self.total_cycles,
            "cycles": dict(self.cycles),
            "expected_cycles": dict(self.expected_cycles),
        }

    def __str__(self) -> str:
        accuracy = "" if self.accuracy is None else f", accuracy {self.accuracy:.2%}"
        bits = "no number differs from the interpreter's"
        if not self.bits_agree:
            bits = f"{self.differing:,} numbers differ from the interpreter's, first in {self.first_differing}"
        same = "equal to the closed form in every layer"
        for name in {**self.cycles, **self.expected_cycles}:
            ticks, closed = self.cycles.get(name), self.expected_cycles.get(name)
            if ticks != closed:
                same = f"not the closed form's: {name} takes {ticks} ticks, hw says {closed}"
                break
        return (
            f"{self.network} on {self.machine}, {self.examples} examples{accuracy}: {bits} "
            f"({self.compared:,} compared); {self.total_cycles:,} cycles an example, {same}"
        )


def emulate(
    network: Network, machine: Machine, inputs: Mapping[str, Array], *, labels: Array | None = None
) -> Emulation:
    """Emulate `network` on `machine`; `inputs` are names to arrays, axis 0 the examples, all computed in lockstep.

    With `labels` [examples] the accuracy of the first output's largest entry is told too. Raises `Unsupported` for a
    machine without an emulator, `BadInput` for inputs that do not fit or a network in the wrong arithmetic.
    """
    emulator = emulator_of(machine)
    network = emulator.prepare(network, machine.parameters)
    count = _count(inputs, labels)
    chunk = emulator.lockstep(network, machine.parameters)
    parts: list[Mapping[str, Array]] = []
    cycles: dict[str, int] = {}
    wrong: dict[str, int] = {}
    compared = 0
    with progress.bar(f"emulate on {machine.name}", count) as advance:
        for start in range(0, count, chunk):
            some = {n: np.asarray(a)[start : start + chunk] if np.ndim(a) else a for n, a in inputs.items()}
            expected = trace(network, some)
            values, ticks = run(network, machine, some)
            if cycles not in ({}, ticks):
                raise CheckFailed(f"{machine.name}: cycles depend on the data or the chunk: {cycles} and {ticks}")
            cycles = ticks
            for operation in network.operations:
                differs = int((values[operation.name] != expected[operation.name]).sum())
                if differs:
                    wrong[operation.name] = wrong.get(operation.name, 0) + differs
                compared += expected[operation.name].size
            parts.append({name: values[value] for name, value in network.outputs.items()})
            advance(min(chunk, count - start))
    outputs = {
        name: parts[0][name] if value in network.constants else np.concatenate([part[name] for part in parts])
        for name, value in network.outputs.items()
    }
    return Emulation(
        machine=machine.name,
        network=network.name,
        examples=count,
        outputs=outputs,
        cycles=cycles,
        expected_cycles=_closed_form(network, machine, emulator.OPERATORS),
        differing=sum(wrong.values()),
        compared=compared,
        first_differing=next((o.name for o in network.operations if o.name in wrong), None),
        accuracy=None if labels is None else _accuracy(outputs, labels),
    )


def emulator_of(machine: Machine) -> ModuleType:
    """The emulator of the machine's family; `Unsupported` where there is none."""
    package = importlib.import_module(__package__)
    family = machine.family.__name__.rpartition(".")[2]
    known = [name for name in registry.names(package) if name in registry.names(families)]  # some parts have no family
    if family not in known:
        raise Unsupported(
            f"machine {machine.name} (family {family}) has no emulator: machines of the families "
            f"{', '.join(known)} have one, such as systolic and diannao"
        )
    return registry.member(package, family, "emulator")


def trace_first(network: Network, machine: Machine, inputs: Mapping[str, Array], path: Path) -> Any:
    """Write what each instruction of the first example did, and when, to `path`; `Unsupported` without instructions."""
    emulator = emulator_of(machine)
    if not hasattr(emulator, "trace"):
        raise Unsupported(f"machine {machine.name} has no program to trace: --trace is for cambricon_like")
    return emulator.trace(network, inputs, path, machine.parameters)


def run(network: Network, machine: Machine, inputs: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, int]]:
    """Every value of a prepared network by name, and the ticks of the layers that the emulator drives."""
    emulator = emulator_of(machine)
    examples = next(len(a) for a in inputs.values() if np.ndim(a))
    fitted = network.with_batch(examples)
    types = fitted.types
    values: dict[str, Array] = {
        n: np.asarray(inputs[n], t.element.storage, order="C") for n, t in fitted.inputs.items()
    }
    values.update((name, fitted.data(name)) for name in fitted.constants)
    cycles = {}
    for operation in fitted.operations:
        where = site(operation, types)
        arrays = [values[name] for name in operation.inputs]
        if operation.operator in emulator.OPERATORS:
            if any(isinstance(t.element, Float) for t in where.inputs):
                raise BadInput(f"{machine.name} does not compute {operation.operator} {operation.name!r} in float")
            stored, ticks = emulator.layer(operation, where, arrays, examples, machine.parameters)
            cycles[operation.name] = ticks
        else:
            (stored,) = meaning(operation, where, arrays)
        values[operation.name] = np.asarray(stored, where.outputs[0].element.storage, order="C")
    return values, cycles


def _closed_form(network: Network, machine: Machine, driven: tuple[str, ...]) -> dict[str, int]:
    return {
        layer.name: machine.family.cycles(layer, machine.parameters)
        for layer in network.with_batch(1).layers()
        if layer.operator in driven
    }


def _count(inputs: Mapping[str, Array], labels: Array | None) -> int:
    """The number of examples."""
    counts = {len(array) for array in inputs.values() if np.ndim(array)}
    if len(counts) != 1 or counts == {0}:
        raise BadInput(f"inputs hold {sorted(counts) or 'no'} examples: one number of examples, at least 1, is needed")
    count = counts.pop()
    if labels is not None and np.shape(labels) != (count,):
        raise BadInput(f"labels of shape {list(np.shape(labels))} for {count} examples: one a piece is needed")
    return count


def _accuracy(outputs: Mapping[str, Array], labels: Array) -> float:
    scores = next(iter(outputs.values()))
    return float((scores.reshape(len(scores), -1).argmax(axis=1) == labels).mean())
