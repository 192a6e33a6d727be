"""A socket of the TPU paper's Haswell server on its MLP0."""

from lamina.recipes._reproduced._tpu_baselines import rows
from lamina.recipes._reproduction import Reproduction


def figures() -> list[Reproduction]:
    """Two rates."""
    why = "the roofline is a bound: queueing under 7 ms of response time and the library's losses are left out"
    return rows("xeon_e5_2699v3", "H1", {16: 5482, 64: 13194}, why)
