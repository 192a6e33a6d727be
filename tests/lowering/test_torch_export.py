"""Lowered networks compute what torch computes, keep its names and refuse what they do not understand."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lamina.core.errors import BadInput, Unsupported
from lamina.ir import text
from lamina.lowering import lower
from tests.torch_models import SHAPE, Small, images


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_equals_torch(activation, pooling):
    model = Small(activation, pooling).eval()
    x = images(5)
    network = lower(model, input_shape=SHAPE)
    result = network.run({"x": x.numpy()})["output"]
    expected = model(x).detach().numpy()
    assert abs(result - expected).max() <= 1e-6 * abs(expected).max()


def test_names_and_counts():
    network = lower(Small(), input_shape=SHAPE, name="small")
    names = [layer.name for layer in network.layers() if layer.macs]
    assert names == ["conv1", "conv2", "fc1", "fc2"]
    assert {"conv1.weight", "conv1.bias", "fc2.weight"} <= set(network.constants)
    # 14x14 5x5 1->4; 3x3 outputs, 3x3 window, 2 channels in, 8 out; 72 -> 16 -> 10
    assert [layer.macs for layer in network.layers() if layer.macs] == [196 * 25 * 4, 9 * 9 * 2 * 8, 72 * 16, 160]
    assert network.parameters == sum(p.numel() for p in Small().parameters())
    assert text.print_file(text.parse(text.print_file([network]))) == text.print_file([network])


def test_default_names():
    """A registered model is called after its file, another module after its class."""
    import lamina

    assert lower(lamina.models.lenet5(), input_shape=(1, 1, 28, 28)).name == "lenet5"
    assert lower(Small(), input_shape=SHAPE).name == "small"


def test_training_mode_is_left_as_it_was():
    model = Small().train()
    lower(model, input_shape=SHAPE)
    assert model.training


def test_several_inputs_and_outputs():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(4, 3), nn.Linear(5, 3)

        def forward(self, a, b):
            both = self.left(a) + self.right(b)
            return {"sum": both, "probability": F.softmax(both, dim=-1)}

    model = Pair()
    network = lower(model, input_shape={"a": (2, 4), "b": (2, 5)})
    a, b = torch.rand(2, 4), torch.rand(2, 5)
    result, expected = network.run({"a": a.numpy(), "b": b.numpy()}), model(a, b)
    assert list(result) == ["sum", "probability"]
    for name, tensor in expected.items():
        assert abs(result[name] - tensor.detach().numpy()).max() < 1e-6


def test_open_batch_through_view():
    class View(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(12, 2)

        def forward(self, x):
            return self.fc(x.view(x.shape[0], -1))

    model = View()
    x = torch.rand(7, 3, 2, 2)
    result = lower(model, input_shape=(1, 3, 2, 2)).run({"x": x.numpy()})["output"]
    assert abs(result - model(x).detach().numpy()).max() < 1e-6


def test_unknown_operator_names_itself_and_its_share():
    class Strange(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(6, 6)
            self.odd = nn.Conv3d(1, 2, 2)

        def forward(self, x):
            return torch.erfinv(self.odd(self.fc(x).view(1, 1, 1, 2, 3).repeat(1, 1, 2, 1, 1)))

    # the layer multiplies 36 times, the convolution 2 x 2 outputs with 8 weights each
    with pytest.raises(Unsupported, match=r"conv3d.*odd.*47\.1%.*erfinv.*0\.0%"):
        lower(Strange(), input_shape=(1, 6))

    class Apart(nn.Module):
        def forward(self, x):
            return torch.cdist(x, x)

    with pytest.raises(Unsupported, match=r"aten\.cdist.*no multiply-accumulates"):
        lower(Apart(), input_shape=(1, 6, 6))


@pytest.mark.parametrize("shape", [None, (), (1, 0, 14, 14), (1, -1, 14, 14), (1, 3, 14, 14), (1, 1, 2, 2)])
def test_bad_shapes(shape):
    with pytest.raises(BadInput, match="shape"):
        lower(Small(), input_shape=shape)


def test_pruned_and_shared_weights_are_marked():
    model = Small()
    with torch.no_grad():
        model.fc1.weight.copy_((torch.arange(16 * 72).reshape(16, 72) % 5 == 0) * 0.25)
    network = lower(model, input_shape=SHAPE)
    declared = network.constants["fc1.weight"].type
    assert (declared.sparse, declared.codebook_bits) == (True, 1)
    fc1 = next(layer for layer in network.layers() if layer.name == "fc1")
    assert fc1.density == pytest.approx(0.2, abs=0.01)
