"""The systolic array: cycles equal SCALE-Sim's code, traffic equals a count over folds, energy a hand calculation."""

import csv
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.hw.families.systolic import Systolic, area_m2, cost, cycles, traffic
from lamina.ir.layer import Layer, dense
from lamina.lowering import scalesim
from tests.hw.shapes import multiplying, systolic

ROOT = Path(__file__).parent.parent.parent
GOLDEN, TOOLS = ROOT / "tests" / "golden", ROOT / "tools"
DATAFLOWS = {"os": "output_stationary", "ws": "weight_stationary", "is": "input_stationary"}


def golden() -> list[dict[str, str]]:
    with (GOLDEN / "scalesim.csv").open() as file:
        return list(csv.DictReader(file))


def test_cycles_equal_scalesim_on_100_shapes_3_dataflows_4_arrays():
    rows = golden()
    keys = {(r["m"], r["n"], r["k"], r["dataflow"], r["rows"], r["columns"]) for r in rows}
    assert len(rows) == 1200
    assert len({key[3] for key in keys}) == 3
    assert len({key[4:] for key in keys}) == 4
    wrong = []
    for r in rows:
        machine = Systolic(rows=int(r["rows"]), columns=int(r["columns"]), dataflow=r["dataflow"])
        layer = dense(int(r["k"]), int(r["n"]), batch=int(r["m"]))
        if cycles(layer, machine) != int(r["cycles"]):
            wrong.append(r)
    assert wrong == []


def test_cycles_of_scalesims_own_golden_matrix():
    # its repository's test, M, N, K = 256, 128, 256 on 32 x 32: OS F = 8 * 4, P = 32 + 32 + 256 - 2 = 318, 32 * 318 - 1
    expected = {"output_stationary": 10175, "weight_stationary": 11199, "input_stationary": 14207}
    for dataflow, wanted in expected.items():
        assert cycles(dense(256, 128, batch=256), Systolic(dataflow=dataflow)) == wanted


def test_the_stock_alexnet_topology_read_from_its_table():
    layers = scalesim.read(GOLDEN / "scalesim_topologies" / "alexnet.csv").layers()
    machine = Systolic(rows=32, columns=32, dataflow="weight_stationary")
    assert [cycles(layer, machine) for layer in layers] == [112283, 373799, 185759, 278639, 185759]


def test_every_layer_of_the_stock_topologies_takes_the_cycles_that_scalesim_reported():
    """The file is written by tools/scalesim_stock.py: whole networks, which take SCALE-Sim minutes to hours."""
    with (GOLDEN / "scalesim_stock.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["topology"] for row in rows} >= {"alexnet"}
    for row in rows:
        layers = scalesim.read(GOLDEN / "scalesim_topologies" / f"{row['topology']}.csv").layers()
        side = int(row["side"])
        machine = Systolic(rows=side, columns=side, dataflow=DATAFLOWS[row["dataflow"]])
        assert [cycles(layer, machine) for layer in layers] == [int(c) for c in row["cycles"].split()], row["topology"]


def scalesim_python() -> str:
    """The Python of an environment with SCALE-Sim; without one the test skips, and fails in CI."""
    python = os.environ.get("LAMINA_SCALESIM_PYTHON") or str(ROOT / ".venv-scalesim" / "bin" / "python")
    if Path(python).exists():
        return python
    reason = f"{python} does not exist: make scalesim, or set LAMINA_SCALESIM_PYTHON"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def test_live_against_scalesim():
    """A few cases run by SCALE-Sim itself, now: matrices, and convolutions whose output size is rounded up."""
    python = scalesim_python()
    matrices = [[40, 9, 33, "os", 8, 8], [40, 9, 33, "ws", 16, 4], [40, 9, 33, "is", 4, 32]]
    found = _simulate(python, matrices)
    for (m, n, k, short, rows, columns), result in zip(matrices, found, strict=True):
        machine = Systolic(rows=rows, columns=columns, dataflow=DATAFLOWS[short])
        assert cycles(dense(k, n, batch=m), machine) == result["cycles"]
    titles = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"
    topology = titles + "a,12,9,3,2,5,20,2,\nb,7,7,7,7,2,3,4,\nc,10,10,3,3,2,6,3,\n"
    for short, dataflow in DATAFLOWS.items():
        machine = Systolic(rows=8, columns=4, dataflow=dataflow)
        result = _simulate(python, {"topology": topology, "dataflow": short, "rows": 8, "columns": 4})
        assert [cycles(layer, machine) for layer in scalesim.parse(topology).layers()] == result["cycles"]


def _simulate(python, given):
    done = subprocess.run(
        [python, str(TOOLS / "scalesim_worker.py")], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@given(multiplying(), systolic)
def test_groups_follow_one_another(layer, machine):

    one = cycles(replace(layer, groups=1), machine) + 1
    assert cycles(layer, machine) == layer.groups * one - 1


# dense, 100 inputs, 50 outputs, batch 64, on 32 x 32, 8 bits: x 6400 bytes, w 5000, y 3200
LAYER = dense(100, 50, batch=64)


def test_small_layers_move_every_tensor_once():
    for dataflow in DATAFLOWS.values():
        t = traffic(LAYER, Systolic(dataflow=dataflow))
        assert (t.inputs, t.weights, t.outputs) == (6400, 5000, 3200)


def test_output_stationary_keeps_a_stripe_or_a_block():
    # row folds 2 (pixels), column folds 2 (filters). A stripe is 32 * 100 = 3200 bytes, a block of filters 32 * 100.
    # nothing fits: both orders read 2 * 6400 + 2 * 5000.
    machine = Systolic(dataflow="output_stationary", input_sram_bytes=2, weight_sram_bytes=2)
    assert traffic(LAYER, machine).total == 2 * 6400 + 2 * 5000 + 3200
    # the stripe fits: inputs once, weights for both stripes; the block fits: weights once, inputs twice
    machine = Systolic(dataflow="output_stationary", input_sram_bytes=6400, weight_sram_bytes=2)
    assert traffic(LAYER, machine).total == 6400 + 2 * 5000 + 3200
    machine = Systolic(dataflow="output_stationary", input_sram_bytes=2, weight_sram_bytes=6400)
    assert traffic(LAYER, machine).total == 2 * 6400 + 5000 + 3200


def test_weight_stationary_spills_partial_sums():
    # row folds 4 (of 100 taps), column folds 2. Sums of one column of folds: 64 * 32 * 4 = 8192 bytes.
    machine = Systolic(dataflow="weight_stationary", output_sram_bytes=2 * 8192)
    assert traffic(LAYER, machine).outputs == 3200
    # one byte less: 3 times written and read back, 64 * 50 sums of 4 bytes
    machine = Systolic(dataflow="weight_stationary", output_sram_bytes=2 * 8192 - 1)
    assert traffic(LAYER, machine).outputs == 3200 + 2 * 3 * 64 * 50 * 4


@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 5), st.integers(1, 20))
def test_folds_that_cut_a_window_read_the_channels_they_touch(c, r, s, rows):
    """Against a count: fold i holds taps i R .. (i + 1) R - 1 of the window, tap t belongs to channel t // (r s)."""
    layer = Layer(k=1, c=c, r=r, s=s, p=9, q=9)
    line = r * layer.input_size[1] * c
    # inputs larger than the memory, lines fit: one column fold, so inputs are one pass
    machine = Systolic(rows=rows, columns=1, dataflow="weight_stationary", input_sram_bytes=2 * line)
    if layer.input_bytes <= line:
        return
    taps = range(c * r * s)
    touched = sum(len({t // (r * s) for t in taps[i : i + rows]}) for i in range(0, len(taps), rows))
    assert traffic(layer, machine).inputs == pytest.approx(layer.input_bytes * touched / c)


def test_energy_by_hand():
    # 3 x 3, 2 -> 4 channels, 6 x 6 out of 8 x 8, output stationary on 32 x 32: row folds 2, column folds 1.
    layer = Layer(k=4, c=2, p=6, q=6, r=3, s=3)
    (row,) = cost([layer], Systolic(dataflow="output_stationary"))
    macs, x, w, y = 4 * 2 * 36 * 9, 2 * 64, 4 * 2 * 9, 4 * 36
    assert (row.macs, row.dram_bytes) == (macs, x + w + y)
    # 8-bit multiplication 0.2 pJ and 32-bit addition 0.1 pJ; DRAM 1.95 nJ for 8 bytes
    assert row.energy_by_component_j["mac"] == pytest.approx(macs * 0.3e-12)
    assert row.energy_by_component_j["dram"] == pytest.approx((x + w + y) * 1.95e-9 / 8)
    # SRAM: inputs 36 * 18 once, weights 72 for both row folds, outputs once, and what crosses the pins;
    # 64 KiB lies between 20 pJ (32 KiB) and 100 pJ (1 MiB) a word: 20 * 5^(1/5)
    sram = 36 * 18 + x + 2 * 72 + w + 2 * y
    assert row.bytes_by_level == {"dram": x + w + y, "sram": sram}
    assert row.energy_by_component_j["sram"] == pytest.approx(sram * 20e-12 * 5 ** (1 / 5) / 8)


def test_area_by_hand():
    # 8-bit multiplier 282 um2, 32-bit adder 137 um2; 192 KiB of 0.346 um2 cells, half of the macro
    bits = 192 * 1024 * 8
    assert area_m2(Systolic()) == pytest.approx(1024 * (282 + 137) * 1e-12 + bits * 0.346e-12 * 2, rel=1e-6)


def test_a_slow_memory_decides_the_time():
    (fast,) = cost([LAYER], Systolic(dram_bytes_per_s=1e15))
    (slow,) = cost([LAYER], Systolic(dram_bytes_per_s=1e6))
    assert (fast.bound, slow.bound) == ("compute", "memory")
    assert fast.latency_s == pytest.approx((fast.cycles + 1) / 1e9)
    assert slow.latency_s == pytest.approx(slow.dram_bytes / 1e6)
    assert fast.cycles == slow.cycles


@pytest.mark.parametrize(
    "field",
    [
        {"rows": 0},
        {"columns": -1},
        {"rows": 65537},
        {"dataflow": "row_stationary"},
        {"clock_hz": float("nan")},
        {"dram_bytes_per_s": 0.0},
        {"input_sram_bytes": 1},
        {"accumulator_bits": 7},
    ],
)
def test_values_out_of_range_are_named(field):
    with pytest.raises(BadInput, match=next(iter(field))):
        Systolic(**field)


def test_the_last_tick_of_a_single_multiplier():
    """One element, one product: SCALE-Sim's index of the last cycle is 0, and still it takes a cycle of time."""
    (row,) = cost([dense(1, 1)], Systolic(rows=1, columns=1, dataflow="output_stationary", dram_bytes_per_s=1e15))
    assert (row.cycles, row.utilisation) == (0, 1.0)
    assert row.latency_s == pytest.approx(1e-9)


def test_folds_pay_for_the_whole_array():
    (full,) = cost([dense(64, 32, batch=32)], Systolic(dataflow="output_stationary"))
    (spilt,) = cost([dense(64, 33, batch=32)], Systolic(dataflow="output_stationary"))
    assert spilt.cycles + 1 == 2 * (full.cycles + 1)
