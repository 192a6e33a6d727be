"""AlexNet's and VGG-16's convolutions as Eyeriss was measured on them, with the share of zeros that its inputs had.

A layer's results are taken to have the zeros of the next layer's inputs (a pooling between the two leaves fewer; the
paper tells those of inputs only), the last one's those of its own inputs. AlexNet: measured, pictures of ImageNet.
VGG-16: not told here, so every layer but the first has the mean of AlexNet's, 57.5 %: assumed.

Paper     Chen et al., JSSC 2017, table V, https://doi.org/10.1109/JSSC.2016.2616357
"""

from collections.abc import Sequence
from dataclasses import replace

from lamina.hw.workloads import alexnet, vgg16
from lamina.ir.layer import Layer

ALEXNET_ZEROS = (0.0001, 0.387, 0.725, 0.793, 0.776)
MEAN_ZEROS = 0.575  # over AlexNet's five, table V
FIRST = 1.0  # density of a picture: the first layer's input is not compressed


def eyeriss_layers(*, batch: int = 4) -> list[Layer]:
    """conv1 to conv5 of AlexNet."""
    return _with_zeros(alexnet.convolutions(batch=batch), ALEXNET_ZEROS)


def vgg16_layers(*, batch: int = 3) -> list[Layer]:
    """The thirteen convolutions of VGG-16."""
    layers = vgg16.convolutions(batch=batch)
    return _with_zeros(layers, [0.0, *[MEAN_ZEROS] * (len(layers) - 1)])


def _with_zeros(layers: Sequence[Layer], zeros: Sequence[float]) -> list[Layer]:
    densities = [FIRST, *(1 - share for share in zeros[1:])]
    after = [*densities[1:], densities[-1]]
    return [
        replace(layer, input_density=before, output_density=behind)
        for layer, before, behind in zip(layers, densities, after, strict=True)
    ]
