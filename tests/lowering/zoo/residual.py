"""Classifiers with short cuts and cheap convolutions: ResNet, DenseNet, MobileNet, ShuffleNet, excitation."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.lowering.zoo.entry import Entry, conv, dense


def joined(c, k, r, stride=1, groups=1):
    """Convolution and batch normalisation."""
    return nn.Sequential(nn.Conv2d(c, k, r, stride, r // 2, groups=groups, bias=False), nn.BatchNorm2d(k))


class Basic(nn.Module):
    """Two 3x3 convolutions beside a short cut."""

    wider = 1

    def __init__(self, c, width, stride):
        super().__init__()
        self.first, self.second = joined(c, width, 3, stride), joined(width, width, 3)
        self.shortcut = joined(c, width, 1, stride) if stride > 1 or c != width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, the last four times as wide."""

    wider = 4

    def __init__(self, c, width, stride):
        super().__init__()
        self.narrow, self.middle, self.wide = (
            joined(c, width, 1),
            joined(width, width, 3, stride),
            joined(width, 4 * width, 1),
        )
        self.shortcut = joined(c, 4 * width, 1, stride) if c != 4 * width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.wide(F.relu(self.middle(F.relu(self.narrow(x))))) + self.shortcut(x))


def resnet(block, depths, classes=1000):
    """He et al. 2016."""
    layers, c = [joined(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
    for i, depth in enumerate(depths):
        for j in range(depth):
            layers.append(block(c, 64 << i, 2 if i and not j else 1))
            c = (64 << i) * block.wider
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, classes))


class Dense(nn.Module):
    """A layer whose result stands beside everything before it."""

    def __init__(self, c, growth):
        super().__init__()
        self.narrow = nn.Sequential(nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, 4 * growth, 1, bias=False))
        self.grow = nn.Sequential(
            nn.BatchNorm2d(4 * growth), nn.ReLU(), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.grow(self.narrow(x))], 1)


def densenet(depths=(6, 12, 24, 16), growth=32, classes=1000):
    """Huang et al. 2017: DenseNet-121."""
    layers, c = [joined(3, 2 * growth, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 2 * growth
    for i, depth in enumerate(depths):
        for _ in range(depth):
            layers.append(Dense(c, growth))
            c += growth
        if i + 1 < len(depths):
            layers += [nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, c // 2, 1, bias=False), nn.AvgPool2d(2)]
            c //= 2
    return nn.Sequential(
        *layers, nn.BatchNorm2d(c), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, classes)
    )


def mobilenet(classes=1000, width=32):
    """Howard et al. 2017: a convolution of every channel alone, then one of 1x1."""
    layers, c = [joined(3, width, 3, 2), nn.ReLU6()], width
    for k, stride in ((2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2), *[(16, 1)] * 5, (32, 2), (32, 1)):
        layers += [joined(c, c, 3, stride, c), nn.ReLU6(), joined(c, k * width, 1), nn.ReLU6()]
        c = k * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, classes))


class Excited(nn.Module):
    """Hu et al. 2018: channels weighted by what the whole picture holds."""

    def __init__(self, c=16, less=4):
        super().__init__()
        self.stem, self.conv = joined(3, c, 3), joined(c, c, 3)
        self.squeeze, self.excite = nn.Linear(c, c // less), nn.Linear(c // less, c)
        self.classify = nn.Linear(c, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.hardswish(self.stem(x))
        y = self.conv(x)
        share = F.hardsigmoid(self.excite(F.relu(self.squeeze(y.mean((2, 3))))))
        return self.classify(F.relu(x + y * share[:, :, None, None]).amax((2, 3)))


class Shuffled(nn.Module):
    """Zhang et al. 2018: grouped 1x1 convolutions, their channels shuffled in between."""

    def __init__(self, c=24, groups=3):
        super().__init__()
        self.groups = groups
        self.stem = joined(3, c, 3, 2)
        self.first, self.middle, self.last = (
            joined(c, c, 1, 1, groups),
            joined(c, c, 3, 2, c),
            joined(c, c, 1, 1, groups),
        )
        self.classify = nn.Linear(2 * c, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        y = F.channel_shuffle(F.relu(self.first(x)), self.groups)
        y = torch.cat([self.last(self.middle(y)), F.avg_pool2d(x, 3, 2, 1)], 1)
        return self.classify(F.relu(y).mean((2, 3)))


def _densenet():
    macs, c = conv(112, 64, 3, 7), 64
    for n, depth in ((56, 6), (28, 12), (14, 24), (7, 16)):
        for _ in range(depth):
            macs, c = macs + conv(n, 128, c, 1) + conv(n, 32, 128, 3), c + 32
        if n > 7:
            macs, c = macs + conv(n, c // 2, c, 1), c // 2
    return macs + dense(c, 1000)


ENTRIES = [
    Entry(
        name="resnet18", full=lambda: resnet(Basic, (2, 2, 2, 2)), shape=(1, 3, 224, 224), macs=1_814_073_344,
        parameters=11_689_512, source="He et al. 2016: 1.81 G, 11.7 M",
        small=lambda: resnet(Basic, (2, 2, 2, 2), 10), inputs={"input": torch.rand(1, 3, 32, 32)},
    ),
    Entry(
        name="resnet50", full=lambda: resnet(Bottleneck, (3, 4, 6, 3)), shape=(1, 3, 224, 224), macs=4_089_184_256,
        parameters=25_557_032, source="He et al. 2016, stride in the 3x3: 4.09 G, 25.6 M",
        small=lambda: resnet(Bottleneck, (3, 4, 6, 3), 10), inputs={"input": torch.rand(1, 3, 32, 32)},
    ),
    Entry(
        name="densenet121", full=densenet, shape=(1, 3, 224, 224), macs=_densenet(), parameters=7_978_856,
        source="Huang et al. 2017: 8.0 M", small=lambda: densenet((2, 2, 3, 2), 8, 10),
        inputs={"input": torch.rand(1, 3, 32, 32)},
    ),
    Entry(
        name="mobilenet", full=mobilenet, shape=(1, 3, 224, 224), macs=568_740_352, parameters=4_231_976,
        source="Howard et al. 2017: 569 M, 4.2 M", small=lambda: mobilenet(10, 8),
        inputs={"input": torch.rand(1, 3, 33, 33)},
    ),
    Entry(
        name="squeeze_and_excitation", full=Excited, shape=(1, 3, 16, 16), inputs={"x": torch.rand(2, 3, 16, 16)},
        macs=conv(16, 16, 3, 3) + conv(16, 16, 16, 3) + dense(16, 4, 16) + dense(16, 10),
        parameters=432 + 32 + 2304 + 32 + (16 * 4 + 4) + (4 * 16 + 16) + 170,
    ),
    Entry(
        name="shuffled_groups", full=Shuffled, shape=(1, 3, 32, 32), inputs={"x": torch.rand(2, 3, 16, 16)},
        macs=conv(16, 24, 3, 3) + conv(16, 24, 24, 1, 3) + conv(8, 24, 24, 3, 24) + conv(8, 24, 24, 1, 3)
        + dense(48, 10),
        parameters=(648 + 48) + (192 + 48) + (216 + 48) + (192 + 48) + 490,
    ),
]  # fmt: skip
