"""Loop nests against counting: every multiplication is counted, and LeNet-5's figures are worked out by hand."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings

from lamina.ir import Layer, Network, dense
from lamina.ir.check import site
from lamina.ir.operators import TABLE
from tests.networks import SEEDS, fixed_network, float_network, integer_network, lenet5


def counted(network: Network) -> dict[str, int]:
    """Products of each multiplying operation, one by one, those with padding included."""
    found = {}
    for operation in network.operations:
        if operation.operator in ("conv2d", "linear"):
            y, w = operation.outputs[operation.name].shape, network.types[operation.inputs[1]].shape
            found[operation.name] = sum(1 for _ in product(*map(range, y)) for _ in product(*map(range, w[1:])))
    return found


@settings(max_examples=80, deadline=None)
@given(seed=SEEDS)
def test_macs_are_counted_products(seed: int) -> None:
    for network in (float_network(seed), integer_network(seed)):
        layers = network.layers()
        count = counted(network)
        assert {layer.name: layer.macs for layer in layers if layer.macs} == count
        assert network.macs == sum(count.values())


@settings(max_examples=80, deadline=None)
@given(seed=SEEDS)
def test_layers_say_what_their_operations_move(seed: int) -> None:
    for network in (float_network(seed), integer_network(seed, rounding="float"), fixed_network(seed)):
        layers = {layer.name: layer for layer in network.layers()}
        views = {o.name for o in network.operations if TABLE[o.operator].nest is None}
        assert {*layers} | views == {o.name for o in network.operations}
        for operation in network.operations:
            if operation.name in views:
                continue
            layer, where = layers[operation.name], site(operation, network.types)
            assert layer.outputs == where.outputs[0].size
            assert layer.output_bits == where.outputs[0].bits
            assert layer.input_bits == where.inputs[0].bits
            if operation.operator in ("conv2d", "linear", "max_pool2d", "average_pool2d"):
                assert layer.inputs == where.inputs[0].size
            if operation.operator in ("conv2d", "linear"):
                data = network.data(operation.inputs[1])
                assert layer.weights == data.size
                assert layer.weight_bits == where.inputs[1].bits
                assert layer.density == np.count_nonzero(data) / data.size
                assert layer.biases == (where.inputs[2].size if len(where.inputs) > 2 else 0)
                assert layer.ops == 0
            else:
                assert layer.macs == layer.weights == layer.biases == 0
                assert layer.ops >= where.outputs[0].size


def test_lenet5_by_hand() -> None:
    network = lenet5()
    macs = {layer.name: layer.macs for layer in network.layers() if layer.macs}
    assert [*macs.values()] == [
        6 * 28 * 28 * 25,  # C1: 117,600
        16 * 10 * 10 * 6 * 25,  # C3, dense: 240,000
        120 * 400,
        84 * 120,
        10 * 84,
    ]
    assert network.macs == 416_520
    assert network.parameters == 6 * 26 + 16 * 151 + 120 * 401 + 84 * 121 + 10 * 85 == 61_706
    pools = [layer for layer in network.layers() if layer.operator == "average_pool2d"]
    assert [layer.ops for layer in pools] == [6 * 14 * 14 * 4, 16 * 5 * 5 * 4]


def test_tables_are_no_parameters() -> None:
    for seed in range(30):
        for network in (integer_network(seed), fixed_network(seed)):
            weights = [n for o in network.operations if o.operator in ("conv2d", "linear") for n in o.inputs[1:]]
            assert network.parameters == sum(network.types[name].size for name in weights)


def test_the_input_size_of_a_layer_alone() -> None:
    alone = Layer(p=3, q=4, r=3, s=3, stride=(2, 1), padding=(1, 1, 0, 1), dilation=(1, 2))
    assert alone.input_size == (2 * 2 + 3 - 2, 3 + 5 - 1)
    assert Layer(p=3, q=3, r=3, s=3, stride=(2, 2), height=8, width=7).input_size == (8, 7)


@pytest.mark.parametrize(("inputs", "outputs", "batch"), [(400, 120, 1), (7, 3, 5)])
def test_dense(inputs: int, outputs: int, batch: int) -> None:
    layer = dense(inputs, outputs, batch=batch, bits=16)
    assert layer.macs == inputs * outputs * batch
    assert (layer.inputs, layer.outputs, layer.weight_bytes) == (inputs * batch, outputs * batch, 2 * inputs * outputs)
