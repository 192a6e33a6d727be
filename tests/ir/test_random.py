"""uniform: Philox4x32-10 gives the published known answers; numbers are counted, in [0, 1), and evenly spread."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from lamina.core.errors import BadInput
from lamina.ir.operators.random import philox
from lamina.ir.types import INDEX, Float, Type
from tests.ir.apply import apply, built

# the authors' known answers (Random123, kat_vectors): counter, key, words; the last are digits of pi
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_the_published_answers(counter: tuple[int, ...], key: tuple[int, int], words: tuple[int, ...]) -> None:
    assert tuple(philox(np.array(counter, np.uint64), key).tolist()) == words


def _uniform(key: int, **attributes: Any) -> np.ndarray:
    return apply("uniform", np.array(key, np.int64), **attributes)[0]


def test_a_number_is_the_top_of_its_word() -> None:
    found = _uniform(0, shape=(2, 2))
    assert found.dtype == np.float32
    assert found.reshape(-1).tolist() == [(word >> 8) / 2**24 for word in KNOWN[0][2]]


def test_key_and_stream_fill_their_words() -> None:
    """Python integers through the rounds once more, for keys and streams above 32 bits and a negative key."""
    for key, stream in ((5 * 2**32 + 7, 3), (-2, 2**40 + 1)):
        found = _uniform(key, shape=(9,), stream=stream)
        expected = []
        for block in range(3):
            words = [block, 0, stream % 2**32, stream >> 32]
            k = [key % 2**32, (key >> 32) % 2**32]
            for _ in range(10):
                a, b = words[0] * 0xD2511F53, words[2] * 0xCD9E8D57
                words = [(b >> 32) ^ words[1] ^ k[0], b % 2**32, (a >> 32) ^ words[3] ^ k[1], a % 2**32]
                k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
            expected += [(word >> 8) / 2**24 for word in words]
        assert found.tolist() == expected[:9]


def test_a_value_begins_like_a_longer_one_and_streams_differ() -> None:
    long = _uniform(11, shape=(1000,))
    np.testing.assert_array_equal(_uniform(11, shape=(7, 11)).reshape(-1), long[:77])
    for other in (_uniform(12, shape=(1000,)), _uniform(11, shape=(1000,), stream=1)):
        assert abs(np.corrcoef(long, other)[0, 1]) < 0.1


def test_numbers_are_even() -> None:
    found = _uniform(3, shape=(200_000,))
    assert found.min() >= 0
    assert found.max() < 1
    assert stats.kstest(found, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.01


REFUSED = {
    "a key with axes": (Type(shape=(1,), element=INDEX), {"shape": (2,)}, "a key has no axes"),
    "a float key": (Type(shape=()), {"shape": (2,)}, "keys are i64"),
    "a huge shape": (Type(shape=(), element=INDEX), {"shape": (2**30, 2**30)}, "2^40"),
    "an empty shape": (Type(shape=(), element=INDEX), {"shape": (2, 0)}, "positive"),
    "a negative stream": (Type(shape=(), element=INDEX), {"shape": (2,), "stream": -1}, "stream -1"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    type_, attributes, reason = REFUSED[what]
    with pytest.raises(BadInput, match=reason.replace("^", r"\^")):
        built("uniform", [type_], **attributes)


def test_the_result_is_a_float() -> None:
    with pytest.raises(BadInput, match="uniform numbers are f32"):
        built("uniform", [Type(shape=(), element=INDEX)], Float(bits=64), shape=(2,))
