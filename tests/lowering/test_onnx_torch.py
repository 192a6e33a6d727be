"""torch modules as torch's own ONNX exporter writes them: outputs equal torch's to 1e-5 of the largest value."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lamina.core.errors import Unsupported
from lamina.lowering.onnx_reader import read

pytestmark = pytest.mark.filterwarnings("ignore")


class Written(nn.Module):
    """A function of its parts and inputs."""

    def __init__(self, function, *parts):
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, *inputs):
        return self.function(self.parts, *inputs)


def picture(channels=3, size=16):
    return torch.randn(1, channels, size, size)


def vector(rows=3, columns=7):
    return torch.randn(rows, columns)


ACTIVATIONS = (nn.PReLU(4), nn.Hardswish(), nn.Hardsigmoid(), nn.Mish(), nn.Softplus(), nn.LeakyReLU(0.2), nn.CELU(0.5),
               nn.SELU(), nn.GELU(), nn.Softsign(), nn.Tanhshrink(), nn.Hardtanh(), nn.ReLU6())  # fmt: skip
MODULES = {
    "transformer": lambda: (
        nn.TransformerEncoder(
            nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, activation="gelu"), 2, enable_nested_tensor=False
        ),
        torch.randn(2, 7, 16),
    ),
    "attention": lambda: (
        Written(lambda m, q, k: m[0](q, k, k)[0], nn.MultiheadAttention(16, 4)),
        torch.randn(5, 2, 16),
        torch.randn(6, 2, 16),
    ),
    "causal attention": lambda: (
        Written(lambda m, x: F.scaled_dot_product_attention(x, x, x, is_causal=True)),
        torch.randn(1, 2, 6, 8),
    ),
    "gru": lambda: (
        Written(lambda m, x: m[0](x)[0], nn.GRU(8, 6, 2, bidirectional=True, batch_first=True)),
        torch.randn(2, 5, 8),
    ),
    "lstm": lambda: (Written(lambda m, x: m[0](x)[0], nn.LSTM(8, 6, num_layers=2)), torch.randn(5, 2, 8)),
    "rnn": lambda: (Written(lambda m, x: m[0](x)[0], nn.RNN(8, 6, nonlinearity="relu")), torch.randn(5, 2, 8)),
    "one axis": lambda: (
        nn.Sequential(
            nn.Conv1d(3, 8, 5, padding=2), nn.BatchNorm1d(8), nn.MaxPool1d(2), nn.ConvTranspose1d(8, 4, 4, 2, 1)
        ),
        torch.randn(2, 3, 20),
    ),
    "norms": lambda: (
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(4, 8), nn.SiLU(), nn.InstanceNorm2d(8, affine=True)),
        picture(),
    ),
    "layer norm": lambda: (nn.Sequential(nn.LayerNorm([3, 16, 16]), nn.LocalResponseNorm(3)), picture()),
    "pixel shuffle": lambda: (
        nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2), nn.PixelUnshuffle(2)),
        picture(),
    ),
    "adaptive": lambda: (
        nn.Sequential(nn.AdaptiveAvgPool2d((4, 4)), nn.Flatten(), nn.Linear(48, 5), nn.LogSoftmax(1)),
        picture(),
    ),
    "interpolation": lambda: (
        Written(
            lambda m, x: (
                F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
                + F.interpolate(x, size=(32, 32), mode="bicubic")
                + F.interpolate(x, size=(32, 32), mode="nearest")
            )
        ),
        picture(),
    ),
    "embedding": lambda: (
        Written(lambda m, x: m[1](m[0](x).mean(1)), nn.Embedding(30, 8), nn.Linear(8, 3)),
        torch.randint(0, 30, (2, 6)),
    ),
    "indexing": lambda: (Written(lambda m, x: x[:, :, ::2, 1:-1].flip(3).roll(1, 2)), picture()),
    "choice": lambda: (
        Written(lambda m, x: torch.where(x > 0, x.pow(2), x.exp()).cumsum(1).clamp(-1, 2).masked_fill(x < 0, 5.0)),
        vector(),
    ),
    "order": lambda: (
        Written(lambda m, x: x.topk(3, dim=-1)[0] + x.sort(-1)[0][..., :3] + x.argmax(1, keepdim=True)),
        vector(),
    ),
    "gather and scatter": lambda: (
        Written(lambda m, x, i: x.gather(1, i).scatter(1, i % 3, 1.0)),
        vector(2, 9),
        torch.randint(0, 9, (2, 4)),
    ),
    "einsum": lambda: (
        Written(lambda m, a, b: torch.einsum("bhqd,bhkd->bhqk", a, b).softmax(-1)),
        torch.randn(2, 3, 4, 5),
        torch.randn(2, 3, 6, 5),
    ),
    "statistics": lambda: (
        Written(lambda m, x: F.normalize(x, dim=1) + x.std(1, keepdim=True) + x.logsumexp(1, keepdim=True)),
        vector(),
    ),
    "activations": lambda: (nn.Sequential(nn.Conv2d(3, 4, 3), *ACTIVATIONS), picture()),
    "unfold": lambda: (Written(lambda m, x: F.unfold(x, 3, padding=1)), picture()),
    "padding": lambda: (
        Written(lambda m, x: F.pad(F.pad(x, (1, 2, 3, 1), mode="reflect"), (1, 1), value=2.0)),
        picture(),
    ),
    "ceil mode": lambda: (
        nn.Sequential(nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)),
        picture(3, 15),
    ),
    "three axes": lambda: (
        nn.Sequential(
            nn.Conv3d(2, 4, (3, 2, 3), (1, 2, 1), (1, 0, 1), groups=2), nn.MaxPool3d(2), nn.AvgPool3d((2, 1, 2))
        ),
        torch.randn(2, 2, 6, 7, 8),
    ),
    "triangles": lambda: (Written(lambda m, x: x.triu(1) + x.tril(-1) + torch.eye(5)), vector(5, 5)),
    "places": lambda: (
        Written(lambda m, x: x + torch.stack(torch.meshgrid(torch.arange(x.shape[2]), torch.arange(x.shape[3]),
                                                            indexing="ij")).float()[None]),
        torch.randn(1, 2, 4, 6),
    ),
    "encoder and decoder": lambda: (
        Written(
            lambda m, x: m[2](torch.cat([x, m[1](F.relu(m[0](x)))], 1)),
            nn.Conv2d(3, 4, 3, 2, 1),
            nn.ConvTranspose2d(4, 5, 3, 2, 1, 1),
            nn.Conv2d(8, 2, 1),
        ),
        picture(),
    ),
}  # fmt: skip


def exported(tmp_path, module, inputs, **more):
    path = tmp_path / "module.onnx"
    names = [f"x{at}" for at in range(len(inputs))]
    torch.onnx.export(module.eval(), tuple(inputs), path, dynamo=False, opset_version=17, input_names=names, **more)
    return path


def check(network, module, inputs):
    with torch.no_grad():
        wanted = module(*inputs).numpy()
    given = {f"x{at}": x.numpy() for at, x in enumerate(inputs)}
    (got,) = network.run({n: v for n, v in given.items() if n in network.inputs}).values()
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= 1e-5 * max(np.abs(wanted).max(), 1.0)


@pytest.mark.parametrize("name", MODULES)
def test_an_exported_module(tmp_path, name):
    torch.manual_seed(0)
    module, *inputs = MODULES[name]()
    check(read(exported(tmp_path, module, inputs)), module, inputs)


@pytest.mark.parametrize("name", ["norms", "adaptive", "encoder and decoder", "activations", "one axis"])
def test_an_open_batch_stays_open(tmp_path, name):
    torch.manual_seed(0)
    module, x = MODULES[name]()
    network = read(exported(tmp_path, module, [x], dynamic_axes={"x0": {0: "batch"}}))
    assert network.batch == 1
    check(network, module, [torch.cat([x, x + 1, x - 1])])


def test_what_is_refused_is_named(tmp_path):
    module = Written(lambda m, x: torch.nonzero(x).float())
    with pytest.raises(Unsupported, match="NonZero"):
        read(exported(tmp_path, module, [vector()]))


def test_pruned_weights_are_stored_sparse(tmp_path):
    torch.manual_seed(0)
    module = Written(lambda m, x: m[1](m[0](x)[0]), nn.LSTM(16, 16), nn.Linear(16, 8))
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter[torch.rand_like(parameter) < 0.8] = 0
    x = torch.randn(5, 1, 16)
    network = read(exported(tmp_path, module, [x]))
    assert sum(c.type.sparse for c in network.constants.values()) == 3
    check(network, module, [x])
