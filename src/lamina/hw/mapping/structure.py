"""What a mapper has to know of a machine: an array of units with named dimensions, memories from the units outwards.

    unit ─ weight registers ──────────────┐
         ─ sum registers ── on-chip SRAM ─┴─ dram        one instance of a level feeds the units along `serves`

A level that serves no dimension exists once a unit; one that serves all of them exists once. An operand is held by some
of the levels, innermost first; `dram` is the last one and holds all three. A port is `bits_per_cycle` wide: "shared" is
one port for everything, "read_write" one for reads and one for writes, "private" one a direction of transfer.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from lamina.core.errors import BadInput

Operand = Literal["outputs", "weights", "inputs"]
Loop = Literal["n", "g", "k", "c", "p", "q", "r", "s"]
Ports = Literal["shared", "read_write", "private"]
OPERANDS: tuple[Operand, ...] = get_args(Operand)
LOOPS: tuple[Loop, ...] = get_args(Loop)
DRAM = "dram"


@dataclass(frozen=True, kw_only=True, slots=True)
class Dimension:
    """One dimension of the array: how many units, and which loops may lie along it."""

    name: str
    size: int  # units, 1 to 65536
    loops: tuple[Loop, ...] = LOOPS
    systolic: bool = False  # results leave along it, one unit a cycle, after the last of them

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise BadInput(f"dimension {self.name!r}: name is a word of letters, digits and _")
        if not 1 <= self.size <= 65536:
            raise BadInput(f"dimension {self.name}: size is {self.size}, 1 to 65536 units are allowed")
        if not self.loops or len(set(self.loops)) < len(self.loops):
            raise BadInput(f"dimension {self.name}: loops names loops out of {', '.join(LOOPS)}, each once")


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """One memory: what it holds, how much, how fast, at what energy."""

    name: str
    holds: tuple[Operand, ...]
    capacity_bytes: float  # of one instance
    read_bits_per_cycle: int  # of one port of one instance
    read_j: float  # of one access of the port's full width
    write_bits_per_cycle: int | None = None  # None: as reads
    write_j: float | None = None  # None: as reads
    serves: tuple[str, ...] = ()  # dimensions of the array that one instance feeds
    ports: Ports = "read_write"
    word_bits: int | None = None  # smallest part of a port's width that is paid for; None: the width
    double_buffered: bool = False  # half of it is loaded while the other half is worked on

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise BadInput(f"level {self.name!r}: name is a word of letters, digits and _")
        if not self.holds or len(set(self.holds)) < len(self.holds):
            raise BadInput(f"level {self.name}: holds names operands out of {', '.join(OPERANDS)}, each once")
        if not 0 < self.capacity_bytes < float("inf"):
            raise BadInput(f"level {self.name}: capacity_bytes is {self.capacity_bytes}, a positive number is needed")
        for key, width in (
            ("read_bits_per_cycle", self.width(write=False)),
            ("write_bits_per_cycle", self.width(write=True)),
        ):
            if not 1 <= width <= 2**20:
                raise BadInput(f"level {self.name}: {key} is {width}, 1 to 2^20 bits are allowed")
        for key, energy in (("read_j", self.access_j(write=False)), ("write_j", self.access_j(write=True))):
            if not 0 <= energy < float("inf"):
                raise BadInput(f"level {self.name}: {key} is {energy}, a number of joules from 0 is needed")
        if self.ports == "shared" and self.width(write=False) != self.width(write=True):
            raise BadInput(
                f"level {self.name}: ports is shared, but read_bits_per_cycle is {self.read_bits_per_cycle} and "
                f"write_bits_per_cycle {self.write_bits_per_cycle}: one port has one width"
            )
        widest = min(self.width(write=False), self.width(write=True))
        if self.word_bits is not None and not 1 <= self.word_bits <= widest:
            raise BadInput(f"level {self.name}: word_bits is {self.word_bits}, 1 to the port's {widest} are allowed")

    @property
    def capacity_bits(self) -> float:
        return 8 * self.capacity_bytes

    def width(self, *, write: bool) -> int:
        """Bits a cycle of the port that reads or writes."""
        other = self.write_bits_per_cycle
        return other if write and other is not None else self.read_bits_per_cycle

    def access_j(self, *, write: bool) -> float:
        """Energy of one access of the port's full width."""
        return self.write_j if write and self.write_j is not None else self.read_j


def check(array: tuple[Dimension, ...], levels: tuple[Level, ...], widest_bits: int) -> None:
    """Refuse a structure that no layer can run on; `widest_bits` is of a partial sum.

    Raises `BadInput` for names used twice, dimensions that do not exist, an operand without a path to DRAM and a buffer
    too small for one element of what it holds.
    """
    if not array or not levels:
        raise BadInput("array and level: at least one dimension and one level are needed")
    for kind, names in (("dimension", [d.name for d in array]), ("level", [level.name for level in levels])):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise BadInput(f"{kind} {twice[0]}: the name is used twice")
    known = {d.name for d in array}
    for level in levels:
        for name in level.serves:
            if name not in known:
                there = ", ".join(sorted(known))
                raise BadInput(f"level {level.name}: serves {name!r}, which is no dimension of the array: {there}")
    last = levels[-1]
    if last.name != DRAM:
        raise BadInput(f"level {last.name}: the last level is {last.name!r}, it has to be dram, which holds everything")
    for operand in OPERANDS:
        if operand not in last.holds:
            raise BadInput(f"level {DRAM}: holds no {operand}: they have no path to DRAM")
        if all(operand not in level.holds for level in levels[:-1]):
            raise BadInput(f"level {DRAM}: no level on the chip holds {operand}: they have no path to the units")
    for level in levels:
        least = sum(widest_bits if operand == "outputs" else 8 for operand in level.holds)
        least *= 2 if level.double_buffered else 1
        if level.capacity_bits < least:
            raise BadInput(
                f"level {level.name}: capacity_bytes is {level.capacity_bytes:g}, too small for one tile: one element "
                f"of each of {', '.join(level.holds)} needs {least / 8:g} bytes"
            )


def chain(levels: tuple[Level, ...], operand: Operand) -> tuple[int, ...]:
    """Indices of the levels that hold `operand`, innermost first."""
    return tuple(index for index, level in enumerate(levels) if operand in level.holds)
