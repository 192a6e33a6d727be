"""Sparse autoencoder 320-200-100-50-10; left out: the sparsity penalty of training, of which a threshold remains.

    h = sigmoid(W x + b),   h = h where h > 0.5, else 0

The paper does not print the forward pass: assumed, since for a code to be sparse, units barely on have to be off.
"""

from lamina.emulation.cambricon.networks._parts import Parts
from lamina.emulation.cambricon.networks._parts import random_inputs as inputs
from lamina.ir.network import Network

__all__ = ["inputs", "network"]
SIZES = (320, 200, 100, 50, 10)
THRESHOLD = 0.5


def network(seed: int = 0) -> Network:
    """The network with weights of `seed`."""
    p = Parts(seed=seed)
    h = p.input("x", 1, SIZES[0])
    threshold = p.weights("threshold", [THRESHOLD])
    for number, size in enumerate(SIZES[1:], start=1):
        h = p.apply("sigmoid", p.layer(f"layer{number}", h, size, gain=2.0))
        h = p.multiply(h, p.choose("greater", h, threshold))
    return p.finish("sparse_autoencoder", y=h)
