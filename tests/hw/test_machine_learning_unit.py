"""PuDianNao: its peak and its k-means example; tilings run in NumPy, bytes counted; the thirteen phases; laws."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.hw import registry
from lamina.hw.cost import total
from lamina.hw.families.machine_learning_unit import (
    MachineLearningUnit,
    Tiling,
    cost,
    cycles,
    dram_bytes,
    refusal,
    rows,
    saved_share,
    tilings,
    untiled_bytes,
)
from lamina.hw.workloads._shapes import conv, dense
from lamina.hw.workloads.pudiannao_phases import pudiannao_phases
from lamina.ir.layer import Layer
from tests.hw.shapes import multiplying, networks

MACHINE = registry.find("pudiannao")
PUDIANNAO = MACHINE.parameters
size = st.integers(1, 40)
memory = st.integers(32, 5000)
units = st.builds(
    MachineLearningUnit,
    units=size,
    lanes=size,
    bits=st.sampled_from([8, 16, 32]),
    hot_bytes=memory,
    cold_bytes=memory,
    output_bytes=memory,
    dram_bytes_per_s=st.floats(1e6, 1e12),
)


def test_peak_and_published_figures():
    assert (PUDIANNAO.adders, PUDIANNAO.multipliers) == (16 + 16 + 15 + 1 + 1, 17)
    assert PUDIANNAO.ops_per_cycle == 16 * (49 + 17) == 1056
    for quantity, (figure, tolerance) in MACHINE.published.items():
        assert getattr(PUDIANNAO, quantity) == pytest.approx(figure, rel=tolerance)


def test_the_k_means_example_of_the_paper():
    """f = 16, k = 1024, N = 65536: blocks of 128 centroids (4 KB) and 256 instances (8 KB), 8 x 256 instructions."""
    block = next(t for t in tilings(65_536, 1024, 16, PUDIANNAO) if t.order == "hot_stays")
    assert (block.hot_rows, block.cold_rows, block.hot_passes) == (128, 256, 8)
    assert block.instructions(65_536, 1024, 16) == 8 * 256
    assert cycles(dense(16, 1024, batch=65_536), PUDIANNAO) == 8 * 256 * (128 * 256 // 16)


@dataclass
class Dram:
    """Counts what is read, and holds each buffer to its half."""

    machine: MachineLearningUnit
    read: float = 0.0

    def load(self, block: np.ndarray, capacity: float) -> np.ndarray:
        taken = block.size * self.machine.bits / 8
        assert taken <= capacity / 2
        self.read += taken
        return block


def squared_distances(cold: np.ndarray, hot: np.ndarray, tiling: Tiling, dram: Dram) -> np.ndarray:
    """All distances by the loops of `tiling`, rows coming through `dram`."""
    m, (n, c), k = dram.machine, cold.shape, len(hot)
    sums = np.zeros((n, k), np.int64)

    def blocks(count: int, step: int) -> list[slice]:
        return [slice(at, min(at + step, count)) for at in range(0, count, step)]

    def pairs(i: slice, j: slice, x: np.ndarray, w: np.ndarray) -> None:
        sums[i, j] += ((x[:, None] - w[None]) ** 2).sum(axis=2)

    if tiling.order == "hot_stays":
        for j in blocks(k, tiling.hot_rows):
            w = dram.load(hot[j], m.hot_bytes)
            for i in blocks(n, tiling.cold_rows):
                pairs(i, j, dram.load(cold[i], m.cold_bytes), w)
    elif tiling.order == "cold_stays":
        for i in blocks(n, tiling.cold_rows):
            x = dram.load(cold[i], m.cold_bytes)
            for j in blocks(k, tiling.hot_rows):
                pairs(i, j, x, dram.load(hot[j], m.hot_bytes))
    else:
        for i in blocks(n, tiling.cold_rows):
            for j in blocks(k, tiling.hot_rows):
                assert (i.stop - i.start) * (j.stop - j.start) * 4 <= m.output_bytes / 2
                for f in blocks(c, tiling.features):
                    pairs(i, j, dram.load(cold[i, f], m.cold_bytes), dram.load(hot[j, f], m.hot_bytes))
    return sums


@settings(max_examples=200)
@given(st.integers(1, 60), st.integers(1, 30), st.integers(1, 40), units, st.integers(0, 2**32 - 1))
def test_tiled_loops_compute_distances_and_read_what_the_closed_form_says(n, k, c, machine, seed):
    """k-means and k-NN decide by these distances: nearest centroid, and five nearest references."""
    rng = np.random.default_rng(seed)
    cold, hot = rng.integers(-99, 100, (n, c)), rng.integers(-99, 100, (k, c))
    expected = np.array([[sum((a - b) ** 2 for a, b in zip(x, w, strict=True)) for w in hot] for x in cold])
    found = tilings(n, k, c, machine)
    assert found
    for tiling in found:
        dram = Dram(machine=machine)
        distances = squared_distances(cold, hot, tiling, dram)
        np.testing.assert_array_equal(distances, expected)
        assert dram.read == pytest.approx(tiling.read_bytes, rel=1e-12)
    assert (distances.argmin(axis=1) == expected.argmin(axis=1)).all()
    assert (np.argsort(distances, kind="stable")[:, :5] == np.argsort(expected, kind="stable")[:, :5]).all()


def test_k_means_in_blocks_keeps_the_nearest_across_blocks():
    """The running minimum of each instance goes out and comes back between two blocks of centroids."""
    rng = np.random.default_rng(0)
    points, centroids = rng.integers(-999, 999, (500, 16)), rng.integers(-999, 999, (300, 16))
    whole = ((points[:, None] - centroids[None]) ** 2).sum(axis=2).argmin(axis=1)
    least, nearest = np.full(500, np.iinfo(np.int64).max), np.full(500, -1)
    tiling = next(t for t in tilings(500, 300, 16, PUDIANNAO) if t.order == "hot_stays")
    for start in range(0, 300, tiling.hot_rows):
        block = ((points[:, None] - centroids[None, start : start + tiling.hot_rows]) ** 2).sum(axis=2)
        better = block.min(axis=1) < least
        least = np.where(better, block.min(axis=1), least)
        nearest = np.where(better, start + block.argmin(axis=1), nearest)
    assert (nearest == whole).all()
    assert tiling.hot_passes == 3


def test_tiling_saves_most_of_the_bandwidth_of_k_nn():
    """MNIST: 784 features are too long to keep many rows, so the sums of 32 x 32 pairs stay: 1 - 1/32 - 1/32."""
    assert saved_share(10_000, 60_000, 784, PUDIANNAO) == pytest.approx(1 - 2 / 32, abs=2e-4)
    assert untiled_bytes(10, 20, 3, PUDIANNAO) == 2 * 3 * (10 + 10 * 20)
    assert saved_share(65_536, 1024, 16, PUDIANNAO) > 0.99  # short rows: 256 instances stay


def test_a_reduction_behind_products_keeps_them_on_the_chip():
    products = dense(16, 1024, batch=65_536, bits=16)
    least = Layer(name="least", operator="reduce_min", n=65_536, c=1024, has_weights=False, ops=65_536 * 1024)
    alone, (fused, sorter) = cost([products], PUDIANNAO)[0], cost([products, least], PUDIANNAO)
    assert alone.dram_bytes - fused.dram_bytes == 2 * 65_536 * 1024
    assert (sorter.cycles, sorter.dram_bytes) == (0, 2 * 65_536)
    (by_itself,) = cost([least], PUDIANNAO)
    assert by_itself.cycles == 65_536 * 1024 / 256


def test_minima_of_two_blocks_go_out_and_come_back():
    machine = replace(PUDIANNAO, cold_bytes=64)  # one row of 16 features in each half
    products = dense(16, 200, batch=100, bits=16)  # 128 of 200 hot rows stay: cold rows pass twice
    least = Layer(name="least", operator="reduce_min", n=100, c=200, has_weights=False, ops=100 * 200)
    assert cost([products, least], machine)[0].dram_bytes == 2 * 16 * (200 + 2 * 100) + 2 * 2 * 100


def test_layers_of_networks():
    assert cycles(dense(784, 1000, batch=1), PUDIANNAO) == 63 * 49  # 1000 pairs on 16 units, 784 features on 16 lanes
    assert dram_bytes(dense(64, 48, batch=1), PUDIANNAO) == 2 * (64 + 64 * 48 + 48)
    assert rows(conv("c", 3, 8, 10, 3)) == (64, 8, 27)
    assert cycles(conv("c", 3, 8, 10, 3), PUDIANNAO) == 64 * 8 // 16 * 2


def test_the_thirteen_phases_run():
    phases = pudiannao_phases()
    assert len(phases) == 13
    for layers in phases.values():
        whole = total(cost(layers, PUDIANNAO))
        assert whole.latency_s > 0
        assert whole.energy_j > 0
        assert all(refusal(layer, PUDIANNAO) is None for layer in layers)
    forward, training = phases["neural_network_prediction"], phases["neural_network_training"]
    macs = [layer.macs for layer in forward]
    assert sum(layer.macs for layer in training) == 3 * sum(macs) - macs[0]  # nothing goes back to the pixels


@settings(max_examples=300)
@given(networks, units, st.data())
def test_more_of_anything_is_never_worse(layers, machine, data):
    field = data.draw(st.sampled_from(["hot_bytes", "cold_bytes", "output_bytes"]))
    larger = replace(machine, **{field: getattr(machine, field) * data.draw(st.integers(1, 40))})
    assert total(cost(layers, larger)).dram_bytes <= total(cost(layers, machine)).dram_bytes
    faster = replace(machine, dram_bytes_per_s=machine.dram_bytes_per_s * data.draw(st.floats(1, 1000)))
    for slow, fast in zip(cost(layers, machine), cost(layers, faster), strict=True):
        assert fast.latency_s <= slow.latency_s


@given(multiplying(), units)
def test_every_row_crosses_the_pins_and_no_unit_works_twice(layer, machine):
    (row,) = cost([layer], machine)
    assert 0 < row.utilisation <= 1
    cold, hot, features = rows(layer)
    least = layer.groups * (cold * features + hot * features) + layer.outputs + layer.biases
    assert row.dram_bytes >= least * machine.bits / 8


def test_refuses_by_name():
    assert refusal(Layer(operator="sort", has_weights=False), PUDIANNAO) == "it has no stage for sort"
    assert "32 bits" in refusal(dense(3, 3, bits=32), PUDIANNAO)


@pytest.mark.parametrize(
    "field", [{"units": 0}, {"lanes": 5000}, {"hot_bytes": 3}, {"output_bytes": 7}, {"chip_w": float("nan")}]
)
def test_values_out_of_range_are_named(field):
    with pytest.raises(BadInput, match=next(iter(field))):
        MachineLearningUnit(**field)
