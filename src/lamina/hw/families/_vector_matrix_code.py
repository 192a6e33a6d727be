"""The text of a program before it has registers, and room in a scratchpad; left out: what the numbers are.

    Writer     instructions and loops as a tree; operands are pointers (negative) or plain numbers
    flattened  the same with an SMOVE before the first use of a number, once; before a loop, those of its nest, smallest
               first; a loop costs SMOVE before, SADD for each pointer that moves, SADD and CB behind
    Room       first fit from the bottom for values, from the top for temporary vectors; a quarter is for those alone

Only what takes time is written down: order, registers, and the regions that an instruction waits for and uses.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil, log2
from typing import TYPE_CHECKING

from lamina.hw.families._vector_matrix_time import Loop, Op, Row

if TYPE_CHECKING:
    from lamina.hw.families.vector_matrix import VectorMatrix

Found = Callable[[int, int], int]  # offset and length in a padded image -> the last copied row there, -1: none
KEPT = 4  # 1 / KEPT of the vector scratchpad is for temporary vectors alone


class NoRoom(Exception):
    """A layer that the compiler refuses for its size."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where numbers lie: vector scratchpad or main memory, at an address or where a pointer points."""

    space: str
    address: int = 0

    @property
    def near(self) -> bool:
        return self.space == "vector"


@dataclass(slots=True)
class Room:
    """Free room of a scratchpad."""

    capacity: int
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gaps = [(0, self.capacity)]

    def take(self, size: int) -> int | None:
        """The lowest address with room below the part that is kept."""
        for start, end in self.gaps:
            if min(end, self.capacity - self.capacity // KEPT) - start >= size:
                self._cut(start, start + size)
                return start
        return None

    def temporary(self, size: int) -> int:
        """The highest address with room; raises `NoRoom`."""
        for start, end in reversed(self.gaps):
            if end - start >= size:
                self._cut(end - size, end)
                return end - size
        raise NoRoom

    @property
    def largest(self) -> int:
        return max((end - start for start, end in self.gaps), default=0)

    def _cut(self, low: int, high: int) -> None:
        cut = [part for s, e in self.gaps for part in ((s, min(e, low)), (max(s, high), e)) if part[0] < part[1]]
        self.gaps = sorted(set(cut))


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction with plain numbers among its operands."""

    op: Op
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Nest:
    counter: int
    count: int
    body: list["Instruction | Nest"]

    @property
    def numbers(self) -> set[int]:
        return {n for item in self.body for n in item.numbers}


@dataclass(slots=True)
class Writer:
    """The program while it is written."""

    machine: "VectorMatrix"
    block: list[Instruction | Nest] = field(default_factory=list)
    pointers: int = 0

    def pointer(self, at: int = 0) -> int:
        """A new pointer, set to a number, or to another pointer (negative); the SMOVE that does it."""
        self.pointers -= 1
        self.block.append(Instruction(Op(None, reads=(at,) if at < 0 else (), writes=self.pointers)))
        return self.pointers

    @contextmanager
    def loop(self, count: int, moves: Sequence[tuple[int, int]] = ()) -> Iterator[None]:
        """`count` turns; after each, every pointer of `moves` moves on by its step, if it has one."""
        steps = [Instruction(Op(None, reads=(p,), writes=p)) for p, by in moves if by]
        if count == 1:
            yield
            self.block += steps
            return
        self.pointers -= 1
        counter, outer = self.pointers, self.block
        self.block = []
        yield
        body, self.block = self.block + steps, outer
        self.block.append(Nest(counter, count, body))

    def vector(self, size: int, operands: Sequence[int], **more: object) -> None:
        """An instruction of the vector unit on `size` elements."""
        m = self.machine
        self._emit("vector", ceil(size / m.lanes), m.banks - 1, operands, **more)

    def io(self, size: int, operands: Sequence[int], **more: object) -> None:
        """A load or store; an address of main memory that is a number is an immediate, and no operand here."""
        m = self.machine
        self._emit("io", transfer_cycles(size, m), m.dram_latency_cycles, operands, **more)

    def product(self, size: int, inner: int, operands: Sequence[int], **more: object) -> None:
        """MMV."""
        m = self.machine
        self._emit("matrix", ceil(size / m.blocks) * ceil(inner / m.block_lanes), product_lag(m), operands, **more)

    def load(self, to: int, size: int, source: Home, **more: object) -> None:
        """VMOVE or VLOAD to the vector scratchpad."""
        if source.near:
            self.vector(size, (to, size, source.address), **more)
        else:
            self.io(size, (to, size, *_pointer(source)), **more)

    def store(self, to: Home, size: int, source: int, **more: object) -> None:
        """VMOVE or VSTORE from the vector scratchpad."""
        if to.near:
            self.vector(size, (to.address, size, source), **more)
        else:
            self.io(size, (source, size, *_pointer(to)), **more)

    def _emit(self, engine: str, beats: int, lag: int, operands: Sequence[int], **more: object) -> None:
        op = Op(engine, beats, lag, reads=tuple(operands), **more)  # type: ignore[arg-type]
        self.block.append(Instruction(op, tuple(o for o in operands if o >= 0)))


def _pointer(home: Home) -> tuple[int, ...]:
    return (home.address,) if home.address < 0 else ()


def product_lag(machine: "VectorMatrix") -> int:
    """From the last beat of a product to its last result: bank skew, H-tree down and up, adder tree."""
    return machine.banks - 1 + 2 * levels(machine.blocks) + levels(machine.block_lanes)


def levels(leaves: int) -> int:
    """Levels of a binary tree."""
    return ceil(log2(leaves))


def transfer_cycles(size: int, machine: "VectorMatrix") -> int:
    """Cycles of `size` elements through the channel to main memory."""
    return ceil(2 * size / (machine.dram_bytes_per_s / machine.clock_hz))


def flattened(items: Sequence[Instruction | Nest]) -> tuple[Op | Loop, ...]:
    """The instructions with the SMOVEs that their numbers need, and with the ends of loops."""
    return tuple(_written(items, set()))


def _written(items: Sequence[Instruction | Nest], held: set[int]) -> Iterator[Op | Loop]:
    for item in items:
        for number in sorted(set(item.numbers) - held):
            held.add(number)
            yield Op(None, writes=number)
        if isinstance(item, Instruction):
            yield item.op
            continue
        counter = item.counter
        yield Op(None, writes=counter)
        end = (Op(None, reads=(counter,), writes=counter), Op(None, reads=(counter,), branch=True))
        yield Loop(item.count, (*_written(item.body, held), *end))


def copy(
    w: Writer,
    room: Room,
    to: Home,
    source: Home,
    sizes: Sequence[int],
    to_strides: Sequence[int],
    from_strides: Sequence[int],
    *,
    waits: tuple[str, ...] = (),
    sets: tuple[str, ...] = (),
    found: Found | None = None,
    outer: int = 0,
    makes_row: bool = False,
) -> None:
    """Moves in loops over all but the innermost run, axes that continue one another made one.

    `found` tells the copied row that the first of all windows waits for; `outer` loops are around one window. From
    main memory to main memory a run goes through a temporary vector.
    """
    axes: list[tuple[int, int, int]] = []
    for size, t, f in zip(sizes, to_strides, from_strides, strict=True):
        if size > 1:
            joined = bool(axes) and axes[-1][1:] == (size * t, size * f)
            axes.append((axes.pop()[0] * size if joined else size, t, f))
    run = axes.pop()[0] if axes and axes[-1][1:] == (1, 1) else 1
    free = list(room.gaps)
    through = None if to.near or source.near else room.temporary(run)
    if axes:
        to, source = Home(to.space, w.pointer(to.address)), Home(source.space, w.pointer(source.address))
    row: Row | None = None
    if found is not None:

        def row(turns: Sequence[int], found: Found = found) -> int:
            if any(turns[:outer]):
                return -1
            return found(sum(turn * f for turn, (_, _, f) in zip(turns[outer:], axes, strict=True)), run)

    with _nest(w, axes, to.address, source.address):
        if through is not None:
            w.load(through, run, source, waits=(*waits, "passed"), sets=("passing",))
            w.store(to, run, through, waits=("passing",), sets=(*sets, "passed"), makes_row=makes_row)
        elif to.near:
            w.load(to.address, run, source, waits=waits, sets=sets, row=row, makes_row=makes_row)
        else:
            w.store(to, run, source.address, waits=waits, sets=sets, row=row, makes_row=makes_row)
    room.gaps = free


@contextmanager
def _nest(w: Writer, axes: Sequence[tuple[int, int, int]], to: int, source: int) -> Iterator[None]:
    if not axes:
        yield
        return
    (size, t, f), inner = axes[0], axes[1] if len(axes) > 1 else (0, 0, 0)
    steps = ((to, t - inner[0] * inner[1]), (source, f - inner[0] * inner[2]))
    with w.loop(size, steps), _nest(w, axes[1:], to, source):
        yield
