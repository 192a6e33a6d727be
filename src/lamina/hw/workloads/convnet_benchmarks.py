"""Networks that a public benchmark of libraries timed on GPUs: AlexNet in one tower, VGG's smallest.

    one_weird_trick    5 convolutions in one tower, 3 fully connected: 714 M multiply-accumulates
    vgg_a              8 convolutions of 3 x 3, 3 fully connected: 7.61 G

Papers    Krizhevsky, "One weird trick", 2014, https://arxiv.org/abs/1404.5997; Simonyan, Zisserman, ICLR 2015, table 1,
          column A, https://arxiv.org/abs/1409.1556
"""

from itertools import pairwise

from lamina.hw.workloads._shapes import conv, dense
from lamina.ir.layer import Layer


def one_weird_trick(*, batch: int = 1, bits: int = 32) -> list[Layer]:
    """AlexNet without its second tower, for pictures of 224 x 224."""
    return [
        conv("conv1", 3, 64, 224, 11, stride=4, padding=2, batch=batch, bits=bits),
        conv("conv2", 64, 192, 27, 5, padding=2, batch=batch, bits=bits),
        conv("conv3", 192, 384, 13, 3, padding=1, batch=batch, bits=bits),
        conv("conv4", 384, 256, 13, 3, padding=1, batch=batch, bits=bits),
        conv("conv5", 256, 256, 13, 3, padding=1, batch=batch, bits=bits),
        *_tail(9216, batch, bits),
    ]


def vgg_a(*, batch: int = 1, bits: int = 32) -> list[Layer]:
    """VGG with eight convolutions, for pictures of 224 x 224; a pooling halves the size after each block."""
    layers, channels, size = [], 3, 224
    for block, (filters, count) in enumerate(((64, 1), (128, 1), (256, 2), (512, 2), (512, 2)), start=1):
        for index in range(1, count + 1):
            layers.append(conv(f"conv{block}_{index}", channels, filters, size, 3, padding=1, batch=batch, bits=bits))
            channels = filters
        size //= 2
    return layers + _tail(25088, batch, bits)


def _tail(inputs: int, batch: int, bits: int) -> list[Layer]:
    sizes = (inputs, 4096, 4096, 1000)
    return [dense(i, o, batch=batch, bits=bits, name=f"fc{n}") for n, (i, o) in enumerate(pairwise(sizes), start=6)]
