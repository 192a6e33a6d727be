"""Huffman codes: optimal against every prefix code there is, within a bit of the entropy, decoded to the symbol."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.compression import huffman
from lamina.core.errors import BadInput

COUNTS = st.lists(st.integers(0, 1000), min_size=1, max_size=40).filter(any)


def cheapest(counts: list[int], longest: int) -> int:
    """The fewest bits of any prefix code with codes of at most `longest` bits: all length tuples of Kraft sum <= 1."""
    used = [count for count in counts if count]
    tuples = itertools.product(range(1, longest + 1), repeat=len(used))
    return min(
        sum(c * n for c, n in zip(used, lengths, strict=True))
        for lengths in tuples
        if sum(2.0**-n for n in lengths) <= 1
    )


@given(COUNTS, st.integers(0, 2**32 - 1))
def test_decode_inverts_encode(counts, seed):
    symbols = np.repeat(np.arange(len(counts)), counts)
    np.random.default_rng(seed).shuffle(symbols)
    lengths = huffman.lengths(np.array(counts))
    data = huffman.encode(symbols, lengths)
    assert len(data) == -(-huffman.coded_bits(np.array(counts), lengths) // 8)
    assert np.array_equal(huffman.decode(data, lengths, symbols.size), symbols)


@given(COUNTS)
def test_size_is_within_one_bit_of_the_entropy(counts):
    counts = np.array(counts)
    lengths = huffman.lengths(counts)
    share = counts[counts > 0] / counts.sum()
    entropy_bits = -(share * np.log2(share)).sum()
    mean_bits = huffman.coded_bits(counts, lengths) / counts.sum()
    if share.size > 1:
        assert entropy_bits - 1e-9 <= mean_bits < entropy_bits + 1
        huffman.check(lengths)


@given(st.lists(st.integers(1, 60), min_size=2, max_size=5))
def test_no_prefix_code_is_shorter(counts):
    assert huffman.coded_bits(np.array(counts), huffman.lengths(np.array(counts))) == cheapest(counts, 5)


@pytest.mark.parametrize("counts", [[1, 1, 2, 3, 5], [1, 2, 4, 8, 16], [1, 1, 1, 1, 100, 1, 1], [1, 1, 2, 3, 5, 8]])
def test_no_prefix_code_within_the_length_limit_is_shorter(counts, monkeypatch):
    monkeypatch.setattr(huffman, "LONGEST", 3)
    lengths = huffman.lengths(np.array(counts))
    assert lengths.max() == 3
    assert huffman.coded_bits(np.array(counts), lengths) == cheapest(counts, 3)


def test_lengths_stay_within_fifteen_bits():
    fibonacci = [1, 1]
    while len(fibonacci) < 40:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    lengths = huffman.lengths(np.array(fibonacci))
    assert lengths.max() == huffman.LONGEST
    huffman.check(lengths)


def test_codes_are_canonical():
    # by (length, symbol): b 0, a 10, c 110, d 111 (RFC 1951's own example of the rule)
    assert [format(c, "b") for c in huffman.codes(np.array([2, 1, 3, 3], np.uint8))] == ["10", "0", "110", "111"]
    assert huffman.encode(np.array([1, 0, 2, 3]), np.array([2, 1, 3, 3], np.uint8)) == bytes([0b01011011, 0b10000000])


def test_chunks_and_windows_change_nothing(monkeypatch):
    generator = np.random.default_rng(3)
    symbols = np.minimum(generator.geometric(0.2, 3000) - 1, 20)
    lengths = huffman.lengths(np.bincount(symbols))
    whole = huffman.encode(symbols, lengths)
    monkeypatch.setattr(huffman, "WINDOW", 64)
    assert huffman.encode(symbols, lengths) == whole
    assert np.array_equal(huffman.decode(whole, lengths, symbols.size), symbols)


def test_half_a_million_symbols_come_back():
    symbols = np.minimum(np.random.default_rng(0).geometric(0.05, 400_000) - 1, 255)
    lengths = huffman.lengths(np.bincount(symbols))
    data = huffman.encode(symbols, lengths)
    assert np.array_equal(huffman.decode(data, lengths, symbols.size), symbols)


@pytest.mark.parametrize("lengths", [[], [0, 0], [1, 1, 1], [2, 2, 2], [2], [1, 2]])
def test_what_is_no_complete_code_is_refused(lengths):
    with pytest.raises(BadInput, match="Huffman table"):
        huffman.decode(b"\0\0", np.array(lengths, np.uint8), 3)


def test_streams_of_another_size_are_refused():
    symbols = np.array([0, 1, 2, 2, 2, 2, 1, 0, 2])
    lengths = huffman.lengths(np.bincount(symbols))
    data = huffman.encode(symbols, lengths)
    assert len(data) == 2
    for wrong, count in [(data[:1], 9), (data + b"\0", 9), (data, 3), (data, 99), (b"", 9), (data, 13), (b"", 1)]:
        with pytest.raises(BadInput, match=r"Huffman stream|bytes cannot hold"):
            huffman.decode(wrong, lengths, count)
    filled = data[:-1] + bytes([data[-1] | 1])
    with pytest.raises(BadInput, match="longer than its codes"):
        huffman.decode(filled, lengths, 9)


def test_a_code_outside_the_table_is_refused():
    with pytest.raises(BadInput, match="not in its table"):
        huffman.decode(b"\x20", np.array([1], np.uint8), 4)


def test_a_symbol_without_code_is_refused():
    with pytest.raises(BadInput, match="no code"):
        huffman.encode(np.array([1]), np.array([1, 0], np.uint8))
    with pytest.raises(BadInput, match="different symbols"):
        huffman.lengths(np.ones(2**15 + 1, np.int64))
