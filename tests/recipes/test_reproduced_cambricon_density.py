"""Code density: the stored lengths belong to today's networks and compilers, the ratios are ours over the programs'."""

import shutil

import pytest

from lamina.emulation.cambricon.networks import hopfield, mlp, rnn
from lamina.recipes._reproduced import cambricon_density
from lamina.recipes._reproduction import geometric_mean
from tests.house.tool import load
from tests.requirements import need

LENGTHS = {  # instructions of our programs
    "autoencoder": 46,
    "boltzmann": 33,
    "hopfield": 19,
    "lenet5": 172,
    "lstm": 111,
    "mlp": 34,
    "rbm": 36,
    "rnn": 54,
    "som": 79,
    "sparse_autoencoder": 60,
}


def test_programs_are_as_short_as_ever():
    assert cambricon_density.lengths() == LENGTHS


def test_density_is_scalar_code_over_programs():
    scalar = cambricon_density.scalar("mips32")
    assert scalar.keys() == LENGTHS.keys()
    ratios = [scalar[name] / count for name, count in LENGTHS.items()]
    found = {f.name: f for f in cambricon_density.figures()}
    assert found["density_mips32"].ours == pytest.approx(geometric_mean(ratios))
    assert found["density_mips32"].ours == pytest.approx(8.64, abs=0.01)
    assert found["density_x86_64"].ours == pytest.approx(6.95, abs=0.01)
    assert geometric_mean(list(cambricon_density.densities("riscv64").values())) == pytest.approx(6.56, abs=0.01)


def test_the_order_of_the_published_ratios_holds_for_every_level():
    """MIPS code is longer than x86 code, published and here."""
    for level in ("-O2", "-Os"):
        means = {t: geometric_mean(list(cambricon_density.densities(t, level).values())) for t in ("mips32", "x86_64")}
        assert means["mips32"] > means["x86_64"] > 1


def test_far_figures_have_a_reason_with_the_number_that_explains_them():
    for figure in cambricon_density.figures():
        assert not figure.within
        without = geometric_mean(list(cambricon_density.densities(figure.name[8:], without="SMOVE").values()))
        assert f"{without:.1f}" in figure.reason
        assert 1 / 1.15 < without / figure.published < 1.15


@pytest.mark.parametrize("target", ["x86_64", "riscv64", "mips32"])
def test_stored_lengths_are_measured_again(target):
    tool = load("cambricon_density")
    if shutil.which(tool.COMPILERS[target]) is None:
        pytest.skip(f"{tool.COMPILERS[target]} is not installed")
    data = tool.json.loads(tool.TARGET.read_text(encoding="utf-8"))
    if tool.version(tool.COMPILERS[target]) != data["compilers"][target]:
        pytest.skip(f"{tool.COMPILERS[target]} is another version than the stored one")
    stored = cambricon_density.scalar(target)
    for module in (hopfield, mlp, rnn):
        network = module.network()
        found = tool.length(network, target, "-O2")["instructions"]
        assert found == stored[network.name], "the exported C has changed: python tools/cambricon_density.py"


def test_the_c_that_is_counted_computes_the_network():
    need("gcc")
    tool = load("cambricon_density")
    for module in (hopfield, mlp, rnn):
        network = module.network()
        assert tool.computes_the_same(network, module.inputs(network))
