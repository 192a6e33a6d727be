"""Random straight-line programs whose regions lie in small windows, so that they overlap often."""

import random

from hypothesis import strategies as st

from lamina.emulation.cambricon.isa import INSTRUCTIONS
from lamina.emulation.cambricon.program import Program, word
from lamina.hw.families.vector_matrix import VectorMatrix

SMALL = VectorMatrix(vector_scratchpad_bytes=512, matrix_scratchpad_bytes=1024)  # 256 and 512 elements
MEMORY = 256
SIZES, ADDRESSES = range(8, 12), range(12, 24)  # registers that only hold sizes (1..9) and addresses (0..160)
FREE = range(24, 28)  # registers that programs write

_ROLES = {"size": SIZES, "inner": SIZES, "rows": SIZES, "columns": SIZES}
_ADDRESS = {"to", "from", "a", "b", "matrix", "vector", "left", "right", "base"}


@st.composite
def words(draw, names=tuple(sorted(set(INSTRUCTIONS) - {"JUMP", "CB", "RV"}))):
    name = draw(st.sampled_from(names))
    instruction = INSTRUCTIONS[name]
    form = draw(st.sampled_from(instruction.forms))
    operands = []
    for field in form:
        key = field.lstrip("=#")
        if field[0] == "=":
            operands.append(f"${draw(st.sampled_from(FREE))}")
        elif key == "offset":
            operands.append(draw(st.integers(0, 40)))
        elif field[0] == "#":
            operands.append(draw(st.integers(1, 4000)) if name == "SDIV" else draw(st.integers(-40000, 40000)))
        elif instruction.unit == "scalar" and key != "base":
            pool = SIZES if name == "SDIV" and key == "b" else (*FREE, *SIZES, *ADDRESSES)
            operands.append(f"${draw(st.sampled_from(pool))}")
        elif key == "scalar":
            operands.append(f"${draw(st.sampled_from(FREE))}")
        else:
            pool = _ROLES.get(key) or ADDRESSES
            operands.append(f"${draw(st.sampled_from(pool))}")
    return word(name, *operands)


programs = st.lists(words(), min_size=1, max_size=14).map(lambda w: Program(instructions=tuple(w)))
sizes = st.lists(st.integers(1, 9), min_size=len(SIZES), max_size=len(SIZES))
addresses = st.lists(st.integers(0, 120), min_size=len(ADDRESSES), max_size=len(ADDRESSES))
frees = st.lists(st.integers(-5000, 5000), min_size=len(FREE), max_size=len(FREE))


@st.composite
def registers(draw):
    values = {}
    for numbers, found in ((SIZES, draw(sizes)), (ADDRESSES, draw(addresses)), (FREE, draw(frees))):
        values.update(zip(numbers, found, strict=True))
    return values


memories = st.integers(0, 2**32 - 1).map(lambda seed: random.Random(seed).choices(range(-6000, 6001), k=MEMORY))
