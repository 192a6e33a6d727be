"""IDX files: what is whole is read, everything else is refused by name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.data._idx import parse


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    return head + array.tobytes()


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4), (0, 28, 28)])
def test_whole_files(shape):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(parse(idx(array), "x"), array)


def test_every_cut_is_refused():
    data = idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    for length in range(len(data)):
        with pytest.raises(BadInput, match=r"x: .*fetch it again"):
            parse(data[:length], "x")
    with pytest.raises(BadInput, match="its header says 24"):
        parse(data + b"\0", "x")


@given(st.binary(max_size=64))
@settings(max_examples=300, deadline=None)
def test_only_bad_input_comes_out(data):
    try:
        found = parse(data, "x")
    except BadInput:
        return
    assert idx(found) == data
