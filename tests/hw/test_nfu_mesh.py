"""DaDianNao: its exact product, worked example and capacity; hand calculations; laws over random meshes and layers."""

from dataclasses import replace
from itertools import product
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.core.units import MiB
from lamina.hw import registry
from lamina.hw.cost import settled, total
from lamina.hw.families import _nfu_mesh_split as split
from lamina.hw.families.nfu_mesh import NfuMesh, blocks_per_node, cost, cycles, fits, node_instructions, refusal
from lamina.hw.workloads._shapes import conv, pool
from lamina.hw.workloads.dadiannao_layers import dadiannao_layers
from lamina.hw.workloads.vgg16 import vgg16
from lamina.ir.layer import Layer, dense
from tests.hw.shapes import multiplying, networks

ONE = registry.find("dadiannao").parameters
LAYERS = {layer.name: layer for layer in dadiannao_layers()}


def nodes(count):
    return registry.find(f"dadiannao:nodes={count}").parameters


meshes = st.builds(
    NfuMesh,
    nodes=st.integers(1, 20),
    tiles=st.integers(1, 8),
    inputs=st.integers(1, 8),
    outputs=st.integers(1, 8),
    tile_edram_bytes=st.integers(1, 20_000),
    central_edram_bytes=st.integers(1, 20_000),
    nbin_bytes=st.integers(2, 400),
    nbout_bytes=st.integers(2, 400),
    link_bytes_per_s=st.floats(1e6, 1e11),
)


def test_the_exact_product():
    """4096 x 4096 on one node: 16.78 M MACs / (4096 x 606 MHz) = 6.76 us, 147,938 a second as EIE's table prints."""
    (row,) = cost([dense(4096, 4096, bits=16)], ONE)
    assert (row.cycles, row.dram_bytes, row.utilisation, row.bound) == (4096, 0, 1.0, "compute")
    assert row.latency_s == pytest.approx(6.76e-6, rel=1e-3)
    assert int(1 / row.latency_s) == pytest.approx(147_938, rel=1e-4)
    assert row.bytes_by_level["edram"] == 2 * 4096 * 4096  # each synapse once


def test_the_papers_example_of_four_nodes():
    """4096 -> 4096: 256 blocks of 16 neurons, 64 a node, 4 a tile, so 4 node instructions of 4096 / 16 cycles each."""
    layer, four = dense(4096, 4096, bits=16), nodes(4)
    assert (blocks_per_node(layer, four), node_instructions(layer, four)) == (64, 4)
    (row,) = cost([layer], four)
    assert row.cycles == 4 * 4096 // 16
    # a node has 1024 of 4096 inputs and takes 3072 over two links of 6.4 GB/s: 0.48 us, less than the 1.69 us of work
    assert row.bytes_by_level["links"] == 4 * 3072 * 2
    assert row.latency_s == pytest.approx(1024 / 0.606e9 + 2 * 80e-9)


def test_published_figures():
    machine = registry.find("dadiannao")
    for quantity, (figure, tolerance) in machine.published.items():
        assert getattr(machine.parameters, quantity) == pytest.approx(figure, rel=tolerance)
    assert machine.family.area_m2(nodes(64)) == pytest.approx(64 * 67.73e-6)
    assert nodes(64).peak_ops_per_s == 64 * ONE.peak_ops_per_s
    assert (ONE.mesh, nodes(4).mesh, nodes(64).mesh, nodes(36).mesh) == ((1, 1), (2, 2), (8, 8), (6, 6))


def test_cycles_by_hand():
    # 48 neurons are 3 blocks, 367 x 492 pixels, 2 x 81 steps: 16 tiles of 1 part of blocks each and 16 parts of pixels
    assert cycles(LAYERS["CONV2"], ONE) == 3 * ceil(367 * 492 / 16) * 162
    # 16 blocks of channels on 16 tiles, 128 x 128 windows of 4
    assert cycles(LAYERS["POOL1"], ONE) == 128 * 128 * 4
    # two passes over 55 x 55 x 96 numbers, 16 a tile and cycle
    assert cycles(LAYERS["LRN1"], ONE) == ceil(2 * 55 * 55 * 96 / 256)
    # 24 blocks; a second copy of 22.69 MiB does not fit: 16 tiles make 2 blocks of every pixel
    assert cycles(LAYERS["CONV1"], ONE) == 2 * 246 * 246 * 16 * 121
    # private: 183 x 183 blocks of 8 neurons, none copied
    assert cycles(LAYERS["CONV3*"], ONE) == ceil(183 * 183 / 16) * 324


def test_what_fits_where():
    """36 MB a node: CONV1 with its neurons needs four nodes, the 1.3 GB of private kernels some forty."""
    assert [fits([LAYERS["CONV1"]], nodes(n)) for n in (1, 2, 3, 4)] == [False, False, False, True]
    assert fits([LAYERS["POOL1"]], ONE)  # 32 MiB in, results take the place of their inputs
    for name, least in (("CONV3*", 42), ("CONV4*", 43)):
        needed = ceil(LAYERS[name].weight_bytes / (32 * MiB))
        assert needed == least
        assert not fits([LAYERS[name]], nodes(needed - 1))
        assert fits([LAYERS[name]], nodes(needed))
    assert [fits(vgg16(), nodes(n)) for n in (1, 8, 9)] == [False, False, True]  # 276.7 MB


def test_what_does_not_fit_comes_over_the_link():
    row = cost([LAYERS["CONV3*"]], ONE)[0]
    pieces = ceil(LAYERS["CONV3*"].weight_bytes / (32 * MiB))
    assert row.dram_bytes == 2 * (
        LAYERS["CONV3*"].weights + pieces * LAYERS["CONV3*"].inputs + LAYERS["CONV3*"].outputs
    )
    assert (row.latency_s, row.bound) == (pytest.approx(row.dram_bytes / 6.4e9), "memory")
    both = cost([dense(4096, 4096, bits=16)] * 2, ONE)  # 32 MiB each: one fits, two do not
    assert [r.dram_bytes for r in both] == [2 * 4096 * 4096] * 2


def test_training_takes_words_of_32_bits():
    """Twice the eDRAM, and four 16-bit multipliers for one product."""
    (row,) = cost([dense(2048, 2048, bits=32)], ONE)
    assert row.cycles == 4 * cycles(dense(2048, 2048, bits=16), ONE)
    assert (row.utilisation, row.bytes_by_level["edram"]) == (1.0, 4 * 2048 * 2048)
    assert fits([dense(4096, 4096, bits=16)], ONE)
    assert not fits([dense(4096, 4096, bits=32)], ONE)
    assert "words of 33 bits" in (refusal(dense(8, 8, bits=33), ONE) or "")
    assert "no unit for softmax" in (refusal(Layer(operator="softmax", has_weights=False), ONE) or "")


def test_energy_is_power_times_time_of_every_node():
    (row,) = cost([dense(4096, 4096, bits=16)], nodes(4))
    assert row.energy_j == pytest.approx(4 * 15.97 * row.latency_s)
    (row,) = cost([LAYERS["CONV3*"]], ONE)
    assert row.energy_by_component_j["dram"] == pytest.approx(row.dram_bytes * 1.95e-9 / 8)


def test_halo_of_a_grid_of_nodes():
    """64 x 64 pixels of 3 channels on 2 x 2 nodes, 3 x 3 windows: a node has 1/4 and takes one row and column more."""
    layer = conv("c", 3, 16, 64, 3, padding=1)
    machine = replace(nodes(4), tiles=1)
    (row,) = cost([layer], machine)
    assert cycles(layer, machine) == 32 * 32 * 9
    assert row.bytes_by_level["links"] == 4 * 2 * 3 * (34 * 34 - 32 * 32)


@given(multiplying(), st.integers(1, 12), st.integers(1, 6), st.integers(1, 6), st.integers(1, 30))
@settings(max_examples=200)
def test_the_split_is_the_best_of_all_and_hands_out_all_work(layer, count, tiles, lanes, copies):
    """Against every split tried one by one; and dealing blocks and pixels out, the busiest tile has what it says."""
    job = split.work(layer, lanes, lanes)
    found = split.best(layer, job, count, tiles, copies)
    every = [
        split.Split(node_blocks=a, node_pixels=b, tile_blocks=c, tile_pixels=d, received=0)
        for a, b in product(range(1, count + 1), repeat=2)
        if a * b <= count
        for c, d in product(range(1, tiles + 1), repeat=2)
        if c * d <= tiles
    ]
    fastest = min(s.cycles(job) for s in every if s.copies(job) <= copies)
    assert found.cycles(job) == fastest
    if count == 1:
        assert found.copies(job) == min(s.copies(job) for s in every if s.cycles(job) == fastest)
    assert found.copies(job) <= copies
    block_parts, pixel_parts = found.node_blocks * found.tile_blocks, found.node_pixels * found.tile_pixels
    busiest = len(range(0, job.blocks, block_parts)) * len(range(0, job.pixels, pixel_parts))
    assert found.cycles(job) == busiest * job.steps
    assert found.cycles(job) * count * tiles * lanes * lanes >= layer.macs


@given(networks, meshes)
def test_sums_are_exact(layers, machine):
    rows = settled(cost(layers, machine))
    whole = total(rows)
    for row in rows:
        assert sum(row.energy_by_component_j.values()) == row.energy_j
    assert sum(r.latency_s for r in rows) == whole.latency_s
    assert sum(r.energy_j for r in rows) == whole.energy_j == sum(whole.energy_by_component_j.values())
    for level in ("dram", "links", "edram", "central"):
        assert sum(r.bytes_by_level[level] for r in rows) == whole.bytes_by_level[level]


@given(networks, meshes, st.floats(1, 100))
def test_a_faster_link_is_never_slower(layers, machine, factor):
    faster = replace(machine, link_bytes_per_s=machine.link_bytes_per_s * factor)
    for row, other in zip(cost(layers, machine), cost(layers, faster), strict=True):
        assert other.latency_s <= row.latency_s * (1 + 1e-12)


@given(
    networks,
    meshes,
    st.sampled_from(["tile_edram_bytes", "central_edram_bytes", "nbin_bytes", "nbout_bytes", "nodes"]),
    st.integers(2, 50),
)
@settings(max_examples=300)
def test_more_memory_never_moves_more_bytes(layers, machine, field, factor):
    larger = replace(machine, **{field: getattr(machine, field) * factor})
    before, after = total(cost(layers, machine)), total(cost(layers, larger))
    assert after.dram_bytes <= before.dram_bytes
    if field.startswith("nb"):
        assert after.bytes_by_level["central"] <= before.bytes_by_level["central"]


@given(multiplying(), meshes, st.integers(1, 30))
@settings(max_examples=300)
def test_more_nodes_never_compute_longer(layer, machine, more):
    assert cycles(layer, replace(machine, nodes=machine.nodes + more)) <= cycles(layer, machine)


@given(multiplying(), meshes)
def test_a_layer_fits_the_multipliers(layer, machine):
    (row,) = cost([layer], machine)
    assert 0 < row.utilisation <= 1
    assert row.latency_s >= row.cycles / machine.clock_hz * (1 - 1e-12)


def test_scaling_is_bounded_by_nodes_and_suffers_from_communication():
    """Convolutions scale, the classifier of 2560 stops at its 160 blocks and pays for the way of its inputs."""
    rows = {n: {r.name: r for layer in LAYERS.values() for r in cost([layer], nodes(n))} for n in (1, 4, 16, 64)}
    for name in ("CONV2", "POOL1"):
        assert rows[1][name].latency_s / rows[64][name].latency_s == pytest.approx(64, rel=0.02)
    assert rows[64]["CLASS1"].cycles == rows[16]["CLASS1"].cycles == 160
    assert rows[64]["CLASS1"].latency_s > rows[16]["CLASS1"].latency_s


def test_pooling_that_overlaps_keeps_inputs_and_results():
    layer = pool("p", 64, (300, 300), 3, stride=2)
    assert fits([layer], replace(ONE, tile_edram_bytes=1 * MiB)) is (layer.input_bytes + layer.output_bytes <= 20 * MiB)


@pytest.mark.parametrize(
    "field", [{"nodes": 0}, {"nodes": 5000}, {"tiles": 2000}, {"links_w": float("nan")}, {"bits": 33}]
)
def test_values_out_of_range_are_named(field):
    with pytest.raises(BadInput, match=next(iter(field))):
        NfuMesh(**field)
