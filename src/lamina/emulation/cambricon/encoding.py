"""Every instruction in exactly 64 bits; left out: the paper's own opcode numbers, which are not printed.

    63     62 .. 56   55 ..                              0
    form   opcode     registers, 6 bits each │ immediate, 32 bits │ zeros

Registers come in the order of the text, but the operand that may be an immediate is last in both forms, so that the
fields of a form never move: CB's condition stands before its offset. Field widths are as the paper draws JUMP, CB,
VLOAD and MMV (8-bit opcode, 6-bit registers, 32-bit immediate; unverified, recalled). A word whose opcode is undefined,
whose form does not exist or whose unused bits are not zero is refused: there are no don't-cares.

Shapes    Word -> int below 2^64; Program -> 8 bytes each, little-endian
"""

from lamina.core.errors import BadInput
from lamina.emulation.cambricon.isa import INSTRUCTIONS, OPCODES
from lamina.emulation.cambricon.program import IMMEDIATE_BITS, Program, Word

WORD_BITS = 64
REGISTER_BITS = 6
_OPERAND_BITS = 56
_NAMES = {number: name for name, number in OPCODES.items()}


def fields(name: str, form: int) -> tuple[tuple[str, int], ...]:
    """Operands and their widths from bit 55 down."""
    flexible = next((w[1:] for w in INSTRUCTIONS[name].operands.split() if w[0] in "?#"), None)
    words = sorted(INSTRUCTIONS[name].forms[form], key=lambda w: w.lstrip("=#") == flexible)
    return tuple((w.lstrip("=#"), IMMEDIATE_BITS if w[0] == "#" else REGISTER_BITS) for w in words)


def encode(word: Word) -> int:
    """The 64 bits of `word`."""
    bits, room = word.form << 63 | OPCODES[word.name] << _OPERAND_BITS, _OPERAND_BITS
    for key, width in fields(word.name, word.form):
        room -= width
        bits |= (word.operands[key] % 2**width) << room
    return bits


def decode_word(bits: int, index: int = 0) -> Word:
    """The instruction of 64 bits; raises `BadInput` for a word that no instruction has."""
    form, opcode = bits >> 63, bits >> _OPERAND_BITS & 0x7F
    name = _NAMES.get(opcode)
    if name is None or form >= len(INSTRUCTIONS[name].forms):
        what = f"opcode {opcode}" if name is None else f"second form of {name}"
        raise BadInput(f"word {index} is 0x{bits:016x}: there is no {what}")
    operands, room = {}, _OPERAND_BITS
    for key, width in fields(name, form):
        room -= width
        value = bits >> room & (2**width - 1)
        operands[key] = value - 2**width if width == IMMEDIATE_BITS and value >> (width - 1) else value
    if bits & (2**room - 1):
        raise BadInput(f"word {index} is 0x{bits:016x}: the last {room} bits of {name} are not zero")
    return Word(name=name, operands=operands, form=form)


def decode(code: bytes) -> Program:
    """The program of `code`; raises `BadInput` where it is not one."""
    if len(code) % 8:
        raise BadInput(f"{len(code)} bytes are no whole number of 64-bit instructions")
    words = (int.from_bytes(code[at : at + 8], "little") for at in range(0, len(code), 8))
    return Program(instructions=tuple(decode_word(bits, index) for index, bits in enumerate(words)))
