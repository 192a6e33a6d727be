"""Where torch.export refuses, recorded calls are accepted if they hold on other inputs, and refused if they do not."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lamina.core.errors import BadInput, Unsupported
from lamina.lowering import lower
from tests.lowering.test_torch_rules import agree, flat
from tests.torch_models import SHAPE, Small, images


class Watched(nn.Module):
    """Looks at its numbers; `decide` says what for."""

    def __init__(self, decide, body=None):
        super().__init__()
        self.decide = decide
        self.body = body or nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Tanh(), nn.Linear(6, 3))

    def forward(self, x):
        return self.decide(x, self.body(x))


def harmless(x, y):
    """A check that never decides anything."""
    if float(x.abs().max()) > 1e9:
        raise ValueError("too large")
    return {"probability": F.softmax(y, -1), "code": y.relu_() * 2}


def branching(x, y):
    return y if float(x.sum()) > 0 else -y


def baked(x, y):
    return y * float(x.mean())


def test_a_check_that_decides_nothing_is_lowered():
    module, x = Watched(harmless).eval(), torch.randn(2, 4)
    network = lower(module, inputs={"x": x})
    agree(network, {"x": x}, flat(list(module(x).values())))
    assert list(network.outputs) == ["probability", "code"]
    assert network.macs == 2 * (4 * 6 + 6 * 3)
    assert network.parameters == sum(p.numel() for p in module.parameters())
    assert [layer.name for layer in network.layers() if layer.macs] == ["body.0", "body.3"]


def test_a_convolutional_net_is_recorded_as_it_is_exported():
    plain = Small().eval()
    module = Watched(lambda x, y: y if float(x.max()) < 1e9 else x, plain)
    recorded, exported = lower(module, input_shape=SHAPE), lower(plain, input_shape=SHAPE)
    x = images(1)
    assert (recorded.macs, recorded.parameters) == (exported.macs, exported.parameters)
    agree(recorded, {"x": x}, [plain(x).detach()])


@pytest.mark.parametrize("decide", [branching, baked])
def test_what_depends_on_numbers_is_refused(decide):
    with pytest.raises(Unsupported, match=r"cannot be exported.*another path"):
        lower(Watched(decide), inputs={"x": torch.ones(2, 4)})


def test_a_module_that_does_not_run_says_its_own_error():
    with pytest.raises(BadInput, match=r"input shape \[2, 5\]"):
        lower(Watched(harmless), input_shape=(2, 5))
