"""Clusters: one node is a processor, time by hand for both splits, rings against a simulation of their messages."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.hw.cost import total
from lamina.hw.families import processor
from lamina.hw.families.cluster import Cluster, all_gather_s, all_reduce_s, cost, scatter_s, share
from lamina.hw.workloads import alexnet
from lamina.ir.layer import dense
from tests.hw.shapes import multiplying, networks

MACHINE = Cluster(
    nodes=4, node_ops_per_s=1e12, node_cache_bytes=1e7, node_dram_bytes_per_s=1e11, node_w=200.0,
    link_bytes_per_s=1e9, link_s=1e-5,
)  # fmt: skip
clusters = st.builds(
    Cluster,
    nodes=st.integers(1, 50),
    split=st.sampled_from(["data", "model"]),
    node_ops_per_s=st.floats(1e9, 1e14),
    node_cache_bytes=st.floats(1e3, 1e8),
    node_dram_bytes_per_s=st.floats(1e8, 1e12),
    node_w=st.one_of(st.none(), st.floats(1, 1e3)),
    link_bytes_per_s=st.floats(1e7, 1e11),
    link_s=st.floats(0, 1e-3),
)


@given(networks, st.sampled_from(["data", "model"]))
def test_one_node_is_a_processor(layers, split):
    one = replace(MACHINE, nodes=1, split=split)
    alone = processor.Processor(
        cores=1, clock_hz=1e9, ops_per_cycle_32=1e3, ops_per_cycle_16=1e3, ops_per_cycle_8=1e3,
        cache_bytes=1e7, dram_bytes_per_s=1e11, power_w=200.0,
    )  # fmt: skip
    for ours, theirs in zip(cost(layers, one), processor.cost(layers, alone), strict=True):
        assert ours.latency_s == pytest.approx(theirs.latency_s)
        assert ours.energy_j == pytest.approx(theirs.energy_j)
        assert ours.dram_bytes == theirs.dram_bytes
        assert ours.bytes_by_level["link"] == 0


def test_a_batch_over_four_nodes_by_hand():
    # 4096 x 4096 float32, batch 256: 64 pictures a node: 2 x 64 x 4096^2 = 2.147e9 operations are 2.147 ms, 69.2 MB of
    # weights and activations 0.69 ms; of 4.19 MB in, three quarters cross the link in 3.146 ms, out as much
    (row,) = cost([dense(4096, 4096, batch=256, bits=32)], MACHINE)
    assert row.latency_s == pytest.approx(2.147e-3 + 2 * (1e-5 + 0.75 * 256 * 4096 * 4 / 1e9), rel=1e-3)
    assert row.bytes_by_level["link"] == 2 * 256 * 4096 * 4
    assert row.energy_j == pytest.approx(800 * row.latency_s)
    assert row.utilisation == pytest.approx(2.147e-3 / row.latency_s, rel=1e-3)


def test_a_layer_cut_by_its_outputs_by_hand():
    # batch 1: each node has 1024 of 4096 outputs, 16.8 MB of weights at 100 GB/s are 0.168 ms; three ring steps of 4 KB
    (row,) = cost([dense(4096, 4096, bits=32)], replace(MACHINE, split="model"))
    own = 4 * (4096 * 1024 + 4096 + 1024) / 1e11
    assert row.latency_s == pytest.approx(own + 3 * (1e-5 + 1024 * 4 / 1e9))
    assert row.dram_bytes == 4 * 4 * (4096 * 1024 + 4096 + 1024)


@pytest.mark.parametrize("nodes", [1, 2, 3, 5, 8])
def test_the_ring_by_its_messages(nodes):
    """All-reduce and all-gather played: every node sends one chunk to its neighbour a step, and ends with the sum."""
    rng = np.random.default_rng(nodes)
    values = rng.integers(0, 100, (nodes, nodes))  # a chunk a node, each one number
    wanted = values.sum(axis=0)
    machine = replace(MACHINE, nodes=nodes)
    chunk_s = machine.link_s + 8 / machine.link_bytes_per_s
    spent, have = 0.0, values.copy()
    for step in range(nodes - 1):  # each chunk is summed once round
        sent = {node: ((node - step) % nodes, have[node, (node - step) % nodes]) for node in range(nodes)}
        for node, (chunk, value) in sent.items():
            have[(node + 1) % nodes, chunk] += value
        spent += chunk_s
    reduced = spent
    for step in range(nodes - 1):  # and passed on once round
        sent = {node: ((node + 1 - step) % nodes, have[node, (node + 1 - step) % nodes]) for node in range(nodes)}
        for node, (chunk, value) in sent.items():
            have[(node + 1) % nodes, chunk] = value
        spent += chunk_s
    assert (have == wanted).all()
    assert all_reduce_s(8 * nodes, machine) == pytest.approx(spent)
    assert all_gather_s(8 * nodes, machine) == pytest.approx(spent - reduced)


@given(multiplying(), clusters, st.floats(1, 100))
def test_laws(layer, machine, factor):
    (row,) = cost([layer], machine)
    assert 0 < row.utilisation <= 1
    assert row.dram_bytes >= (layer.input_bytes + layer.weight_bytes + layer.output_bytes) * (1 - 1e-9)
    for name in ("node_dram_bytes_per_s", "link_bytes_per_s", "node_ops_per_s", "node_cache_bytes"):
        better = replace(machine, **{name: getattr(machine, name) * factor})
        assert cost([layer], better)[0].latency_s <= row.latency_s * (1 + 1e-12)
    part = share(layer, machine)
    assert part.macs * machine.nodes >= layer.macs
    assert scatter_s(0, replace(machine, nodes=1)) == 0


def test_the_link_decides_how_far_a_cluster_scales():
    """AlexNet at batch 256: each doubling gains less, and on slow Ethernet eight nodes are slower than two."""

    def seconds(nodes, link):
        machine = replace(MACHINE, nodes=nodes, link_bytes_per_s=link, link_s=0)
        return total(cost(alexnet.alexnet(batch=256, bits=32), machine)).latency_s

    fast = [seconds(n, 1e12) for n in (1, 2, 4, 8)]
    assert [a / b for a, b in pairwise(fast)] == pytest.approx([2, 2, 2], rel=0.02)
    slow = [seconds(n, 0.125e9) for n in (1, 2, 4, 8)]
    assert slow[3] > slow[1] > slow[0]


@pytest.mark.parametrize("field", [
    {"nodes": 0}, {"split": "pipeline"}, {"link_bytes_per_s": 0.0}, {"link_s": -1.0}, {"node_w": -1.0},
    {"node_ops_per_s": float("nan")},
])  # fmt: skip
def test_values_out_of_range_are_named(field):
    with pytest.raises(BadInput, match=next(iter(field))):
        replace(MACHINE, **field)
