"""DianNao's instruction words: their bits, the paper's example, what the control processor does with them."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.emulation import nfu
from lamina.emulation.nfu import generator
from lamina.emulation.nfu.control import Buffer, Control, Memory
from lamina.emulation.nfu.generator import Sizes, Windows
from lamina.emulation.nfu.word import (
    BITS,
    LAYOUT,
    Nfu1,
    Nfu2,
    Nfu3,
    Op,
    Out,
    Sums,
    Word,
    decode,
    encode,
    listing,
)
from lamina.hw import registry
from lamina.hw.families import nfu as family
from lamina.ir.check import site
from tests.emulation.closed_form import forbidden
from tests.networks import fixed_networks

DIANNAO = registry.registered("diannao").parameters
KINDS = {bool: st.booleans(), **{kind: st.sampled_from(list(kind)) for kind in (Op, Out, Nfu1, Nfu2, Sums, Nfu3)}}
words = st.builds(
    Word,
    **{name: KINDS.get(kind, st.integers(0, 2**bits - 1)) for name, (bits, kind) in LAYOUT.items()},
)


@given(words)
@settings(deadline=None)
def test_a_word_is_its_bits(word):
    code = encode(word)
    assert 0 <= code < 2**BITS
    assert decode(code) == word


@given(words, words)
@settings(deadline=None)
def test_different_words_have_different_bits(one, other):
    assert (encode(one) == encode(other)) == (one == other)


def test_every_field_has_its_place():
    assert list(LAYOUT) == [field.name for field in fields(Word)]
    assert sum(bits for bits, _ in LAYOUT.values()) == BITS == 306
    assert encode(Word(end=True)) == 1
    assert encode(Word(sb_op=Op.LOAD)) == 2 << 1


@pytest.mark.parametrize("change", [{"sb_size": 2**16}, {"nbin_address": -1}, {"output_end": 70_000}])
def test_what_a_field_cannot_hold_is_named(change):
    with pytest.raises(BadInput, match=f"{next(iter(change))} is {next(iter(change.values()))}"):
        encode(Word(**change))


def test_bits_that_are_no_word():
    with pytest.raises(BadInput, match="sb_op is 3, no such operation"):
        decode(3 << 1)
    with pytest.raises(BadInput, match=f"has {BITS} bits"):
        decode(1 << BITS)


SIZES = Sizes(nbin=64, sb=64, nbout=64)


def test_the_papers_example():
    """8192 inputs x 256 outputs: 8 pieces of 2 KB (1024 inputs) for 16 blocks of neurons, 64 ticks a word."""
    program = list(
        generator.ended(generator.classifier(DIANNAO, SIZES, vectors=1, inputs=8192, outputs=256, bias=False))
    )
    assert len(program) == 8 * 16
    assert {word.nbin_size * 16 * 2 for word in program} == {2048}  # bytes of a piece
    assert {word.sb_size * 256 * 2 for word in program} == {32 * 1024}  # all of SB
    assert sum(word.nbin_size for word in program) == 8192
    for number, word in enumerate(program):
        piece, block = divmod(number, 16)
        assert (word.nbin_stride_begin, word.nbin_stride_end) == (64 * piece, 64 * piece + 64)
        assert word.nbin_op is (Op.LOAD if block == 0 else Op.READ)  # the piece is loaded once, then it is there
        assert (word.sb_op, word.sb_address) == (Op.LOAD, block * 512 + piece * 64)  # each synapse once
        assert word.nfu2_in is (Sums.RESET if piece == 0 else Sums.NBOUT)
        assert word.nbout_read_op is (Op.NOP if piece == 0 else Op.READ)
        assert (word.nbout_write_op, word.nbout_address) == (Out.STORE if piece == 7 else Out.WRITE, block)
        assert word.end is (number == 127)
    assert listing(program[:2]).splitlines()[1] == (
        "    1  SB LOAD* 512+64  NBin READ 0[0:64]/0+64  NBout NOP WRITE 1  NFU MULTIPLY ADD RESET NBOUT SCALE 0:16"
    )


@given(st.integers(1, 60), st.integers(1, 40), st.integers(1, 3), st.integers(1, 6), st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_a_classifiers_words_read_each_row_once(inputs, outputs, vectors, nbin, nbout):
    """Rows by brute force: every pair of a block of outputs and a block of inputs meets once a vector."""
    sizes = Sizes(nbin=nbin, sb=64, nbout=nbout)
    machine = replace(DIANNAO, inputs=4, outputs=3)
    taps, blocks = -(-inputs // 4), -(-outputs // 3)
    met = []
    for word in generator.classifier(machine, sizes, vectors=vectors, inputs=inputs, outputs=outputs, bias=False):
        assert word.nbin_size == word.sb_size == word.nbin_stride_end - word.nbin_stride_begin <= nbin
        for row in range(word.nbin_size):
            vector, ii = divmod(word.nbin_address + word.nbin_stride_begin + row, taps)
            nn, same = divmod(word.sb_address + row, taps)
            assert ii == same
            assert word.nbout_address == vector * blocks + nn
            met.append((vector, nn, ii))
    assert sorted(met) == [(v, n, i) for v in range(vectors) for n in range(blocks) for i in range(taps)]


@pytest.mark.parametrize("dilation", [1, 2])
def test_a_convolutions_words_walk_over_the_window(dilation):
    """3 x 2 windows of 20 channels (2 rows a pixel) over lines of 7 pixels, stride 2: addresses by loops."""
    windows = Windows(
        images=1, groups=1, channels=20, filters=16, height=9, width=7, p=2, q=2, kernel=(3, 2), stride=(2, 2),
        dilation=(1, dilation),
    )  # fmt: skip
    program = list(generator.convolution(DIANNAO, SIZES, windows, bias=True))
    assert len(program) == 2 * 2 * (1 if dilation == 1 else 3)
    found = []
    for word in program:
        run = word.nbin_stride_end - word.nbin_stride_begin
        for row in range(word.nbin_size):
            line, column = divmod(row, run)
            found.append(
                (word.nbin_address + line * word.nbin_stride + word.nbin_stride_begin + column, word.sb_address + row)
            )
    expected = [
        (((y * 2 + ky) * 7 + x * 2 + kx * dilation) * 2 + ii, (ky * 2 + kx) * 2 + ii)
        for y in range(2)
        for x in range(2)
        for ky in range(3)
        for kx in range(2)
        for ii in range(2)
    ]
    assert found == expected
    assert [word.sb_op for word in program] == [Op.LOAD] * (len(program) // 4) + [Op.READ] * (3 * len(program) // 4)


@given(fixed_networks(products="truncated"), st.integers(1, 5), st.integers(1, 5))
@settings(max_examples=200, deadline=None)
def test_the_rows_of_a_program_are_its_cycles(network, ti, tn):
    """Without running: the words of every layer name as many rows as the closed form has cycles."""
    machine = replace(DIANNAO, inputs=ti, outputs=tn)
    network = network.with_batch(1)
    programs = ("conv2d", "linear", "max_pool2d", "average_pool2d")
    found = {}
    with forbidden(family):
        for operation in network.operations:
            if operation.operator in programs:
                program = nfu.program(operation, site(operation, network.types), 1, machine)
                found[operation.name] = sum(word.nbin_size for word in program)
                assert [word.end for word in program] == [False] * (len(program) - 1) + [True]
                assert all(decode(encode(word)) == word for word in program)
    layers = {x.name: x for x in network.layers() if x.operator in programs}
    assert found == {name: family.cycles(layer, machine) for name, layer in layers.items()}


def control(inputs, synapses=None, results=4):
    ti, tn = inputs.shape[1], 1 if synapses is None else synapses.shape[2]
    memory = Memory(
        inputs_RIE=inputs[:, :, None],
        synapses_RIN=np.zeros((0, ti, tn), np.int64) if synapses is None else synapses,
        biases_RN=np.array([[7] * tn]),
        results_RNE=np.zeros((results, tn, 1), np.int64),
    )
    machine = replace(DIANNAO, inputs=ti, outputs=tn, nbin_bytes=4 * ti, sb_bytes=4 * ti * tn, nbout_bytes=4 * tn)
    return Control(machine=machine, memory=memory, shift=1, lowest=-9, scale=lambda sums: sums * 10)


def test_a_program_written_by_hand():
    """Two rows of two inputs against two rows of synapses; products lose one bit; from a bias; then through NFU-3."""
    inputs, synapses = np.array([[1, 2], [3, 5]]), np.array([[[1, 2], [3, 4]], [[5, 6], [-7, 8]]])
    unit = control(inputs, synapses)
    multiply = Word(
        sb_op=Op.LOAD, sb_size=2, nbin_op=Op.LOAD, nbin_stride_end=2, nbin_size=2, nbout_read_op=Op.LOAD,
        nbout_write_op=Out.WRITE, nfu1_op=Nfu1.MULTIPLY, nfu2_in=Sums.NBOUT, nfu2_out=Sums.NBOUT, output_end=2,
    )  # fmt: skip
    again = replace(
        multiply, end=True, sb_op=Op.READ, nbin_op=Op.READ, nbout_read_op=Op.READ, nbout_write_op=Out.STORE,
        nfu2_out=Sums.NFU3, nfu3_op=Nfu3.SCALE, output_begin=1,
    )  # fmt: skip
    unit.run([encode(multiply), encode(again), encode(multiply)])
    products = [[1 * 1, 2 * 3, 3 * 5, 5 * -7], [1 * 2, 2 * 4, 3 * 6, 5 * 8]]
    sums = [sum(product >> 1 for product in lane) for lane in products]
    assert unit.memory.results_RNE[0, :, 0].tolist() == [0, (7 + 2 * sums[1]) * 10]  # lane 0 was not active
    assert unit.nbout.read(0)[:, 0].tolist() == [7 + sums[0], 7 + sums[1]]
    assert (unit.ticks, unit.nbin.loads, unit.sb.loads) == (4, 2, 2)  # the word after `end` did not run


def test_maximum_and_sum_of_a_window():
    unit = control(np.array([[4], [-3], [6], [5]]), results=2)
    word = Word(
        nbin_op=Op.LOAD, nbin_stride=2, nbin_stride_end=1, nbin_size=2, nbout_write_op=Out.STORE,
        nfu2_op=Nfu2.MAXIMUM, nfu2_in=Sums.RESET, nfu2_out=Sums.NFU3, output_end=1,
    )  # fmt: skip
    unit.run([encode(word), encode(replace(word, end=True, nbout_address=1, nfu2_op=Nfu2.ADD))])
    assert unit.memory.results_RNE[:, 0, 0].tolist() == [6, 4 + 6]


def test_a_row_that_is_not_there_is_an_error_of_the_program():
    unit = control(np.array([[4], [-3], [6]]))
    load = Word(nbin_op=Op.LOAD, nbin_stride_end=3, nbin_size=3, output_end=1)
    read = replace(load, end=True, nbin_op=Op.READ, nbin_stride_end=1, nbin_size=1)
    with pytest.raises(BadInput, match="NBin reads row 0, its place holds row 2"):
        unit.run([encode(load), encode(read)])
    with pytest.raises(BadInput, match="no word that ends it"):
        unit.run([encode(load)])


def test_a_circular_buffer_keeps_a_row_at_its_address_modulo_its_rows():
    buffer, memory = Buffer(name="NBin", rows=2), np.arange(3)[:, None]
    for address in (0, 1, 0, 2, 1, 0):  # 2 goes over 0, then 0 over 2
        assert buffer.load(address, memory, reuse=True).tolist() == [address]
    assert buffer.loads == 4
    assert [buffer.read(address).tolist() for address in (0, 1)] == [[0], [1]]
    buffer.load(1, memory, reuse=False)
    assert buffer.loads == 5
    with pytest.raises(BadInput, match="reads row 2, its place holds row 0"):
        buffer.read(2)
