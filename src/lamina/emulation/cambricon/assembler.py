"""Text to words and back; left out: macros, data sections, linking.

    loop:  VGTM  $7, $0, $6, $7      // operands by commas; comments from // or ; to the end of the line
           SADD  $6, $6, $0
           SADD  $4, $4, #-1         // #12, #-1, #0x1F raw; #1.0 with a point is fixed point: round(1.0 * 2^f)
           CB    #loop, $4           // #NAME is the offset to a label

Two passes: the first counts instructions and notes labels, the second makes words. `disassemble` writes text that
assembles to the same words, a label for every target of a jump.
"""

import re
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from lamina.core.errors import BadInput, one_line, unknown
from lamina.emulation.cambricon.program import Program, Word, word

JUMPS = ("JUMP", "CB")
MOST_CHARACTERS = 2**26
_LABEL = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*:\s*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)\Z", re.ASCII)
_REAL = re.compile(r"[+-]?[0-9]*\.[0-9]*\Z", re.ASCII)
_REGISTER = re.compile(r"\$[0-9]{1,4}\Z", re.ASCII)


def assemble(text: str, fraction_bits: int = 10) -> Program:
    """The program that `text` says; raises `BadInput` with the line for what cannot be read.

    `fraction_bits` is for immediates with a point.
    """
    if len(text) > MOST_CHARACTERS:
        raise BadInput(f"a program of {len(text)} characters: at most {MOST_CHARACTERS} are read")
    labels: dict[str, int] = {}
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        code = re.split(r"//|;", line, maxsplit=1)[0].strip()
        while found := _LABEL.match(code):
            if found[1] in labels:
                raise BadInput(f"line {number}: label {one_line(found[1], 40)} stands twice")
            labels[found[1]] = len(lines)
            code = code[found.end() :]
        if code:
            lines.append((number, code))
    return Program(
        instructions=tuple(
            _word(code, number, index, labels, fraction_bits) for index, (number, code) in enumerate(lines)
        ),
        labels=labels,
    )


def _word(code: str, number: int, index: int, labels: dict[str, int], fraction_bits: int) -> Word:
    name, *rest = code.split(maxsplit=1)
    operands = [o for o in re.split(r"[\s,]+", rest[0] if rest else "") if o]
    try:
        return word(
            name.upper(),
            *(_operand(o, name.upper(), index, labels, fraction_bits) for o in operands),
            line=number,
        )
    except BadInput as e:
        raise BadInput(f"line {number}: {one_line(e)}") from e


def _operand(text: str, name: str, index: int, labels: dict[str, int], fraction_bits: int) -> int | str:
    if _REGISTER.match(text):
        return text
    if text[0] != "#":
        raise BadInput(f"operand {one_line(text, 40)!r}: $0 to $63 is a register, #12 an immediate")
    value = text[1:]
    if _INTEGER.match(value):
        return _whole(value)
    if _REAL.match(value):
        try:
            return int((Decimal(value) * 2**fraction_bits).to_integral_value(ROUND_HALF_EVEN))
        except InvalidOperation as e:
            raise BadInput(f"immediate {one_line(text, 40)!r} is no number") from e
    if name in JUMPS and _NAME.match(value):
        if value not in labels:
            raise unknown("label", value, labels)
        return labels[value] - index
    raise BadInput(f"immediate {one_line(text, 40)!r}: #12, #-0x1F or #1.5 are numbers, #NAME a label of JUMP and CB")


def _whole(text: str) -> int:
    """An integer; a text too long to be 32 bits is refused before it is converted."""
    if len(text) > 20:
        raise BadInput(f"immediate #{one_line(text, 24)} does not fit 32 bits")
    return int(text, 16 if "x" in text.lower() else 10)


def disassemble(program: Program) -> str:
    """Text that assembles to the same words."""
    targets = {
        index + w.operands["offset"]
        for index, w in enumerate(program)
        if w.name in JUMPS and w.form == 1 and 0 <= index + w.operands["offset"] <= len(program)
    }
    names = {target: f"L{number}" for number, target in enumerate(sorted(targets))}
    lines = []
    for index, w in enumerate(program):
        if index in names:
            lines.append(f"{names[index]}:")
        lines.append(
            "    " + instruction_text(w, names.get(index + w.operands.get("offset", 0)) if w.name in JUMPS else None)
        )
    if len(program) in names:
        lines.append(f"{names[len(program)]}:")
    return "\n".join(lines) + "\n"


def instruction_text(w: Word, label: str | None = None) -> str:
    """One instruction as a person writes it; `label` stands for a jump's offset."""
    operands = []
    for field in w.fields:
        key = field.lstrip("=#")
        if field[0] != "#":
            operands.append(f"${w.operands[key]}")
        else:
            operands.append(f"#{label}" if label and key == "offset" else f"#{w.operands[key]}")
    return f"{w.name} {', '.join(operands)}"
