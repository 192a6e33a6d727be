"""What a program computes, one instruction after another; left out: time (`timed` has it).

    state    pc, 64 registers, vector and matrix scratchpads, main memory          all 16-bit elements but registers
    step     read the regions of the instruction, compute, write its region or register, go on

The table of `isa` says what an instruction touches and means; this file moves the numbers and checks the bounds. A
program ends where pc equals its length.

Shapes    main memory [any] int16; scratchpads [bytes / 2] int16
Errors    `BadInput` with the line: a size below 1, a region outside its space, a jump outside the program, SDIV by 0
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput
from lamina.emulation.cambricon import arithmetic
from lamina.emulation.cambricon.assembler import instruction_text
from lamina.emulation.cambricon.isa import REGISTERS, Region
from lamina.emulation.cambricon.program import Program, Word
from lamina.hw.families.vector_matrix import VectorMatrix

Memory = NDArray[np.int16]
MOST_INSTRUCTIONS = 10**8  # executed; more is taken for an endless loop


@dataclass(slots=True)
class State:
    """The machine between two instructions."""

    machine: VectorMatrix
    memory: Memory
    vector: Memory
    matrix: Memory
    registers: list[int]
    key: int = 0  # of the random numbers
    drawn: int = 0  # RV instructions that were executed
    pc: int = 0
    executed: int = 0

    def space(self, name: str) -> Memory:
        """The memory of that name."""
        if name == "memory":
            return self.memory
        return self.vector if name == "vector" else self.matrix


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What is left when a program has ended."""

    memory: Memory
    registers: tuple[int, ...]
    vector: Memory
    matrix: Memory
    executed: int
    counts: Mapping[str, int] = field(default_factory=dict)  # instruction -> how often it was executed


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """A region with numbers: elements [start, stop) of a space."""

    space: str
    start: int
    stop: int

    def overlaps(self, other: "Extent") -> bool:
        return self.space == other.space and self.start < other.stop and other.start < self.stop


def start(machine: VectorMatrix, memory: Any, *, key: int = 0, registers: Mapping[int, int] | None = None) -> State:
    """A machine at rest: registers (but those given) and scratchpads hold 0, main memory is copied from `memory`."""
    array = np.asarray(memory)
    if array.ndim != 1 or array.dtype != np.int16:
        raise BadInput(f"main memory is {array.dtype}{list(array.shape)}, a list of int16 is needed")
    held = [0] * REGISTERS
    for number, value in (registers or {}).items():
        if not 0 <= number < REGISTERS or not -(2**31) <= value < 2**31:
            raise BadInput(f"register ${number} = {value}: $0 to $63 hold 32 bits")
        held[number] = value
    return State(
        machine=machine,
        memory=array.copy(),
        vector=np.zeros(machine.vector_elements, np.int16),
        matrix=np.zeros(machine.matrix_elements, np.int16),
        registers=held,
        key=key,
    )


def extent(region: Region, values: Mapping[str, int], state: State, word: Word) -> Extent:
    """The elements that `region` means; raises `BadInput` where they are not all there."""
    size = region.fixed
    for name in region.size:
        if values[name] < 1:
            raise BadInput(f"{word.place}{instruction_text(word)}: {name} is {values[name]}, at least 1 is needed")
        size *= values[name]
    base = sum(values[name] for name in region.base)
    room = len(state.space(region.space))
    if base < 0 or base + size > room:
        where = "main memory" if region.space == "memory" else f"the {region.space} scratchpad"
        raise BadInput(
            f"{word.place}{instruction_text(word)}: elements {base} to {base + size - 1} are not all in {where}, "
            f"which has 0 to {room - 1}"
        )
    return Extent(space=region.space, start=base, stop=base + size)


def target(word: Word, values: Mapping[str, int], pc: int, length: int) -> int:
    """Where the program goes after `word` at `pc`; raises `BadInput` outside the program."""
    taken = word.name == "JUMP" or (word.name == "CB" and values["if"] > 0)
    after = pc + values["offset"] if taken else pc + 1
    if not 0 <= after <= length:
        raise BadInput(f"{word.place}{instruction_text(word)} goes to {after}: 0 to {length} are in the program")
    return after


def compute(word: Word, values: dict[str, int], sources: list[arithmetic.Ints], state: State) -> arithmetic.Ints | int:
    """The meaning of `word` on its sources; the number of random vectors drawn goes up."""
    if word.name == "RV":
        values = values | {"key": state.key, "stream": state.drawn}
        state.drawn += 1
    try:
        return word.instruction.meaning(sources, values, state.machine.fraction_bits)
    except BadInput as e:
        raise BadInput(f"{word.place}{instruction_text(word)}: {e}") from e


def step(state: State, program: Program) -> Word:
    """Execute the instruction at `state.pc` and return it."""
    word = program[state.pc]
    instruction = word.instruction
    values = word.values(state.registers)
    reads = [extent(region, values, state, word) for region in instruction.reads]
    writes = None if instruction.writes is None else extent(instruction.writes, values, state, word)
    sources = [state.space(e.space)[e.start : e.stop].astype(np.int64) for e in reads]
    result = compute(word, values, sources, state)
    if writes is not None:
        state.space(writes.space)[writes.start : writes.stop] = result
    elif instruction.result is not None:
        assert isinstance(result, int)
        state.registers[word.operands[instruction.result]] = result
    state.pc = target(word, values, state.pc, len(program)) if instruction.kind == "control" else state.pc + 1
    state.executed += 1
    return word


def run(
    program: Program,
    memory: Any,
    *,
    machine: VectorMatrix,
    key: int = 0,
    registers: Mapping[int, int] | None = None,
    most: int = MOST_INSTRUCTIONS,
) -> Run:
    """Run `program` from its first instruction to its end on a machine at rest; `memory` [any] int16 is not changed.

    Raises `BadInput` for what the program must not do, or when it has not ended after `most` instructions.
    """
    state = start(machine, memory, key=key, registers=registers)
    counts: dict[str, int] = {}
    while state.pc < len(program):
        if state.executed >= most:
            raise BadInput(f"the program has not ended after {most:,} instructions")
        name = step(state, program).name
        counts[name] = counts.get(name, 0) + 1
    return finish(state, counts)


def finish(state: State, counts: Mapping[str, int]) -> Run:
    """What is left in `state`."""
    return Run(
        memory=state.memory,
        registers=tuple(state.registers),
        vector=state.vector,
        matrix=state.matrix,
        executed=state.executed,
        counts=dict(counts),
    )
