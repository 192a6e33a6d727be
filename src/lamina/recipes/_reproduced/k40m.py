"""Tesla K40 on whole networks as a library's benchmark timed them (the card with a fan, at the same clock)."""

from lamina.hw.workloads import alexnet, vgg16
from lamina.recipes._reproduced import _library_benchmarks
from lamina.recipes._reproduced._library_benchmarks import JOHNSON, Timed
from lamina.recipes._reproduction import Reproduction

NETWORKS = (
    Timed(source=JOHNSON, title="VGG-16", network=vgg16.vgg16, batch=16, forward_ms=265.77, step_ms=920.21),
    Timed(source=JOHNSON, title="AlexNet", network=alexnet.alexnet, batch=16, forward_ms=18.32, step_ms=61.48),
)


def figures() -> list[Reproduction]:
    """Four times."""
    why = "the roofline is a bound: Kepler's 192 lanes share four schedulers, the library got 27 to 44 % of its peak"
    return [f for timed in NETWORKS for f in _library_benchmarks.rows("k40m", timed, why)]
