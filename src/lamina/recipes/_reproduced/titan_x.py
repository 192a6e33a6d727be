"""Titan X on EIE's nine fully connected layers (cuBLAS), and on whole networks as libraries' benchmarks timed them."""

from lamina.hw.workloads import alexnet, convnet_benchmarks, vgg16
from lamina.recipes._reproduced import _eie_baselines, _library_benchmarks
from lamina.recipes._reproduced._library_benchmarks import JOHNSON, SOUMITH
from lamina.recipes._reproduction import Reproduction

PRINTED_US = {
    1: (541.5, 243.0, 80.5, 1467.8, 243.0, 80.5, 65.0, 90.1, 51.9),
    64: (19.8, 8.9, 5.9, 53.6, 8.9, 5.9, 3.2, 2.3, 2.5),
}
NETWORKS = (  # of a batch: milliseconds forward, of a training step
    (SOUMITH, "AlexNet in one tower", convnet_benchmarks.one_weird_trick, 128, 27, 81),
    (SOUMITH, "VGG-A", convnet_benchmarks.vgg_a, 64, 162, 529),
    (JOHNSON, "VGG-16", vgg16.vgg16, 16, 76.15, 262.42),
    (JOHNSON, "AlexNet", alexnet.alexnet, 16, 7.02, 23.71),
)


def figures() -> list[Reproduction]:
    """Eighteen times of layers, eight of networks."""
    layers = _eie_baselines.rows(
        "titan_x", "H2", PRINTED_US,
        "the roofline is a bound: cuBLAS got 45 to 83 % of the bandwidth on one vector, 23 to 75 % of the roof on 64",
    )  # fmt: skip
    why = "the roofline is a bound: 16 pictures are too few for the library to fill the card"
    return layers + [f for row in NETWORKS for f in _library_benchmarks.rows("titan_x", *row, why)]
