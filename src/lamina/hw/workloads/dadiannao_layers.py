"""The layers that DaDianNao was measured on: the largest known in 2014, up to 1.3 GB of synapses.

    CLASS1 CONV1 POOL1 LRN1 LRN2   ImageNet networks      CONV3* CONV4*   private kernels, a weight set per pixel
    CONV2 POOL2                    street scene parsing

A normalisation (LRN) over five channels takes 13 operations a number, as the operator `lrn` counts. Sizes are recalled
from the paper's table 1, unverified; the bytes printed there (12.5, 22.69, 0.24 MB, 1.29, 1.32 GB, binary) agree with
16-bit weights of these sizes.

Paper     Chen et al., "DaDianNao", MICRO 2014, table 1, https://doi.org/10.1109/MICRO.2014.58
"""

from lamina.hw.workloads._private import private
from lamina.hw.workloads._shapes import conv, dense, pool
from lamina.ir.layer import Layer

LRN_OPS = 3 + 2 * 5  # a square and an addition for each of five neighbours; scaling, power, product


def dadiannao_layers(*, bits: int = 16) -> list[Layer]:
    """The nine, in the order of the paper; sizes are (height, width)."""
    return [
        dense(2560, 2560, bits=bits, name="CLASS1"),
        conv("CONV1", 256, 384, 256, 11, bits=bits, bias=False),
        pool("POOL1", 256, 256, 2, bits=bits),
        _normalisation("LRN1", 96, 55, bits=bits),
        _normalisation("LRN2", 256, 27, bits=bits),
        conv("CONV2", 32, 48, (375, 500), 9, bits=bits, bias=False),
        pool("POOL2", 12, (367, 492), 2, bits=bits),
        private("CONV3*", 8, 8, (200, 200), (18, 18), bits=bits),
        private("CONV4*", 3, 18, (200, 200), (20, 20), bits=bits),
    ]


def _normalisation(name: str, channels: int, size: int, *, bits: int) -> Layer:
    """Local response normalisation over five neighbouring channels of a square map."""
    return Layer(
        name=name,
        operator="lrn",
        groups=channels,
        p=size,
        q=size,
        has_weights=False,
        ops=LRN_OPS * channels * size * size,
        input_bits=bits,
        output_bits=bits,
    )
