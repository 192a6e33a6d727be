"""One program on many examples side by side; left out: registers that depend on data, so no extremes or dot products.

    vector scratchpad [elements, E]     main memory [elements, E]     matrix scratchpad [elements], the same for all

Where only addresses and counts are in registers, every example takes the same path: an instruction is read once and
computes E columns. Matrices are weights, equal in every example. A program with another instruction is refused; then
examples run one by one.
"""

from collections.abc import Sequence

import numpy as np

from lamina.core.errors import Unsupported
from lamina.emulation.cambricon import functional
from lamina.emulation.cambricon.functional import State
from lamina.emulation.cambricon.program import Program
from lamina.hw.families.vector_matrix import VectorMatrix
from lamina.ir.network import Array

APART = frozenset(("VDOT", "VMAX", "VMIN", "SLOAD", "SSTORE", "RV", "OP", "MSTORE"))  # not the same for every example


def run(program: Program, memories: Sequence[Array], *, machine: VectorMatrix) -> Array:
    """Main memory behind `program` for every example: [E, elements] from E memories of one size.

    Raises `Unsupported` for an instruction that examples cannot share, `BadInput` as `functional.run` does.
    """
    apart = sorted({word.name for word in program.instructions} & APART)
    if apart:
        raise Unsupported(f"examples do not run side by side through {', '.join(apart)}")
    memory = np.stack(memories, axis=1)
    state = functional.start(machine, memories[0])
    state.memory = memory
    state.vector = np.zeros((machine.vector_elements, len(memories)), np.int16)
    while state.pc < len(program):
        _step(state, program)
    return np.ascontiguousarray(state.memory.T)


def _step(state: State, program: Program) -> None:
    word = program[state.pc]
    instruction = word.instruction
    values = word.values(state.registers)
    reads = [functional.extent(region, values, state, word) for region in instruction.reads]
    sources = [state.space(e.space)[e.start : e.stop].astype(np.int64) for e in reads]
    if word.name == "MLOAD":
        if any((source != source[:, :1]).any() for source in sources):
            raise Unsupported("examples do not run side by side through MLOAD of a matrix that differs between them")
        sources = [source[:, 0] for source in sources]
    result = functional.compute(word, values, sources, state)
    if instruction.writes is not None:
        to = functional.extent(instruction.writes, values, state, word)
        state.space(to.space)[to.start : to.stop] = result
    elif instruction.result is not None:
        assert isinstance(result, int)
        state.registers[word.operands[instruction.result]] = result
    control = instruction.kind == "control"
    state.pc = functional.target(word, values, state.pc, len(program)) if control else state.pc + 1
