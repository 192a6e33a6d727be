"""Hopfield network that stores 5 patterns of 100 units and recalls them, 5 steps; left out: one unit at a time.

    W = sum of p p^T / 100, the diagonal 0        s <- 1 where W s > 0, else -1        all units at once

The input is a stored pattern with every tenth unit turned over.
Paper     Hopfield, PNAS 79(8), 1982, https://doi.org/10.1073/pnas.79.8.2554
"""

import numpy as np

from lamina.core.seeds import numpy_generator
from lamina.emulation.cambricon.networks._parts import FORMAT, Parts
from lamina.ir.build import Builder, Value
from lamina.ir.network import Array, Network

PATTERNS, UNITS, STEPS = 5, 100, 5


def patterns(seed: int = 0) -> Array:
    """What is stored: +1 and -1, [5, 100]."""
    return np.asarray(numpy_generator(seed, "patterns").choice([-1.0, 1.0], size=(PATTERNS, UNITS)))


def network(seed: int = 0) -> Network:
    """The network whose weights store `patterns(seed)`."""
    p, stored = Parts(seed=seed), patterns(seed)
    w = p.weights("weight", stored.T @ stored / UNITS * (1 - np.eye(UNITS)))
    zero = p.weights("zero", [0.0])

    def step(inner: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        own = Parts(seed=seed, b=inner)
        return [own.choose("greater", own.times(states[0], w), zero, 1.0, -1.0)], []

    (last,), _ = p.b.scan("hopfield", step, states=[p.input("s", 1, UNITS)], steps=STEPS)
    return p.finish("hopfield", s=last)


def inputs(network: Network, seed: int = 0) -> dict[str, Array]:
    """The first pattern with every tenth unit turned over."""
    noisy = patterns(seed)[0]
    noisy[::10] *= -1
    return {"s": (noisy[None] * 2**FORMAT.fraction_bits).astype(FORMAT.storage)}
