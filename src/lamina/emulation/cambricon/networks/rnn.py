"""Recurrent network 26-93-61, tanh, over 10 steps; left out: training.

    h[t] = tanh(W x[t] + U h[t-1] + b),   y[t] = sigmoid(V h[t] + c)        x [10, 1, 26], h [1, 93], y [10, 1, 61]

The paper prints sizes (frames of speech to phonemes), not the number of steps: 10 is assumed.
"""

from lamina.emulation.cambricon.networks._parts import Parts
from lamina.emulation.cambricon.networks._parts import random_inputs as inputs
from lamina.ir.build import Builder, Value
from lamina.ir.network import Network

__all__ = ["inputs", "network"]
INPUTS, HIDDEN, OUTPUTS, STEPS = 26, 93, 61, 10


def network(seed: int = 0) -> Network:
    """The network with weights of `seed`."""
    p = Parts(seed=seed)
    x = p.input("x", STEPS, 1, INPUTS)
    w, u, v = (
        p.normal("input.weight", HIDDEN, INPUTS),
        p.normal("hidden.weight", HIDDEN, HIDDEN),
        p.normal("output.weight", OUTPUTS, HIDDEN, gain=2.0),
    )
    b, c = p.normal("hidden.bias", HIDDEN), p.normal("output.bias", OUTPUTS)

    def step(inner: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        own = Parts(seed=seed, b=inner, tables=p.tables)
        h = own.apply("tanh", own.add(own.add(own.times(slices[0], w), own.times(states[0], u)), b))
        return [h], [own.apply("sigmoid", own.add(own.times(h, v), c))]

    start = p.input("h", 1, HIDDEN)
    (last,), (y,) = p.b.scan("rnn", step, states=[start], sequences=[x])
    return p.finish("rnn", y=y, last=last)
