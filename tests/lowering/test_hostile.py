"""Broken and hostile files: one clear error each, and memory that stays in proportion.

`broken/` holds one file for each kind of damage. The random files of `hostile.py` are read too: a few hundred for each
format here, ten thousand in `make slow`; nothing but BadInput and Unsupported may come out.
"""

import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lamina.core.errors import BadInput, Unsupported
from lamina.core.units import MiB
from lamina.ir import Network
from lamina.lowering import caffe_reader, keras_reader, scalesim, torch7_reader
from tests.lowering.hostile import GENERATORS, damaged

BROKEN = Path(__file__).parent / "broken"
TEXT = """
input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "i" type: "InnerProduct" bottom: "c" top: "i"
        inner_product_param { num_output: 5 axis: 3 bias_term: false } }
"""
# file -> what its error says
FILES = {
    "ascii_cut.t7": "cut short",
    "binary.prototxt": "no part of a prototxt",
    "bomb_config.keras": "config.json of 17825792 bytes",
    "bomb_weights.keras": "model.weights.h5 of 83886080 bytes",
    "custom.keras": "custom object",
    "cut_short.keras": "not a zip file",
    "cut_short.prototxt": "not closed",
    "cut_short.t7": "cut short",
    "cycle.keras": "depends on itself",
    "cycle.prototxt": "made by no layer before it",
    "cycle.t7": "nested deeper|hold itself",
    "deep.prototxt": "nested deeper",
    "deep.t7": "nested deeper",
    "deep_json.keras": "not valid JSON",
    "deep_layers.keras": "nested deeper",
    "external_data.keras": "kept in another file",
    "external_link.keras": "links to elsewhere",
    "function.t7": "Lua function",
    "huge_array.keras": "chunked or virtual",
    "huge_filters.prototxt": "num_output is 999999999999",
    "huge_input.keras": "input 'x' of shape",
    "huge_input.prototxt": "input 'data' of shape",
    "huge_table.t7": "a table of 2147483647 entries",
    "huge_tensor.t7": "leaves its storage",
    "lambda.keras": "a Lambda",
    "missing_array.keras": "no weights at 'layers/dense/vars/1'",
    "missing_layer.keras": "'nobody' is no layer",
    "missing_weight.t7": "the tensor weight is missing",
    "negative_kernel.prototxt": "kernel_size of",
    "negative_text.t7": "-5 bytes",
    "negative_units.keras": "units is -3",
    "no_h5.keras": "no HDF5 file",
    "no_json.keras": "not valid JSON",
    "no_t7.t7": "no t7 file",
    "no_weights.keras": "without model.weights.h5",
    "no_zip.keras": "not a zip file",
    "outside_storage.t7": "leaves its storage",
    "python.prototxt": "'Python'",
    "soft_link.keras": "a link to elsewhere",
    "solver.prototxt": "no layer of phase TEST",
    "text_array.keras": "no plain numbers",
    "traversal.keras": "no item named 'config.json'",
    "unknown_module.t7": "'nn.gModule'",
    "weights_cut_short.prototxt": "cut short",
    "weights_huge_length.prototxt": "cut short",
    "weights_huge_shape.prototxt": "with 1 numbers",
    "weights_missing_layer.prototxt": "0 blobs in the weights",
    "weights_no_protobuf.prototxt": "more than ten bytes",
    "weights_wrong_shape.prototxt": "weight has shape",
    "wrong_shape.keras": "have shape",
}


def _caffemodel(path: Path) -> Network:
    return caffe_reader.network(TEXT, weights=caffe_reader._caffe_weights.read(path))


READERS: dict[str, Callable[[Path], Network]] = {
    ".prototxt": caffe_reader.read,
    ".caffemodel": _caffemodel,
    ".t7": lambda path: torch7_reader.read(
        path, shapes={"x": (2, 4, 6, 6)} if path.stem.endswith("0") else {"x": (2, 4)}
    ),
    ".keras": keras_reader.read,
    ".csv": scalesim.read,
}


def most_memory(read: Callable[[], object]) -> int:
    """Bytes that `read` had allocated at its height."""
    tracemalloc.start()
    try:
        read()
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def test_every_broken_file_is_tried() -> None:
    assert {path.name for path in BROKEN.iterdir() if path.suffix != ".caffemodel"} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_broken_files(name: str) -> None:
    path = BROKEN / name

    def read() -> None:
        with pytest.raises((BadInput, Unsupported), match=FILES[name]) as caught:
            READERS[path.suffix](path)
        message = str(caught.value)
        assert message.startswith(str(path)) or message.startswith(str(path.with_suffix(".caffemodel")))
        assert len(message.splitlines()) == 1

    assert most_memory(read) < 16 * MiB


def fuzz(suffix: str, count: int, folder: Path, *, weighed: int = 1) -> tuple[int, int]:
    """Read `count` random files, half of them damaged; (read to the end, largest memory of every `weighed`-th)."""
    read, peak, made = 0, 0, GENERATORS[suffix]
    for seed in range(count):
        rng = np.random.default_rng(seed)
        data = made(rng)
        path = folder / f"f{seed % 2}{suffix}"
        path.write_bytes(damaged(rng, data) if seed % 4 > 1 else data)
        outcome: list[object] = []

        def one(path: Path = path, outcome: list[object] = outcome) -> None:
            try:
                outcome.append(READERS[suffix](path))
            except Exception as error:
                outcome.append(error)

        if seed % weighed:
            one()
        else:
            peak = max(peak, most_memory(one))
        (result,) = outcome
        assert isinstance(result, Network | BadInput | Unsupported), f"{suffix} file of seed {seed}: {result!r}"
        assert "\n" not in str(result) or isinstance(result, Network)
        read += isinstance(result, Network)
    return read, peak


def test_a_compression_that_is_not_known_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    data = bytearray(path.read_bytes())
    for record, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):  # the method, in both headers of the member
        data[data.index(record) + place] = 99
    path.write_bytes(data)
    with pytest.raises(Unsupported, match="compression"):
        keras_reader.read(path)


@pytest.mark.parametrize("suffix", GENERATORS)
def test_random_files(suffix: str, tmp_path: Path) -> None:
    if suffix == ".keras":
        pytest.importorskip("h5py")
    read, peak = fuzz(suffix, 500, tmp_path)
    assert read > 5  # some of them are networks
    assert peak < 64 * MiB


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("suffix", GENERATORS)
def test_very_many_random_files(suffix: str, tmp_path: Path) -> None:
    if suffix == ".keras":
        pytest.importorskip("h5py")
    read, peak = fuzz(suffix, 10_000, tmp_path, weighed=7)
    assert read > 100
    assert peak < 128 * MiB
