"""ONNX files that others made for use, as they come from PyPI: outputs are onnxruntime's to 1e-4 of the largest value.

Voice-activity nets, recognisers, detectors and taggers, by torch 1.9 to 2.14, tf2onnx, Paddle, spox and onnxruntime's
quantiser, opsets 11 to 18, with open dimensions; LSTM, GRU and loops among them.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest

from lamina.export import c, c_source, session
from lamina.ir import Network
from lamina.ir.build import legal
from lamina.ir.network import Array
from lamina.ir.types import Float
from lamina.lowering.onnx_reader import read
from tests.lowering import onnx_files
from tests.lowering.onnx_files import FILES, LARGE, File
from tests.requirements import need

SMALLEST = 1e-2  # outputs that are all smaller are compared with this: onnxruntime's sigmoid is coarse near 0
RECURRENT = ("text recogniser with LSTM", "voice activity, 16 kHz", "vowels of Hebrew, loops", "vowels of Arabic, GRU")


def numbers(file: File, name: str, shape: tuple[int, ...], kind: str) -> np.ndarray:
    rng = np.random.default_rng(sum(map(ord, name)))
    if name in file.whole:
        return rng.integers(1, file.whole[name], shape).astype(kind)
    assert kind == "float32", f"input {name} of {kind}"
    return (0.5 * rng.standard_normal(shape)).astype(np.float32)


def check(file: File, compute: Callable[[Network, dict[str, Array]], Mapping[str, Array]]) -> None:
    """What `compute` makes of the file is what onnxruntime does."""
    path = onnx_files.path(file)
    network = read(path, shapes=file.shapes, values=file.values)
    opened = session(path)
    kinds = {i.name: i.type[len("tensor(") : -1].replace("float", "float32") for i in opened.get_inputs()}
    originals = {legal(name): name for name in kinds}
    given = {n: numbers(file, n, t.shape, kinds[originals[n]]) for n, t in network.inputs.items()}
    closed = {n: np.asarray(v, kinds[n]) for n, v in file.values.items()}
    names = [o.name for o in opened.get_outputs()]
    wanted = opened.run(names, {**{originals[n]: v for n, v in given.items()}, **closed})
    got = compute(network, given)
    for name, right in zip(names, wanted, strict=True):
        ours = got[legal(name)]
        assert ours.shape == right.shape
        largest = max(float(np.abs(right).max()), SMALLEST)
        assert np.abs(ours.astype(np.float64) - right).max() <= file.close * largest, name


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_others_made(name: str) -> None:
    check(FILES[name], Network.run)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_a_large_file_that_others_made(name: str) -> None:
    check(LARGE[name], Network.run)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FILES, *LARGE])
def test_its_c_computes_the_same(name: str, tmp_path: Path) -> None:
    def compute(network: Network, given: dict[str, Array]) -> dict[str, Array]:
        c(network, tmp_path)
        found = c_source.run(tmp_path, given)
        return {output: found[value] for output, value in network.outputs.items()}

    need("gcc")
    check({**FILES, **LARGE}[name], compute)


def test_the_files_have_different_origins() -> None:
    assert len({f.wheel.package for f in FILES.values()}) >= 6
    assert len({f.exporter for f in FILES.values()}) >= 8


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_nets_stay_loops(name: str) -> None:
    file = FILES[name]
    network = read(onnx_files.path(file), shapes=file.shapes, values=file.values)
    assert any(o.operator == "scan" for o in network.operations)


@pytest.mark.parametrize("name", FILES)
def test_no_shape_arithmetic_is_left(name: str) -> None:
    """Nothing but token ids, truth values and dynamic quantisation computes in plain integers."""
    file = FILES[name]
    path = onnx_files.path(file)
    network = read(path, shapes=file.shapes, values=file.values)
    nodes = len(onnx.load(path).graph.node)
    assert len(network.operations) > 10
    if not file.whole and file.close < onnx_files.DYNAMIC:
        left = [o.name for o in network.operations if not isinstance(next(iter(o.outputs.values())).element, Float)]
        assert len(left) <= 0.02 * nodes, left
