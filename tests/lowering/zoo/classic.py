"""The classifiers of 1998 to 2015: LeNet-5, AlexNet in one and in two towers, VGG-16, GoogLeNet, network in network."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.lowering.zoo.entry import Entry, conv, dense


class LeNet5(nn.Module):
    """LeCun et al. 1998, with every map connected."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.avg_pool2d(torch.tanh(self.conv2(x)), 2).flatten(1)
        return self.fc3(torch.tanh(self.fc2(torch.tanh(self.fc1(x)))))


def one_tower(classes=1000, width=4096):
    """Krizhevsky 2014: no towers, no response normalisation."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
        nn.AdaptiveAvgPool2d(6), nn.Flatten(), nn.Dropout(),
        nn.Linear(9216, width), nn.ReLU(inplace=True), nn.Dropout(),
        nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, classes),
    )  # fmt: skip


def two_towers(classes=1000, width=4096, places=6):
    """Krizhevsky et al. 2012: two towers are two groups; response normalisation, overlapping pooling."""
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, 4), nn.ReLU(), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(),
        nn.Linear(256 * places**2, width), nn.ReLU(), nn.Dropout(),
        nn.Linear(width, width), nn.ReLU(), nn.Dropout(), nn.Linear(width, classes),
    )  # fmt: skip


def vgg16(classes=1000, width=4096, places=7):
    """Simonyan and Zisserman 2015, configuration D."""
    layers, c = [], 3
    for k, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += [nn.Conv2d(c, k, 3, padding=1), nn.ReLU()]
            c = k
        layers.append(nn.MaxPool2d(2))
    layers += [nn.Flatten(), nn.Linear(512 * places**2, width), nn.ReLU(), nn.Dropout()]
    layers += [nn.Linear(width, width), nn.ReLU(), nn.Dropout(), nn.Linear(width, classes)]
    return nn.Sequential(*layers)


class Inception(nn.Module):
    """Four paths side by side: 1x1; 1x1 3x3; 1x1 5x5; pooling 1x1."""

    def __init__(self, c, one, before3, three, before5, five, pooled):
        super().__init__()
        self.one = nn.Conv2d(c, one, 1)
        self.before3, self.three = nn.Conv2d(c, before3, 1), nn.Conv2d(before3, three, 3, padding=1)
        self.before5, self.five = nn.Conv2d(c, before5, 1), nn.Conv2d(before5, five, 5, padding=2)
        self.pooled = nn.Conv2d(c, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        three = self.three(F.relu(self.before3(x)))
        five = self.five(F.relu(self.before5(x)))
        pooled = self.pooled(F.max_pool2d(x, 3, 1, 1))
        return F.relu(torch.cat([self.one(x), three, five, pooled], 1))


PATHS = {  # Szegedy et al. 2015, table 1: places, channels in, then the six widths
    "3a": (28, 192, 64, 96, 128, 16, 32, 32), "3b": (28, 256, 128, 128, 192, 32, 96, 64),
    "4a": (14, 480, 192, 96, 208, 16, 48, 64), "4b": (14, 512, 160, 112, 224, 24, 64, 64),
    "4c": (14, 512, 128, 128, 256, 24, 64, 64), "4d": (14, 512, 112, 144, 288, 32, 64, 64),
    "4e": (14, 528, 256, 160, 320, 32, 128, 128),
    "5a": (7, 832, 256, 160, 320, 32, 128, 128), "5b": (7, 832, 384, 192, 384, 48, 128, 128),
}  # fmt: skip


class GoogLeNet(nn.Module):
    """Szegedy et al. 2015, without the classifiers that only training has."""

    def __init__(self, classes=1000):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3)
        self.reduce, self.conv2 = nn.Conv2d(64, 64, 1), nn.Conv2d(64, 192, 3, padding=1)
        self.paths = nn.ModuleDict({name: Inception(*sizes[1:]) for name, sizes in PATHS.items()})
        self.classify = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.local_response_norm(F.max_pool2d(F.relu(self.conv1(x)), 3, 2, ceil_mode=True), 5)
        x = F.local_response_norm(F.relu(self.conv2(F.relu(self.reduce(x)))), 5)
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        for name, path in self.paths.items():
            x = path(F.max_pool2d(x, 3, 2, ceil_mode=True) if name in ("4a", "5a") else x)
        return self.classify(F.dropout(x.mean((2, 3)), 0.4, self.training))


def _inception(n, c, one, before3, three, before5, five, pooled):
    narrow = conv(n, one + before3 + before5 + pooled, c, 1)
    return narrow + conv(n, three, before3, 3) + conv(n, five, before5, 5)


GOOGLENET = conv(112, 64, 3, 7) + conv(56, 64, 64, 1) + conv(56, 192, 64, 3) + dense(1024, 1000)
GOOGLENET += sum(_inception(*sizes) for sizes in PATHS.values())


def network_in_network(classes=10):
    """Lin et al. 2014: each convolution followed by two of 1x1, the classes averaged over the picture."""
    layers = []
    for c, widths, r in ((3, (192, 160, 96), 5), (96, (192, 192, 192), 5), (192, (192, 192, classes), 3)):
        for i, k in enumerate(widths):
            layers += [
                nn.Conv2d(c if i == 0 else widths[i - 1], k, r if i == 0 else 1, padding=r // 2 if i == 0 else 0)
            ]
            layers += [nn.ReLU()]
        layers.append(nn.MaxPool2d(3, 2, ceil_mode=True) if r == 5 else nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(*layers, nn.Flatten(), nn.Softmax(1))


ENTRIES = [
    Entry(
        name="lenet5", full=LeNet5, shape=(1, 1, 28, 28), inputs={"x": torch.rand(2, 1, 28, 28)},
        macs=conv(28, 6, 1, 5) + conv(10, 16, 6, 5) + dense(400, 120, 84, 10), parameters=61_706,
    ),
    Entry(
        name="alexnet", full=one_tower, shape=(1, 3, 224, 224), macs=714_188_480, parameters=61_100_840,
        source="one tower (torchvision): 714 M, 61.1 M",
        small=lambda: one_tower(10, 32), inputs={"input": torch.rand(1, 3, 67, 67)},
    ),
    Entry(
        name="alexnet_two_towers", full=two_towers, shape=(1, 3, 227, 227), macs=724_406_816, parameters=60_965_224,
        source="Krizhevsky et al. 2012, grouped: 724 M, 61.0 M",
        small=lambda: two_towers(10, 32, 1), inputs={"input": torch.rand(1, 3, 67, 67)},
    ),
    Entry(
        name="vgg16", full=vgg16, shape=(1, 3, 224, 224), macs=15_470_264_320, parameters=138_357_544,
        source="Simonyan and Zisserman 2015: 15.47 G, 138 M",
        small=lambda: vgg16(10, 32, 1), inputs={"input": torch.rand(1, 3, 32, 32)},
    ),
    Entry(
        name="googlenet", full=GoogLeNet, shape=(1, 3, 224, 224), macs=GOOGLENET, parameters=6_998_552,
        source="Szegedy et al. 2015, table 1: about 1.5 G operations, 7 M parameters",
        small=lambda: GoogLeNet(10), inputs={"x": torch.rand(1, 3, 48, 48)},
    ),
    Entry(
        name="network_in_network", full=network_in_network, shape=(1, 3, 32, 32),
        inputs={"input": torch.rand(1, 3, 16, 16)},
        macs=conv(32, 192, 3, 5) + conv(32, 160, 192, 1) + conv(32, 96, 160, 1)
        + conv(16, 192, 96, 5) + 2 * conv(16, 192, 192, 1)
        + conv(8, 192, 192, 3) + conv(8, 192, 192, 1) + conv(8, 10, 192, 1),
        parameters=966_986, source="Lin et al. 2014: under 1 M",
    ),
]  # fmt: skip
