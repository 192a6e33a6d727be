"""Restricted Boltzmann machine, 500 and 500 units, one step of contrastive divergence; left out: the weights' update.

    h = sigmoid(W v + b) > r      v' = sigmoid(W^T h + a) > r      h' = sigmoid(W v' + b) > r      r drawn anew

The same W serves both directions: MMV reads it by rows, VMM by columns.
Paper     Hinton, Neural Computation 14(8), 2002, https://doi.org/10.1162/089976602760128018
"""

from lamina.emulation.cambricon.networks._parts import PRODUCT, Parts
from lamina.emulation.cambricon.networks._parts import random_inputs as inputs
from lamina.ir.build import Value
from lamina.ir.network import Network

__all__ = ["inputs", "network"]
VISIBLE, HIDDEN = 500, 500


def network(seed: int = 0) -> Network:
    """The network with weights of `seed`."""
    p = Parts(seed=seed)
    v = p.input("v", 1, VISIBLE)
    w = p.normal("weight", HIDDEN, VISIBLE)
    visible, hidden = p.normal("visible.bias", VISIBLE), p.normal("hidden.bias", HIDDEN)

    def sample(sums: Value, bias: Value, size: int) -> Value:
        return p.choose("greater", p.apply("sigmoid", p.add(sums, bias)), p.drawn((1, size)))

    up = {name: PRODUCT[name] for name in ("rounding", "accumulator")}
    h = sample(p.times(v, w), hidden, HIDDEN)
    back = sample(p.b.emit("matmul", [h, w], **up), visible, VISIBLE)
    return p.finish("rbm", h=h, v=back, h_again=sample(p.times(back, w), hidden, HIDDEN))
