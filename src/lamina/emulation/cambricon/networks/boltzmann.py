"""Boltzmann machine, 500 visible and 500 hidden units; left out: training, temperature.

    h = 1 where sigmoid(W v + L h + b) > r, else 0        r uniform, drawn anew; v clamped, hidden units see one another

Two sweeps over all hidden units at once (so does the paper's program for one layer: two MMV, VAV, sigmoid, RV, VGT).
W and L are 500 KB each: they do not fit the matrix scratchpad together, and are loaded for each product.
"""

from lamina.emulation.cambricon.networks._parts import Parts
from lamina.emulation.cambricon.networks._parts import random_inputs as inputs
from lamina.ir.network import Network

__all__ = ["inputs", "network"]
VISIBLE, HIDDEN, SWEEPS = 500, 500, 2


def network(seed: int = 0) -> Network:
    """The network with weights of `seed`."""
    p = Parts(seed=seed)
    v, h = p.input("v", 1, VISIBLE), p.input("h", 1, HIDDEN)
    w, lateral = p.normal("weight", HIDDEN, VISIBLE), p.normal("lateral", HIDDEN, HIDDEN)
    bias = p.normal("bias", HIDDEN)
    for _ in range(SWEEPS):
        odds = p.apply("sigmoid", p.add(p.add(p.times(v, w), p.times(h, lateral)), bias))
        h = p.choose("greater", odds, p.drawn((1, HIDDEN)))
    return p.finish("boltzmann", h=h)
