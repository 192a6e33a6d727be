"""Zhang's engine: cycles and bytes against the loops written out, the paper's counts, its budgets."""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.hw import registry
from lamina.hw.families import tiled_engine
from lamina.hw.families.tiled_engine import TiledEngine, cost, cycles, refusal
from lamina.hw.workloads import alexnet
from lamina.ir.layer import Layer, dense
from tests.hw.shapes import multiplying

ENGINE = registry.find("zhang_fpga15").parameters
engines = st.builds(
    TiledEngine,
    outputs=st.integers(1, 20),
    inputs=st.integers(1, 20),
    rows=st.integers(1, 20),
    columns=st.integers(1, 20),
    pipeline_cycles=st.integers(1, 40),
    dram_bytes_per_s=st.floats(1e6, 1e12),
    usable_share=st.just(1.0),
)


def counted(layer: Layer, machine: TiledEngine) -> int:
    """The tiled loops, one step of the engine at a time for a tile's pixels and taps."""
    ticks = 0
    for _ in range(layer.n * layer.groups):
        for row in range(0, layer.p, machine.rows):
            for column in range(0, layer.q, machine.columns):
                for _ in range(0, layer.k, machine.outputs):
                    for _ in range(0, layer.c, machine.inputs):
                        pixels = min(machine.rows, layer.p - row) * min(machine.columns, layer.q - column)
                        ticks += pixels * layer.r * layer.s + machine.pipeline_cycles
    return ticks


@given(multiplying(), engines)
def test_cycles_are_those_of_the_loops(layer, machine):
    assert cycles(layer, machine) == counted(layer, machine)
    (row,) = cost([layer], machine)
    assert 0 < row.utilisation <= 1
    assert row.latency_s >= row.cycles / machine.clock_hz


@given(multiplying(), engines)
def test_every_tensor_crosses_the_pins_at_least_once(layer, machine):
    (row,) = cost([layer], machine)
    assert row.dram_bytes >= (layer.inputs + layer.weights + layer.biases + layer.outputs) * machine.bits / 8


def test_bytes_by_hand():
    """8 filters of 3 x 3 on 3 channels of 9 x 9, tiles of 4 x 7 pixels, 4 filters and 2 channels at once."""
    layer = Layer(k=8, c=3, p=7, q=7, r=3, s=3)
    machine = TiledEngine(outputs=4, inputs=2, rows=4, columns=7, usable_share=1.0)
    inputs = 2 * 3 * (6 + 5) * 9  # passes, channels, rows of two tiles of which two are shared, columns
    (row,) = cost([layer], machine)
    assert row.dram_bytes == 4 * (inputs + 2 * 8 * 3 * 9 + 8 * 49)
    assert row.cycles == 2 * 2 * (49 * 9 + 2 * 20)


# recalled from the paper: cycles of the best tile of each layer; all four hold one depth of 20 cycles a tile
@pytest.mark.parametrize(
    ("name", "outputs", "inputs", "wanted"), [("conv3", 96, 5, 160_264), ("conv5", 32, 15, 80_132)]
)
def test_cycles_of_the_paper(name, outputs, inputs, wanted):
    layer = next(layer for layer in alexnet.tower(bits=32) if layer.name == name)
    machine = registry.find(f"zhang_fpga15:outputs={outputs},inputs={inputs},usable_share=1").parameters
    assert cycles(layer, machine) == wanted


def test_all_layers_take_the_cycles_of_the_paper():
    """1,008,246 as recalled, of one tile of pixels a layer; conv1 and conv2 are cut into several here."""
    tiles = {layer.name: ceil(layer.p / 13) ** 2 for layer in alexnet.tower()}
    whole = sum(cycles(layer, ENGINE) for layer in alexnet.tower(bits=32))
    assert whole == 1_008_246 + 20 * (tiles["conv1"] + 14 * (tiles["conv2"] - 1))


def test_the_engine_waits_for_slow_memory():
    slow = registry.find("zhang_fpga15:dram_bytes_per_s=1e8").parameters
    (row,) = cost([dense(9216, 4096, bits=32)], slow)
    assert row.bound == "memory"
    assert row.latency_s > row.dram_bytes / 1e8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outputs": 0}, "outputs"),
        ({"outputs": 64, "inputs": 8}, "2560 DSPs"),
        ({"usable_share": 1.5}, "usable_share"),
        ({"bits": 64}, "bits"),
        ({"clock_hz": -1.0}, "clock_hz"),
    ],
)
def test_bad_machines(changes, message):
    with pytest.raises(BadInput, match=message):
        TiledEngine(**changes)


def test_tiles_that_the_device_does_not_hold_are_refused():
    wide = registry.find("zhang_fpga15:rows=55,columns=55").parameters
    (conv1, *_) = alexnet.tower(bits=32)
    assert "block RAMs" in str(refusal(conv1, wide))
    assert refusal(Layer(operator="gather", has_weights=False, ops=1), ENGINE) is None
    assert "no unit" in str(refusal(Layer(operator="softmax", has_weights=False, ops=1), ENGINE))
    assert tiled_engine.area_m2(ENGINE) is None
