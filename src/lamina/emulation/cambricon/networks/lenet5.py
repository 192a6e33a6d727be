"""LeNet-5 as in 1998, tanh and averages; left out: the connection table of its second convolution.

    x [1, 1, 28, 28] ─conv 5x5, pad 2─▶ 6@28x28 ─average─▶ 6@14x14
                     ─conv 5x5─▶ 16@10x10 ─average─▶ 16@5x5 ─▶ 120 ─▶ 84 ─▶ 10

The same sizes as `lamina.models.lenet5`, whose trained weights run on the machine with `lamina emulate`.
"""

from lamina.emulation.cambricon.networks._parts import PRODUCT, Parts
from lamina.emulation.cambricon.networks._parts import random_inputs as inputs
from lamina.ir.build import Value
from lamina.ir.network import Network

__all__ = ["inputs", "network"]


def network(seed: int = 0) -> Network:
    """The network with weights of `seed`."""
    p = Parts(seed=seed)
    h = p.input("x", 1, 1, 28, 28)
    for name, maps, padding in (("conv1", 6, 2), ("conv2", 16, 0)):
        h = p.apply("tanh", _convolution(p, name, h, maps, padding))
        h = p.b.emit("average_pool2d", [h], kernel=(2, 2), stride=(2, 2))
    h = p.b.emit("flatten", [h])
    for name, size in (("fc1", 120), ("fc2", 84)):
        h = p.apply("tanh", p.layer(name, h, size, gain=1.5))
    return p.finish("lenet5", y=p.layer("fc3", h, 10))


def _convolution(p: Parts, name: str, x: Value, maps: int, padding: int) -> Value:
    """5 x 5 and a bias for every map."""
    kernel = p.normal(f"{name}.weight", maps, x.shape[1], 5, 5, gain=1.5)
    sums = p.b.emit("conv2d", [x, kernel], padding=(padding,) * 4, **PRODUCT)
    return p.add(sums, p.normal(f"{name}.bias", maps, 1, 1))
