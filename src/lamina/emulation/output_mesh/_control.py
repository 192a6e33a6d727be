"""ShiDianNao's control: 61-bit instructions, and a state machine of two levels that each of them runs.

    first level    what is computed: CONVOLVE CLASSIFY MAXIMUM SUM COMBINE FUNCTION, one instruction
    second level   what the next tick does; for windows, by the tap (ky, kx) and the hops sx = stride / dilation, sy:

                         kx < sx                              kx >= sx
        ky < sy          LOAD    all elements read NBin       RIGHT   the last column reads, others from the right
        ky >= sy         DOWN    the last row reads,          CORNER  the last element reads, its row from the right,
                                 others from below                    the rows above from below

Where a stride is no multiple of its dilation no neighbour ever holds what is needed: that axis has no hop. Counters,
inside to outside: kx, ky, input map, tile along x, tile along y, output map. The paper prints the width of an
instruction but not its fields: these are ours, every field one less than its value.

Paper     Du et al., "ShiDianNao", ISCA 2015, section on control, https://doi.org/10.1145/2749469.2750389
"""

from dataclasses import dataclass, field
from enum import IntEnum

from lamina.core.errors import BadInput

BITS = 61


class Operation(IntEnum):
    """The first level."""

    CONVOLVE = 0
    CLASSIFY = 1
    MAXIMUM = 2
    SUM = 3
    COMBINE = 4
    FUNCTION = 5


class Phase(IntEnum):
    """The second level."""

    LOAD = 0
    RIGHT = 1
    DOWN = 2
    CORNER = 3


WINDOW = (
    ("kernel_height", 5), ("kernel_width", 5), ("stride_height", 3), ("stride_width", 3), ("dilation_height", 3),
    ("dilation_width", 3), ("height", 8), ("width", 8), ("maps_in", 10), ("maps_out", 10),
)  # fmt: skip
CLASSIFIER = (("neurons", 24), ("inputs", 24))
STREAM = (("numbers", 32), ("operands", 3))
FIELDS = {
    Operation.CONVOLVE: WINDOW,
    Operation.MAXIMUM: WINDOW,
    Operation.SUM: WINDOW,
    Operation.CLASSIFY: CLASSIFIER,
    Operation.COMBINE: STREAM,
    Operation.FUNCTION: STREAM,
}
OPERATION_BITS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Instruction:
    operation: Operation
    values: dict[str, int]  # one per field of the operation

    def __getitem__(self, name: str) -> int:
        return self.values[name]


def encode(instruction: Instruction) -> int:
    """The 61-bit word; `BadInput` names a value that its field cannot hold."""
    word, at = int(instruction.operation), OPERATION_BITS
    for name, bits in FIELDS[instruction.operation]:
        value = instruction[name]
        if not 1 <= value <= 2**bits:
            raise BadInput(f"{name} is {value}, an instruction of {instruction.operation.name} holds 1 to {2**bits}")
        word |= (value - 1) << at
        at += bits
    assert at <= BITS
    return word


def decode(word: int) -> Instruction:
    """The instruction of a word that `encode` made."""
    operation, word = Operation(word % 2**OPERATION_BITS), word >> OPERATION_BITS
    values = {}
    for name, bits in FIELDS[operation]:
        values[name], word = word % 2**bits + 1, word >> bits
    return Instruction(operation=operation, values=values)


def hop(stride: int, dilation: int) -> int | None:
    """Taps between one element's use of a neuron and its neighbour's; None where they never meet."""
    return stride // dilation if stride % dilation == 0 else None


@dataclass(slots=True)
class Windows:
    """The state machine while it slides windows: a CONVOLVE, MAXIMUM or SUM instruction."""

    instruction: Instruction
    rows: int  # of the mesh
    columns: int
    second: Phase = Phase.LOAD
    at: list[int] = field(default_factory=lambda: [0] * 6)  # output map, tile y, tile x, input map, ky, kx
    limits: list[int] = field(init=False)
    hops: tuple[int | None, int | None] = field(init=False)  # along y, x

    def __post_init__(self) -> None:
        i = self.instruction
        down, across = -(-i["height"] // self.rows), -(-i["width"] // self.columns)
        self.limits = [i["maps_out"], down, across, i["maps_in"], i["kernel_height"], i["kernel_width"]]
        self.hops = (hop(i["stride_height"], i["dilation_height"]), hop(i["stride_width"], i["dilation_width"]))

    @property
    def starts_tile(self) -> bool:
        return not any(self.at[3:])

    @property
    def ends_tile(self) -> bool:
        return all(a == limit - 1 for a, limit in zip(self.at[3:], self.limits[3:], strict=True))

    @property
    def tile(self) -> tuple[int, int, int, int]:
        """Height and width of the tile, and the output neuron of its first element."""
        y, x = self.at[1] * self.rows, self.at[2] * self.columns
        return min(self.rows, self.instruction["height"] - y), min(self.columns, self.instruction["width"] - x), y, x

    def advance(self) -> bool:
        """To the next tick; False where the instruction is over."""
        for counter in reversed(range(6)):
            self.at[counter] += 1
            if self.at[counter] < self.limits[counter]:
                break
            self.at[counter] = 0
        else:
            return False
        (sy, sx), (ky, kx) = self.hops, self.at[4:]
        below, right = sy is not None and ky >= sy, sx is not None and kx >= sx
        self.second = Phase.CORNER if below and right else Phase.DOWN if below else Phase.RIGHT if right else Phase.LOAD
        return True
