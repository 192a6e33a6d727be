"""The processor: a roofline by hand, and its measurement: plausible, kept, told when damaged."""

import json

import pytest

from lamina.core.errors import BadInput
from lamina.hw import measure, registry
from lamina.hw.families.roofline import Roofline, cost
from lamina.ir.layer import Layer, dense

# 100 GFLOP/s, 10 GB/s from DRAM, 50 GB/s from a cache of 1 MB, 2 us a call
MACHINE = Roofline(peak_ops_per_s=1e11, dram_bytes_per_s=1e10, cache_bytes_per_s=5e10, cache_bytes=1e6, call_s=2e-6)


def test_a_cached_dense_layer_by_hand():
    # 100 -> 50: 5000 MACs are 0.1 us; 5150 bytes at 50 GB/s are 0.103 us
    (row,) = cost([dense(100, 50)], MACHINE)
    assert row.latency_s == pytest.approx(5150 / 5e10 + 2e-6)
    assert (row.bound, row.dram_bytes, row.bytes_by_level) == ("memory", 0, {"dram": 0, "cache": 5150})


def test_a_dense_layer_from_dram_by_hand():
    (row,) = cost([dense(4000, 1000)], MACHINE)
    assert row.latency_s == pytest.approx(4_005_000 / 1e10 + 2e-6)
    assert (row.bound, row.dram_bytes) == ("memory", 4_005_000)


def test_a_convolution_by_hand():
    # 115,605,504 MACs are 2.31 ms; the whole network fits no cache, 438,272 bytes are 44 us
    layer = Layer(k=64, c=64, p=56, q=56, r=3, s=3, padding=(1, 1, 1, 1))
    (row,) = cost([layer, dense(4000, 1000)], MACHINE)[:1]
    assert row.bound == "compute"
    assert row.latency_s == pytest.approx(2 * layer.macs / 1e11 + 2e-6)
    assert row.utilisation == pytest.approx(1, abs=2e-3)
    assert (row.cycles, row.energy_j) == (None, None)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAMINA_CACHE", str(tmp_path))
    return tmp_path / "cpu.json"


def test_measuring_this_computer(cache, capsys):
    """The first use measures and says so; the second reads the file; every number is of a computer, not of a bug."""
    machine = registry.find("cpu")
    assert "measuring" in capsys.readouterr().err
    p = machine.parameters
    assert 1e8 < p.peak_ops_per_s < 1e14
    assert 1e8 < p.dram_bytes_per_s < 2e12
    assert p.cache_bytes_per_s > 0.3 * p.dram_bytes_per_s
    assert 2**15 <= p.cache_bytes <= 2**34
    assert 0 < p.call_s < 1e-3
    kept = json.loads(cache.read_text())
    assert (kept["schema"], kept["processor"]) == (1, measure.processor())
    assert registry.find("cpu").parameters == p
    assert capsys.readouterr().err == ""
    assert {mark for mark, _ in machine.sources.values()} == {"measured"}
    assert machine.marks()["latency_s"] == "modelled"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "3", "{}", '{"schema": 1}', "\x00\xff", "[" * 9999,
     '{"schema": 2, "processor": "x", "date": "d", "parameters": {}}',
     '{"schema": 1, "processor": "x", "date": "d", "parameters": {"peak_ops_per_s": "fast"}}'],
)  # fmt: skip
def test_a_damaged_measurement_names_the_remedy(cache, text):
    cache.write_text(text)
    with pytest.raises(BadInput, match=r"cpu\.json.*lamina machine measure") as caught:
        registry.find("cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["-1.0", "0", "1e999", "true", "null", '"1"'])
def test_a_measurement_with_an_impossible_number_is_refused(cache, value):
    numbers = dict.fromkeys(measure._FIELDS, 1e9)
    text = json.dumps({"schema": 1, "processor": measure.processor(), "date": "d", "parameters": numbers})
    cache.write_text(text.replace("1000000000.0", value, 1))
    with pytest.raises(BadInput, match="lamina machine measure"):
        registry.find("cpu")


def test_a_measurement_of_another_processor_is_made_again(cache, monkeypatch, capsys):
    numbers = dict.fromkeys(measure._FIELDS, 1e9)
    other = {"schema": 1, "processor": "another", "date": "d", "parameters": numbers}
    cache.write_text(json.dumps(other))
    made = measure.Measured(processor=measure.processor(), date="today", parameters=numbers)
    monkeypatch.setattr(measure, "measure", lambda threads: made)
    assert measure.measured() is made
    assert "another" in capsys.readouterr().err


def test_all_cores_are_measured_apart(cache, monkeypatch, capsys):
    """The same file for another number of threads is measured again; one thread keeps its own file."""
    monkeypatch.setattr(measure, "all_threads", lambda: 3)
    numbers = dict.fromkeys(measure._FIELDS, 1e9)
    kept = {"schema": 1, "processor": measure.processor(), "date": "d", "threads": 3, "parameters": numbers}
    place = cache.with_name("cpu_all_cores.json")
    place.write_text(json.dumps(kept))
    machine = registry.find("cpu_all_cores")
    assert machine.parameters.peak_ops_per_s == 1e9
    assert {citation.partition(", ")[2].split(", ")[1] for _, citation in machine.sources.values()} == {"3 threads"}
    place.write_text(json.dumps({**kept, "threads": 2}))
    made = measure.Measured(processor=measure.processor(), date="today", parameters=numbers, threads=3)
    monkeypatch.setattr(measure, "measure", lambda threads: made)
    assert measure.measured(3) is made
    assert not cache.exists()


def test_measuring_with_two_threads(cache):
    two = measure.measure(2)
    assert cache.with_name("cpu_all_cores.json").exists()
    assert "2 threads" in str(two)
    assert measure.measured(2) == two
