"""VGG-16's thirteen 3 x 3 convolutions and three fully connected layers: 15.47 G multiply-accumulates, 138.4 M weights.

Paper     Simonyan, Zisserman, ICLR 2015, table 1, column D, https://arxiv.org/abs/1409.1556
"""

from itertools import pairwise

from lamina.hw.workloads._shapes import conv, dense
from lamina.ir.layer import Layer

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # filters, convolutions; a 2 x 2 pooling after each


def convolutions(*, batch: int = 1, bits: int = 16) -> list[Layer]:
    """conv1_1 to conv5_3."""
    layers, channels, size = [], 3, 224
    for block, (filters, count) in enumerate(BLOCKS, start=1):
        for index in range(1, count + 1):
            layers.append(conv(f"conv{block}_{index}", channels, filters, size, 3, padding=1, batch=batch, bits=bits))
            channels = filters
        size //= 2
    return layers


def vgg16(*, batch: int = 1, bits: int = 16) -> list[Layer]:
    """The layers that multiply."""
    sizes = (25088, 4096, 4096, 1000)
    tail = [dense(i, o, batch=batch, bits=bits, name=f"fc{n}") for n, (i, o) in enumerate(pairwise(sizes), start=6)]
    return convolutions(batch=batch, bits=bits) + tail
