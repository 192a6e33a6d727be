"""Exported files run as links of the chain: values by name, equal to those the interpreter traces."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import lamina.export
from lamina.core.errors import BadInput, CheckFailed, LaminaError
from lamina.export import c_source, onnx_file
from lamina.ir import Float, Network
from lamina.ir.interpreter import trace
from lamina.ir.network import Array
from tests.networks import integer_network, lenet5, random_inputs, recurrent_network, tie_rich_network
from tests.requirements import need

NETWORKS = {
    "float": lenet5(),
    "power_of_two": tie_rich_network(),
    "float form": tie_rich_network("float", batch=2),
    "random": integer_network(4),
    "recurrent": recurrent_network(0),
}


def same(found: dict[str, Array], wanted: dict[str, Array], network: Network) -> int:
    """How many shared values there are; integers are equal, floats close."""
    shared = found.keys() & wanted.keys()
    for name in shared:
        if isinstance(network.types[name].element, Float):
            assert np.abs(found[name] - wanted[name]).max() <= 1e-5 * np.abs(wanted[name]).max(), name
        else:
            assert (found[name] == wanted[name]).all(), name
    return len(shared)


@pytest.mark.parametrize("name", NETWORKS)
def test_onnxruntime_tells_every_value(tmp_path: Path, name: str) -> None:
    pytest.importorskip("onnxruntime")
    network = NETWORKS[name]
    inputs = random_inputs(network, np.random.default_rng(0), batch=4)
    path = lamina.export.onnx(network, tmp_path / "n.onnx")
    assert same(onnx_file.trace(path, inputs), trace(network, inputs), network) >= len(network.operations)


@pytest.mark.parametrize("name", NETWORKS)
def test_compiled_c_tells_its_outputs(tmp_path: Path, name: str) -> None:
    """Real inputs are quantised on the way in; four examples go through one by one, or two by two."""
    need("gcc")
    network = NETWORKS[name]
    inputs = random_inputs(network, np.random.default_rng(0), batch=4)
    lamina.export.c(network, tmp_path)
    assert same(c_source.run(tmp_path, inputs), trace(network, inputs), network) >= 1


def test_weights_in_a_file_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("gcc")
    monkeypatch.setattr(c_source, "MOST_INLINE_BYTES", 100)
    inputs = random_inputs(lenet5(), np.random.default_rng(0))
    lamina.export.c(lenet5(), tmp_path)
    assert same(c_source.run(tmp_path, inputs), trace(lenet5(), inputs), lenet5()) == 1


def test_folders_that_cannot_run_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("gcc")
    inputs = random_inputs(lenet5(), np.random.default_rng(0))
    with pytest.raises(BadInput, match="holds 0 exported networks"):
        c_source.run(tmp_path, inputs)
    lamina.export.c(lenet5(), tmp_path)
    with pytest.raises(BadInput, match="needs the input 'x'"):
        c_source.run(tmp_path, {})
    with pytest.raises(BadInput, match="shape"):
        c_source.run(tmp_path, {"x": np.zeros((1, 1, 28, 27))})
    source = tmp_path / "lenet5.c"
    source.write_text(source.read_text().replace("return 0;", "return 0"))
    with pytest.raises(CheckFailed, match="gcc ended with 1"):
        c_source.run(tmp_path, inputs)
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(LaminaError, match="apt-get install gcc"):
        c_source.run(tmp_path, inputs)


def test_exporters_write_into_a_folder(tmp_path: Path) -> None:
    for name, (function, summary) in lamina.export.EXPORTERS.items():
        assert summary
        function(lenet5(), tmp_path / name)
    assert (tmp_path / "onnx" / "lenet5.onnx").exists()
    assert (tmp_path / "c" / "lenet5.c").exists()
    with pytest.raises(AttributeError):
        _ = lamina.export.nothing
