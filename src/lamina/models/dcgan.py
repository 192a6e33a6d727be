"""DCGAN: an adversarial pair of convolutions, whose generator grows a picture from a vector.

    z ─linear─▶ 2w@s/4 ─BN, ReLU, transposed conv 4x4 /2─▶ w@s/2 ─BN, ReLU, transposed conv 4x4 /2─▶ c@s ─sigmoid─▶ x̃
    x ─conv 4x4 /2─▶ w@s/2 ─leaky, conv 4x4 /2─▶ 2w@s/4 ─BN, leaky, linear─▶ one logit

The paper's rules: strides in the place of pooling, batch norm in both but at the generator's output and the
discriminator's input, ReLU against leaky ReLU, weights from N(0, 0.02). Two doublings make 28 x 28 (or 32 x 32) of
7 x 7, where the paper's four make 64 x 64; pixels are in [0, 1] here, so a sigmoid ends it, not tanh. Real and made
pictures are normed apart. The default generator (s = 28, w = 64): 759,681 parameters, 7,250,432 multiply-accumulates.

Shapes     z_BZ [n, latent], x_BCHW [n, channels, size, size], size a multiple of 4; judged [n, 1]
Paper      Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
           Adversarial Networks", ICLR 2016, https://arxiv.org/abs/1511.06434
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput
from lamina.core.seeds import derive
from lamina.models._adversarial import Pair, leaky
from lamina.models._classifier import Batch
from lamina.models._pictures import checked_shape

ROWS = ("M40",)
INPUT_SHAPE = (1, 100)
COUNTS = (
    # no biases in front of a batch norm, which is a scale and a shift of each map
    100 * 128 * 49 + 2 * 128 + 128 * 64 * 16 + 2 * 64 + 64 * 16 + 1,  # 759,681
    100 * 128 * 49 + 128 * 64 * 16 * 49 + 64 * 16 * 196,  # each input place meets all 4 x 4 taps
)
PAPER = "Radford et al., ICLR 2016, https://arxiv.org/abs/1511.06434"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    channels: int = 1
    size: int = 28  # pixels of a side, a multiple of 4
    latent: int = 100
    width: int = 64  # maps at half size; twice as many at a quarter


SMALL = Config(size=8, latent=4, width=3)


class GeneratorNet(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.start = nn.Linear(config.latent, 2 * config.width * (config.size // 4) ** 2, bias=False)
        self.norm1 = nn.BatchNorm2d(2 * config.width)
        self.grow1 = nn.ConvTranspose2d(2 * config.width, config.width, 4, stride=2, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(config.width)
        self.grow2 = nn.ConvTranspose2d(config.width, config.channels, 4, stride=2, padding=1)

    def forward(self, z_BZ: Tensor) -> Tensor:
        checked_shape(z_BZ, (self.config.latent,))
        side = self.config.size // 4
        h = self.start(z_BZ).unflatten(1, (2 * self.config.width, side, side))
        h = self.grow1(torch.relu(self.norm1(h)))
        return torch.sigmoid(self.grow2(torch.relu(self.norm2(h))))


class Discriminator(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Conv2d(config.channels, config.width, 4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(config.width, 2 * config.width, 4, stride=2, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(2 * config.width)
        self.verdict = nn.Linear(2 * config.width * (config.size // 4) ** 2, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        checked_shape(x_BCHW, (self.config.channels, self.config.size, self.config.size))
        h = leaky(self.norm2(self.conv2(leaky(self.conv1(x_BCHW)))))
        return self.verdict(h.flatten(1))


class Dcgan(Pair):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        if config.size < 4 or config.size % 4:
            raise BadInput(f"pictures of {config.size} x {config.size}: the side must be a multiple of 4")
        self.config, self.shape = config, (config.channels, config.size, config.size)
        self.generator_net = GeneratorNet(config)
        self.discriminator = Discriminator(config)


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    return {"x": torch.rand(count, config.channels, config.size, config.size, generator=generator)}


def dcgan(config: Config = Config(), *, seed: int = 0) -> Dcgan:
    """Radford et al. 2016 for small pictures; weights N(0, 0.02) and scales N(1, 0.02) from `seed`, no biases."""
    model = Dcgan(config)
    for name, parameter in model.named_parameters():
        generator = torch.Generator().manual_seed(derive(seed, "initial", name))
        with torch.no_grad():
            if name.endswith("bias"):
                parameter.zero_()
            else:
                parameter.normal_(float("norm" in name), 0.02, generator=generator)
    return model
