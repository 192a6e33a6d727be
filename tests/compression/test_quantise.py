"""Fake-quantised torch gives the integers of the interpreter, and quantisation chooses sensible grids."""

import numpy as np
import pytest
import torch
from torch import nn

from lamina.compression.quantise import Config, quantise
from lamina.core.errors import BadInput, Unsupported
from lamina.ir import integers
from lamina.ir.transform import integer_core
from lamina.ir.types import Integer
from lamina.lowering import lower
from lamina.nn import integer
from tests.torch_models import SHAPE, Small, images

FORMS = [(s, c) for s in ("power_of_two", "float") for c in (False, True)]


@pytest.mark.parametrize(("scales", "per_channel"), FORMS)
@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_torch_equals_interpreter(activation, pooling, scales, per_channel):
    model = Small(activation, pooling)
    small, _ = quantise(model, images(256), Config(scales=scales, per_channel=per_channel))
    network = lower(small, input_shape=SHAPE)
    x = images(100, seed=2)
    assert np.array_equal(small(x).numpy(force=True), network.run({"x": x.numpy()})["output"])
    expected = model(x).detach()
    assert (small(x) - expected).abs().max() < 0.05 * expected.abs().max()


@pytest.mark.parametrize("bits", [2, 3, 5, 8])
def test_bits(bits):
    small, _ = quantise(Small(), images(32), Config(bits=bits))
    network = lower(small, input_shape=SHAPE)
    widths = {t.element.bits for o in network.operations for t in o.outputs.values() if isinstance(t.element, Integer)}
    assert widths == {bits}
    assert all(c.type.element.bits in (bits, 32) for c in network.constants.values())
    x = images(20, seed=3)
    assert np.array_equal(small(x).numpy(force=True), network.run({"x": x.numpy()})["output"])


def test_rules_of_the_interface():
    """power_of_two: zero points 0, u8 after ReLU; float: u8 with zero points; weights symmetric; 32-bit sums."""
    for scales in ("power_of_two", "float"):
        small, _ = quantise(Small(), images(32), Config(scales=scales))
        network = integer_core(lower(small, input_shape=SHAPE))
        activations = [t.element for o in network.operations for t in o.outputs.values()]
        unsigned = [e for e in activations if not e.signed]
        assert unsigned if scales == "power_of_two" else unsigned == activations
        if scales == "power_of_two":
            assert all(e.zero_point == 0 for e in activations)
        for constant in network.constants.values():
            assert constant.type.element.signed
            assert constant.type.element.zero_point == 0
        assert all(o.attributes.get("accumulator", 32) == 32 for o in network.operations)


def test_requantise_equals_the_reference_on_ties():
    """Every accumulator in -4096..4096 at several shifts: torch and the interpreter round the same way."""
    a = np.arange(-4096, 4097)
    for shift in range(0, 9):
        x, w, y = Integer(scale=(0.5,)), Integer(scale=(2.0**-3,)), Integer(scale=(2.0 ** (shift - 4),), bits=32)
        expected = integers.requantise(a, x, w, y, "power_of_two", axis=0)
        given = integer.requantise(
            torch.tensor(a, dtype=torch.float64)[:, None],
            torch.tensor(x.scale),
            torch.tensor(w.scale),
            torch.tensor(y.scale),
            "power_of_two",
        )
        assert np.array_equal(given[:, 0].numpy(), expected)
        assert np.array_equal(expected, [round(int(v) / 2**shift) for v in a])  # Python rounds half to even too


def test_what_has_no_integer_form_is_refused_by_name():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            return self.b(torch.nn.functional.gelu(self.a(x)))

    with pytest.raises(Unsupported, match="gelu"):
        quantise(Odd(), torch.rand(8, 4))
    with pytest.raises(Unsupported, match="nothing to quantise"):
        quantise(nn.ReLU(), torch.rand(8, 4))


def test_softmax_after_the_last_layer_stays_float():
    model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))
    x = torch.rand(64, 4, generator=torch.Generator().manual_seed(0))
    small, _ = quantise(model, x)
    assert [o.operator for o in lower(small, input_shape=(1, 4)).operations] == [
        "quantise",
        "linear",
        "dequantise",
        "softmax",
    ]
    assert (small(x[:1]) - model(x[:1])).abs().max() < 0.02


@pytest.mark.parametrize("settings", [{"bits": 1}, {"bits": 9}, {"scales": "octal"}])
def test_bad_settings(settings):
    with pytest.raises(BadInput, match=str(next(iter(settings.values())))):
        Config(**settings)


@pytest.mark.parametrize("batch", [images(4)[:0], images(4) * float("nan")])
def test_bad_calibration(batch):
    with pytest.raises(BadInput, match="calibration"):
        quantise(Small(), batch)
