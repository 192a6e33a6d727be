"""The ten layers that DianNao was measured on: convolutions, poolings, classifiers of five recognition networks.

    CONV1 POOL1 CLASS1   street scene parsing       CONV3 POOL3 CLASS3   traffic signs
    CONV2*               faces in videos            CONV4                house numbers
    CONV5* POOL5         the ImageNet winner of 2012

A star: private kernels, every output pixel has weights of its own. Convolutions are valid (no padding), stride 1;
poolings have the window as stride; no layer has a bias. The sizes are recalled from the paper's table 1, unverified.

Paper     Chen et al., "DianNao", ASPLOS 2014, table 1, https://doi.org/10.1145/2541940.2541967
"""

from lamina.hw.workloads._private import private
from lamina.hw.workloads._shapes import conv, dense, pool
from lamina.ir.layer import Layer


def diannao_layers(*, bits: int = 16) -> list[Layer]:
    """The ten, in the order of the paper; sizes are (height, width)."""
    return [
        conv("CONV1", 32, 48, (375, 500), 9, bits=bits, bias=False),
        pool("POOL1", 12, (367, 492), 2, bits=bits),
        dense(960, 20, bits=bits, name="CLASS1"),
        private("CONV2*", 8, 8, (200, 200), (18, 18), bits=bits),
        conv("CONV3", 108, 200, 32, 4, bits=bits, bias=False),
        pool("POOL3", 100, 32, 4, bits=bits),
        dense(200, 100, bits=bits, name="CLASS3"),
        conv("CONV4", 16, 512, 32, 7, bits=bits, bias=False),
        private("CONV5*", 256, 384, (256, 256), (11, 11), bits=bits),
        pool("POOL5", 256, 256, 2, bits=bits),
    ]


def with_shared_kernels(*, bits: int = 16) -> list[Layer]:
    """The ten with CONV2 and CONV5 as ordinary convolutions: the same multiplications, far fewer weights."""
    shared = {
        "CONV2*": conv("CONV2", 8, 8, 200, 18, bits=bits, bias=False),
        "CONV5*": conv("CONV5", 256, 384, 256, 11, bits=bits, bias=False),
    }
    return [shared.get(layer.name, layer) for layer in diannao_layers(bits=bits)]
