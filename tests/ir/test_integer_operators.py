"""The integer meaning of every operator equals `tests/ir/brute.py`, value by value through random networks."""

import numpy as np
import pytest
from hypothesis import given, settings

from lamina.core.seeds import numpy_generator
from lamina.ir import Network
from lamina.ir.fixed import MOVE, MULTIPLY, ROUND
from lamina.ir.interpreter import trace
from lamina.ir.transform import integer_core
from tests.ir import brute
from tests.networks import SEEDS, fixed_network, integer_network, random_inputs, tie_rich_network

FLOAT_ONLY = {"softmax", "log_softmax", "tanh", "sigmoid"}


def _equal_to_brute_force(network: Network, seed: int) -> None:
    found = trace(network, random_inputs(network, numpy_generator(seed, "inputs")))
    for operation in network.operations:
        if operation.operator not in FLOAT_ONLY:
            expected = brute.run(network, operation, found)
            np.testing.assert_array_equal(found[operation.name], expected, err_msg=str(operation))
            assert found[operation.name].dtype == expected.dtype


@pytest.mark.parametrize("rounding", ["power_of_two", "float"])
@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_integer_networks(rounding: str, seed: int) -> None:
    _equal_to_brute_force(integer_network(seed, rounding=rounding), seed)


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS)
def test_fixed_point_networks(seed: int) -> None:
    _equal_to_brute_force(fixed_network(seed), seed)


@pytest.mark.parametrize("rounding", ["power_of_two", "float"])
def test_the_tie_rich_network(rounding: str) -> None:
    _equal_to_brute_force(tie_rich_network(rounding), 3)


def test_the_random_networks_reach_every_integer_operator() -> None:
    networks = [integer_network(seed) for seed in range(150)] + [fixed_network(seed) for seed in range(50)]
    reached = {operation.operator for network in networks for operation in network.operations}
    coded = {"quantise", "dequantise", "lookup", "piecewise_linear", "softmax", "log_softmax"}
    assert reached == coded | {*MULTIPLY, *ROUND, *MOVE}


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_the_integer_core_computes_the_integers_between_the_borders(seed: int) -> None:
    network = integer_network(seed, softmax=False)
    values = trace(network, random_inputs(network, numpy_generator(seed, "inputs")))
    core = integer_core(network)
    assert not {o.operator for o in core.operations} & {"quantise", "dequantise"}
    stored = {name: values[operation.name] for name in network.inputs for operation in network.consumers(name)}
    last = network.producer(network.outputs["y"])
    assert last is not None
    np.testing.assert_array_equal(core.run(stored)["y"], values[last.inputs[0]])
