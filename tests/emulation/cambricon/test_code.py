"""Registers for numbers: whatever the tree of loops, every instruction meets the numbers it was written with."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.emulation.cambricon import functional
from lamina.emulation.cambricon.assembler import assemble
from lamina.emulation.cambricon.compiler._code import Code, Immediate
from lamina.hw.families.vector_matrix import VectorMatrix

MACHINE = VectorMatrix()
PLACES = 150  # more than there are registers


@st.composite
def trees(draw, depth=0):
    """A list of places (a block) and of (count, block), which is a loop."""
    items = []
    for _ in range(draw(st.integers(1, 4))):
        if depth < 2 and draw(st.booleans()):
            items.append((draw(st.integers(1, 3)), draw(trees(depth=depth + 1))))
        else:
            start, size = draw(st.integers(0, PLACES - 1)), draw(st.integers(1, 60))
            items += [(start + 7 * i) % PLACES for i in range(size)]
    return items


def write(code, items):
    for item in items:
        if isinstance(item, int):
            code.emit("VAS", item, 1, item, Immediate(1))  # one more at that place
        else:
            count, inner = item
            with code.loop(count):
                write(code, inner)


def count(items, found, times=1):
    for item in items:
        if isinstance(item, int):
            found[item] += times
        else:
            count(item[1], found, times * item[0])


@given(trees())
@settings(max_examples=100, deadline=None)
def test_every_instruction_meets_its_numbers(items):
    code, expected = Code(), np.zeros(PLACES, int)
    write(code, items)
    count(items, expected)
    left = functional.run(assemble(code.text()), np.zeros(1, np.int16), machine=MACHINE)
    np.testing.assert_array_equal(left.vector[:PLACES], expected)


def test_a_loop_whose_numbers_fit_has_no_smove_inside():
    code = Code()
    with code.loop(5), code.loop(7):
        for place in range(40):
            code.emit("VAS", place, 1, place, Immediate(1))
    text = code.text()
    inside = text[text.index("L1:") :]
    assert "SMOVE" not in inside
    left = functional.run(assemble(text), np.zeros(1, np.int16), machine=MACHINE)
    assert (left.vector[:40] == 35).all()


def test_a_pointer_moves_on_each_time_round():
    code = Code()
    with code.registers() as (pointer,):
        code.emit("SMOVE", pointer, Immediate(3))
        with code.loop(4, {pointer: 10}):
            code.emit("VAS", pointer, 1, pointer, Immediate(1))
        code.emit("VAS", pointer, 1, pointer, Immediate(5))
    left = functional.run(assemble(code.text()), np.zeros(1, np.int16), machine=MACHINE)
    assert np.flatnonzero(left.vector[:60]).tolist() == [3, 13, 23, 33, 43]
    assert left.vector[43] == 5
