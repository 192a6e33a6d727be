"""Self-organising map, 64 inputs, 36 neurons on a 6 x 6 sheet, trained on 4 inputs; left out: a radius that shrinks.

    d[j] = |w[j] - x|^2      winner: the least d      h = H winner      w[j] += h[j] (x - w[j])

H [36, 36] holds the neighbourhood on the sheet times the learning rate. Winners that tie all count.
Shapes    x [4, 1, 64], w [36, 64] in and out, d [4, 36]
Paper     Kohonen, Biological Cybernetics 43, 1982, https://doi.org/10.1007/BF00337288
"""

import numpy as np

from lamina.emulation.cambricon.networks._parts import Parts, random_inputs
from lamina.ir.build import Builder, Value
from lamina.ir.network import Array, Network

INPUTS, SIDE, STEPS = 64, 6, 4
NEURONS = SIDE * SIDE
RATE, RADIUS = 0.5, 1.0


def network(seed: int = 0) -> Network:
    """The network with a neighbourhood of standard deviation `RADIUS`; the weights come in."""
    p = Parts(seed=seed)
    x, w = p.input("x", STEPS, 1, INPUTS), p.input("w", NEURONS, INPUTS)
    near = p.weights("neighbourhood", RATE * np.exp(-_distances() / (2 * RADIUS**2)))

    def step(inner: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        own = Parts(seed=seed, b=inner)
        away = own.subtract(slices[0], states[0])
        squares = own.multiply(away, away)
        d = inner.emit("reduce_sum", [squares], axes=(1,))
        winner = own.choose("equal", d, inner.emit("reduce_min", [d], axes=(0,), keep=True))
        reach = inner.emit("reshape", [own.times(winner, near)], shape=(NEURONS, 1))
        return [own.add(states[0], own.multiply(away, reach))], [d]

    (last,), (d,) = p.b.scan("som", step, states=[w], sequences=[x])
    return p.finish("som", w=last, d=d)


def inputs(network: Network, seed: int = 0) -> dict[str, Array]:
    """Numbers of standard deviation 0.3, so that distances stay below 32."""
    return random_inputs(network, seed, deviation=0.3)


def _distances() -> Array:
    """Squares of the distances between neurons on the sheet, [36, 36]."""
    places = np.stack(np.divmod(np.arange(NEURONS), SIDE), axis=1)
    return np.asarray(((places[:, None] - places[None]) ** 2).sum(axis=2))
