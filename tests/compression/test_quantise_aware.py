"""Quantisation-aware training on digits: what few bits lose after training, retraining gives back."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import lamina
from lamina.compression.quantise_aware import Config, quantise_aware
from lamina.core.errors import BadInput
from lamina.lowering import lower
from lamina.nn.network import NetworkModule
from lamina.training import FitConfig, fit
from lamina.training.evaluation import evaluate
from lamina.training.retraining import retrainer


def loss(model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator) -> Tensor:
    return F.cross_entropy(model(batch["x"]), batch["y"])


@pytest.fixture(scope="module")
def digits():  # type: ignore[no-untyped-def]
    return lamina.data.digits()


@pytest.fixture(scope="module")
def accuracy(digits) -> Callable[[nn.Module], float]:  # type: ignore[no-untyped-def]
    return lambda model: evaluate(model, digits.test)["accuracy"]


@pytest.fixture(scope="module")
def small(digits):  # type: ignore[no-untyped-def]
    model = lamina.models.lenet_300_100()
    fit(model, digits, config=FitConfig(steps=80))
    return model


@pytest.mark.parametrize("scales", ["power_of_two", "float"])
def test_three_bits_lose_points_that_retraining_gives_back(small, digits, accuracy, scales: str) -> None:  # type: ignore[no-untyped-def]
    retrain = retrainer(digits, FitConfig(steps=50, learning_rate=1e-3), loss=loss)
    config = Config(bits=3, scales=scales)
    module, report = quantise_aware(small, digits.train.inputs[:20], retrain, config, evaluate=accuracy)
    found = report.accuracies
    assert found["quantise_aware"] > found["post_training"] + 0.01
    assert found["quantise_aware"] > found["float"] - 0.06
    network, x = module.to_integer(), digits.test.inputs[:100]
    np.testing.assert_array_equal(module(x).detach().numpy(), network.run({"x": x.numpy()})["output"])
    assert network.types["fc2.weight"].element.bits == network.types["fc2"].element.bits == 3
    assert "3-bit weights, 3-bit activations" in str(report)


def test_a_network_from_elsewhere_is_trained_too(small, digits, accuracy) -> None:  # type: ignore[no-untyped-def]
    given = NetworkModule(lower(small, input_shape=(1, 1, 28, 28)))
    retrain = retrainer(digits, FitConfig(steps=20), loss=loss)
    module, report = quantise_aware(given, digits.train.inputs[:20], retrain, Config(weight_bits=4), evaluate=accuracy)
    assert report.accuracies["float"] == accuracy(small)
    assert report.accuracies["quantise_aware"] > 0.8
    assert not module.training


def test_an_empty_calibration_batch_is_refused(small, digits) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInput, match="the calibration batch is empty"):
        quantise_aware(small, digits.train.inputs[:0], retrainer(digits, FitConfig(steps=1), loss=loss))


def test_the_retraining_is_repeated_to_the_bit(small, digits) -> None:  # type: ignore[no-untyped-def]
    found = []
    for _ in range(2):
        retrain = retrainer(digits, FitConfig(steps=5), loss=loss)
        found.append(quantise_aware(small, digits.train.inputs[:20], retrain, Config(bits=4))[0].to_integer())
    for name in found[0].constants:
        np.testing.assert_array_equal(found[0].data(name), found[1].data(name))


@pytest.mark.slow
@pytest.mark.parametrize("scales", ["power_of_two", "float"])
def test_lenet5_at_8_4_and_2_bits(digits, accuracy, scales: str) -> None:  # type: ignore[no-untyped-def]
    model = lamina.models.lenet5()
    fit(model, digits, config=FitConfig(epochs=15))
    found = {}
    for bits, weight_bits, epochs in ((8, 8, 4), (4, 4, 8), (8, 2, 8)):
        rate = 1e-3 if weight_bits == 8 else 2e-3
        retrain = retrainer(digits, FitConfig(epochs=epochs, learning_rate=rate), loss=loss)
        config = Config(bits=bits, weight_bits=weight_bits, scales=scales)
        _, report = quantise_aware(model, digits.train.inputs[:100], retrain, config, evaluate=accuracy)
        found[weight_bits] = report.accuracies
    assert found[8]["quantise_aware"] >= found[8]["float"] - 0.003
    assert found[4]["quantise_aware"] >= found[4]["post_training"] + 0.004
    assert found[2]["quantise_aware"] > 0.95


class Rows(nn.Module):
    """An LSTM that reads a digit row by row, 28 steps, and names it at the end."""

    def __init__(self, hidden: int = 48) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.rnn = nn.LSTM(28, hidden, batch_first=True)
            self.out = nn.Linear(hidden, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rnn(x.flatten(1, 2))[0][:, -1])


@pytest.mark.slow
def test_an_lstm_over_rows_at_8_and_4_bits(digits, accuracy) -> None:  # type: ignore[no-untyped-def]
    model = Rows()
    fit(model, digits, config=FitConfig(epochs=12, learning_rate=5e-3), loss=loss)
    found = {}
    for bits in (8, 4):
        retrain = retrainer(digits, FitConfig(epochs=2), loss=loss)
        config = Config(bits=bits, state_bits=2 * bits)
        module, report = quantise_aware(model, digits.train.inputs[:30], retrain, config, evaluate=accuracy)
        found[bits] = report.accuracies
        network, x = module.to_integer(), digits.test.inputs[:3]
        for i in range(3):
            wanted = network.run({"x": x[i : i + 1].numpy()})["output"]
            np.testing.assert_array_equal(module(x[i : i + 1]).detach().numpy(), wanted)
    assert found[8]["quantise_aware"] >= found[8]["float"] - 0.01
    assert found[4]["quantise_aware"] >= found[4]["post_training"] + 0.04
