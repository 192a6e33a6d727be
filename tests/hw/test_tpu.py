"""The TPU's closed form by hand, against its timeline, against the timeline without shortcuts; its laws."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.hw import registry, table
from lamina.hw.cost import settled, total
from lamina.hw.families import tpu as family
from lamina.hw.families._tpu_parts import Demand, parts
from lamina.hw.families._tpu_timeline import Counters, Work, timeline
from lamina.hw.families.tpu import Tpu, cost, counters, cycles, network_counters, refusal, tiles
from lamina.ir.layer import Layer, dense
from tests.hw.shapes import moving, multiplying
from tests.networks import lenet5, recurrent_network

V1 = registry.registered("tpu_v1").parameters
GDDR5 = registry.registered("tpu_v1_gddr5").parameters

chips = st.builds(
    Tpu,
    rows=st.integers(1, 20),
    columns=st.integers(1, 20),
    clock_hz=st.just(1e6),
    dram_bytes_per_s=st.floats(1e5, 1e9),
    fifo_tiles=st.integers(2, 5),
    accumulators=st.integers(2, 300),
    unified_buffer_bytes=st.integers(1, 100_000),
    link_bytes_per_s=st.floats(1e5, 1e9),
)


def narrow(layer: Layer) -> Layer:
    """Words that the matrix unit takes."""
    return replace(layer, input_bits=min(layer.input_bits, 16), weight_bits=min(layer.weight_bits, 16))


networks = st.lists(st.one_of(multiplying().map(narrow), moving()), min_size=1, max_size=6)


@pytest.mark.parametrize("name", ["tpu_v1", "tpu_v1_gddr5"])
def test_the_published_figures(name):
    machine = registry.registered(name)
    for quantity, (figure, tolerance) in machine.published.items():
        assert getattr(machine.parameters, quantity) == pytest.approx(figure, rel=tolerance), quantity


def test_one_tile_of_weights_by_hand():
    # 65,536 bytes at 34 GB/s are 1.9275 us, 1349.3 cycles; GDDR5: 249.9
    assert (V1.load_cycles, GDDR5.load_cycles, V1.drain_cycles) == (1350, 250, 511)
    # one vector, one tile: load, shift, one cycle, and the way out
    assert cycles(dense(256, 256), V1) == 1350 + 256 + 1 + 511
    # five layers of 8 x 8 tiles and 200 vectors: memory bound, 1350 cycles a tile
    layer = dense(2000, 2000, batch=200)
    assert tiles(layer, V1).count == 64
    assert cycles(layer, V1) == 1350 + 256 + 63 * 1350 + 200 + 511
    found = counters(layer, V1)
    assert (found.active, found.shift, found.stall) == (64 * 200, 64 * 256, 1350 + 63 * (1350 - 200 - 256))
    assert found.useful == 12_208  # 2000 x 2000 x 200 / 65,536
    # on GDDR5 the 256 cycles of the shift are the longest
    assert cycles(layer, GDDR5) == 250 + 256 + 63 * 256 + 200 + 511


def test_a_convolution_that_hides_its_weights():
    # 2888 vectors do not fit 2048 accumulators: two chunks of 1444, each fetching 9 tiles, 1444 > 1350
    layer = Layer(n=8, k=256, c=256, p=19, q=19, r=3, s=3, padding=(1, 1, 1, 1))
    cut = tiles(layer, V1)
    assert (cut.chunks, cut.vectors, cut.count) == (2, 1444, 18)
    assert cycles(layer, V1) == 1350 + 256 + 18 * 1444 + 511
    assert counters(layer, V1).stall == 1350


@pytest.mark.parametrize(("input_bits", "weight_bits", "slower"), [(8, 16, 2), (16, 8, 2), (16, 16, 4), (4, 5, 1)])
def test_wide_words_run_at_half_and_quarter_rate(input_bits, weight_bits, slower):
    layer = replace(dense(256, 256, batch=2048), input_bits=input_bits, weight_bits=weight_bits)
    assert counters(layer, V1).active == slower * 2048
    assert counters(layer, V1).useful == slower * 2048


def roomy(chip: Tpu) -> Tpu:
    """All activations fit, and cross the link at once."""
    return replace(chip, unified_buffer_bytes=2**40, link_bytes_per_s=1e300)


@given(multiplying().map(narrow), chips.map(roomy))
@settings(max_examples=300)
def test_one_layer_of_the_timeline_is_the_closed_form(layer, chip):
    found = counters(layer, chip)
    assert found.total == cycles(layer, chip)
    assert network_counters([layer], chip) == found + Counters(host=1)
    (row,) = cost([layer], chip)
    assert row.cycles == found.total
    assert 0 < found.useful <= found.active


works = st.lists(
    st.one_of(
        st.builds(Work, tiles=st.integers(1, 60), streamed=st.integers(1, 30)),
        st.builds(Work, other=st.integers(0, 100)),
    ),
    max_size=5,
)


@given(works, st.integers(1, 30), st.integers(1, 30), st.integers(2, 5), st.integers(0, 40))
@settings(max_examples=400)
def test_the_shortcut_of_the_timeline_changes_nothing(works, load, shift, slots, drain):
    """Every tile in lists, and every waiting cycle looked at by itself."""
    loaded, shifted, began, ended, barrier, expected = [], [], [], [], 0, []
    for work in works:
        if not work.tiles:
            expected.append(Counters(other=work.other))
            barrier += work.other
            continue
        stall = shifting = 0
        for _ in range(work.tiles):
            t = len(loaded)
            loaded.append(max(loaded[-1] if t else 0, shifted[t - slots] if t >= slots else 0) + load)
            from_here = max(loaded[-1], shifted[-1] if t else 0, began[-1] if t else 0)
            shifted.append(from_here + shift)
            free = max(ended[-1] if t else 0, barrier)
            began.append(max(shifted[-1], free))
            ended.append(began[-1] + work.streamed)
            for cycle in range(free, began[-1]):
                if from_here <= cycle < shifted[-1]:
                    shifting += 1
                else:
                    stall += 1
        barrier = ended[-1] + drain
        expected.append(Counters(active=work.tiles * work.streamed, shift=shifting, stall=stall, raw=drain))
    found = timeline(works, load=load, shift=shift, slots=slots, drain=drain)
    assert found == expected
    assert sum(c.total for c in found) == barrier


def test_long_layers_take_no_longer_to_cost():
    """The work of the timeline does not grow with the tiles: counted, not timed."""
    steps = []

    class Cycles(int):
        def __radd__(self, other):
            steps.append(None)
            return int(other) + int(self)

    for count in (100, 10**9):
        steps.clear()
        timeline([Work(tiles=count, streamed=200)], load=Cycles(1350), shift=256, slots=4, drain=511)
        assert len(steps) < 20


@given(networks, chips.map(roomy))
def test_tiles_fetched_ahead_never_make_a_network_slower(layers, chip):
    rows = cost(layers, chip)
    crosses = any(row.bytes_by_level["link"] for row in rows)
    assert sum(row.cycles for row in rows) <= sum(cycles(layer, chip) for layer in layers)
    assert sum(row.cycles for row in rows) == network_counters(layers, chip).total - crosses


@given(networks, chips, st.sampled_from(["dram_bytes_per_s", "link_bytes_per_s"]), st.floats(1, 1000))
def test_more_bandwidth_is_never_slower(layers, chip, field, factor):
    faster = replace(chip, **{field: getattr(chip, field) * factor})
    assert total(settled(cost(layers, faster))).latency_s <= total(settled(cost(layers, chip))).latency_s * (1 + 1e-9)


@given(networks, chips, st.integers(1, 50))
def test_more_buffer_never_moves_more_bytes_and_more_slots_are_never_slower(layers, chip, factor):
    larger = replace(chip, unified_buffer_bytes=chip.unified_buffer_bytes * factor)
    assert total(cost(layers, larger)).dram_bytes <= total(cost(layers, chip)).dram_bytes
    deeper = replace(chip, fifo_tiles=chip.fifo_tiles + factor)
    assert total(cost(layers, deeper)).cycles <= total(cost(layers, chip)).cycles


@given(multiplying().map(narrow), chips)
def test_every_tensor_crosses_the_pins_and_no_multiplier_works_twice(layer, chip):
    (row,) = cost([layer], chip)
    assert row.dram_bytes >= layer.weight_bytes + layer.input_bytes + layer.output_bytes
    assert row.cycles * chip.rows * chip.columns >= layer.macs
    assert 0 < row.utilisation <= 1
    assert row.latency_s * chip.dram_bytes_per_s >= row.bytes_by_level["weight_fifo"] - 4 * layer.biases


@given(networks, chips)
def test_layers_and_components_add_up(layers, chip):
    rows = settled(cost(layers, chip))
    whole = total(rows)
    assert sum(r.latency_s for r in rows) == whole.latency_s
    assert sum(r.energy_j for r in rows) == whole.energy_j
    for row in rows:
        parts = row.bytes_by_level
        assert row.dram_bytes == parts["dram"] == parts["weight_fifo"] + parts["link"]


def test_activations_stay_on_the_chip_where_they_fit():
    layers = [dense(2000, 2000, batch=200, name=f"fc{i}") for i in range(3)]
    first, middle, last = (row.bytes_by_level["link"] for row in cost(layers, V1))
    assert (first, middle, last) == (400_000, 0, 400_000)
    # what acts on results as they leave is neither the first nor the last layer
    relu = Layer(operator="relu", has_weights=False, groups=2000, ops=2000)
    assert [row.bytes_by_level["link"] for row in cost([relu, *layers, relu], V1)] == [0, 400_000, 0, 400_000, 0]


def images(n: int, sizes: list[int]) -> list[Layer]:
    """1 x 1 convolutions of 10 to 10 channels over images of falling size, as poolings would leave them."""
    return [Layer(name=f"c{p}", n=n, k=10, c=10, p=p, q=p) for p in sizes]


def links_and_tiles(layers: list[Layer], capacity: int) -> tuple[list[int], list[int]]:
    chip = Tpu(rows=10, columns=10, accumulators=65536, unified_buffer_bytes=capacity)
    rows = cost(layers, chip)
    return [r.bytes_by_level["link"] for r in rows], [r.bytes_by_level["weight_fifo"] // 100 for r in rows]


def test_a_batch_that_does_not_fit_runs_in_parts():
    # six images: layers hold 2 x 10 x 6 x (64, 16, 4) numbers = 7680, 1920, 480
    layers = images(6, [8, 4, 2])
    assert links_and_tiles(layers, 7680) == ([3840, 0, 240], [1, 1, 1])
    # two parts of the first layer hold 3840 each, and the second's results wait for both: 960
    assert links_and_tiles(layers, 7679) == ([3840, 0, 240], [2, 2, 1])
    assert links_and_tiles(layers, 4800) == ([3840, 0, 240], [2, 2, 1])
    # the network's end waits for nobody
    assert links_and_tiles(layers, 4799) == ([3840, 0, 240], [2, 2, 2])
    assert links_and_tiles(layers, 2560) == ([3840, 0, 240], [3, 3, 3])
    # an image alone holds 1280
    assert links_and_tiles(layers, 1280) == ([3840, 0, 240], [6, 6, 6])
    assert links_and_tiles(layers, 1279) == ([7680, 1920, 240], [1, 1, 1])  # the last fits


def test_parts_are_chosen_as_brute_force_does():
    """Every split into parts of the first layers, over random networks of three to five layers."""
    rng = random.Random(0)
    for _ in range(300):
        batch, capacity = rng.choice([1, 2, 6, 12]), rng.randint(1, 300)
        demands = []
        for _ in range(rng.randint(1, 5)):
            held, each = [batch * rng.randint(1, 20) for _ in range(2)], rng.randint(1, 60)
            demands.append(Demand(batch=batch, read=held[0], written=held[1], weights=lambda c, w=each: c * w))
        large = [i for i, d in enumerate(demands) if d.held > capacity]
        last = len(demands) - 1
        spill = sum(demands[i].read * (i > 0) + demands[i].written * (i < last) for i in large)
        moved = {(0, 1): sum(d.weights(1) for d in demands) + spill}
        for end in range(large[-1] + 1 if large else last + 2, last + 2):
            for count in (2, 3, 4, 6, 12):
                kept = demands[end - 1].written if end <= last else 0
                if batch % count == 0 and all(d.held / count + kept <= capacity for d in demands[:end]):
                    moved[end, count] = sum(d.weights(count if i < end else 1) for i, d in enumerate(demands))
        chosen = parts(demands, capacity)
        assert moved[chosen] == min(moved.values())


def test_energy_is_power_times_time_and_weight_memory_by_the_byte():
    (row,) = cost([dense(256, 256)], V1)
    parts = row.energy_by_component_j
    assert parts["idle"] + parts["busy"] == pytest.approx(40 * row.latency_s)
    assert parts["dram"] == pytest.approx(65_536 * 8 * 70e-12)
    assert family.area_m2(V1) == pytest.approx(331e-6)


def test_lenet5_costs_whole():
    network = lenet5()
    for name in ("tpu_v1", "tpu_v1_gddr5"):
        (result,) = table.cost(network, [registry.registered(name)]).results
        assert result.coverage == 1
        assert set(result.marks.values()) <= {"modelled", "published", "unverified"}


RESIDUAL = ("conv2d", "linear", "batch_norm", "relu", "add", "max_pool2d", "average_pool2d", "reduce_mean")
RECURRENT = ("linear", "sigmoid", "tanh", "multiply", "add", "subtract", "slice", "concatenate", "transpose", "gather")
INTEGER = ("quantise", "dequantise", "lookup", "cast")


@pytest.mark.parametrize("operator", sorted({*RESIDUAL, *RECURRENT, *INTEGER}))
def test_pieces_of_residual_and_recurrent_networks_run(operator):
    layer = Layer(operator=operator, n=2, groups=300, p=3, q=3, has_weights=operator in ("conv2d", "linear"), ops=5400)
    assert refusal(layer, V1) is None
    (row,) = cost([layer], V1)
    assert row.latency_s > 0 or operator in family.ON_THE_FLY


def test_recurrent_networks_cost_whole():
    for seed in range(5):
        (result,) = table.cost(recurrent_network(seed), [registry.registered("tpu_v1")]).results
        assert result.coverage == 1


def test_nothing_costs_nothing():
    assert cost([], V1) == []
    assert network_counters([], V1) == Counters()


def test_units_behind_the_array_by_hand():
    def cycles_of(**fields):
        return cycles(Layer(has_weights=False, **fields), V1)

    # 300 channels are two rows of 256; 4 x 3 x 3 windows of 2 x 2 taps
    assert cycles_of(operator="max_pool2d", n=4, groups=300, p=3, q=3, r=2, s=2) == 4 * 9 * 4 * 2
    assert cycles_of(operator="add", groups=300, p=3, q=3, ops=2700) == 11  # 2700 / 256
    assert cycles_of(operator="transpose", groups=300, p=3, q=3) == 11
    assert cycles_of(operator="sigmoid", groups=300, p=3, q=3, ops=2700) == 0


def test_what_it_has_no_unit_for_is_refused_by_name():
    assert refusal(Layer(operator="softmax", has_weights=False), V1) == "it has no unit for softmax"
    assert "at most 16" in refusal(replace(dense(4, 4), input_bits=17), V1)
    assert refusal(Layer(operator="quantise", has_weights=False, input_bits=32), V1) is None


@pytest.mark.parametrize(
    "field",
    [
        {"rows": 0}, {"columns": 4097}, {"clock_hz": float("nan")}, {"dram_bytes_per_s": 0.0}, {"dram": "ddr9"},
        {"fifo_tiles": 1}, {"accumulators": 1}, {"unified_buffer_bytes": 0}, {"link_bytes_per_s": -1.0},
        {"idle_w": 41.0}, {"busy_w": float("inf")}, {"chip_area_m2": 0.0},
    ],
    ids=lambda f: next(iter(f)),
)  # fmt: skip
def test_values_out_of_range_are_named(field):
    with pytest.raises(BadInput, match=rf"tpu: {next(iter(field))}"):
        Tpu(**field)
