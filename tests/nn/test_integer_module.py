"""The torch link of the chain: over 300 random integer graphs every stored number equals the interpreter's."""

from collections import Counter

import numpy as np
import pytest
import torch

from lamina.core.errors import BadInput
from lamina.core.seeds import numpy_generator
from lamina.ir import Float, Integer, Network, integers
from lamina.ir.interpreter import trace
from lamina.nn.network import NetworkModule, integer_module
from lamina.nn.network_rules import _exact
from tests.export.operator_cases import CASES, network
from tests.networks import fixed_network, float_network, integer_network, random_inputs, tie_rich_network
from tests.rounding import round_half_away_from_zero

# operators that compute on integers, and some that move them, for graphs of several at once
MANY = [
    "conv2d", "linear", "conv_transpose2d", "matmul", "add", "subtract", "multiply", "average_pool2d", "max_pool2d",
    "reduce_mean", "reduce_sum", "concatenate", "relu", "clip", "lookup", "piecewise_linear", "negate", "absolute",
    "minimum", "where", "scatter_elements", "reduce_max", "top_k", "max_unpool2d", "quantise", "dequantise",
]  # fmt: skip


def equal_integers(made: Network, inputs: dict[str, np.ndarray], module: NetworkModule | None = None) -> int:
    """How many integers were compared; fails where one differs."""
    found, wanted, compared = (module or integer_module(made)).trace(inputs), trace(made, inputs), 0
    for operation in made.operations:
        for name, type_ in operation.outputs.items():
            if not isinstance(type_.element, Float):
                np.testing.assert_array_equal(found[name], wanted[name], err_msg=f"{made.name}: {operation}")
                compared += wanted[name].size
    return compared


@pytest.mark.parametrize("rounding", ["power_of_two", "float"])
def test_random_integer_networks(rounding: str) -> None:
    compared = 0
    for seed in range(110):
        made = integer_network(seed, rounding=rounding)
        compared += equal_integers(made, random_inputs(made, numpy_generator(seed, "inputs")))
    assert compared > 25_000


def test_random_fixed_point_networks() -> None:
    compared = 0
    for seed in range(60):
        made = fixed_network(seed)
        compared += equal_integers(made, random_inputs(made, numpy_generator(seed, "inputs")))
    assert compared > 15_000


def test_random_networks_of_every_integer_operator() -> None:
    reached: Counter[str] = Counter()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        chosen = [name for name in CASES if name in MANY and rng.random() < 0.5]
        made, drawn = network(f"some{seed}", chosen, rng, times=2)
        inputs = {name: operand.draw(rng) for name, operand in drawn.items()}
        equal_integers(made, inputs, NetworkModule(made))  # some of its operators have float weights
        reached.update(o.operator for o in made.operations if not _float(made, o.inputs[0]))
    assert not set(MANY) - {"quantise"} - set(reached)


def _float(made: Network, value: str) -> bool:
    return isinstance(made.types[value].element, Float)


def test_ties() -> None:
    """Most roundings of this network meet exact halves; with another rounding it would differ."""
    for rounding in ("power_of_two", "float"):
        made = tie_rich_network(rounding, batch=4)
        inputs = random_inputs(made, numpy_generator(1, "inputs"))
        assert equal_integers(made, inputs) > 1000
        with pytest.MonkeyPatch.context() as patch:
            round_half_away_from_zero(patch)
            with pytest.raises(AssertionError):
                equal_integers(made, inputs)


def test_sums_beyond_float64_are_rounded_as_the_definition_rounds_them() -> None:
    """On int64, where float64 would lose bits; a third of the sums are exact ties."""
    rng = np.random.default_rng(0)
    sums = rng.integers(-(2**60), 2**60, 3000) | 1
    sums[::3] = (sums[::3] >> 12 << 12) + 2**11
    x, w, y = Integer(bits=32, scale=(2.0**-9,)), Integer(scale=(2.0**-3,)), Integer(bits=63, scale=(1.0,))
    for rounding in ("power_of_two", "truncate"):
        wanted = integers.requantise(sums, x, w, y, rounding)
        assert np.array_equal(_exact.requantise(torch.from_numpy(sums), x, w, y, rounding).numpy(), wanted)
        wanted = integers.rescale(sums, x, y, rounding, divisor=8)
        found = _exact.rescale(torch.from_numpy(sums), x, y, rounding, most=2**60, divisor=8)
        assert np.array_equal(found.numpy(), wanted)


def test_any_batch() -> None:
    made = integer_network(5)
    inputs = random_inputs(made, numpy_generator(2, "inputs"), batch=7)
    np.testing.assert_array_equal(integer_module(made).trace(inputs)["x"], inputs["x"])
    assert {**integer_module(made).trace(inputs)}[made.outputs["y"]].shape[0] == 7


def test_float_weights_are_refused() -> None:
    made = next(n for n in map(float_network, range(20)) if n.weights)
    with pytest.raises(BadInput, match="has float weights: quantise it"):
        integer_module(made)
