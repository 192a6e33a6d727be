"""The TPU at work: a program of instructions, tick by tick, through its buffers.

    host memory ◀─▶ unified buffer ──gather──▶ matrix unit ──▶ accumulators ──activate──▶ unified buffer
    weight memory ──▶ weight FIFO ──shift──────────┘

Instructions are taken in order and cost no tick of their own; each goes to its unit's queue, where they run one after
another, and the units overlap. Sync holds the later ones back. Every wait comes from something that is not there:

    Read_Weights          asks and is done; tiles come as fast as the memory's bytes do, into F slots
    a shift               starts when a tile lies in the FIFO and the one before has taken effect; R ticks; frees a slot
    MatrixMultiply        starts when its tile is shifted in and the one before has entered its last vector
    Activate              takes one row of accumulators a tick, if its last sum had arrived the tick before
    pooling               one row of C channels and one tap a tick
    host                  as fast as the link's bytes come

An accumulator that is overwritten before it was activated is a mistake of the program, and an error here.

Shapes    E examples in lockstep, the first axis of every memory: the ticks are those of one
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput
from lamina.emulation.tpu.array import Entering, Ints, MatrixUnit, matrix_unit
from lamina.emulation.tpu.gather import Bytes, Gather, write
from lamina.emulation.tpu.isa import Flag, Instruction, Opcode, Register
from lamina.hw.families.tpu import Tpu

# exact sums [E, V, N], the channels and the vectors that they are for -> stored numbers [E, V, N]
Function = Callable[[Ints, slice, Ints], Ints]


@dataclass(slots=True)
class Transfer:
    """Bytes that come at a rate: after t ticks t / `clock` x `rate`; both are integers, so that none is lost."""

    size: int
    rate: int
    clock: int
    ticks: int = 0

    def tick(self) -> bool:
        """One more cycle; whether all bytes are there."""
        self.ticks += 1
        return self.ticks * self.rate >= self.size * self.clock


@dataclass(slots=True)
class Pending:
    """An instruction in a unit's queue."""

    instruction: Instruction
    gather: Gather  # with the registers as they were when it was issued
    done: int = 0  # vectors, rows or taps
    addresses: Ints | None = None  # of all of them
    rows: list[Ints] = field(default_factory=list)  # what waits to be stored together


@dataclass(frozen=True, kw_only=True, slots=True)
class Inside:
    """Where the sums of a vector inside the array are to go."""

    accumulator: int
    shift: int
    flags: Flag


@dataclass(kw_only=True)
class Chip:
    machine: Tpu
    examples: int
    host_EN: Bytes  # the host's memory, as far as it is used
    tiles_TRC: NDArray[np.int16]  # the weight memory, as far as it is used: bytes, with or without a sign
    functions: Sequence[Function]  # what the host has prepared for Activate
    used_bytes: int  # of the unified buffer
    ticks: int = 0
    tags: dict[int, int] = field(default_factory=dict)  # tag -> the tick it was met
    unit: MatrixUnit = field(init=False)

    def __post_init__(self) -> None:
        m = self.machine
        if self.used_bytes > m.unified_buffer_bytes:
            raise BadInput(
                f"tpu: {self.used_bytes} bytes of activations, unified_buffer_bytes is {m.unified_buffer_bytes}: what "
                "spills to the host is costed, not emulated; a smaller batch or a larger buffer is needed"
            )
        self.unit = matrix_unit(m.rows, m.columns, self.examples)
        self.buffer_EN = np.zeros((self.examples, self.used_bytes), np.uint8)
        self._registers = [0] * len(Register)
        self._asked: deque[int] = deque()  # tiles that Read_Weights asked for
        self._loading: Transfer | None = None
        self._fifo: deque[NDArray[np.int16]] = deque()
        self._slots = 0  # of the FIFO, in use
        self._shifting: tuple[NDArray[np.int16], int] | None = None  # a tile and how many of its rows are in
        self._beside = False  # a whole tile stands beside the one in use
        self._matrix: deque[Pending] = deque()
        self._entered = 0  # vectors, ever: their tags
        self._inside: dict[int, Inside] = {}
        self._sums: dict[int, Ints] = {}  # accumulators in use [E, C]
        self._final: dict[int, int] = {}  # those that wait for Activate, and since which tick
        self._activate: deque[Pending] = deque()
        self._host: deque[tuple[Pending, Transfer]] = deque()

    def run(self, program: Sequence[Instruction]) -> None:
        """Execute until Halt; `tags` then holds the ticks at which the Debug_Tags were met."""
        place = 0
        while place < len(program):
            if program[place].opcode is Opcode.HALT:
                return
            if self._issue(program[place]):
                place += 1
            else:
                self._tick()
        raise BadInput("tpu: the program ends without Halt")

    def _issue(self, instruction: Instruction) -> bool:
        """Hand an instruction to its unit; False where it has to wait."""
        match instruction.opcode:
            case Opcode.SET_CONFIGURATION:
                self._registers[instruction.accumulator] = instruction.length
            case Opcode.READ_WEIGHTS:
                self._asked.extend(range(instruction.buffer, instruction.buffer + instruction.length))
            case Opcode.MATRIX_MULTIPLY | Opcode.CONVOLVE:
                self._matrix.append(self._pending(instruction))
            case Opcode.ACTIVATE:
                self._activate.append(self._pending(instruction))
            case Opcode.READ_HOST_MEMORY | Opcode.WRITE_HOST_MEMORY:
                transfer = self._transfer(instruction.length, self.machine.link_bytes_per_s)
                self._host.append((self._pending(instruction), transfer))
            case Opcode.SYNC:
                return not (self._matrix or self._activate or self._host)
            case Opcode.SYNC_HOST:
                return not self._host
            case Opcode.DEBUG_TAG:
                self.tags[instruction.length] = self.ticks
        return True

    def _pending(self, instruction: Instruction) -> Pending:
        return Pending(instruction, Gather(instruction.buffer * self.machine.rows, tuple(self._registers)))

    def _transfer(self, size: int, bytes_per_s: float) -> Transfer:
        rate = Fraction(bytes_per_s) / Fraction(self.machine.clock_hz)
        return Transfer(size, rate.numerator, rate.denominator)

    def _tick(self) -> None:
        """One cycle: what can start does; then everything moves once."""
        entering, row = self._next_vector(), self._next_row()
        self._activate_row()
        self._accumulate(self.unit.tick(entering, row))
        self._load()
        if row is not None and self._shifting is None:
            self._beside, self._slots = True, self._slots - 1
        self._move_host()
        self.ticks += 1

    def _next_vector(self) -> Entering | None:
        """The vector that enters the array, if its instruction has its tile."""
        if not self._matrix:
            return None
        pending = self._matrix[0]
        instruction, width = pending.instruction, pending.gather.registers[Register.INPUT_BYTES]
        if pending.addresses is None:
            if not self._beside:
                return None
            self._beside = False
            pending.addresses = pending.gather.vectors(instruction.length, self.machine.rows)
        vector, byte = divmod(pending.done, width)
        tag, self._entered = self._entered, self._entered + 1
        kept = instruction.flags if byte == 0 else instruction.flags & ~Flag.OVERWRITE
        self._inside[tag] = Inside(
            accumulator=instruction.accumulator + vector,
            shift=8 * byte + 8 * (Flag.HIGH_WEIGHTS in instruction.flags),
            flags=kept if byte == width - 1 else kept & ~Flag.FINAL,
        )
        pending.done += 1
        if pending.done == instruction.length * width:
            self._matrix.popleft()
        found = pending.gather.byte(self.buffer_EN, pending.addresses[vector], byte)
        return Entering(vector_ER=found, tag=tag, first=pending.done == 1)

    def _next_row(self) -> tuple[int, Ints] | None:
        """The row of weights that is shifted in at the top."""
        if self._shifting is None:
            if self._beside or not self._fifo:
                return None
            self._shifting = self._fifo.popleft(), 0
        tile_RC, row = self._shifting
        self._shifting = None if row == self.machine.rows - 1 else (tile_RC, row + 1)
        return row, tile_RC[row].astype(np.int64)

    def _accumulate(self, leaving: tuple[int, Ints] | None) -> None:
        """Add what has left the array to its accumulator."""
        if leaving is None:
            return
        tag, sums_EC = leaving
        to = self._inside.pop(tag)
        sums_EC = sums_EC << to.shift
        if Flag.OVERWRITE not in to.flags:
            sums_EC = sums_EC + self._sums.pop(to.accumulator)
        if to.accumulator in self._sums or to.accumulator >= self.machine.accumulators:
            raise BadInput(f"tpu: accumulator {to.accumulator} does not exist or was not activated before")
        self._sums[to.accumulator] = sums_EC
        if Flag.FINAL in to.flags:
            self._final[to.accumulator] = self.ticks

    def _load(self) -> None:
        """What weight memory delivers in a tick; a tile takes its slot with its first byte."""
        if self._loading is None and self._asked and self._slots < self.machine.fifo_tiles:
            self._loading = self._transfer(self.tiles_TRC[0].size, self.machine.dram_bytes_per_s)
            self._slots += 1
        if self._loading is not None and self._loading.tick():
            self._fifo.append(self.tiles_TRC[self._asked.popleft()].copy())
            self._loading = None

    def _move_host(self) -> None:
        """What the link delivers in a tick."""
        if not self._host or not self._host[0][1].tick():
            return
        pending, _ = self._host.popleft()
        at, here = pending.gather.registers[Register.HOST_ADDRESS], pending.gather.base
        memory, buffer = (
            part[:, start : start + pending.instruction.length]
            for part, start in ((self.host_EN, at), (self.buffer_EN, here))
        )
        if pending.instruction.opcode is Opcode.READ_HOST_MEMORY:
            buffer[...] = memory
        else:
            memory[...] = buffer

    def _activate_row(self) -> None:
        """One row of accumulators, or one tap of a pooling row; an instruction's rows are stored with its last."""
        if not self._activate:
            return
        pending = self._activate[0]
        if pending.instruction.flags & (Flag.MAXIMUM | Flag.SUM):
            left = self._pool_tap(pending)
        else:
            address = pending.instruction.accumulator + pending.done
            if self._final.get(address, self.ticks) >= self.ticks:
                return  # its last sum has not arrived
            del self._final[address]
            pending.rows.append(self._sums.pop(address))
            pending.done += 1
            left = pending.instruction.length - pending.done
        if not left:
            self._store(self._activate.popleft())

    def _pool_tap(self, pending: Pending) -> int:
        """Take one tap of one block of channels into its row; how many are left."""
        if pending.addresses is None:
            pending.gather = replace(pending.gather, base=pending.gather.registers[Register.SOURCE] * self.machine.rows)
            pending.addresses = pending.gather.taps(pending.instruction.length, self.machine.columns)
        _, blocks, taps, columns = pending.addresses.shape
        row, tap = divmod(pending.done, taps)
        found = pending.gather.numbers(self.buffer_EN, pending.addresses.reshape(-1, columns)[pending.done])
        if tap == 0:
            pending.rows.append(found)
        else:
            pool = np.maximum if Flag.MAXIMUM in pending.instruction.flags else np.add
            pending.rows[row] = pool(pending.rows[row], found)
        pending.done += 1
        return pending.instruction.length * blocks * taps - pending.done

    def _store(self, pending: Pending) -> None:
        """Finish the rows of an instruction and write them to the unified buffer."""
        r, count = pending.gather.registers, pending.instruction.length
        first, columns = r[Register.FIRST_COLUMN], r[Register.COLUMNS]
        sums_EVN = np.stack(pending.rows, axis=1).reshape(self.examples, count, -1)[..., :columns]
        vectors = r[Register.FIRST_VECTOR] + np.arange(count)
        stored = self.functions[r[Register.FUNCTION]](sums_EVN, slice(first, first + columns), vectors)
        write(self.buffer_EN, pending.instruction.buffer * self.machine.rows, r, stored)
