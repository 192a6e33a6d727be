"""LSTM 26-93-61 over 10 steps; left out: training and peepholes.

    i, f, o = sigmoid(W x[t] + U h[t-1] + b)      g = tanh(W x[t] + U h[t-1] + b)      each gate its own W, U, b
    c[t] = f c[t-1] + i g      h[t] = o tanh(c[t])      y[t] = sigmoid(V h[t] + d)

Shapes    x [10, 1, 26], h and c [1, 93], y [10, 1, 61]; the paper does not print the number of steps: 10 is assumed
Paper     Hochreiter and Schmidhuber, Neural Computation 9(8), 1997, https://doi.org/10.1162/neco.1997.9.8.1735
"""

from lamina.emulation.cambricon.networks._parts import Parts
from lamina.emulation.cambricon.networks._parts import random_inputs as inputs
from lamina.ir.build import Builder, Value
from lamina.ir.network import Network

__all__ = ["inputs", "network"]
INPUTS, HIDDEN, OUTPUTS, STEPS = 26, 93, 61, 10
GATES = {"input": "sigmoid", "forget": "sigmoid", "output": "sigmoid", "cell": "tanh"}


def network(seed: int = 0) -> Network:
    """The network with weights of `seed`."""
    p = Parts(seed=seed)
    x = p.input("x", STEPS, 1, INPUTS)
    gates = [
        (
            function,
            p.normal(f"{name}.weight", HIDDEN, INPUTS),
            p.normal(f"{name}.recurrent", HIDDEN, HIDDEN),
            p.normal(f"{name}.bias", HIDDEN),
        )
        for name, function in GATES.items()
    ]
    v, d = p.normal("y.weight", OUTPUTS, HIDDEN, gain=2.0), p.normal("y.bias", OUTPUTS)

    def step(inner: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        own = Parts(seed=seed, b=inner, tables=p.tables)
        h, c = states
        i, f, o, g = (
            own.apply(function, own.add(own.add(own.times(slices[0], w), own.times(h, u)), b))
            for function, w, u, b in gates
        )
        c = own.add(own.multiply(f, c), own.multiply(i, g))
        h = own.multiply(o, own.apply("tanh", c))
        return [h, c], [own.apply("sigmoid", own.add(own.times(h, v), d))]

    start = [p.input("h", 1, HIDDEN), p.input("c", 1, HIDDEN)]
    (h, c), (y,) = p.b.scan("lstm", step, states=start, sequences=[x])
    return p.finish("lstm", y=y, h=h, c=c)
