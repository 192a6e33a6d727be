"""The paper's ten networks: on both simulators they equal the interpreter, and their values use the format."""

import importlib
import pkgutil

import numpy as np
import pytest

from lamina.emulation.cambricon import functional, networks, timed
from lamina.emulation.cambricon.compiler import compile_network
from lamina.emulation.cambricon.networks import hopfield, som
from lamina.hw.families.vector_matrix import VectorMatrix
from lamina.ir.interpreter import run_stored, trace

MACHINE = VectorMatrix()
NAMES = [m.name for m in pkgutil.iter_modules(networks.__path__) if not m.name.startswith("_")]


def made(name: str, seed: int = 0):
    module = importlib.import_module(f"{networks.__name__}.{name}")
    network = module.network(seed)
    return network, module.inputs(network, seed)


def test_there_are_ten():
    assert len(NAMES) == 10


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_functional_simulator_gives_the_interpreters_bits(name, seed):
    if name == "lenet5" and seed:
        pytest.skip("a second each: one seed")
    network, inputs = made(name, seed)
    program = compile_network(network, MACHINE)
    left = functional.run(program.program, program.memory(inputs), machine=MACHINE, key=program.key(inputs))
    equal(program.outputs(left.memory), network.run(inputs))


@pytest.mark.parametrize("name", [n for n in NAMES if n != "lenet5"])
def test_timed_simulator_gives_the_interpreters_bits(name):
    network, inputs = made(name)
    program = compile_network(network, MACHINE)
    left = timed.run(program.program, program.memory(inputs), machine=MACHINE, key=program.key(inputs))
    equal(program.outputs(left.memory), network.run(inputs))
    assert left.cycles > left.executed > 10


@pytest.mark.slow
def test_timed_simulator_runs_lenet5():
    network, inputs = made("lenet5")
    program = compile_network(network, MACHINE)
    equal(
        program.outputs(timed.run(program.program, program.memory(inputs), machine=MACHINE).memory), network.run(inputs)
    )


def equal(found, expected):
    assert found.keys() == expected.keys()
    for name, array in found.items():
        assert array.dtype == expected[name].dtype
        np.testing.assert_array_equal(array, expected[name])


@pytest.mark.parametrize("name", NAMES)
def test_values_do_not_saturate(name):
    """Otherwise equal bits would say little: fewer than 1 % of all computed numbers sit at an end of the format."""
    network, inputs = made(name)
    values = trace(network, inputs)
    found = [values[o] for operation in network.operations for o in operation.outputs if values[o].dtype == np.int16]
    numbers = np.concatenate([v.ravel() for v in found]).astype(int)
    assert numbers.size >= 100
    assert (np.abs(numbers) >= 32767).mean() < 0.01
    assert len(np.unique(numbers)) > 2 or name in ("hopfield",)


def test_sizes_are_the_papers():
    assert made("mlp")[0].macs == 64 * 150 + 150 * 150 + 150 * 14
    assert made("autoencoder")[0].macs == 320 * 200 + 200 * 100 + 100 * 50 + 50 * 10
    assert made("boltzmann")[0].macs == 2 * (500 * 500 + 500 * 500)
    assert made("rnn")[0].macs == 10 * (26 * 93 + 93 * 93 + 93 * 61)
    assert made("lstm")[0].macs == 10 * (4 * (26 * 93 + 93 * 93) + 93 * 61)
    assert made("lenet5")[0].macs == 416_520


def test_hopfield_recalls_its_patterns():
    network, inputs = made("hopfield")
    assert (inputs["s"][0] != hopfield.patterns()[0] * 1024).sum() == 10
    np.testing.assert_array_equal(network.run(inputs)["s"][0], hopfield.patterns()[0] * 1024)


def test_the_map_moves_its_winner_most():
    """Against the textbook in floats: the winner of the last step is the nearest neuron, and comes closer."""
    network, inputs = made("som")
    w, x = inputs["w"] / 1024, inputs["x"][:, 0] / 1024
    sheet = np.stack(np.divmod(np.arange(36), 6), axis=1)
    for pattern in x:
        winner = ((w - pattern) ** 2).sum(axis=1).argmin()
        reach = som.RATE * np.exp(-((sheet - sheet[winner]) ** 2).sum(axis=1) / 2)
        w = w + reach[:, None] * (pattern - w)
    np.testing.assert_allclose(network.run(inputs)["w"] / 1024, w, atol=0.005)


def test_draws_follow_the_key():
    network, inputs = made("boltzmann")
    program = compile_network(network, MACHINE)
    runs = [functional.run(program.program, program.memory(inputs), machine=MACHINE, key=k).memory for k in (0, 0, 7)]
    first, again, other = (program.outputs(memory)["h"] for memory in runs)
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.2
    equal({"h": other}, run_stored(network, {**inputs, "key": np.int64(7)}))
