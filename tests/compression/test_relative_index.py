"""Relative indexing: the paper's figure, the closed form, and decode as the inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.compression import relative_index
from lamina.core.errors import BadInput

POSITIONS = st.sets(st.integers(0, 3000), max_size=60).map(lambda s: np.array(sorted(s), np.int64))


def test_the_papers_figure():
    # Deep Compression, figure 2: non-zeros at 1, 4, 15 with 3-bit differences 1, 3, 8 (a filler zero), 3; a gap of g
    # zeros is a difference of g + 1, except at the front, where the figure counts from position 0
    gaps, real = relative_index.encode(np.array([1, 4, 15]), 3)
    assert gaps.tolist() == [1, 2, 7, 2]
    assert real.tolist() == [True, True, False, True]
    assert relative_index.entries(gaps).tolist() == [1, 4, 12, 15]


@given(POSITIONS, st.integers(1, 16))
def test_decode_inverts_encode(positions, bits):
    gaps, real = relative_index.encode(positions, bits)
    assert np.array_equal(relative_index.decode(gaps, real), positions)
    assert gaps.size == 0 or (gaps.min() >= 0 and gaps.max() < 2**bits)


@given(POSITIONS, st.integers(1, 8))
def test_padding_is_as_much_as_needed_and_no_more(positions, bits):
    gaps, real = relative_index.encode(positions, bits)
    zeros = np.diff(positions, prepend=-1) - 1
    assert (~real).sum() == sum(z // 2**bits for z in zeros)
    assert (gaps[~real] == 2**bits - 1).all()


def test_what_cannot_be_indexed_is_refused():
    with pytest.raises(BadInput, match="ascend"):
        relative_index.encode(np.array([3, 3]), 4)
    with pytest.raises(BadInput, match="17 bits"):
        relative_index.encode(np.array([3]), 17)
