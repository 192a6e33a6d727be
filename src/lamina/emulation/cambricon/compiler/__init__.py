"""From a network of `ir` to a program of Cambricon; left out: reordering, and keeping what two windows share.

    network (fixed point) ──rules, twice──▶ instructions and loops ──registers──▶ assembly ──▶ program, image of memory

The program computes one example, and the interpreter's numbers to the bit: an operation whose numbers its instructions
cannot give is refused by name. `_homes` lays out the scratchpads, `_scope` the values; operators are files of `rules`.
Main memory holds constants, inputs, outputs, and what the vector scratchpad has no room for.

    made = compile_network(network, machine)      made.text, made.program
    made.memory(inputs) ─▶ run on a simulator ─▶ made.outputs(memory)
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.emulation.cambricon.assembler import assemble
from lamina.emulation.cambricon.compiler._homes import Home, Room
from lamina.emulation.cambricon.compiler._moves import store
from lamina.emulation.cambricon.compiler._scope import Order, Scope, Target, Wishes, laid_out, plain_order
from lamina.emulation.cambricon.program import Program
from lamina.hw.families.vector_matrix import VectorMatrix
from lamina.ir.network import Array, Network
from lamina.ir.transform import integer_core
from lamina.ir.types import BOOL, INDEX, Fixed, Type


@dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """Where an input or output lies in main memory."""

    address: int
    type: Type
    order: Order | None  # maps lie channels last


@dataclass(frozen=True, kw_only=True, slots=True)
class Compiled:
    """A program with its memory."""

    network: Network
    text: str  # the assembly
    program: Program
    image: Array  # main memory before a run, int16; inputs are zeros
    inputs: Mapping[str, Port]
    outputs_at: Mapping[str, Port]
    fraction_bits: int

    def memory(self, inputs: Mapping[str, Array]) -> Array:
        """Main memory with the stored numbers of `inputs` in it; raises `BadInput` where they do not fit."""
        memory = self.image.copy()
        for name, port in self.inputs.items():
            if name not in inputs or np.shape(inputs[name]) != port.type.shape:
                given = list(np.shape(inputs[name])) if name in inputs else "missing"
                raise BadInput(f"input {name!r} is {given}, {list(port.type.shape)} is needed")
            data = laid_out(np.asarray(inputs[name], np.int16), port.order)
            if port.type.element == BOOL:
                data = data << self.fraction_bits
            memory[port.address : port.address + port.type.size] = data
        return memory

    def outputs(self, memory: Array) -> dict[str, Array]:
        """The outputs by name, as the interpreter has them, from main memory after a run."""
        found = {}
        for name, port in self.outputs_at.items():
            data = memory[port.address : port.address + port.type.size]
            if port.type.element == BOOL:
                data = data != 0
            shaped = plain_order(np.asarray(data), port.order).reshape(port.type.shape)
            found[name] = np.asarray(shaped, port.type.element.storage)
        return found

    def key(self, inputs: Mapping[str, Array]) -> int:
        """The key of the random numbers among `inputs`; 0 where the network draws none."""
        keys = [int(inputs[n]) for n, t in self.network.inputs.items() if t.element == INDEX and not t.shape]
        return keys[0] if keys else 0


def compile_network(network: Network, machine: VectorMatrix) -> Compiled:
    """The program of `network`, whose batch is 1 and whose numbers are the machine's fixed point.

    Raises `Unsupported` with the operation's name for what the instructions cannot express.
    """
    network = integer_core(network)
    first = _lowered(network, machine, resident=False, known=Wishes())
    whole = sum(first.target.wishes.matrices.values()) <= machine.matrix_scratchpad_bytes // 2
    made = _lowered(network, machine, resident=whole, known=first.target.wishes)
    text = made.target.code.text()
    return Compiled(
        network=network,
        text=text,
        program=assemble(text, machine.fraction_bits),
        image=made.target.image.array(),
        inputs=made.inputs,
        outputs_at=made.outputs,
        fraction_bits=machine.fraction_bits,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Lowered:
    target: Target
    inputs: dict[str, Port]
    outputs: dict[str, Port]


def _lowered(network: Network, machine: VectorMatrix, *, resident: bool, known: Wishes) -> _Lowered:
    room = machine.vector_scratchpad_bytes // 2
    target = Target(
        element=Fixed(integer_bits=16 - machine.fraction_bits, fraction_bits=machine.fraction_bits),
        vectors=Room(capacity=room, kept=room // 4),
        matrices=Room(capacity=machine.matrix_scratchpad_bytes // 2),
        resident=resident,
        known=known,
    )
    scope = Scope(target=target, network=network, constants={n: network.data(n) for n in network.constants})
    inputs = {}
    for name, type_ in network.inputs.items():
        if type_.element == INDEX and not type_.shape:
            continue
        if type_.element not in (target.element, BOOL):
            raise Unsupported(f"Cambricon cannot read the input {name!r}: it is {type_.element}, not {target.element}")
        inputs[name] = _input(scope, name, type_)
    scope.lower()
    outputs = {name: _output(scope, name, value) for name, value in network.outputs.items()}
    return _Lowered(target=target, inputs=inputs, outputs=outputs)


def _input(scope: Scope, name: str, type_: Type) -> Port:
    """Maps come channels last."""
    order: Order | None = None
    if len(type_.shape) == 4 and type_.shape[0] == 1:
        order = (type_.shape[1], type_.shape[2], type_.shape[3])
        order = order if order[0] > 1 and order[1] * order[2] > 1 else None
    if order is not None:
        scope.orders[name] = order
    address = scope.target.image.reserve(type_.size)
    scope.homes[name] = Home("memory", address)
    scope.ports.add(name)
    return Port(address=address, type=type_, order=order)


def _output(scope: Scope, name: str, value: str) -> Port:
    """An output is stored at the end, unless it lies in main memory already."""
    type_, target = scope.types[value], scope.target
    if value in scope.constants:
        data = scope.stored(value, scope.constants[value])
        return Port(address=target.image.constant(data), type=type_, order=None)
    order, home = scope.orders.get(value), scope.homes[scope.root(value)]
    if home.space == "vector":
        address = target.image.reserve(type_.size)
        target.code.note(f"output {name}")
        assert isinstance(home.address, int)
        store(target.code, Home("memory", address), type_.size, home.address)
        return Port(address=address, type=type_, order=order)
    assert isinstance(home.address, int)
    return Port(address=home.address, type=type_, order=order)
