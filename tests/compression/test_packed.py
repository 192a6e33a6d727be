"""The packed file: every bit comes back, a second reader agrees, the bytes are counted, damage is refused."""

import hashlib
import subprocess
import sys
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.compression import codings, packed
from lamina.core.errors import BadInput
from tests.compression import tiny_reader

SPECIAL = [0.0, -0.0, 1.0, -1.5, float("nan"), float("inf"), -float("inf"), 5e-324, 1e-40]


@st.composite
def tensors(draw) -> np.ndarray:
    """Dense or sparse, few values or many, of any type and up to four axes, empty ones included."""
    dtype = draw(st.sampled_from(codings.DTYPES))
    shape = tuple(draw(st.lists(st.integers(0, 9), max_size=4)))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    if dtype.startswith("float"):
        values = np.concatenate([SPECIAL, generator.normal(size=draw(st.integers(0, 300)))]).astype(np.dtype(dtype))
    else:
        kind = np.iinfo(dtype)
        values = generator.integers(kind.min, kind.max, size=draw(st.integers(1, 300)), dtype=dtype, endpoint=True)
    array = generator.choice(values, size=shape)
    array[generator.random(shape) < draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))] = 0
    return array.astype(dtype)


def bits(array: np.ndarray) -> tuple:
    return array.dtype, array.shape, array.tobytes()


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.lists(tensors(), max_size=3))
def test_every_bit_comes_back_and_a_second_reader_agrees(text, arrays):
    named = {f"layer{i}.weight": array for i, array in enumerate(arrays)}
    data = packed.pack(text, named)
    again, found = packed.unpack(data)
    assert again == text
    assert {name: bits(a) for name, a in found.items()} == {name: bits(a) for name, a in named.items()}
    assert list(found) == list(named)
    assert packed.pack(text, named) == data
    other_text, other = tiny_reader.read(data)
    assert other_text == text
    for name, (shape, elements) in other.items():
        assert np.array(elements, named[name].dtype).reshape(shape).tobytes() == named[name].tobytes()


def shared(rows: int, columns: int, density: float, values: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    codebook = generator.normal(size=values).astype(np.float32)
    weight = codebook[generator.integers(0, values, (rows, columns))]
    return np.where(generator.random((rows, columns)) < density, weight, np.float32(0))


CASES = {
    "raw": np.random.default_rng(0).normal(size=50).astype(np.float32),
    "short": (np.random.default_rng(0).normal(size=50).astype(np.float32).view(np.uint32) & 0xFFFF0000).view(
        np.float32
    ),
    "codebook": shared(30, 40, 1.0, 8),
    "sparse": shared(60, 50, 0.1, 8),
}


@pytest.mark.parametrize("coding", CASES)
def test_the_shortest_coding_is_chosen(coding):
    number, data = codings.encode(CASES[coding])
    assert codings.CODINGS[number] == coding
    assert len(data) < CASES[coding].nbytes or coding == "raw"


def test_a_matrix_with_empty_columns_is_read_in_columns():
    weight = shared(64, 64, 0.9, 4)
    weight[:, np.random.default_rng(1).random(64) < 0.7] = 0
    number, data = codings.encode(weight)
    assert (codings.CODINGS[number], data[0]) == ("sparse", codings.COLUMNS)
    assert codings.encode(np.ascontiguousarray(weight.T))[1][0] == codings.ROWS


def test_the_size_is_near_the_entropy():
    weight = shared(300, 784, 0.05, 8)
    share = np.mean(weight != 0)
    mask_bits = -(share * np.log2(share) + (1 - share) * np.log2(1 - share)) * weight.size
    value_bits = 3 * np.count_nonzero(weight)
    (row, *_), data = packed.sizes(packed.pack("", {"w": weight})), codings.encode(weight)[1]
    assert row["bytes"] == len(data)
    assert row["index_bytes"] == pytest.approx(mask_bits / 8, rel=0.03)
    assert row["values_bytes"] == pytest.approx(value_bits / 8, rel=0.03)
    assert row["nonzeros"] == np.count_nonzero(weight)


def test_the_rows_of_sizes_add_up_to_the_file():
    data = packed.pack("network x\nend", CASES)
    rows = packed.sizes(data)
    assert [row["name"] for row in rows] == [*CASES, "header", "total"]
    assert sum(row["bytes"] for row in rows[:-1]) == rows[-1]["bytes"] == len(data)
    for row in rows[:4]:
        parts = row["codebook_bytes"] + row["index_bytes"] + row["values_bytes"]
        assert parts <= row["bytes"] <= parts + 8
        assert row["bits_per_weight"] == pytest.approx(8 * row["bytes"] / row["weights"])
        array = CASES[row["name"]]
        assert (row["weights"], row["nonzeros"]) == (array.size, np.count_nonzero(array))
        assert row["coding"] == row["name"]


SMALL = packed.pack(
    "network n\n" * 9,
    {"a": CASES["short"][:3], "b": shared(3, 4, 1.0, 2), "c": shared(6, 7, 0.2, 2), "d": np.arange(3, dtype=np.int16)},
)


def test_every_truncation_is_refused():
    for size in range(len(SMALL)):
        with pytest.raises(BadInput):
            packed.unpack(SMALL[:size])


def test_every_altered_byte_is_refused():
    packed.unpack(SMALL)
    for place in range(len(SMALL)):
        for change in (1, 0x80, 0xFF):
            with pytest.raises(BadInput):
                packed.unpack(SMALL[:place] + bytes([SMALL[place] ^ change]) + SMALL[place + 1 :])


def test_anything_after_the_end_is_refused():
    with pytest.raises(BadInput, match=r"follow|checksum"):
        packed.unpack(SMALL + b"\0")
    with pytest.raises(BadInput):
        packed.unpack(SMALL + SMALL)


def test_files_are_read_and_their_damage_is_named(tmp_path):
    path = tmp_path / "net.lmn"
    assert packed.write(path, "text", CASES) == path.stat().st_size
    text, found = packed.read(path)
    assert text == "text"
    assert {n: bits(a) for n, a in found.items()} == {n: bits(a) for n, a in CASES.items()}
    path.write_bytes(path.read_bytes()[:-1])
    for bad in (path, tmp_path / "absent.lmn", tmp_path):
        with pytest.raises(BadInput, match=f"^{bad}: ") as error:
            packed.read(bad)
        assert "\n" not in str(error.value)


def sealed(body: bytes) -> bytes:
    return body + hashlib.blake2b(body, digest_size=16).digest()


def header(entries: bytes, payload: bytes = b"", count: int = 1) -> bytes:
    head = codings.number(0) + codings.number(0) + codings.number(count) + entries
    return sealed(b"LMN\x1a\x01" + len(head).to_bytes(4, "little") + head + payload)


def entry(kind: int, shape: list[int], coded: int, name: bytes = b"w") -> bytes:
    numbers = b"".join(codings.number(extent) for extent in shape)
    return codings.number(len(name)) + name + bytes([kind, len(shape)]) + numbers + codings.number(coded)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\3\4" + SMALL[4:], "not a packed file"),
        (sealed(b"LMN\x1a\x02" + SMALL[5:-16]), "version 2"),
        (header(entry(0x40, [3], 12), b"0" * 12), "unknown coding 4"),
        (header(entry(0x07, [3], 12), b"0" * 12), "unknown type 7"),
        (header(entry(0x00, [3], 13), b"0" * 13), "too many"),
        (header(entry(0x00, [3], 12), b"0" * 13), "follow the last tensor"),
        (header(entry(0x00, [3], 11), b"0" * 11), "needs 12 bytes"),
        (header(entry(0x00, [1] * 9, 4), b"0" * 4), "9 axes"),
        (header(entry(0x00, [3], 12, b"a b"), b"0" * 12), "not plain"),
        (header(entry(0x00, [0], 0) * 2, count=2), "same name"),
        (header(entry(0x00, [2**33, 2**33], 5), b"0" * 5), "elements are read"),
        (header(entry(0x00, [0, 2**33, 2**33], 0)), "elements are read"),
        (header(entry(0x30, [2**30], 2), b"\0\0"), "are believed"),
        (header(entry(0x30, [2], 2), b"\1\0"), "unknown order"),
        (header(entry(0x30, [2], 2), b"\7\0"), "unknown order"),
        (header(entry(0x20, [2], 9), b"\x01\x00abcd\x01" + b"\0\0"), "longer than its codes"),
        (header(b"", count=70_000), "number above 65536"),
        (sealed(b"LMN\x1a\x01\xff\xff\xff\xff"), "header of 4294967295 bytes"),
        (header(entry(0x10, [2], 5), b"\4abcd"), "drops 4 of 4"),
    ],
)
def test_what_is_wrong_is_named(data, words):
    with pytest.raises(BadInput, match=words) as error:
        packed.unpack(data)
    assert len(str(error.value)) < 300


def test_a_text_that_inflates_without_end_is_cut_off():
    bomb = zlib.compress(bytes(40_000_000), 9)
    head = codings.number(10) + codings.number(len(bomb)) + bomb + codings.number(0)
    data = sealed(b"LMN\x1a\x01" + len(head).to_bytes(4, "little") + head)
    tracemalloc.start()
    with pytest.raises(BadInput, match="another length"):
        packed.unpack(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_what_cannot_be_packed_is_refused():
    for tensors, words in [
        ({"w": np.zeros(3, np.complex64)}, "complex64"),
        ({"w": np.zeros((1,) * 9, np.int8)}, "9 axes"),
        ({"": np.zeros(1, np.int8)}, "tensor name"),
        ({"w\n": np.zeros(1, np.int8)}, "tensor name"),
    ]:
        with pytest.raises(BadInput, match=words):
            packed.pack("", tensors)


def test_a_packed_network_runs_in_a_new_process_with_numpy_alone(tmp_path):
    generator = np.random.default_rng(5)
    weight, x = shared(10, 64, 0.2, 8), generator.normal(size=64).astype(np.float32)
    path = tmp_path / "net.lmn"
    packed.write(path, "hello", {"w": weight, "x": x})
    program = (
        "import sys\n"
        "sys.modules['torch'] = sys.modules['scipy'] = sys.modules['zstandard'] = None\n"
        "from pathlib import Path\n"
        "from lamina.compression import packed\n"
        f"text, t = packed.read(Path({str(path)!r}))\n"
        "print(text, (t['w'] @ t['x']).tobytes().hex())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["hello", (weight @ x).tobytes().hex()]
