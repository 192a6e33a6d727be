"""Pictures to pictures: U-Net, autoencoders, one of them with unpooling, DCGAN's pair, style, super-resolution."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.lowering.zoo.entry import Entry, conv, dense


def twice(c, k):
    return nn.Sequential(nn.Conv2d(c, k, 3, padding=1), nn.ReLU(), nn.Conv2d(k, k, 3, padding=1), nn.ReLU())


class UNet(nn.Module):
    """Ronneberger et al. 2015, padded: down and up again, every level joined to its counterpart."""

    def __init__(self, width=8, classes=2):
        super().__init__()
        self.down1, self.down2, self.bottom = twice(1, width), twice(width, 2 * width), twice(2 * width, 4 * width)
        self.up2, self.join2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2), twice(4 * width, 2 * width)
        self.up1, self.join1 = nn.ConvTranspose2d(2 * width, width, 2, 2), twice(2 * width, width)
        self.label = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.down1(x)
        two = self.down2(F.max_pool2d(one, 2))
        y = self.up2(self.bottom(F.max_pool2d(two, 2)))
        y = self.up1(self.join2(torch.cat([two, y], 1)))
        return self.label(self.join1(torch.cat([one, y], 1)))


class Unpooling(nn.Module):
    """Zeiler et al. 2011, Noh et al. 2015: what was pooled goes back to the place that it came from."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 5, padding=2), nn.Conv2d(8, 12, 3, padding=1)
        self.back2, self.back1 = nn.ConvTranspose2d(12, 8, 3, padding=1), nn.ConvTranspose2d(8, 1, 5, padding=2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y, first = F.max_pool2d(torch.relu(self.conv1(x)), 2, return_indices=True)
        code, second = F.max_pool2d(torch.relu(self.conv2(y)), 2, return_indices=True)
        y = torch.relu(self.back2(F.max_unpool2d(code, second, 2)))
        return {"code": code, "picture": torch.sigmoid(self.back1(F.max_unpool2d(y, first, 2)))}


class Stacked(nn.Module):
    """Hinton and Salakhutdinov 2006: 784-1000-500-250-30 and back."""

    def __init__(self):
        super().__init__()
        sizes = (784, 1000, 500, 250, 30)
        self.down = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.up = nn.ModuleList(nn.Linear(b, a) for a, b in reversed(list(pairwise(sizes))))

    def forward(self, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.down):
            x = layer(x) if i == 3 else torch.sigmoid(layer(x))
        for layer in self.up:
            x = torch.sigmoid(layer(x))
        return x


class Pair(nn.Module):
    """Radford et al. 2016: a generator of 64x64 pictures and the discriminator that it deceives."""

    def __init__(self, noise=100, width=64):
        super().__init__()
        sizes = (8 * width, 4 * width, 2 * width, width)
        up = [nn.ConvTranspose2d(noise, sizes[0], 4, bias=False), nn.BatchNorm2d(sizes[0]), nn.ReLU()]
        down = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        for a, b in pairwise(sizes):
            up += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        for a, b in reversed(list(pairwise(sizes))):
            down += [nn.Conv2d(b, a, 4, 2, 1, bias=False), nn.BatchNorm2d(a), nn.LeakyReLU(0.2)]
        self.generator = nn.Sequential(*up, nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh())
        self.discriminator = nn.Sequential(*down, nn.Conv2d(sizes[0], 1, 4, bias=False), nn.Sigmoid(), nn.Flatten(0))

    def entries(self):
        return {
            "generator": (self.generator, {"input": torch.rand(1, 100, 1, 1)}),
            "discriminator": (self.discriminator, {"input": torch.rand(1, 3, 64, 64)}),
        }


GENERATOR = 16 * 100 * 512 + 16 * (4**2 * 512 * 256 + 8**2 * 256 * 128 + 16**2 * 128 * 64 + 32**2 * 64 * 3)
DISCRIMINATOR = (
    conv(32, 64, 3, 4) + conv(16, 128, 64, 4) + conv(8, 256, 128, 4) + conv(4, 512, 256, 4) + conv(1, 1, 512, 4)
)


class Style(nn.Module):
    """Johnson et al. 2016 with Ulyanov's instance normalisation: mirrored borders, nearest neighbours enlarged."""

    def __init__(self, c=8):
        super().__init__()
        self.into, self.down = nn.Conv2d(3, c, 3), nn.Conv2d(c, c, 3, 2)
        self.norms = nn.ModuleList(nn.InstanceNorm2d(c, affine=True) for _ in range(3))
        self.up, self.out = nn.Conv2d(c, c, 3), nn.Conv2d(c, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        mirrored = nn.ReflectionPad2d(1)
        x = F.relu(self.norms[0](self.into(mirrored(x))))
        x = F.relu(self.norms[1](self.down(mirrored(x))))
        x = F.relu(self.norms[2](self.up(mirrored(F.interpolate(x, scale_factor=2.0)))))
        return torch.tanh(self.out(mirrored(x))) * 127.5 + 127.5


class Sharper(nn.Module):
    """Shi et al. 2016: channels of a small picture become the places of a large one."""

    def __init__(self, factor=3):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 64, 5, padding=2), nn.Conv2d(64, 32, 3, padding=1)
        self.conv3, self.factor = nn.Conv2d(32, factor**2, 3, padding=1), factor

    def forward(self, x: Tensor) -> Tensor:
        sharp = F.pixel_shuffle(self.conv3(torch.tanh(self.conv2(torch.tanh(self.conv1(x))))), self.factor)
        return sharp + F.interpolate(x, scale_factor=self.factor, mode="bicubic")


def _twice(n, c, k):
    return conv(n, k, c, 3) + conv(n, k, k, 3)


def _weights(*layers):
    """Numbers in convolutions of (k, c, r), biases included."""
    return sum(k * c * r * r + k for k, c, r in layers)


ENTRIES = [
    Entry(
        name="unet", full=UNet, shape=(1, 1, 32, 32), inputs={"x": torch.rand(2, 1, 16, 16)},
        macs=_twice(32, 1, 8) + _twice(16, 8, 16) + _twice(8, 16, 32) + conv(8, 16, 32, 2) + _twice(16, 32, 16)
        + conv(16, 8, 16, 2) + _twice(32, 16, 8) + conv(32, 2, 8, 1),
        parameters=_weights(
            (8, 1, 3), (8, 8, 3), (16, 8, 3), (16, 16, 3), (32, 16, 3), (32, 32, 3), (16, 32, 2), (16, 32, 3),
            (16, 16, 3), (8, 16, 2), (8, 16, 3), (8, 8, 3), (2, 8, 1),
        ),
    ),
    Entry(
        name="unpooling_autoencoder", full=Unpooling, shape=(1, 1, 28, 28), inputs={"x": torch.rand(2, 1, 12, 16)},
        macs=2 * (conv(28, 8, 1, 5) + conv(14, 12, 8, 3)),
        parameters=_weights((8, 1, 5), (12, 8, 3), (8, 12, 3), (1, 8, 5)),
    ),
    Entry(
        name="stacked_autoencoder", full=Stacked, shape=(1, 784), inputs={"x": torch.rand(3, 784)},
        macs=2 * dense(784, 1000, 500, 250, 30), parameters=2 * dense(784, 1000, 500, 250, 30) + 2 * 1750 + 30 + 784,
    ),
    Entry(
        name="dcgan_generator", full=lambda: Pair().generator, shape=(1, 100, 1, 1), macs=GENERATOR,
        parameters=3_576_704, source="Radford et al. 2016 at 64x64, 3.6 M",
        small=lambda: Pair(width=4).generator, inputs={"input": torch.randn(2, 100, 1, 1)},
    ),
    Entry(
        name="dcgan_discriminator", full=lambda: Pair().discriminator, shape=(1, 3, 64, 64), macs=DISCRIMINATOR,
        parameters=2_765_568, source="Radford et al. 2016 at 64x64, 2.8 M",
        small=lambda: Pair(width=4).discriminator, inputs={"input": torch.rand(1, 3, 64, 64)},
    ),
    Entry(
        name="style_transfer", full=Style, shape=(1, 3, 32, 32), inputs={"x": torch.rand(1, 3, 16, 16)},
        macs=conv(32, 8, 3, 3) + conv(16, 8, 8, 3) + conv(32, 8, 8, 3) + conv(32, 3, 8, 3),
        parameters=_weights((8, 3, 3), (8, 8, 3), (8, 8, 3), (3, 8, 3)) + 3 * 16,
    ),
    Entry(
        name="super_resolution", full=Sharper, shape=(1, 1, 24, 24), inputs={"x": torch.rand(1, 1, 10, 12)},
        macs=conv(24, 64, 1, 5) + conv(24, 32, 64, 3) + conv(24, 9, 32, 3),
        parameters=_weights((64, 1, 5), (32, 64, 3), (9, 32, 3)), source="Shi et al. 2016, factor 3",
    ),
]  # fmt: skip
