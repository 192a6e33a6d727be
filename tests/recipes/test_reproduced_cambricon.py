"""Cambricon's published figures beside ours: the programs to the instruction, the rest with its reason."""

import pytest

from lamina.emulation.cambricon.functional import run as run_plain
from lamina.emulation.cambricon.timed import run
from lamina.hw import registry
from lamina.recipes._reproduced import cambricon
from lamina.recipes._reproduction import Reproduction


@pytest.fixture(scope="module")
def figures() -> dict[str, Reproduction]:
    return {f.name: f for f in cambricon.figures()}


def test_every_figure_is_within_15_percent_or_says_why(figures):
    for figure in figures.values():
        assert figure.row == "H10"
        assert figure.within or figure.reason
        assert figure.published > 0
        assert figure.ours > 0


@pytest.mark.parametrize(
    ("name", "ours"),
    [("instructions", 43), ("perceptron_program", 9), ("boltzmann_program", 15), ("pooling_program", 12)],
)
def test_instructions_are_counted(figures, name, ours):
    """One more than printed for the bias, which the printed fragments take to be in the scratchpad."""
    assert figures[name].ours == ours


def test_instructions_cost_a_perceptron_nothing_and_a_convolution_twice_its_time(figures):
    assert figures["latency_overhead"].ours == pytest.approx(1.31, abs=0.02)
    machine = registry.find("cambricon_like").parameters
    for name, least, most in (("mlp", 1.0, 1.02), ("rbm", 1.0, 1.02), ("lenet5", 2, 3)):
        told = [x for x in cambricon.ten()[name] if cambricon.programs.program(x, machine) is not None]
        assert len(told) >= 2
        ratio = sum(cambricon.cycles(x, machine) for x in told) / sum(map(cambricon.ideal_cycles, told))
        assert least <= ratio <= most


def test_the_printed_fragments_run():
    """Compiled as they are counted: both simulators leave the same memory."""
    machine = registry.find("cambricon_like").parameters
    for network in (cambricon.perceptron(), cambricon.pooling(), cambricon.boltzmann()):
        made = cambricon.compile_network(network, machine)
        assert (
            run(made.program, made.image, machine=machine).memory
            == run_plain(made.program, made.image, machine=machine).memory
        ).all()
