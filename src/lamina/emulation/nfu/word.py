"""DianNao's instruction: one long word of five slots that drives everything at once; left out: its true widths.

    CP      end                                                       the control processor: stop after this word
    SB      op  reuse  address  size                                  synapses: `size` rows from `address`
    NBin    op  reuse  stride  stride_begin  stride_end  address  size          inputs: `size` rows, in runs
    NBout   read_op  write_op  address  bias                          one row: partial sums in, sums out
    NFU     nfu1_op  nfu2_op  nfu2_in  nfu2_out  nfu3_op  output_begin  output_end      lanes begin to end work

Row t of NBin's is at  address + t // run * stride + stride_begin + t % run  with  run = stride_end - stride_begin:
the columns begin to end of lines that are `stride` rows apart. Addresses are rows of memory. A row with address a is
kept at place a mod rows of its circular buffer: LOAD brings it there by DMA on its way to the unit (with `reuse` only
if it is not there yet), READ expects it there. NBout's LOAD takes the row `bias` for the first sums, READ and WRITE
keep row `address` of the partial sums, STORE sends it through NFU-3 to memory.

The paper prints the slots and names of the fields, as far as known to us not their widths: those, `bias`, and the
meaning of the stride fields are ours.

Paper     Chen et al., "DianNao", ASPLOS 2014, tables 2 and 3, https://doi.org/10.1145/2541940.2541967
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from lamina.core.errors import BadInput


class Op(IntEnum):
    """What a buffer does; NBout writes by WRITE and STORE."""

    NOP = 0
    READ = 1
    LOAD = 2


class Out(IntEnum):
    NOP = 0
    WRITE = 1
    STORE = 2


class Nfu1(IntEnum):
    PASS = 0
    MULTIPLY = 1


class Nfu2(IntEnum):
    ADD = 0
    MAXIMUM = 1


class Sums(IntEnum):
    """Where NFU-2's sums start from, or go to."""

    KEEP = 0  # its own registers
    RESET = 1  # start from nothing
    NBOUT = 2
    NFU3 = 3


class Nfu3(IntEnum):
    PASS = 0
    SCALE = 1  # the layer's division, rounding and saturation


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    end: bool = False
    sb_op: Op = Op.NOP
    sb_reuse: bool = False
    sb_address: int = 0
    sb_size: int = 0
    nbin_op: Op = Op.NOP
    nbin_reuse: bool = False
    nbin_stride: int = 0
    nbin_stride_begin: int = 0
    nbin_stride_end: int = 0
    nbin_address: int = 0
    nbin_size: int = 0
    nbout_read_op: Op = Op.NOP
    nbout_write_op: Out = Out.NOP
    nbout_address: int = 0
    nbout_bias: int = 0
    nfu1_op: Nfu1 = Nfu1.PASS
    nfu2_op: Nfu2 = Nfu2.ADD
    nfu2_in: Sums = Sums.KEEP
    nfu2_out: Sums = Sums.KEEP
    nfu3_op: Nfu3 = Nfu3.PASS
    output_begin: int = 0
    output_end: int = 0

    def __str__(self) -> str:
        """One line: the slots that do something."""
        slots = [
            f"SB {self.sb_op.name}{'*' * self.sb_reuse} {self.sb_address}+{self.sb_size}" if self.sb_op else "",
            f"NBin {self.nbin_op.name}{'*' * self.nbin_reuse} {self.nbin_address}"
            f"[{self.nbin_stride_begin}:{self.nbin_stride_end}]/{self.nbin_stride}+{self.nbin_size}",
            f"NBout {self.nbout_read_op.name} {self.nbout_write_op.name} {self.nbout_address}",
            f"NFU {self.nfu1_op.name} {self.nfu2_op.name} {self.nfu2_in.name} {self.nfu2_out.name} {self.nfu3_op.name} "
            f"{self.output_begin}:{self.output_end}",
            "END" if self.end else "",
        ]
        return "  ".join(slot for slot in slots if slot)


# field -> bits and kind, lowest bits first
LAYOUT: dict[str, tuple[int, Callable[[int], Any]]] = {
    "end": (1, bool),
    "sb_op": (2, Op),
    "sb_reuse": (1, bool),
    "sb_address": (32, int),
    "sb_size": (16, int),
    "nbin_op": (2, Op),
    "nbin_reuse": (1, bool),
    "nbin_stride": (32, int),
    "nbin_stride_begin": (32, int),
    "nbin_stride_end": (32, int),
    "nbin_address": (32, int),
    "nbin_size": (16, int),
    "nbout_read_op": (2, Op),
    "nbout_write_op": (2, Out),
    "nbout_address": (32, int),
    "nbout_bias": (32, int),
    "nfu1_op": (1, Nfu1),
    "nfu2_op": (1, Nfu2),
    "nfu2_in": (2, Sums),
    "nfu2_out": (2, Sums),
    "nfu3_op": (1, Nfu3),
    "output_begin": (16, int),
    "output_end": (16, int),
}
BITS = sum(bits for bits, _ in LAYOUT.values())


def encode(word: Word) -> int:
    """The word's `BITS` bits; a number that its field cannot hold raises `BadInput` with the field's name."""
    code = at = 0
    for name, (bits, _) in LAYOUT.items():
        value = int(getattr(word, name))
        if not 0 <= value < 2**bits:
            raise BadInput(f"DianNao's word: {name} is {value}, its field holds 0 to {2**bits - 1}")
        code |= value << at
        at += bits
    return code


def decode(code: int) -> Word:
    """The word of `BITS` bits; the inverse of `encode`. More bits, or an operation that is none, raise `BadInput`."""
    if not 0 <= code < 2**BITS:
        raise BadInput(f"DianNao's word has {BITS} bits, {code:#x} has {code.bit_length()}")
    values = {}
    for name, (bits, kind) in LAYOUT.items():
        field, code = code & (2**bits - 1), code >> bits
        try:
            values[name] = kind(field)
        except ValueError as e:
            raise BadInput(f"DianNao's word: {name} is {field}, no such operation") from e
    return Word(**values)


def listing(words: Iterable[Word]) -> str:
    """One numbered line a word."""
    return "\n".join(f"{number:5d}  {word}" for number, word in enumerate(words))
