"""A program while it is written: instructions and loops as a tree, then registers, then text; left out: reordering.

    emit("VAV", 128, 93, 0, 64)       operands that are plain numbers need a register each: sizes and addresses
    Register(60)                      a loop's counter or pointer, taken from the top of the file while the loop lasts
    Immediate(4)                      stays in the instruction

Registers for numbers are a cache. Before a loop, whatever the nest needs is loaded, if all of it fits: then its body
has no SMOVE at all. If it does not fit, the body starts with an empty cache and fills it as straight code does. A loop
costs SMOVE, and SADD, CB each time round, as in the paper's programs; every loop here runs at least once.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from lamina.core.errors import Unsupported
from lamina.emulation.cambricon.isa import REGISTERS

MOST_POINTERS = 20  # registers that loops may take; the others hold numbers


@dataclass(frozen=True, slots=True)
class Register:
    number: int

    def __str__(self) -> str:
        return f"${self.number}"


@dataclass(frozen=True, slots=True)
class Immediate:
    value: int

    def __str__(self) -> str:
        return f"#{self.value}"


Operand = int | Register | Immediate
Address = int | Register


@dataclass(frozen=True, slots=True)
class Instruction:
    name: str
    operands: tuple[Operand, ...]

    @property
    def numbers(self) -> set[int]:
        return {o for o in self.operands if isinstance(o, int)}


@dataclass(frozen=True, slots=True)
class Note:
    text: str


@dataclass(frozen=True, slots=True)
class Loop:
    counter: Register
    count: int
    body: list["Item"]

    @property
    def numbers(self) -> set[int]:
        return {n for item in self.body if not isinstance(item, Note) for n in item.numbers}


Item = Instruction | Loop | Note


@dataclass(kw_only=True, slots=True)
class Code:
    """What has been written; `emit` appends to the block that is open."""

    block: list[Item] = field(default_factory=list)
    outer: list[list[Item]] = field(default_factory=list)
    taken: int = 0  # pointers in use
    most: int = 0

    def emit(self, name: str, *operands: Operand) -> None:
        self.block.append(Instruction(name, operands))

    def note(self, text: str) -> None:
        self.block.append(Note(text))

    @contextmanager
    def registers(self, count: int = 1) -> Iterator[list[Register]]:
        """Registers that nothing else has, until the block ends."""
        first = self.taken
        self.taken += count
        self.most = max(self.most, self.taken)
        if self.taken > MOST_POINTERS:
            raise Unsupported(f"loops nest too deeply for {MOST_POINTERS} registers of counters and pointers")
        yield [Register(REGISTERS - 1 - first - i) for i in range(count)]
        self.taken -= count

    @contextmanager
    def loop(self, count: int, steps: Mapping[Register, int] | None = None) -> Iterator[None]:
        """What is written inside runs `count` times; each time round every register of `steps` moves on."""
        moves = [Instruction("SADD", (r, r, Immediate(by))) for r, by in (steps or {}).items() if by]
        if count == 1:
            yield
            self.block += moves
            return
        with self.registers() as (counter,):
            self.outer.append(self.block)
            body: list[Item] = []
            self.block = body
            yield
            self.block = self.outer.pop()
            self.block.append(Loop(counter, count, [*body, *moves]))

    def text(self) -> str:
        """The assembly."""
        writer = _Writer(free=REGISTERS - self.most)
        writer.write(self.block)
        return "\n".join(writer.lines) + "\n"


@dataclass(kw_only=True, slots=True)
class _Writer:
    free: int  # registers for numbers: $0 on
    lines: list[str] = field(default_factory=list)
    held: dict[int, int] = field(default_factory=dict)  # number -> register, the least recently used first
    labels: int = 0

    def write(self, items: list[Item]) -> None:
        for item in items:
            if isinstance(item, Note):
                self.lines.append(f"// {item.text}")
            elif isinstance(item, Instruction):
                self.load(item.numbers)
                self.line(item)
            else:
                self.loop(item)

    def line(self, item: Instruction) -> None:
        words = [f"${self.held[o]}" if isinstance(o, int) else str(o) for o in item.operands]
        self.lines.append(f"    {item.name} {', '.join(words)}")

    def loop(self, loop: Loop) -> None:
        whole = len(loop.numbers) <= self.free
        if whole:
            self.load(loop.numbers)
        else:
            self.held.clear()
        label = f"L{self.labels}"
        self.labels += 1
        self.lines.append(f"    SMOVE {loop.counter}, #{loop.count}")
        self.lines.append(f"{label}:")
        self.write(loop.body)
        self.lines.append(f"    SADD {loop.counter}, {loop.counter}, #-1")
        self.lines.append(f"    CB #{label}, {loop.counter}")

    def load(self, numbers: set[int]) -> None:
        """Have each of `numbers` in a register."""
        for number in sorted(numbers & self.held.keys()):
            self.held[number] = self.held.pop(number)
        for number in sorted(numbers - self.held.keys()):
            if len(self.held) < self.free:
                register = min(set(range(self.free)) - set(self.held.values()))
            else:
                register = self.held.pop(next(iter(self.held)))
            self.held[number] = register
            self.lines.append(f"    SMOVE ${register}, #{number}")
