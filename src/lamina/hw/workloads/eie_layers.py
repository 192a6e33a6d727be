"""EIE's nine fully connected layers: AlexNet's and VGG-16's last three, and three of an image captioner (NeuralTalk).

Sizes only, dense; what EIE prunes of them is its machine's matter. 4 to 16 M multiplications a vector but for VGG-6.

Paper     Han et al., "EIE", ISCA 2016, table III, https://doi.org/10.1109/ISCA.2016.30
"""

from lamina.hw.workloads._shapes import dense
from lamina.ir.layer import Layer

SIZES = {
    "alex6": (9216, 4096),
    "alex7": (4096, 4096),
    "alex8": (4096, 1000),
    "vgg6": (25088, 4096),
    "vgg7": (4096, 4096),
    "vgg8": (4096, 1000),
    "nt_we": (4096, 600),
    "nt_wd": (600, 8791),
    "nt_lstm": (1201, 2400),
}


def nine(*, batch: int = 1, bits: int = 32) -> list[Layer]:
    """The nine layers, in the paper's order."""
    return [dense(inputs, outputs, batch=batch, bits=bits, name=name) for name, (inputs, outputs) in SIZES.items()]
