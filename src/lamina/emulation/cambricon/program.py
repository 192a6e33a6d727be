"""A program: words of one instruction and its operands; left out: where a program lives (fetching costs no memory).

A `Word` holds an instruction's name and one integer per operand: the number of a register, or the immediate's value
where the operand is the immediate one. Which operand that is, and whether a base was left out, is its `form`: 0 as the
table says it, 1 with an immediate in the place of `?`, or without the `@`.

Shapes    a program of n words is 8 n bytes
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from lamina.core.errors import BadInput, unknown
from lamina.emulation.cambricon.isa import INSTRUCTIONS, REGISTERS, Instruction

IMMEDIATE_BITS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """One instruction; raises `BadInput` for operands that it does not have or that are out of range."""

    name: str
    operands: Mapping[str, int]
    form: int = 0
    line: int = 0  # in the text it came from; 0: none

    def __post_init__(self) -> None:
        if self.name not in INSTRUCTIONS:
            raise unknown("instruction", self.name, INSTRUCTIONS)
        forms = self.instruction.forms
        if not 0 <= self.form < len(forms):
            raise BadInput(f"{self.name} has no form {self.form}")
        wanted = {w.lstrip("=#") for w in self.fields}
        if wanted != set(self.operands):
            raise BadInput(
                f"{self.name} takes {' '.join(w.lstrip('=#') for w in self.fields)}, given {' '.join(self.operands)}"
            )
        for word in self.fields:
            key, immediate = word.lstrip("=#"), word[0] == "#"
            low, high = (
                (-(2 ** (IMMEDIATE_BITS - 1)), 2 ** (IMMEDIATE_BITS - 1) - 1) if immediate else (0, REGISTERS - 1)
            )
            if not low <= self.operands[key] <= high:
                what = "immediate" if immediate else "register"
                raise BadInput(f"{self.name}: {what} {key} is {self.operands[key]}, {low} to {high} are allowed")

    @property
    def instruction(self) -> Instruction:
        return INSTRUCTIONS[self.name]

    @property
    def fields(self) -> tuple[str, ...]:
        """Operands of this form in the order of the text: `=` before a written register, `#` before an immediate."""
        return self.instruction.forms[self.form]

    @property
    def reads(self) -> tuple[str, ...]:
        """Operands whose registers are read."""
        return _reads(self.fields)

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"line {self.line}: " if self.line else ""

    def values(self, registers: Mapping[int, int] | list[int]) -> dict[str, int]:
        """The value of each operand but the written register; a base that was left out is 0."""
        operands = self.operands
        found = {key: registers[operands[key]] for key in self.reads}
        for written in self.fields:
            if written[0] == "#":
                found[written[1:]] = operands[written[1:]]
        if "offset" in found:
            found.setdefault("base", 0)
        return found


@lru_cache
def _reads(fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(w for w in fields if w[0] not in "=#")


def word(name: str, *operands: int | str, line: int = 0) -> Word:
    """A word from operands in the order of the text: `"$3"` a register, a number an immediate."""
    if name not in INSTRUCTIONS:
        raise unknown("instruction", name, INSTRUCTIONS)
    signs = [isinstance(o, int) for o in operands]
    for number, form in enumerate(INSTRUCTIONS[name].forms):
        if [w[0] == "#" for w in form] == signs:
            values = (o if isinstance(o, int) else int(o.lstrip("$")) for o in operands)
            return Word(
                name=name,
                operands=dict(zip((w.lstrip("=#") for w in form), values, strict=True)),
                form=number,
                line=line,
            )
    ways = " or ".join(f"{name} {', '.join(_kind(w) for w in form)}" for form in INSTRUCTIONS[name].forms)
    raise BadInput(f"{name} is written {ways}")


def _kind(operand: str) -> str:
    return operand if operand[0] == "#" else f"${operand.lstrip('=')}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    instructions: tuple[Word, ...]
    labels: Mapping[str, int] = field(default_factory=dict)  # name -> index, for people

    def __len__(self) -> int:
        return len(self.instructions)

    def __iter__(self) -> Iterator[Word]:
        return iter(self.instructions)

    def __getitem__(self, index: int) -> Word:
        return self.instructions[index]

    def encode(self) -> bytes:
        """Eight bytes an instruction, little-endian."""
        from lamina.emulation.cambricon.encoding import encode

        return b"".join(encode(w).to_bytes(8, "little") for w in self)
