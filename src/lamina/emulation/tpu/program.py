"""From layers to instructions, tiles of weights and places in the unified buffer.

    tag 0   Read_Host_Memory, Sync
    tag 1   Read_Weights for everything: the memory runs ahead as far as the FIFO lets it
            first layer: for each group, chunk of vectors, block of C filters: a MatrixMultiply or Convolve for each
            block of R weights and byte, into one half of the accumulators; Activate; the other half is next
            Sync
    tag 2   second layer ...
    tag n   Write_Host_Memory, Sync, tag n + 1, Halt

Chunks have as many vectors as half of the accumulators at most; all have equally many, so the last one begins before
the one ahead of it ends and computes a few vectors again. Tiles lie in weight memory in the order of their use; a new
chunk reads them anew. Tensors lie at the two ends of the unified buffer in turn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import NDArray

from lamina.emulation.tpu.isa import NO_FLAGS, Flag, Instruction, Opcode, Register
from lamina.emulation.tpu.stage import Function, Stage, Tensor
from lamina.hw.families.tpu import Tpu

Tiles = NDArray[np.int16]


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    instructions: list[Instruction]
    tiles_TRC: Tiles
    functions: list[Function]
    buffer_bytes: int  # used of the unified buffer
    result_address: int  # of the host, behind the input


def compiled(stages: Sequence[Stage], machine: Tpu) -> Program:
    """The program of `stages`, each reading what the one before it wrote."""
    rows = [ceil(t.bytes / machine.rows) for t in (stages[0].source, *(s.result for s in stages))]
    buffer_rows = max(a + b for a, b in pairwise(rows))
    places = [0 if i % 2 == 0 else buffer_rows - rows[i] for i in range(len(rows))]
    writer = _Writer()
    tiles: list[Tiles] = []
    first, last = stages[0].source, stages[-1].result
    writer.tag()
    writer.configure(Register.HOST_ADDRESS, 0)
    writer.add(Opcode.READ_HOST_MEMORY, buffer=places[0], length=first.bytes)
    writer.add(Opcode.SYNC)
    writer.tag()
    for stage in stages:
        tiles += _read_weights(stage, machine, writer, len(tiles))
    for index, stage in enumerate(stages):
        _window(stage, writer)
        writer.configure(Register.FUNCTION, index)
        if stage.weights_GKN is None:
            _pool(stage, writer, places[index], places[index + 1])
        else:
            _multiply(stage, machine, writer, places[index], places[index + 1])
        writer.add(Opcode.SYNC)
        writer.tag()
    writer.configure(Register.HOST_ADDRESS, first.bytes)
    writer.add(Opcode.WRITE_HOST_MEMORY, buffer=places[-1], length=last.bytes)
    writer.add(Opcode.SYNC)
    writer.tag()
    writer.add(Opcode.HALT)
    return Program(
        instructions=writer.found,
        tiles_TRC=np.stack(tiles) if tiles else np.zeros((0, machine.rows, machine.columns), np.int16),
        functions=[stage.function for stage in stages],
        buffer_bytes=buffer_rows * machine.rows,
        result_address=first.bytes,
    )


class _Writer:
    """Collects instructions; registers are set where they change."""

    def __init__(self) -> None:
        self.found: list[Instruction] = []
        self._registers: dict[Register, int] = {}
        self._tags = 0

    def add(
        self, opcode: Opcode, *, flags: Flag = NO_FLAGS, buffer: int = 0, accumulator: int = 0, length: int = 0
    ) -> None:
        self.found.append(
            Instruction(opcode=opcode, flags=flags, buffer=buffer, accumulator=accumulator, length=length)
        )

    def configure(self, register: Register, value: int) -> None:
        value &= 2**32 - 1
        if self._registers.get(register) != value:
            self._registers[register] = value
            self.add(Opcode.SET_CONFIGURATION, accumulator=register, length=value)

    def tag(self) -> None:
        self.add(Opcode.DEBUG_TAG, length=self._tags)
        self._tags += 1


def _chunks(stage: Stage, machine: Tpu) -> tuple[int, list[int]]:
    """Vectors of a chunk, and where each begins."""
    count = ceil(stage.vectors / (machine.accumulators // 2))
    size = ceil(stage.vectors / count)
    return size, [min(i * size, stage.vectors - size) for i in range(count)]


def _blocks(stage: Stage, machine: Tpu) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """First column of each block of filters, and the (first row, byte) of its tiles."""
    assert stage.weights_GKN is not None
    _, k, n = stage.weights_GKN.shape
    for column in range(0, n, machine.columns):
        yield column, [(row, byte) for row in range(0, k, machine.rows) for byte in range(stage.weight_bytes)]


def _read_weights(stage: Stage, machine: Tpu, writer: _Writer, stored: int) -> list[Tiles]:
    """The tiles of a stage, which will lie behind `stored` others, and the instructions that ask for them."""
    tiles: list[Tiles] = []
    if stage.weights_GKN is None:
        return tiles
    for weights_KN in stage.weights_GKN:
        begin = len(tiles)
        for column, parts in _blocks(stage, machine):
            for row, byte in parts:
                some = weights_KN[row : row + machine.rows, column : column + machine.columns]
                bytes_ = some >> 8 * byte
                if byte < stage.weight_bytes - 1:
                    bytes_ = bytes_ & 255
                tile = np.zeros((machine.rows, machine.columns), np.int16)
                tile[: some.shape[0], : some.shape[1]] = bytes_
                tiles.append(tile)
        for _ in _chunks(stage, machine)[1]:
            writer.add(Opcode.READ_WEIGHTS, buffer=stored + begin, length=len(tiles) - begin)
    return tiles


def _window(stage: Stage, writer: _Writer) -> None:
    """The registers that hold for a whole stage."""
    source, result = stage.source, stage.result
    for register, value in (
        (Register.CHANNELS, source.channels),
        (Register.HEIGHT, source.size[0]),
        (Register.WIDTH, source.size[1]),
        (Register.FIRST_CHANNEL, 0),
        (Register.KERNEL_HEIGHT, stage.kernel[0]),
        (Register.KERNEL_WIDTH, stage.kernel[1]),
        (Register.STRIDE_Y, stage.stride[0]),
        (Register.STRIDE_X, stage.stride[1]),
        (Register.DILATION_Y, stage.dilation[0]),
        (Register.DILATION_X, stage.dilation[1]),
        (Register.PADDING_TOP, stage.corner[0]),
        (Register.PADDING_LEFT, stage.corner[1]),
        (Register.OUTPUT_HEIGHT, result.size[0]),
        (Register.OUTPUT_WIDTH, result.size[1]),
        (Register.INPUT_BYTES, source.width),
        (Register.INPUT_SIGNED, int(_signed(source))),
        (Register.FILL, stage.fill),
        (Register.OUTPUT_CHANNELS, result.channels),
        (Register.OUTPUT_BYTES, result.width),
    ):
        writer.configure(register, value)


def _signed(tensor: Tensor) -> bool:
    return tensor.element.low < 0


def _pool(stage: Stage, writer: _Writer, source: int, result: int) -> None:
    writer.configure(Register.SOURCE, source)
    writer.configure(Register.FIRST_VECTOR, 0)
    writer.configure(Register.FIRST_COLUMN, 0)
    writer.configure(Register.COLUMNS, stage.result.channels)
    kind = Flag.MAXIMUM if stage.maximum else Flag.SUM
    writer.add(Opcode.ACTIVATE, flags=kind, buffer=result, length=stage.vectors)


def _multiply(stage: Stage, machine: Tpu, writer: _Writer, source: int, result: int) -> None:
    assert stage.weights_GKN is not None
    groups, k, n = stage.weights_GKN.shape
    opcode = Opcode.CONVOLVE if stage.convolution else Opcode.MATRIX_MULTIPLY
    size, starts = _chunks(stage, machine)
    writer.configure(Register.SUMMED, k)
    half = 0
    for group in range(groups):
        writer.configure(Register.FIRST_CHANNEL, group * (stage.source.channels // groups))
        for start in starts:
            writer.configure(Register.FIRST_VECTOR, start)
            for column, parts in _blocks(stage, machine):
                for place, (row, byte) in enumerate(parts):
                    flags = Flag.OVERWRITE if place == 0 else NO_FLAGS
                    flags |= Flag.FINAL if place == len(parts) - 1 else NO_FLAGS
                    flags |= Flag.HIGH_WEIGHTS if byte else NO_FLAGS
                    writer.configure(Register.FIRST_ROW, row)
                    writer.add(opcode, flags=flags, buffer=source, accumulator=half, length=size)
                writer.configure(Register.FIRST_COLUMN, group * n + column)
                writer.configure(Register.COLUMNS, min(machine.columns, n - column))
                writer.add(Opcode.ACTIVATE, buffer=result, accumulator=half, length=size)
                half = machine.accumulators // 2 - half
