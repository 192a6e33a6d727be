"""ShiDianNao: cycles by walking over tiles and taps, neurons read by asking every element, its networks, its laws."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.hw import registry
from lamina.hw.families.output_mesh import (
    OutputMesh,
    area_m2,
    cost,
    cycles,
    dram_bytes,
    neurons_read,
    refusal,
)
from lamina.hw.workloads._shapes import conv, dense, pool
from lamina.hw.workloads.shidiannao_networks import NETWORKS, joined, with_functions
from lamina.ir.layer import Layer
from tests.hw.shapes import moving, multiplying, networks

MACHINE = registry.find("shidiannao")
SHIDIANNAO = MACHINE.parameters
size = st.integers(1, 9)
memory = st.integers(2, 100_000)
meshes = st.builds(
    OutputMesh,
    rows=size,
    columns=size,
    bits=st.sampled_from([8, 16, 32]),
    fraction_bits=st.just(4),
    alu_results_per_cycle=size,
    nbin_bytes=memory,
    nbout_bytes=memory,
    sb_bytes=memory,
    dram_bytes_per_s=st.floats(1e6, 1e12),
)


def walked(layer: Layer, machine: OutputMesh) -> tuple[int, int, int]:
    """(cycles, neurons read, the same without propagation) of a convolution or maximum, tile by tile, tap by tap."""
    maps = layer.n * layer.groups * (layer.k * layer.c if layer.macs else 1)
    ticks = with_fifos = without = 0
    for y, x in product(range(0, layer.p, machine.rows), range(0, layer.q, machine.columns)):
        h, w = min(machine.rows, layer.p - y), min(machine.columns, layer.q - x)
        used: set[tuple[int, int, int, int]] = set()  # (element, tap) that have been served
        for ky, kx in product(range(layer.r), range(layer.s)):
            ticks += maps
            for i, j in product(range(h), range(w)):
                without += maps
                row, column = layer.stride[0] * i + layer.dilation[0] * ky, layer.stride[1] * j + layer.dilation[1] * kx
                neighbours = [
                    (i, j + 1, ky, k)
                    for k in range(kx)
                    if j + 1 < w and layer.stride[1] * (j + 1) + layer.dilation[1] * k == column
                ] + [
                    (i + 1, j, k, kx)
                    for k in range(ky)
                    if i + 1 < h and layer.stride[0] * (i + 1) + layer.dilation[0] * k == row
                ]
                with_fifos += 0 if used & set(neighbours) else maps
                used.add((i, j, ky, kx))
    return ticks, with_fifos, without


@settings(max_examples=200)
@given(
    st.tuples(*[st.integers(1, 13)] * 2, *[st.integers(1, 5)] * 2, *[st.integers(1, 4)] * 2, *[st.integers(1, 3)] * 2),
    st.tuples(*[st.integers(1, 3)] * 4),
    meshes,
    st.booleans(),
)
def test_cycles_and_neurons_read_by_walking(window, maps, machine, multiplies):
    p, q, r, s, sy, sx, dy, dx = window
    n, groups, k, c = maps if multiplies else (maps[0], maps[1], 1, 1)
    layer = Layer(
        operator="conv2d" if multiplies else "max_pool2d", n=n, groups=groups, k=k, c=c, p=p, q=q, r=r, s=s,
        stride=(sy, sx), dilation=(dy, dx), has_weights=multiplies, ops=0 if multiplies else n * groups * p * q * r * s,
    )  # fmt: skip
    if multiplies and p * q == 1:
        return
    ticks, read, unshared = walked(layer, machine)
    assert cycles(layer, machine) == ticks
    assert neurons_read(layer, machine) == read
    assert neurons_read(layer, machine, propagation=False) == unshared


def test_a_full_tile_reads_every_neuron_of_its_windows_once():
    layer = conv("C1", 1, 1, 12, 5)  # 8 x 8 windows of 5 x 5 lie on 12 x 12 neurons
    assert neurons_read(layer, SHIDIANNAO) == 12 * 12
    assert neurons_read(layer, SHIDIANNAO, propagation=False) == 64 * 25


def test_layers_by_hand():
    first, second = conv("C1", 1, 6, 32, 5), conv("C3", 6, 16, 14, 5)
    assert (cycles(first, SHIDIANNAO), cycles(second, SHIDIANNAO)) == (16 * 6 * 25, 4 * 16 * 6 * 25)
    (row,) = cost([first], SHIDIANNAO)
    assert row.utilisation == 28 * 28 / (64 * 16)
    assert cycles(dense(400, 120), SHIDIANNAO) == 2 * 400
    assert cycles(conv("C5", 16, 120, 5, 5), SHIDIANNAO) == 2 * 400  # one output a map: a classifier
    assert cycles(pool("S2", 6, 28, 2), SHIDIANNAO) == 6 * 4 * 4
    assert cycles(pool("S2", 6, 28, 2, operator="average_pool2d"), SHIDIANNAO) == 6 * 4 * 4 + 6 * 14 * 14
    add = Layer(operator="add", groups=6, p=10, q=10, has_weights=False, operands=2, ops=600)
    assert cycles(add, SHIDIANNAO) == 2 * 10
    assert cycles(replace(add, operator="tanh", operands=1), SHIDIANNAO) == 600
    assert cycles(replace(add, operator="quantise", operands=1), SHIDIANNAO) == 0


# storage of the paper's table 2 as recalled: largest layer, synapses, everything with the input (KB); None: the paper
# counts one weight a map of a fully connected layer (or kernels that here are filled up), see the workload's docstring
STORAGE = {
    "cnp": (15.19, None, 56.38 - 28.17),
    "mpcnn": (30.63, None, 88.89 - 42.77),
    "face_recognition": (21.33, None, 39.05 - 4.50),
    "lenet5": (9.19, 118.30, 136.11 - 118.30),
    "simple_conv": (2.44, None, 30.12 - 24.17),
    "cff": (7.00, 1.72, 18.49 - 1.72),
    "neo": (4.50, None, 16.03 - 3.63),
    "conv_nn": (45.00, 4.35, 87.53 - 4.35),
    "gabor": (2.00, 0.82, 5.36 - 0.82),
    "face_align": (15.63, 29.27, 56.39 - 29.27),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_ten_networks_need_the_storage_of_the_paper(name):
    layers = NETWORKS[name]()
    largest, synapses, neurons = STORAGE[name]
    maps: dict[str, int] = {}  # the two parts of a joined layer are one
    for layer in layers:
        key = layer.name.rstrip("ab")
        maps[key] = maps.get(key, 0) + layer.outputs
    assert max(maps.values()) * 2 / 1024 == pytest.approx(largest, abs=0.006)
    if synapses is not None:
        assert sum(layer.weights for layer in layers) * 2 / 1024 == pytest.approx(synapses, abs=0.006)
    if neurons is not None:
        total = layers[0].inputs + sum(maps.values())
        assert total * 2 / 1024 == pytest.approx(neurons, abs=0.06)


def test_sparse_joins_have_their_kernels():
    three, two = joined("C3", 6, 16, 60, 14, 5)
    assert (three.k * three.c + two.k * two.c, three.k + two.k) == (60, 16)
    assert [layer.name for layer in joined("C1", 3, 12, 12, 20, 5)] == ["C1"]
    functions = [layer for layer in with_functions(NETWORKS["gabor"]()) if layer.operator == "tanh"]
    assert sum(layer.outputs for layer in functions) == 4 * 256 + 14 * 36 + 14 + 1


def test_a_network_on_the_chip_moves_its_input_and_its_result():
    for name, inputs, results in (("lenet5", 32 * 32, 10), ("conv_nn", 3 * 64 * 36, 1), ("gabor", 400, 1)):
        moved = dram_bytes(with_functions(NETWORKS[name]()), SHIDIANNAO)
        assert moved[0] == 2 * inputs
        assert [m for m in moved if m] == [2 * inputs, 2 * results]


def test_a_chain_keeps_what_the_next_layer_takes():
    layers = [conv("a", 64, 4, 32, 3, bias=False), conv("b", 4, 4, 30, 3, bias=False)]  # 131,072 bytes do not fit NBin
    assert dram_bytes(layers, SHIDIANNAO) == [2 * 64 * 32 * 32, 2 * 4 * 28 * 28]
    small = replace(SHIDIANNAO, nbin_bytes=1000)
    assert dram_bytes(layers, small) == [2 * 64 * 32 * 32 + 2 * 4 * 30 * 30, 2 * 4 * 30 * 30 + 2 * 4 * 28 * 28]


def test_what_does_not_fit_is_streamed():
    big = dense(1200, 700)  # 1.68 MB of synapses, inputs of 2400 bytes fit
    assert dram_bytes([big], SHIDIANNAO) == [2 * (1200 * 700 + 1200 + 700)]
    wide = conv("wide", 64, 64, 58, 3, bias=False)  # 430 KB in, 401 KB out, 73,728 bytes of synapses stay
    assert dram_bytes([wide], SHIDIANNAO) == [2 * (64 * 58 * 58 + 64 * 56 * 56)]
    deep = conv("deep", 128, 128, 30, 3, bias=False)  # 294,912 bytes of synapses, 230,400 of inputs: neither stays
    assert dram_bytes([deep], SHIDIANNAO) == [min(294_912 + 5 * 230_400, 230_400 + 8 * 294_912) + 2 * 128 * 28 * 28]


def test_energy_is_power_times_time():
    (row,) = cost([conv("C3", 6, 16, 14, 5)], SHIDIANNAO)
    chip = sum(value for name, value in row.energy_by_component_j.items() if name != "dram")
    assert chip == pytest.approx(0.3201 * 9600e-9)


def test_published_figures():
    for quantity, (figure, tolerance) in MACHINE.published.items():
        assert getattr(SHIDIANNAO, quantity) == pytest.approx(figure, rel=tolerance)
    assert area_m2(SHIDIANNAO) == pytest.approx(4.86e-6)


@settings(max_examples=300)
@given(networks, meshes, st.data())
def test_more_of_anything_is_never_worse(layers, machine, data):
    field = data.draw(st.sampled_from(["nbin_bytes", "nbout_bytes", "sb_bytes"]))
    larger = replace(machine, **{field: getattr(machine, field) * data.draw(st.integers(1, 40))})
    assert sum(dram_bytes(layers, larger)) <= sum(dram_bytes(layers, machine))
    faster = replace(machine, dram_bytes_per_s=machine.dram_bytes_per_s * data.draw(st.floats(1, 1000)))
    for slow, fast in zip(cost(layers, machine), cost(layers, faster), strict=True):
        assert fast.latency_s <= slow.latency_s


@given(multiplying(), meshes)
def test_a_layer_alone_moves_its_tensors_and_keeps_within_the_multipliers(layer, machine):
    (row,) = cost([layer], machine)
    assert 0 < row.utilisation <= 1
    assert row.dram_bytes >= (layer.inputs + layer.outputs) * machine.bits / 8
    if (layer.weights + layer.biases) * machine.bits / 8 > machine.sb_bytes:
        assert row.dram_bytes >= (layer.inputs + layer.outputs + layer.weights) * machine.bits / 8
    assert 0 < neurons_read(layer, machine) <= neurons_read(layer, machine, propagation=False)


@given(moving(), meshes)
def test_what_computes_takes_time(layer, machine):
    (row,) = cost([layer], machine)
    assert (row.cycles > 0) == (layer.operator != "quantise")
    assert row.utilisation is None


def test_refuses_by_name():
    assert refusal(Layer(operator="sort", has_weights=False), SHIDIANNAO) == "it has no unit for sort"
    assert "32 bits" in refusal(dense(3, 3, bits=32), SHIDIANNAO)
    assert refusal(dense(3, 3), SHIDIANNAO) is None


@pytest.mark.parametrize(
    "field", [{"rows": 0}, {"columns": 2000}, {"clock_hz": float("inf")}, {"sb_bytes": -1}, {"fraction_bits": 16}]
)
def test_values_out_of_range_are_named(field):
    with pytest.raises(BadInput, match=next(iter(field))):
        OutputMesh(**field)
