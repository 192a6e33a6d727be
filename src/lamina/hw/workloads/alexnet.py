"""AlexNet's five convolutions in their two towers: conv2, conv4 and conv5 see the channels of their own tower only.

666 M multiply-accumulates a picture of 227 x 227; with the three fully connected layers 724 M and 61.0 M parameters.

Paper     Krizhevsky, Sutskever, Hinton, NIPS 2012, section 3.5
"""

from itertools import pairwise

from lamina.hw.workloads._shapes import conv, dense
from lamina.ir.layer import Layer


def convolutions(*, batch: int = 1, bits: int = 16) -> list[Layer]:
    """conv1 to conv5."""
    return [
        conv("conv1", 3, 96, 227, 11, stride=4, batch=batch, bits=bits),
        conv("conv2", 96, 256, 27, 5, padding=2, groups=2, batch=batch, bits=bits),
        conv("conv3", 256, 384, 13, 3, padding=1, batch=batch, bits=bits),
        conv("conv4", 384, 384, 13, 3, padding=1, groups=2, batch=batch, bits=bits),
        conv("conv5", 384, 256, 13, 3, padding=1, groups=2, batch=batch, bits=bits),
    ]


def fully_connected(*, batch: int = 1, bits: int = 16) -> list[Layer]:
    """fc6 to fc8."""
    sizes = (9216, 4096, 4096, 1000)
    return [dense(i, o, batch=batch, bits=bits, name=f"fc{n}") for n, (i, o) in enumerate(pairwise(sizes), start=6)]


def alexnet(*, batch: int = 1, bits: int = 16) -> list[Layer]:
    """The layers that multiply."""
    return convolutions(batch=batch, bits=bits) + fully_connected(batch=batch, bits=bits)


def tower(*, batch: int = 1, bits: int = 16) -> list[Layer]:
    """conv1 to conv5 of one of the two towers; conv3 sees the channels of both."""
    return [
        conv("conv1", 3, 48, 227, 11, stride=4, batch=batch, bits=bits),
        conv("conv2", 48, 128, 27, 5, padding=2, batch=batch, bits=bits),
        conv("conv3", 256, 192, 13, 3, padding=1, batch=batch, bits=bits),
        conv("conv4", 192, 192, 13, 3, padding=1, batch=batch, bits=bits),
        conv("conv5", 192, 128, 13, 3, padding=1, batch=batch, bits=bits),
    ]
