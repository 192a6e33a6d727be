"""Workloads for ZigZag, Timeloop and SCALE-Sim: their counts are ours, by the tools themselves where they install."""

import csv
import itertools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.core.errors import BadInput, Unsupported
from lamina.export.scalesim_file import scalesim as write_scalesim
from lamina.export.scalesim_file import topology
from lamina.export.timeloop_file import timeloop as write_timeloop
from lamina.export.zigzag_file import entries
from lamina.export.zigzag_file import zigzag as write_zigzag
from lamina.ir import Network, Type
from lamina.ir.build import Builder, Value
from lamina.lowering import caffe_reader, scalesim

ROOT = Path(__file__).parents[2]
TEXTS = ROOT / "tests" / "lowering" / "prototxt"


def caffe(name: str, *shape: int) -> Network:
    return caffe_reader.read(TEXTS / f"{name}.prototxt", shapes={"data": shape})


def weights(b: Builder, *shape: int) -> Value:
    return b.constant("w", np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32))


def odd_convolutions() -> Network:
    """Two pictures, groups, one-sided padding, dilation, strides that differ, and a product of two activations."""
    b = Builder()
    x = b.input("x", Type(shape=(2, 4, 9, 8)))
    y = b.emit("conv2d", [x, weights(b, 6, 2, 3, 2)], name="grouped", groups=2, padding=(1, 0, 0, 2), dilation=(2, 1))
    y = b.emit("relu", [y])
    y = b.emit("conv2d", [y, weights(b, 5, 6, 2, 2)], name="strided", stride=(2, 1))
    y = b.emit("reshape", [y], shape=(0, 5, -1))
    y = b.emit("matmul", [b.emit("transpose", [y], order=(0, 2, 1)), y], name="gram")
    return b.network("odd", {"y": b.emit("linear", [y, weights(b, 3, y.shape[-1])], name="last")})


def recurrent() -> Network:
    """A layer that runs once a step."""
    b = Builder()
    x = b.input("x", Type(shape=(7, 1, 4)))
    state = b.input("h", Type(shape=(1, 5)))
    kernel, memory = weights(b, 5, 4), weights(b, 5, 5)

    def cell(inner: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        total = inner.emit(
            "add",
            [
                inner.emit("linear", [slices[0], kernel], name="input"),
                inner.emit("linear", [states[0], memory], name="memory"),
            ],
        )
        h = inner.emit("tanh", [total])
        return [h], [h]

    (last,), _ = b.scan("rnn", cell, states=[state], sequences=[x])
    return b.network("recurrent", {"y": b.emit("linear", [last, weights(b, 3, 5)], name="last")})


NETWORKS = {
    "lenet": lambda: caffe("lenet_train_test", 1, 1, 28, 28),
    "caffenet": lambda: caffe("caffenet_deploy", 1, 3, 227, 227),
    "googlenet": lambda: caffe("googlenet_deploy", 1, 3, 224, 224),
    "odd": odd_convolutions,
    "recurrent": recurrent,
}


def worker(given: dict[str, Any]) -> Any:
    """ZigZag's own answer, in its own environment."""
    python = os.environ.get("LAMINA_ZIGZAG_PYTHON") or str(ROOT / ".venv-zigzag" / "bin" / "python")
    if not Path(python).exists():
        reason = "no environment with zigzag-dse: python3 tools/environment.py zigzag"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    script = ROOT / "tools" / "zigzag_worker.py"
    done = subprocess.run([python, script], input=json.dumps(given), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", NETWORKS)
def test_zigzag_takes_the_workload(name: str, tmp_path: Path) -> None:
    network = NETWORKS[name]()
    text = write_zigzag(network, tmp_path / "workload.yaml").read_text()
    answer = worker({"workload": text})
    assert answer["valid"], answer
    multiplying = [layer for layer in network.layers() if layer.macs]
    wanted = [layer.macs // layer.repeats for layer in multiplying for _ in range(layer.repeats)]
    found = sorted(answer["layers"], key=lambda layer: layer["name"])
    assert sorted(layer["macs"] for layer in found) == sorted(wanted)
    assert sum(layer["macs"] for layer in found) == network.macs


def test_zigzags_layers_know_their_producers(tmp_path: Path) -> None:
    network = NETWORKS["googlenet"]()
    numbers = {entry["name"]: entry for entry in entries(network)}
    for name, before in (("inception_3a/3x3", "inception_3a/3x3_reduce"), ("inception_3b/1x1", "inception_3a/1x1")):
        assert numbers[name]["operand_source"] == {"I": numbers[before]["id"], "W": numbers[name]["id"]}
    first = numbers["conv1/7x7_s2"]
    assert first["operand_source"] == {"I": 0, "W": 0}
    gram = next(entry for entry in entries(odd_convolutions()) if entry["name"] == "gram")
    assert gram["operand_source"] == {"I": 1, "W": 1}  # both are activations


@pytest.mark.slow
def test_zigzag_costs_the_workload(tmp_path: Path) -> None:
    """Its own cost model on its own machine of one multiplier: never fewer cycles than multiply-accumulates."""
    b = Builder()
    x = b.input("x", Type(shape=(1, 4, 6, 6)))
    network = b.network("one", {"y": b.emit("conv2d", [x, weights(b, 8, 4, 3, 3)])})
    text = write_zigzag(network, tmp_path / "workload.yaml").read_text()
    text = text.replace('{"I": 32, "W": 32, "O": 32, "O_final": 32}', '{"I": 8, "W": 8, "O": 16, "O_final": 8}')
    answer = worker({"workload": text, "machine": "gemm_l1"})
    assert answer["cycles"] >= network.macs
    assert answer["energy_pJ"] > 0


def nest(problem: dict[str, Any], weights: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """A Timeloop problem carried out: every point of its dimensions, every data space at its projection."""
    shape, instance = problem["shape"], dict(problem["instance"])
    spaces = {space["name"]: space["projection"] for space in shape["data_spaces"]}

    def place(space: str, point: dict[str, int]) -> tuple[int, ...]:
        return tuple(
            sum(point[term[0]] * (instance[term[1]] if len(term) > 1 else 1) for term in axis) for axis in spaces[space]
        )

    outputs: dict[tuple[int, ...], float] = {}
    for values in itertools.product(*(range(instance[dimension]) for dimension in shape["dimensions"])):
        point = dict(zip(shape["dimensions"], values, strict=True))
        at = place("Outputs", point)
        outputs[at] = outputs.get(at, 0.0) + weights[place("Weights", point)] * inputs[place("Inputs", point)]
    result = np.zeros([max(at[axis] for at in outputs) + 1 for axis in range(len(next(iter(outputs))))])
    for at, value in outputs.items():
        result[at] = value
    return result


def test_a_timeloop_problem_is_the_convolution(tmp_path: Path) -> None:
    """The problem's own points and projections, summed in loops, give what the interpreter gives."""
    b = Builder()
    x = b.input("x", Type(shape=(2, 4, 5, 6)))
    w = weights(b, 6, 2, 2, 3)
    options = {"groups": 2, "padding": (1, 0, 2, 1), "dilation": (2, 1), "stride": (1, 2)}
    network = b.network("c", {"y": b.emit("conv2d", [x, w], name="c", **options)})
    path, _ = write_timeloop(network, tmp_path)
    (document,) = worker({"yaml": [path.read_text()]})
    problem = document["problem"]
    assert problem["version"] == 0.4
    values = np.random.default_rng(0).normal(size=x.shape).astype(np.float32)
    padded = np.pad(values, ((0, 0), (0, 0), (1, 0), (2, 1))).reshape(2, 2, 2, 6, 9)
    found = nest(problem, w.data.reshape(2, 3, 2, 2, 3), padded)
    (wanted,) = network.run({"x": values}).values()
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_timeloop_counts(name: str, tmp_path: Path) -> None:
    network = NETWORKS[name]()
    *paths, table = write_timeloop(network, tmp_path)
    documents = worker({"yaml": [path.read_text() for path in paths]})
    rows = {
        row["file"]: row for row in csv.DictReader(table.read_text().splitlines()) if not row["file"].startswith("#")
    }
    total = 0
    for path, document in zip(paths, documents, strict=True):
        instance = document["problem"]["instance"]
        points = np.prod(
            [instance[dimension] for dimension in document["problem"]["shape"]["dimensions"]], dtype=object
        )
        assert points * int(rows[path.name]["times"]) == int(rows[path.name]["macs"])
        total += points * int(rows[path.name]["times"])
    assert total == network.macs


@pytest.mark.parametrize("name", ["lenet", "caffenet", "googlenet", "recurrent"])
def test_scalesim_counts(name: str, tmp_path: Path) -> None:
    """Read back by the rules that SCALE-Sim has for sizes (`lowering.scalesim`, itself tested against its code)."""
    network = NETWORKS[name]()
    path, _ = write_scalesim(network, tmp_path)
    assert scalesim.read(path).macs == network.macs


def test_scalesim_runs_the_topology(tmp_path: Path) -> None:
    python = os.environ.get("LAMINA_SCALESIM_PYTHON") or str(ROOT / ".venv-scalesim" / "bin" / "python")
    if not Path(python).exists():
        pytest.skip("no environment with SCALE-Sim: make scalesim")
    network = NETWORKS["lenet"]()
    given = {"topology": topology(network), "dataflow": "os", "rows": 32, "columns": 32}
    script = ROOT / "tools" / "scalesim_worker.py"
    done = subprocess.run([python, script], input=json.dumps(given), capture_output=True, text=True, check=True)
    cycles = json.loads(done.stdout)["cycles"]
    multiplying = [layer for layer in network.layers() if layer.macs]
    assert len(cycles) == len(multiplying)
    # no layer can be faster than all 1,024 processing elements at work
    assert all(c * 1024 >= layer.macs for c, layer in zip(cycles, multiplying, strict=True))


def test_what_a_row_of_scalesim_cannot_say_is_refused_by_name() -> None:
    with pytest.raises(
        Unsupported, match=r"SCALE-Sim cannot express grouped \(dilation 2x1\), strided \(strides 2x1\)"
    ):
        topology(odd_convolutions())


def test_transposed_convolutions_are_refused_by_name(tmp_path: Path) -> None:
    b = Builder()
    x = b.input("x", Type(shape=(1, 4, 5, 5)))
    network = b.network("t", {"y": b.emit("conv_transpose2d", [x, weights(b, 4, 3, 2, 2)], name="up", stride=(2, 2))})
    for name in ("zigzag", "timeloop", "scalesim"):
        with pytest.raises(Unsupported, match=r"cannot express up \(conv_transpose2d\)"):
            lamina.export.EXPORTERS[name][0](network, tmp_path)


def test_nothing_to_cost_is_refused(tmp_path: Path) -> None:
    b = Builder()
    network = b.network("t", {"y": b.emit("relu", [b.input("x", Type(shape=(1, 4)))])})
    for name in ("zigzag", "timeloop", "scalesim"):
        with pytest.raises(BadInput, match="no layer that multiplies"):
            lamina.export.EXPORTERS[name][0](network, tmp_path)


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    text = write_zigzag(NETWORKS["lenet"](), tmp_path / "a.yaml").read_text()
    assert "# left out, since it multiplies nothing: max_pool2d (2)\n" in text
    write_timeloop(NETWORKS["lenet"](), tmp_path)
    assert "# left out, since it multiplies nothing: relu (1)\n" in (tmp_path / "layers.csv").read_text()
