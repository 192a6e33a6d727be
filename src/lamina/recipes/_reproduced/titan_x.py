"""Titan X on EIE's nine fully connected layers (cuBLAS), and on whole networks as libraries' benchmarks timed them."""

from lamina.hw.workloads import alexnet, convnet_benchmarks, vgg16
from lamina.recipes._reproduced import _eie_baselines, _library_benchmarks
from lamina.recipes._reproduced._library_benchmarks import JOHNSON, SOUMITH, Timed
from lamina.recipes._reproduction import Reproduction

PRINTED_US = {
    1: (541.5, 243.0, 80.5, 1467.8, 243.0, 80.5, 65.0, 90.1, 51.9),
    64: (19.8, 8.9, 5.9, 53.6, 8.9, 5.9, 3.2, 2.3, 2.5),
}
NETWORKS = (  # of a batch: milliseconds forward, of a training step
    Timed(
        source=SOUMITH,
        title="AlexNet in one tower",
        network=convnet_benchmarks.one_weird_trick,
        batch=128,
        forward_ms=27,
        step_ms=81,
    ),
    Timed(source=SOUMITH, title="VGG-A", network=convnet_benchmarks.vgg_a, batch=64, forward_ms=162, step_ms=529),
    Timed(source=JOHNSON, title="VGG-16", network=vgg16.vgg16, batch=16, forward_ms=76.15, step_ms=262.42),
    Timed(source=JOHNSON, title="AlexNet", network=alexnet.alexnet, batch=16, forward_ms=7.02, step_ms=23.71),
)


def figures() -> list[Reproduction]:
    """Eighteen times of layers, eight of networks."""
    layers = _eie_baselines.rows(
        "titan_x", "H2", PRINTED_US,
        "the roofline is a bound: cuBLAS got 45 to 83 % of the bandwidth on one vector, 23 to 75 % of the roof on 64",
    )  # fmt: skip
    why = "the roofline is a bound: 16 pictures are too few for the library to fill the card"
    return layers + [f for timed in NETWORKS for f in _library_benchmarks.rows("titan_x", timed, why)]
