"""The functional simulator against a scalar interpreter, the paper's three programs, and what it refuses."""

import random
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings

from lamina.core.errors import BadInput
from lamina.emulation.cambricon import arithmetic
from lamina.emulation.cambricon.assembler import assemble
from lamina.emulation.cambricon.functional import run
from lamina.hw.families.vector_matrix import VectorMatrix
from tests.emulation.cambricon import naive
from tests.emulation.cambricon.programs import SMALL, memories, programs, registers

BIG = VectorMatrix()


@settings(max_examples=250, deadline=None)
@given(programs, registers(), memories)
def test_every_program_does_what_a_scalar_interpreter_does(program, held, memory):
    got = run(program, np.array(memory, np.int16), machine=SMALL, registers=held)
    start = [held.get(i, 0) for i in range(64)]
    mem, reg, vec, mat = naive.run(program, memory, start, SMALL.vector_elements, SMALL.matrix_elements)
    assert got.memory.tolist() == mem
    assert list(got.registers) == reg
    assert got.vector.tolist() == vec
    assert got.matrix.tolist() == mat


@pytest.mark.parametrize("fraction_bits", [0, 1, 10, 14])
def test_products_and_quotients_are_rounded_half_to_even_and_saturate(fraction_bits):
    rng = random.Random(fraction_bits)
    edges = [-32768, -32767, -1, 0, 1, 3, 2**fraction_bits, 32767]
    pairs = [(a, b) for a in edges for b in edges] + [
        (rng.randint(-32768, 32767), rng.randint(-99, 99)) for _ in range(500)
    ]
    a, b = (np.array(x) for x in zip(*pairs, strict=True))
    one = 2**fraction_bits
    assert arithmetic.product(a, b, fraction_bits).tolist() == [naive.rounded(Fraction(x * y, one)) for x, y in pairs]
    wanted = [naive.rounded(Fraction(x * one, y)) if y else (x > 0) * 32767 - (x < 0) * 32768 for x, y in pairs]
    assert arithmetic.quotient(a, b, fraction_bits).tolist() == wanted
    sums = [naive.rounded(Fraction(sum(x * y for x, y in pairs[i : i + 5]), one)) for i in range(0, 60, 5)]
    rows = [arithmetic.dot(a[None, i : i + 5], b[i : i + 5], fraction_bits)[0] for i in range(0, 60, 5)]
    assert rows == sums


@pytest.mark.parametrize("fraction_bits", [0, 3, 10, 14])
def test_tables_are_the_rounded_functions(fraction_bits):
    one = 2**fraction_bits
    edges = {-32768, -1, 0, 1, 2, one, 32767}
    with localcontext() as context:
        context.prec = 60
        for x in sorted(edges | set(random.Random(fraction_bits).sample(range(-32768, 32768), 1500))):
            real = Decimal(x) / one
            wanted = 32767 if real > 20 else min(32767, round(real.exp() * one))
            assert arithmetic.exp(np.array([x]), fraction_bits) == [wanted], x
            wanted = max(-32768, min(32767, round(real.ln() * one))) if x > 0 else -32768
            assert arithmetic.log(np.array([x]), fraction_bits) == [wanted], x


def test_decimal_decides_near_a_half(monkeypatch):
    """The tables are the same when the maths library errs by 10^-9 of its result."""
    expected = arithmetic.exponential(10), arithmetic.logarithm(10)
    exp, log = np.exp, np.log
    monkeypatch.setattr(np, "exp", lambda x: exp(x) * (1 + 1e-9))
    monkeypatch.setattr(np, "log", lambda x: log(x) * (1 - 1e-9))
    again = arithmetic.exponential.__wrapped__(10), arithmetic.logarithm.__wrapped__(10)
    assert (expected[0] == again[0]).all()
    assert (expected[1] == again[1]).all()


def test_random_vectors_are_the_interpreters_uniform_quantised():
    from lamina.ir.interpreter import run as interpret
    from lamina.ir.network import Network, Operation
    from lamina.ir.types import INDEX, Fixed, Float, Type

    q = Fixed(integer_bits=6, fraction_bits=10)
    for stream in (0, 1, 2):
        network = Network(
            name="random",
            inputs={"key": Type(shape=(), element=INDEX)},
            constants={},
            operations=(
                Operation(
                    operator="uniform",
                    inputs=("key",),
                    outputs={"u": Type(shape=(37,), element=Float())},
                    attributes={"stream": stream, "shape": (37,)},
                ),
                Operation(
                    operator="quantise", inputs=("u",), outputs={"y": Type(shape=(37,), element=q)}, attributes={}
                ),
            ),
            outputs={"y": "y"},
        )
        wanted = interpret(network, {"key": np.array(123456789012345)})["y"]
        program = assemble("RV $1, $0\n" * (stream + 1))
        got = run(program, np.zeros(1, np.int16), machine=BIG, key=123456789012345, registers={0: 37, 1: 5})
        assert got.vector[5 : 5 + 37].tolist() == wanted.tolist()
        assert got.vector.min() >= 0
        assert got.vector.max() <= 1024


# -- the paper's three programs -------------------------------------------------------------------------------------

MLP = """
    VLOAD   $3, $0, #100        // input vector
    MLOAD   $4, $2, #300        // weights
    MMV     $7, $1, $4, $3, $0  // W x
    VAV     $8, $1, $7, $5      // + b
    VEXP    $9, $1, $8
    VAS     $10, $1, $9, #1.0   // the paper writes #1: the number one, 1.0 in fixed point
    VDV     $6, $1, $9, $10
    VSTORE  $6, $1, #200
"""


def fixed(real):
    return np.rint(np.asarray(real) * 1024).astype(np.int16)


def test_the_layer_of_a_perceptron():
    rng = np.random.default_rng(1)
    x, w = rng.uniform(-1, 1, 30), rng.uniform(-0.3, 0.3, (20, 30))
    memory = np.zeros(1000, np.int16)
    memory[100:130], memory[300:900] = fixed(x), fixed(w).ravel()
    program = assemble(MLP)
    assert len(program) == 8
    held = {0: 30, 1: 20, 2: 600, 3: 0, 4: 0, 5: 100, 6: 200, 7: 300, 8: 400, 9: 500, 10: 600}
    got = run(program, memory, machine=BIG, registers=held)
    real = 1 / (1 + np.exp(-(fixed(w) / 1024) @ (fixed(x) / 1024)))
    assert np.abs(got.memory[200:220] / 1024 - real).max() < 0.002
    assert got.executed == 8


POOLING = """
        VLOAD   $6, $1, #100    // input neurons, feature maps innermost
        SMOVE   $5, $3          // y
    L0: SMOVE   $4, $3          // x
    L1: VGTM    $7, $0, $6, $7  // the larger of input and output, for each feature map
        SADD    $6, $6, $0
        SADD    $4, $4, #-1
        CB      #L1, $4         // while x > 0
        SADD    $6, $6, $8      // y stride of the input
        SADD    $5, $5, #-1
        CB      #L0, $5
        VSTORE  $7, $2, #200
"""


def test_the_pooling_loop():
    """3 x 3 window of an image with 5 maps; $3 is the window (the paper's comment says one less, its loop does not)."""
    maps, width, window = 5, 7, 3
    rng = np.random.default_rng(2)
    image = rng.integers(1, 3000, (window, width, maps)).astype(np.int16)
    memory = np.zeros(400, np.int16)
    memory[100 : 100 + image.size - 4 * maps] = image.ravel()[: image.size - 4 * maps]
    held = {
        0: maps, 1: image.size - 4 * maps, 2: maps, 3: window, 6: 0, 7: 1000, 8: (width - window) * maps,
    }  # fmt: skip
    got = run(assemble(POOLING), memory, machine=BIG, registers=held)
    assert got.memory[200 : 200 + maps].tolist() == image[:, :window].max(axis=(0, 1)).tolist()
    assert got.counts["VGTM"] == window**2
    assert got.executed == 2 + window * (1 + 4 * window + 3) + 1


BOLTZMANN = """
    VLOAD   $4, $0, #100
    VLOAD   $9, $1, #200
    MLOAD   $5, $2, #300
    MLOAD   $6, $3, #4000
    MMV     $10, $1, $5, $4, $0   // W v
    MMV     $11, $1, $6, $9, $1   // L h
    VAV     $12, $1, $10, $11
    VAV     $13, $1, $12, $7      // + b
    VEXP    $14, $1, $13
    VAS     $15, $1, $14, #1.0
    VDV     $16, $1, $14, $15
    RV      $17, $1
    VGT     $8, $1, $17, $16      // the paper's: 1 where r > y
    VSTORE  $8, $1, #500
"""


def test_the_boltzmann_layer():
    visible, hidden = 12, 9
    rng = np.random.default_rng(3)
    v, h = rng.integers(0, 2, visible), rng.integers(0, 2, hidden)
    w, lateral = rng.uniform(-1, 1, (hidden, visible)), rng.uniform(-1, 1, (hidden, hidden))
    memory = np.zeros(5000, np.int16)
    memory[100 : 100 + visible], memory[200 : 200 + hidden] = fixed(v), fixed(h)
    memory[300 : 300 + w.size], memory[4000 : 4000 + lateral.size] = fixed(w).ravel(), fixed(lateral).ravel()
    held = {0: visible, 1: hidden, 2: w.size, 3: lateral.size, 4: 0, 5: 0, 6: 1000, 7: 100, 8: 200, 9: 300}
    held |= {10 + i: 400 + 20 * i for i in range(8)}
    got = run(assemble(BOLTZMANN), memory, machine=BIG, registers=held, key=7)
    y = 1 / (1 + np.exp(-(fixed(w) @ v.astype(np.int64) + fixed(lateral) @ h.astype(np.int64)) / 1024))
    r = arithmetic.uniform(hidden, 7, 0, 10) / 1024
    clear = np.abs(r - y) > 0.01  # rounding may decide the others
    assert clear.sum() > 5
    assert ((got.memory[500 : 500 + hidden] == 1024) == (r > y))[clear].all()
    assert set(got.memory[500 : 500 + hidden].tolist()) <= {0, 1024}


# -- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("VLOAD $1, $0, #0", "line 1: VLOAD $1, $0, #0: size is 0, at least 1 is needed"),
        ("SMOVE $0, #4\nVLOAD $1, $0, #98", "elements 98 to 101 are not all in main memory, which has 0 to 99"),
        ("SMOVE $0, #4\nSMOVE $1, #-1\nRV $1, $0", "not all in the vector scratchpad, which has 0 to 32767"),
        ("SMOVE $0, #700\nMMV $1, $0, $1, $1, $0", "not all in the matrix scratchpad"),
        ("JUMP #-1", "goes to -1: 0 to 1 are in the program"),
        ("SDIV $1, $0, #0", "line 1: SDIV $1, $0, #0: SDIV divides 0 by 0"),
        ("here: JUMP #here", "has not ended after 1,000 instructions"),
    ],
)
def test_what_a_program_must_not_do(text, message):
    with pytest.raises(BadInput) as error:
        run(assemble(text), np.zeros(100, np.int16), machine=BIG, most=1000)
    assert message in str(error.value)


def test_main_memory_and_registers_are_checked():
    with pytest.raises(BadInput, match="a list of int16 is needed"):
        run(assemble("SMOVE $0, #1"), np.zeros(4), machine=BIG)
    with pytest.raises(BadInput, match=r"\$64"):
        run(assemble("SMOVE $0, #1"), np.zeros(4, np.int16), machine=BIG, registers={64: 1})
