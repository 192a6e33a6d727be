"""A die of the Tesla K80 on the TPU paper's MLP0."""

from lamina.recipes._reproduced._tpu_baselines import rows
from lamina.recipes._reproduction import Reproduction


def figures() -> list[Reproduction]:
    """Two rates."""
    why = "the roofline is a bound: queueing under a response time of 7 ms, kernels' starts and the host are left out"
    return rows("k80_die", "H2", {16: 13461, 64: 36465}, why)
