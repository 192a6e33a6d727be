"""The TPU's published figures: which hold and how far; that misses are known and have reasons; the applications."""

import pytest

from lamina.hw import registry
from lamina.hw.workloads import tpu_applications
from lamina.hw.workloads.tpu_applications import APPLICATIONS, BATCH, MACS_PER_BYTE, WEIGHTS
from lamina.recipes._reproduced import tpu_v1, tpu_v1_gddr5

FIGURES = {f.name: f for f in tpu_v1.figures()}
NEWER = {f.name: f for f in tpu_v1_gddr5.figures()}


@pytest.mark.parametrize("name", ["peak_ops_per_s", "ridge", "tile_load_cycles", "mlp0_bound", "lstm0_bound"])
def test_what_follows_from_the_architecture_alone(name):
    assert FIGURES[name].ratio == pytest.approx(1, rel=3e-3)


@pytest.mark.parametrize("name", ["mlp0_tops", "lstm0_tops", "cnn0_tops"])
def test_speeds_are_as_near_as_the_papers_own_model(name):
    """Its table 7 has errors of 5 to 11 %."""
    assert FIGURES[name].ratio == pytest.approx(1, abs=0.07)


@pytest.mark.parametrize("name", ["mlp0_active", "mlp0_useful", "mlp0_stall", "mlp0_shift", "lstm0_active"])
def test_counters_within_15_per_cent(name):
    assert FIGURES[name].within


def test_steps_of_lstm1_on_two_arrays():
    # 9 tiles of 1350 cycles at 700 MHz; 4 tiles of 5398
    assert FIGURES["lstm1_tiling_us"].ours == pytest.approx(9 * 1350 / 700)
    assert FIGURES["lstm1_tiling_512_us"].ours == pytest.approx(4 * 5398 / 700)


def test_misses_are_these_and_have_reasons():
    misses = {name for name, figure in {**FIGURES, **NEWER}.items() if not figure.within}
    counters = {"non_matrix", "raw", "input"}
    assert misses == {
        *(f"{app}_{row}" for app in ("mlp0", "lstm0", "cnn0") for row in counters),
        "mlp0_unused", "lstm0_stall", "lstm0_shift", "cnn0_active",
        *(f"mlp0_batch{batch}_{what}" for batch in (200, 250) for what in ("per_s", "ms")),
        *(f"{app}_buffer_mib" for app in ("mlp0", "mlp1", "lstm0", "lstm1")),
        "clock_4x_cnn", "power_at_10_percent", "speed_up_weighted_with_host",
    }  # fmt: skip
    for figure in [*FIGURES.values(), *NEWER.values()]:
        assert bool(figure.reason) == (not figure.within), figure.name


@pytest.mark.parametrize("name", ["speed_up", "speed_up_weighted", "speed_up_with_host"])
def test_what_faster_weight_memory_gives(name):
    assert NEWER[name].ratio == pytest.approx(1, abs=0.07)


def test_mlp0_by_hand():
    """Five layers of 8 x 8 tiles; the second layer's first tiles have come before its input."""
    p = registry.find("tpu_v1").parameters
    counted = tpu_v1.run("mlp0", p)
    assert counted.active == 5 * 64 * 200
    assert counted.raw == 5 * 511
    host = -(-800_000 * 700_000_000 // 14_000_000_000)  # 2000 bytes in and out for each of 200
    assert counted.host == host
    # weight memory never rests: 320 tiles, the last one shifted, multiplied, and on its way out; four ways out
    # are hidden, since tiles come meanwhile
    assert counted.total == 320 * 1350 + 256 + 200 + 511 + host


@pytest.mark.parametrize("name", APPLICATIONS)
def test_applications_have_what_the_paper_prints(name):
    layers = APPLICATIONS[name]()
    weights, macs = (sum(getattr(layer, what) for layer in layers) for what in ("weights", "macs"))
    assert weights == pytest.approx(WEIGHTS[name], rel=0.01)
    assert macs / weights == pytest.approx(MACS_PER_BYTE[name], rel=0.08)
    kinds = [layer.operator for layer in layers]
    count = {kind: kinds.count(kind) for kind in ("linear", "conv2d", "multiply")}
    count["pool"] = kinds.count("max_pool2d") + kinds.count("average_pool2d")
    printed = {
        "mlp0": (5, 0, 0, 0), "mlp1": (4, 0, 0, 0), "lstm0": (24, 0, 34, 0), "lstm1": (37, 0, 19, 0),
        "cnn0": (0, 16, 0, 0), "cnn1": (4, 69, 0, 13),
    }  # fmt: skip
    assert tuple(count.values()) == printed[name]  # 72 convolutions of CNN1 are printed, Inception V2 has 69
    assert all(layer.n == BATCH[name] for layer in layers)


def test_inception_v2_fits_together():
    """Each module reads what the one before it makes, and the channels are those of the paper's figure 5."""
    layers = tpu_applications.cnn1()
    outs = [64 + 64 + 96 + 32, 320, 576, 576, 576, 576, 576, 1024, 1024]
    reads = [x.c for x in layers if x.name.endswith("/3x3r")]
    assert reads == [192, *outs]
    sizes = [layer.input_size[0] for layer in layers if layer.name.endswith("/pool")]
    assert sizes == [44, 44, 44, 22, 22, 22, 22, 22, 11, 11]
