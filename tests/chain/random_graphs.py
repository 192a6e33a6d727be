"""Random integer graphs over every operator with an integer meaning, and inputs for them: `graph(seed)`."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

import tests.chain.graph_moves  # noqa: F401  (adds its steps)
from lamina.core.seeds import numpy_generator
from lamina.ir import Network
from lamina.ir.network import Array
from lamina.ir.types import BOOL, INDEX, Float
from tests.chain.graph_builder import Graph
from tests.chain.graph_steps import STEPS
from tests.networks import random_inputs

OPERATORS = sorted(
    (
        set(STEPS)
        | {"slice", "max_pool2d_switches", "logical_not", "logical_and", "logical_or", "logical_xor", "quantise"}
        | {"conv2d_dilated", "cumulative_sum", "reduce_product", "divide", "remainder", "power", "cast"}
    )
    - {"requantise", "slice_", "embedding", "logical", "plain"}
)


@dataclass(frozen=True, slots=True)
class Made:
    network: Network
    used: Counter[str]  # operators, those in bodies counted once
    inputs: tuple[dict[str, Array], ...]


def graph(seed: int, *, form: str = "power_of_two", bits: tuple[int, int] = (2, 8), steps: int = 8) -> Made:
    """A graph of some `steps` steps on an image or a sequence; every value that nothing reads is an output."""
    rng = numpy_generator(seed, "random graph", form)
    g = Graph(rng, form, bits)
    n = int(rng.integers(1, 3))
    image = [n, *rng.integers((1, 3, 3), (5, 9, 9)).tolist()]
    sequence = [int(rng.integers(2, 6)), n, int(rng.integers(2, 9))]
    g.input("x", image if g.chance(0.65) else sequence)
    names = [*STEPS]
    done = 0
    while done < steps:
        done += STEPS[names[int(rng.integers(len(names)))]](g)
    outputs: dict[str, Any] = {}
    for value in g.values:
        if value.name in g.read and not g.chance(0.1):
            continue
        plain = value.type.element in (BOOL, INDEX)
        name = f"y{len(outputs)}"
        outputs[name] = value if plain else g.builder.emit("dequantise", [value], element=Float(), name=f"{name}.real")
    network = g.builder.network(f"graph{seed}", outputs)
    return Made(network, g.used, tuple(random_inputs(network, rng) for _ in range(2)))


def differing(found: dict[str, Array], wanted: dict[str, Array]) -> tuple[int, int]:
    """How many numbers differ, of how many; raises where a shape does."""
    for name, want in wanted.items():
        assert found[name].shape == want.shape, f"{name} is {found[name].shape}, {want.shape} is wanted"
    count = sum(int(np.size(want)) for want in wanted.values())
    return sum(int((found[name] != want).sum()) for name, want in wanted.items()), count
