"""Words, text and bits: three ways to write the same instruction, and what is none."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.emulation.cambricon.assembler import assemble, disassemble
from lamina.emulation.cambricon.encoding import decode, decode_word, encode, fields
from lamina.emulation.cambricon.isa import INSTRUCTIONS, OPCODES, TABLE
from lamina.emulation.cambricon.program import Program, Word, word


@st.composite
def any_word(draw):
    instruction = draw(st.sampled_from(TABLE))
    form = draw(st.integers(0, len(instruction.forms) - 1))
    operands = {
        w.lstrip("=#"): draw(st.integers(-(2**31), 2**31 - 1) if w[0] == "#" else st.integers(0, 63))
        for w in instruction.forms[form]
    }
    return Word(name=instruction.name, operands=operands, form=form)


any_program = st.lists(any_word(), max_size=12).map(lambda w: Program(instructions=tuple(w)))


def plain(program):
    return [(w.name, dict(w.operands), w.form) for w in program]


def test_there_are_43_instructions_of_the_paper_s_classes():
    assert len(TABLE) == len(INSTRUCTIONS) == len(set(OPCODES.values())) == 43
    count = {kind: sum(i.kind == kind for i in TABLE) for kind in sorted({i.kind for i in TABLE})}
    assert count == {"control": 2, "logic": 10, "matrix": 6, "scalar": 5, "transfer": 9, "vector": 11}


@given(any_program)
def test_bits_and_back(program):
    code = program.encode()
    assert len(code) == 8 * len(program)
    assert plain(decode(code)) == plain(program)


@given(any_program)
def test_text_and_back(program):
    assert plain(assemble(disassemble(program))) == plain(program)


@given(st.integers(0, 2**64 - 1))
def test_a_word_is_refused_or_comes_back(bits):
    try:
        found = decode_word(bits)
    except BadInput:
        return
    assert encode(found) == bits


@given(any_word(), st.data())
def test_an_unused_bit_that_is_set_is_refused(one, data):
    used = 8 + sum(width for _, width in fields(one.name, one.form))
    assert used <= 64
    if used < 64:
        with pytest.raises(BadInput, match="are not zero"):
            decode_word(encode(one) | 1 << data.draw(st.integers(0, 63 - used)))


@pytest.mark.parametrize("bits", [0, 44 << 56, 127 << 56, (1 << 63) | OPCODES["MMV"] << 56])
def test_undefined_words(bits):
    with pytest.raises(BadInput, match="there is no"):
        decode_word(bits)


def test_half_a_word():
    with pytest.raises(BadInput, match="7 bytes"):
        decode(b"\0" * 7)


def test_the_fields_are_where_the_file_says():
    assert encode(word("MMV", "$7", "$1", "$4", "$3", "$0")) == (
        OPCODES["MMV"] << 56 | 7 << 50 | 1 << 44 | 4 << 38 | 3 << 32 | 0 << 26
    )
    assert encode(word("VLOAD", "$3", "$0", "$9", 100)) == OPCODES["VLOAD"] << 56 | 3 << 50 | 9 << 38 | 100 << 6
    assert encode(word("CB", -3, "$4")) == 1 << 63 | OPCODES["CB"] << 56 | 4 << 50 | (2**32 - 3) << 18


def test_numbers_labels_and_comments():
    program = assemble("a: b: SADD $1,$2,#0x1F // one\n  vas\t$1, $2, $3, #-1.5 ; two\n\n  CB #a, $1\nJUMP #end\nend:")
    assert [w.name for w in program] == ["SADD", "VAS", "CB", "JUMP"]
    assert [w.line for w in program] == [1, 2, 4, 5]
    assert (program[0].operands["b"], program[1].operands["scalar"]) == (31, -1536)
    assert (program[2].operands["offset"], program[3].operands["offset"]) == (-2, 1)
    assert program.labels == {"a": 0, "b": 0, "end": 4}
    assert assemble("VAS $1, $2, $3, #0.5", fraction_bits=4)[0].operands["scalar"] == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SADD $1, $2", "line 1: SADD is written SADD $to, $a, $b or SADD $to, $a, #b"),
        ("\nVADD $1, $2, $3, $4", "line 2: unknown instruction 'VADD': did you mean 'V"),
        ("SADD $64, $2, $3", "line 1: SADD: register to is 64, 0 to 63 are allowed"),
        ("SMOVE $1, #4294967296", "immediate from is 4294967296"),
        ("SMOVE $1, #99999999999999999999999999", "does not fit 32 bits"),
        ("SMOVE $1, 5", "operand '5': $0 to $63 is a register, #12 an immediate"),
        ("SMOVE $1, #.", "is no number"),
        ("CB #nowhere, $1", "unknown label 'nowhere'"),
        ("SMOVE $1, #nowhere", "#NAME a label of JUMP and CB"),
        ("x: SMOVE $1, #1\nx: SMOVE $1, #1", "line 2: label x stands twice"),
        ("MMV #1, $1, $1, $1, $1", "MMV is written MMV $to, $size, $matrix, $vector, $inner"),
        ("1abc: JUMP #0", "line 1: operand 'JUMP'"),
        ("SMOVE $1, #١", "line 1: immediate"),
    ],
)
def test_what_is_no_program(text, message):
    with pytest.raises(BadInput, match=re.escape(message)):
        assemble(text)


def test_words_are_checked_when_they_are_made():
    with pytest.raises(BadInput, match="unknown instruction"):
        word("NOP")
    with pytest.raises(BadInput, match="no form 1"):
        Word(name="MMV", operands={}, form=1)
    with pytest.raises(BadInput, match="VEXP takes to size a, given to"):
        Word(name="VEXP", operands={"to": 1})


fragments = st.sampled_from(
    [*INSTRUCTIONS, "$1", "$63", "$64", "#1", "#-3", "#1.5", "#x", "#.", "#", "x:", ",", ";", "//", "\n", "\t", "0x"]
)


@given(st.one_of(st.text(max_size=60), st.lists(fragments, max_size=30).map(" ".join)))
def test_any_text_is_a_program_or_refused(text):
    message, program = "", Program(instructions=())
    try:
        program = assemble(text)
    except BadInput as error:
        message = str(error)
    assert len(message.splitlines()) <= 1
    assert plain(decode(program.encode())) == plain(program)
