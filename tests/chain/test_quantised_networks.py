"""Networks quantised from float ones: the interpreter, exported C and ONNX Runtime give the same integers.

The links are those of the random graphs. Recurrent nets with their states, one network with every
operator (no softmax: it stays float, and floats need not agree to the bit); LeNet-5 on digits, whose accuracy stays.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina.ir import Float, Integer, Network, Type
from lamina.ir.build import Builder, Value
from lamina.ir.quantise import METHODS, quantise
from lamina.lowering import lower
from lamina.training import FitConfig, fit
from tests.chain.graph_links import LINKS, interpreted
from tests.chain.random_graphs import Made, differing
from tests.ir import quantise_nets
from tests.networks import random_inputs

NETWORKS = {
    "zoo": quantise_nets.zoo(softmax=False),
    "gru": quantise_nets.gru(steps=20, batch=2, inputs=5, hidden=8),
    "gru backwards": quantise_nets.gru(steps=20, batch=2, inputs=5, hidden=8, reverse=True),
    "tagger": quantise_nets.lstm_tagger(steps=15, batch=2, words=30, hidden=8, tags=5),
}
SETTINGS = {
    "8 bits": {"method": "mse"},
    "wide states": {"method": "mse", "state_bits": 16},
    "12 bits": {"bits": 12},
    "segments": {"functions": "segments"},
}


def inputs(network: Network, count: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    if "tokens" in network.inputs:
        return [{"tokens": rng.integers(0, 30, network.inputs["tokens"].shape)} for _ in range(count)]
    return [random_inputs(network, rng) for _ in range(count)]


FAST = [("8 bits", "power_of_two"), ("wide states", "float")]
PAIRS = [
    pytest.param(setting, form, marks=[] if (setting, form) in FAST else pytest.mark.slow)
    for setting in SETTINGS
    for form in ("power_of_two", "float")
    if (setting, form) != ("segments", "float")  # segments are computed in fixed point
]


@pytest.mark.parametrize(("setting", "form"), PAIRS)
def test_links_agree(setting: str, form: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    made = []
    for network in NETWORKS.values():
        integer, _ = quantise(network, inputs(network, 2), scales=form, **SETTINGS[setting])
        made.append(Made(integer, Counter(), tuple(inputs(network, 3))))
    wanted = [interpreted(m) for m in made]
    for name, link in LINKS.items():
        differ = {}
        for kind, want, found in zip(NETWORKS, wanted, link(made, tmp_path), strict=True):
            if isinstance(found, str):
                assert name == "onnxruntime", found
                continue
            differ[kind] = sum(differing(one, other)[0] for one, other in zip(found, want, strict=True))
        print(name, setting, form, differ)
        if form == "power_of_two" or name == "c":
            assert not any(differ.values()), f"{name}: {differ}"


def test_products_in_a_body_do_not_saturate(tmp_path: Path) -> None:
    """u8 times s8 in pairs of 16 bits: how ONNX Runtime adds on CPUs with AVX2 and without VNNI, unless it is told."""
    pytest.importorskip("onnxruntime")
    b = Builder()
    x = b.input("x", Type(shape=(3, 2, 8)))
    kinds = [Integer(bits=8, signed=False, scale=(2.0**-e,)) for e in (6, 2)]
    w = b.constant("w", np.full((6, 8), 127), Type(shape=(6, 8), element=Integer(bits=8, scale=(2.0**-7,))))
    state = b.constant("state", np.zeros((2, 6)), Type(shape=(2, 6), element=kinds[1]))

    def cell(i: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        y = i.emit("linear", [slices[0], w], element=kinds[1])
        return [i.emit("maximum", [y, states[0]])], [y]

    _, (y,) = b.scan("scan", cell, states=[state], sequences=[b.emit("quantise", [x], element=kinds[0])])
    network = b.network("body", {"y": b.emit("dequantise", [y], element=Float())})
    made = Made(network, Counter(), ({"x": np.full((3, 2, 8), 3.9, np.float32)},))
    (want,) = interpreted(made)
    assert want["y"].min() > 30
    for link in LINKS.values():
        (found,) = link([made], tmp_path)
        assert not isinstance(found, str)
        assert differing(found[0], want)[0] == 0


@pytest.fixture(scope="module")
def digits() -> tuple[Network, np.ndarray, np.ndarray, np.ndarray]:
    data = lamina.data.digits()
    model = lamina.models.lenet5()
    fit(model, data, config=FitConfig(epochs=5))
    test = data.test
    network = lower(model, input_shape=(1, 1, 28, 28))
    return network, data.train.inputs[:256].numpy(), test.inputs[:1000].numpy(), test.labels[:1000].numpy()


def accuracy(network: Network, x: np.ndarray, y: np.ndarray) -> float:
    (scores,) = network.run({next(iter(network.inputs)): x}).values()
    return float((scores.argmax(axis=1) == y).mean())


@pytest.mark.parametrize("form", ["power_of_two", "float"])
def test_digits_keep_their_accuracy(digits: tuple[Network, np.ndarray, np.ndarray, np.ndarray], form: str) -> None:
    network, calibration, x, y = digits
    before = accuracy(network, x, y)
    assert before > 0.9
    for bits, least in ((8, 0.005), (4, 0.05)):
        integer, _ = quantise(network, [{"x": calibration}], method="mse", scales=form, bits=bits)
        assert accuracy(integer, x, y) >= before - least


@pytest.mark.slow
@pytest.mark.parametrize("form", ["power_of_two", "float"])
@pytest.mark.parametrize("method", METHODS)
def test_digits_by_every_method(
    digits: tuple[Network, np.ndarray, np.ndarray, np.ndarray], form: str, method: str
) -> None:
    network, calibration, x, y = digits
    integer, _ = quantise(network, [{"x": calibration}], method=method, scales=form)
    assert accuracy(integer, x, y) >= accuracy(network, x, y) - 0.005
