"""The TPU's instructions: twelve bytes each, encoded and decoded.

    byte    0        1, 2     3 - 5                    6, 7                        8 - 11
            opcode   flags    unified buffer address   accumulator, or register    length, or value

Published are the names, that there are about a dozen, and MatrixMultiply's bytes: 3 of address, 2 of accumulator, 4 of
length, the rest opcode and flags. Ours: the other instructions share its layout, opcodes are numbered in the order
below, addresses count rows of R bytes, and what no field holds (the geometry of a convolution, the host's address)
waits in registers that Set_Configuration writes, as the paper's "set configuration" hints.

Errors    `BadInput` for a field that does not fit its bytes, for an opcode or a length of bytes that does not exist
Paper     Jouppi et al., ISCA 2017, section 2, https://doi.org/10.1145/3079856.3080246
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from lamina.core.errors import BadInput

BYTES = 12
_FIELDS = (("flags", 2), ("buffer", 3), ("accumulator", 2), ("length", 4))


class Opcode(IntEnum):
    NOP = 0
    READ_HOST_MEMORY = 1  # `length` bytes of the host, from register HOST_ADDRESS on, to `buffer`
    READ_WEIGHTS = 2  # ask for `length` tiles of weight memory from tile `buffer` on; does not wait for them
    MATRIX_MULTIPLY = 3  # `length` vectors from `buffer`, each one row of a matrix, into `accumulator` and behind
    CONVOLVE = 4  # the same, each vector gathered from the windows of an image
    ACTIVATE = 5  # `length` accumulators from `accumulator` on, finished, to `buffer`
    WRITE_HOST_MEMORY = 6  # `length` bytes from `buffer` to the host, register HOST_ADDRESS
    SET_CONFIGURATION = 7  # register `accumulator` = `length`
    SYNC = 8  # wait until the matrix, activation and host units are idle
    SYNC_HOST = 9  # wait until the host has taken or given what was asked
    INTERRUPT_HOST = 10
    DEBUG_TAG = 11  # note the cycle under tag `length`
    HALT = 12


class Flag(IntFlag):
    OVERWRITE = 1  # of a multiplication: the first to reach its accumulators; else it adds
    FINAL = 2  # the last one: what it leaves may be activated
    HIGH_WEIGHTS = 4  # the tile holds the upper bytes of weights of 16 bits
    MAXIMUM = 8  # of Activate: pooling, windows of the unified buffer instead of accumulators
    SUM = 16  # the same, their sums


NO_FLAGS = Flag(0)


class Register(IntEnum):
    """What Set_Configuration writes."""

    HOST_ADDRESS = 0
    CHANNELS = 1  # of the tensor that is read
    HEIGHT = 2
    WIDTH = 3
    FIRST_CHANNEL = 4  # of the group
    KERNEL_HEIGHT = 5
    KERNEL_WIDTH = 6
    STRIDE_Y = 7
    STRIDE_X = 8
    DILATION_Y = 9
    DILATION_X = 10
    PADDING_TOP = 11
    PADDING_LEFT = 12
    OUTPUT_HEIGHT = 13
    OUTPUT_WIDTH = 14
    SUMMED = 15  # K: weights that one result sums
    FIRST_ROW = 16  # of the tile, among them
    FIRST_VECTOR = 17
    INPUT_BYTES = 18  # of one number
    INPUT_SIGNED = 19
    FILL = 20  # what padding reads
    OUTPUT_CHANNELS = 21  # of the tensor that is written
    FIRST_COLUMN = 22  # the channel of column 0
    COLUMNS = 23  # of the array that hold results
    OUTPUT_BYTES = 24
    FUNCTION = 25  # which of the host's functions Activate applies
    SOURCE = 26  # the row where what is pooled begins


_OPCODES, _REGISTERS, _ALL_FLAGS = frozenset(Opcode), frozenset(Register), sum(Flag)


@dataclass(frozen=True, kw_only=True, slots=True)
class Instruction:
    opcode: Opcode
    flags: Flag = NO_FLAGS
    buffer: int = 0
    accumulator: int = 0
    length: int = 0

    def __str__(self) -> str:
        name = "_".join(part.capitalize() for part in self.opcode.name.split("_"))
        if self.opcode is Opcode.SET_CONFIGURATION:
            return f"{name} {Register(self.accumulator).name} = {self.length}"
        given = [f"{field} {getattr(self, field)}" for field, _ in _FIELDS[1:] if getattr(self, field)]
        named = [str(flag.name).lower() for flag in Flag if flag in self.flags]
        return " ".join([name, ", ".join(given + named)]).strip()


def encode(program: Iterable[Instruction]) -> bytes:
    """The program's bytes, twelve an instruction, little-endian."""
    return b"".join(map(_encoded, program))


def _encoded(instruction: Instruction) -> bytes:
    found = bytes([instruction.opcode])
    for name, size in _FIELDS:
        value = int(getattr(instruction, name))
        if not 0 <= value < 1 << 8 * size:
            raise BadInput(
                f"tpu: {name} of {instruction.opcode.name} is {value}: 0 to {(1 << 8 * size) - 1} fit its {size} bytes"
            )
        found += value.to_bytes(size, "little")
    return found


def decode(data: bytes) -> list[Instruction]:
    """The instructions that `data` holds, unknown opcodes, flags and registers refused by place."""
    if len(data) % BYTES:
        raise BadInput(f"tpu: a program of {len(data)} bytes: each instruction has {BYTES}")
    return [_decoded(data[at : at + BYTES], at) for at in range(0, len(data), BYTES)]


def _decoded(data: bytes, place: int) -> Instruction:
    values, at = {}, 1
    for name, size in _FIELDS:
        values[name] = int.from_bytes(data[at : at + size], "little")
        at += size
    if data[0] not in _OPCODES:
        raise BadInput(f"tpu: byte {place} is {data[0]}: opcodes are 0 to {max(Opcode)}")
    if values["flags"] > _ALL_FLAGS:
        raise BadInput(f"tpu: byte {place + 1}: flags {values['flags']:#x} are unknown, at most {_ALL_FLAGS:#x}")
    opcode = Opcode(data[0])
    if opcode is Opcode.SET_CONFIGURATION and values["accumulator"] not in _REGISTERS:
        raise BadInput(f"tpu: byte {place + 6}: register {values['accumulator']}: 0 to {max(Register)} exist")
    return Instruction(
        opcode=opcode,
        flags=Flag(values["flags"]),
        buffer=values["buffer"],
        accumulator=values["accumulator"],
        length=values["length"],
    )
