"""DianNao's and DaDianNao's figures: the exact ones are exact, the averages are by hand, every miss has its reason."""

import numpy as np
import pytest

from lamina.hw import registry
from lamina.hw.families import nfu_mesh
from lamina.hw.workloads.dadiannao_layers import dadiannao_layers
from lamina.hw.workloads.diannao_layers import diannao_layers
from lamina.recipes._reproduced import dadiannao, diannao

SMALL = {f.name: f for f in diannao.figures()}
LARGE = {f.name: f for f in dadiannao.figures()}


@pytest.mark.parametrize("figure", [*SMALL.values(), *LARGE.values()], ids=lambda f: f"{f.machine}-{f.name}")
def test_a_figure_is_within_15_percent_or_says_why(figure):
    assert figure.within or len(figure.reason) > 20


@pytest.mark.parametrize("name", [n for n in SMALL if n.startswith("cycles") and "conv5" not in n])
def test_ideal_cycles_are_exact(name):
    assert SMALL[name].ours == SMALL[name].published


def test_what_else_is_exact():
    for name in ("ops_per_cycle", "pieces", "piece_bytes"):
        assert SMALL[name].ratio == 1
    for name in ("edram", "blocks", "instructions", "nodes_conv1"):
        assert LARGE[name].ratio == 1
    for name in ("product", "products", "peak", "power", "synapses_conv1", "synapses_conv3_private"):
        assert LARGE[name].ratio == pytest.approx(1, abs=3e-3)


def test_the_two_ends_of_the_core():
    """By hand from the rows: work and memory overlapped, or one after the other with 250 cycles for each line."""
    core, machine = registry.find("simd_core_like"), registry.find("diannao")
    theirs = core.family.cost(diannao_layers(), core.parameters)
    ours = np.array([row.latency_s for row in machine.family.cost(diannao_layers(), machine.parameters)])
    work = np.array([2 * layer.macs or layer.ops for layer in diannao_layers()]) / 8 / 2e9
    lines = np.array([row.dram_bytes for row in theirs]) / 64
    overlapped = np.maximum(work, lines * 64 / core.parameters.dram_bytes_per_s)
    waiting = work + lines * 125e-9
    for name, seconds in (("overlapped", overlapped), ("waiting", waiting)):
        assert SMALL[f"speedup_{name}"].ours == pytest.approx(np.prod(seconds / ours) ** 0.1, rel=1e-3)
    assert SMALL["speedup_overlapped"].ours < SMALL["speedup_waiting"].ours < SMALL["speedup_waiting"].published
    assert SMALL["energy_overlapped"].ours < SMALL["energy_waiting"].ours < SMALL["energy_waiting"].published


def test_the_mean_over_the_gpu_by_hand():
    """One node holds six of the nine layers, 64 nodes all; a K20M at its peak in float32."""
    for nodes, count in ((1, 6), (64, 9)):
        machine = registry.find(f"dadiannao:nodes={nodes}").parameters
        held = [layer for layer in dadiannao_layers() if nfu_mesh.fits([layer], machine)]
        assert len(held) == count
    gpu = registry.find("k20m")
    logs, power = [], []
    for layer, single in zip(dadiannao_layers(), dadiannao_layers(bits=32), strict=True):
        (ours,), (theirs,) = nfu_mesh.cost([layer], machine), gpu.family.cost([single], gpu.parameters)
        logs.append(np.log(theirs.latency_s / ours.latency_s))
        power.append(np.log(225 * theirs.latency_s / (64 * 15.97 * ours.latency_s)))
    assert LARGE["speedup_inference_64"].ours == pytest.approx(np.exp(np.mean(logs)))
    assert LARGE["energy_inference_64"].ours == pytest.approx(np.exp(np.mean(power)), rel=1e-3)


def test_fewest_nodes():
    assert (dadiannao.least_nodes("CLASS1"), dadiannao.least_nodes("CONV1")) == (1, 4)
    assert (dadiannao.least_nodes("CONV3*"), dadiannao.least_nodes("CONV4*")) == (42, 43)
