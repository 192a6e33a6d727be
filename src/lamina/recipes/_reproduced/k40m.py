"""Tesla K40 on whole networks as a library's benchmark timed them (the card with a fan, at the same clock)."""

from lamina.hw.workloads import alexnet, vgg16
from lamina.recipes._reproduced import _library_benchmarks
from lamina.recipes._reproduced._library_benchmarks import JOHNSON
from lamina.recipes._reproduction import Reproduction

NETWORKS = (
    (JOHNSON, "VGG-16", vgg16.vgg16, 16, 265.77, 920.21),
    (JOHNSON, "AlexNet", alexnet.alexnet, 16, 18.32, 61.48),
)


def figures() -> list[Reproduction]:
    """Four times."""
    why = "the roofline is a bound: Kepler's 192 lanes share four schedulers, the library got 27 to 44 % of its peak"
    return [f for row in NETWORKS for f in _library_benchmarks.rows("k40m", *row, why)]
