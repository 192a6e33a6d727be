"""Networks on disk: saved and loaded they compute the same; damage of either file is one line, never another net."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save as to_bytes

from lamina.core.errors import BadInput
from lamina.core.files import sha256
from lamina.ir import Constant
from lamina.ir.store import load, save, tensors
from lamina.ir.text import print_file
from tests.networks import fixed_network, float_network, integer_network, lenet5, random_inputs, recurrent_network

NETWORKS = [lenet5(), integer_network(5), integer_network(6, rounding="float"), fixed_network(2), recurrent_network(1)]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "net.lamina"
    save([lenet5()], path)
    return path


def test_saved_networks_compute_the_same(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "several.lamina"
    networks = [n.replaced(name=f"{n.name}-{i}") for i, n in enumerate(NETWORKS)]
    save(networks, path)
    for network, found in zip(networks, load(path), strict=True):
        assert str(found) == str(network)
        inputs = random_inputs(network, np.random.default_rng(0))
        for name, array in network.run(inputs).items():
            np.testing.assert_array_equal(found.run(inputs)[name], array)


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    a, b = tmp_path / "a.lamina", tmp_path / "b.lamina"
    for path in (a, b):
        save(NETWORKS[:2], path)
    assert a.read_bytes() == b.read_bytes()
    assert a.with_suffix(".safetensors").read_bytes() == b.with_suffix(".safetensors").read_bytes()


def test_shapes_alone_are_saved_without_weights(tmp_path: Path) -> None:
    network = lenet5()
    shapes = network.replaced(constants={name: Constant(type=c.type) for name, c in network.constants.items()})
    path = tmp_path / "shapes.lamina"
    save([shapes], path)
    assert not path.with_suffix(".safetensors").exists()
    (found,) = load(path)
    assert (found.macs, found.parameters) == (416_520, 61_706)
    with pytest.raises(BadInput, match=r"has no weights for 'conv1.weight'"):
        found.run({"x": np.zeros((1, 1, 28, 28))})


def test_some_weights_without_the_others_are_not_saved(tmp_path: Path) -> None:
    network = lenet5()
    partial = {**network.constants, "fc1.bias": Constant(type=network.constants["fc1.bias"].type)}
    with pytest.raises(BadInput, match=r"'lenet5:fc1.bias' has no weights"):
        save([network.replaced(constants=partial)], tmp_path / "partial.lamina")
    assert not [*tmp_path.iterdir()]


def test_other_weights_are_refused(saved: Path) -> None:
    other = saved.with_name("other.lamina")
    save([lenet5(seed=1)], other)
    saved.with_suffix(".safetensors").write_bytes(other.with_suffix(".safetensors").read_bytes())
    with pytest.raises(BadInput, match="SHA-256 differs"):
        load(saved)


def test_missing_weights_are_refused(saved: Path) -> None:
    saved.with_suffix(".safetensors").unlink()
    with pytest.raises(BadInput, match=r"weights net.safetensors are missing"):
        load(saved)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        load(tmp_path / "none.lamina")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.99, 0.99999])
def test_weights_cut_short_are_refused(saved: Path, share: float) -> None:
    weights = saved.with_suffix(".safetensors")
    data = weights.read_bytes()
    weights.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BadInput, match="SHA-256 differs"):
        load(saved)


def _with_weights(path: Path, data: bytes) -> None:
    """Weights `data` whose checksum the text gives: damage that the checksum cannot see."""
    path.with_suffix(".safetensors").write_bytes(data)
    path.write_bytes(print_file([lenet5()], sha256(data)).encode())


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.3, 0.99999])
def test_weights_cut_short_under_a_right_checksum_are_refused(saved: Path, share: float) -> None:
    data = saved.with_suffix(".safetensors").read_bytes()
    _with_weights(saved, data[: int(len(data) * share)])
    with pytest.raises(BadInput, match="not a readable safetensors file"):
        load(saved)


def test_a_header_that_lies_is_refused(saved: Path) -> None:
    data = saved.with_suffix(".safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    for key, value in (("shape", [2**40, 2**40]), ("dtype", "F99"), ("data_offsets", [0, 2**60])):
        header = json.loads(data[8 : 8 + size])
        next(iter(v for k, v in header.items() if k != "__metadata__"))[key] = value
        text = json.dumps(header).encode()
        _with_weights(saved, len(text).to_bytes(8, "little") + text + data[8 + size :])
        with pytest.raises(BadInput):
            load(saved)
    _with_weights(saved, (2**63).to_bytes(8, "little") + data[8:])
    with pytest.raises(BadInput, match="not a readable safetensors file"):
        load(saved)


def test_a_tensor_that_is_missing_is_named(saved: Path) -> None:
    arrays = tensors([lenet5()])
    del arrays["lenet5:fc2.weight"]
    _with_weights(saved, to_bytes(arrays))
    with pytest.raises(BadInput, match=r"lack 'lenet5:fc2.weight'"):
        load(saved)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((84, 119), np.float32), "do not belong together"),
        (np.zeros((84, 120), np.float64), "do not belong together"),
        (np.zeros((84, 120), np.int32), "do not belong together"),
        (np.full((84, 120), np.nan, np.float32), "NaN entries"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(saved: Path, array: np.ndarray, message: str) -> None:
    _with_weights(saved, to_bytes({**tensors([lenet5()]), "lenet5:fc2.weight": array}))
    with pytest.raises(BadInput, match=f"fc2.weight.*{message}"):
        load(saved)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.lamina"
    path.write_bytes(b"lamina 1\n\xff\xfe")
    with pytest.raises(BadInput, match="not UTF-8"):
        load(path)


def test_an_old_pair_is_replaced_whole(saved: Path) -> None:
    save([float_network(3)], saved)
    (found,) = load(saved)
    assert found.name == "float3"
