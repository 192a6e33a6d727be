"""`lamina sweep`: rows, front and page; killed and gone on with to the same bytes; another space is refused."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import lamina
from lamina.core.errors import BadInput, Unsupported

TOPOLOGY = """Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,
first, 20, 20, 3, 3, 4, 12, 1,
second, 18, 18, 5, 5, 12, 20, 2,
"""
VARY = ["rows=2..9,columns=2..8*2", "dataflow=output_stationary,weight_stationary"]


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "net.csv"
    path.write_text(TOPOLOGY)
    return path


def test_rows_front_and_files(source, tmp_path):
    found = lamina.sweep(source, "systolic", VARY, out=tmp_path / "s", jobs=1, objectives=("latency_s", "area_m2"))
    told = found.to_json()
    assert (told["points"], told["refused"]) == (8 * 3 * 2, 0)
    with (tmp_path / "s" / "points.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 48
    assert sum(row["pareto"] == "True" for row in rows) == len(told["front"]) > 2
    one = lamina.cost(source, "systolic:rows=5,columns=4,dataflow=weight_stationary").results[0].total
    (row,) = [r for r in rows if (r["rows"], r["columns"], r["dataflow"]) == ("5", "4", "weight_stationary")]
    assert (int(row["cycles"]), float(row["energy_j"])) == (one.cycles, one.energy_j)
    assert (tmp_path / "s" / "report.html").stat().st_size > 1_000_000
    assert json.loads((tmp_path / "s" / "summary.json").read_text())["front"] == told["front"]


def test_processes_change_no_byte(source, tmp_path):
    lamina.sweep(source, "systolic", VARY, out=tmp_path / "one", jobs=1)
    lamina.sweep(source, "systolic", VARY, out=tmp_path / "two", jobs=2)
    for name in ("metrics.jsonl", "points.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_killed_it_goes_on_where_it_was(source, tmp_path):
    out = tmp_path / "killed"
    vary = "rows=2..900"
    code = f"import lamina; lamina.sweep({str(source)!r}, 'systolic', [{vary!r}], out={str(out)!r}, jobs=1)"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
    metrics = out / "metrics.jsonl"
    for _ in range(6000):
        if metrics.exists() and metrics.stat().st_size:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = metrics.read_bytes()
    metrics.write_bytes(there[:-7])  # and a last line cut short
    lamina.sweep(source, "systolic", [vary], out=out, jobs=1)
    lamina.sweep(source, "systolic", [vary], out=tmp_path / "whole", jobs=1)
    assert metrics.read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()


def test_another_space_is_refused(source, tmp_path):
    lamina.sweep(source, "systolic", ["rows=2..3"], out=tmp_path / "s", jobs=1)
    with pytest.raises(BadInput, match="another configuration"):
        lamina.sweep(source, "systolic", ["rows=2..4"], out=tmp_path / "s", jobs=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vary": ["row=2..3"]}, "rows"),
        ({"vary": ["rows=2..3"], "objectives": ["speed"]}, "latency_s"),
        ({"vary": ["rows=2..3"], "engine": "threads"}, "processes"),
        ({"vary": ["rows=2..3"], "machine": "systolik"}, "systolic"),
        ({"vary": []}, "--vary"),
    ],
)
def test_bad_words_are_named(source, tmp_path, arguments, message):
    given = {"machine": "systolic", "out": tmp_path / "s", **arguments}
    with pytest.raises(BadInput, match=message):
        lamina.sweep(source, given.pop("machine"), given.pop("vary"), **given)
    assert not (tmp_path / "s").exists()


def test_ray_is_an_extra(source, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(Unsupported, match=r"pip install 'lamina\[ray\]'"):
        lamina.sweep(source, "systolic", VARY, out=tmp_path / "none", engine="ray")


def test_a_cluster_changes_no_byte(source, tmp_path):
    pytest.importorskip("ray")
    code = "import lamina; lamina.sweep({!r}, 'systolic', {!r}, out={!r}, engine='ray')"
    command = [sys.executable, "-c", code.format(str(source), VARY, str(tmp_path / "ray"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    lamina.sweep(source, "systolic", VARY, out=tmp_path / "one", jobs=1)
    assert (tmp_path / "ray" / "metrics.jsonl").read_bytes() == (tmp_path / "one" / "metrics.jsonl").read_bytes()
