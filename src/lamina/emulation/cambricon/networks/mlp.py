"""Multilayer perceptron 64-150-150-14, sigmoid; left out: training.

x [1, 64] ─▶ 150 ─▶ 150 ─▶ 14        every layer is the paper's first program: MMV, VAV, VEXP, VAS, VDV
"""

from lamina.emulation.cambricon.networks._parts import Parts
from lamina.emulation.cambricon.networks._parts import random_inputs as inputs
from lamina.ir.network import Network

__all__ = ["inputs", "network"]
SIZES = (64, 150, 150, 14)


def network(seed: int = 0) -> Network:
    """The network with weights of `seed`."""
    p = Parts(seed=seed)
    h = p.input("x", 1, SIZES[0])
    for number, size in enumerate(SIZES[1:], start=1):
        h = p.apply("sigmoid", p.layer(f"layer{number}", h, size, gain=2.0))
    return p.finish("mlp", y=h)
