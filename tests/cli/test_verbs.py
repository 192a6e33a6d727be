"""Every verb once, as a person types it, on one small run: results on stdout, words on stderr, files where they go."""

import json

import pytest

from tests.cli.test_errors import lamina
from tests.requirements import need


def answer(*words):
    """The JSON value that a verb prints."""
    done = lamina(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "mlp"
    (row,) = answer("train", "lenet_300_100", "--out", folder, "--set", "epochs=2", "--seed", "3")
    assert row["test_accuracy"] > 0.8
    return folder


@pytest.fixture(scope="module")
def integer(run):
    (row,) = answer("quantise", run, "--out", run.with_name("int8"))
    assert row["bits"] == 8
    return run.with_name("int8")


def test_a_run_folder_has_its_files(run):
    names = {p.name for p in run.iterdir()}
    assert {"run.toml", "metrics.jsonl", "weights.safetensors", "network.lamina", "summary.json", "checkpoint"} <= names


def test_training_again_goes_on_and_resume_demands_a_run(run, tmp_path):
    before = (run / "weights.safetensors").read_bytes()
    answer("train", "lenet_300_100", "--out", run, "--set", "epochs=2", "--seed", "3", "--resume")
    assert (run / "weights.safetensors").read_bytes() == before
    refused = lamina("train", "lenet_300_100", "--out", tmp_path / "none", "--resume")
    assert (refused.returncode, "no run to resume" in refused.stderr) == (2, True)
    other = lamina("train", "lenet_300_100", "--out", run, "--set", "epochs=3", "--seed", "3")
    assert (other.returncode, "epochs is 2 there and 3 here" in other.stderr) == (2, True)


def test_compress(run):
    small = run.with_name("small")
    words = ("compress", run, "--out", small, "--set", "epochs=1", "--set", "density=0.1")
    stages = answer(*words)
    size = (small / "packed.lmn").stat().st_size
    assert stages[-1]["bytes"] == size
    assert stages[-1]["ratio"] == pytest.approx(4 * 266_610 / size)
    assert stages[-1]["ratio"] > 15
    assert answer(*words) == stages  # done already
    assert answer("diff", small / "packed.lmn", small)["equal"] is True


def test_cost_on_three_machines(integer):
    table = answer("cost", integer, "--on", "cpu,systolic:rows=8,columns=16,dataflow=output_stationary,diannao")
    assert table["schema"] == 1
    assert (table["network"]["macs"], table["network"]["bits"]) == (266_200, 8)
    assert [r["machine"] for r in table["results"]] == ["cpu", "systolic", "diannao"]
    assert table["results"][1]["fields"]["rows"] == 8
    for result in table["results"]:
        total = result["total"]
        assert result["coverage"] == 1.0
        for key in ("cycles", "latency_s", "energy_j", "dram_bytes", "macs"):
            values = [layer[key] for layer in result["layers"]]
            assert total[key] is None if None in values else total[key] == sum(values)
        if total["energy_j"] is not None:
            assert sum(total["energy_by_component_j"].values()) == total["energy_j"]
        assert 0 < total["utilisation"] <= 1
    cpu = table["results"][0]
    assert cpu["total"]["cycles"] is None  # a processor measured from inside cannot tell
    assert cpu["total"]["energy_j"] is None


def test_float_networks_are_costed_at_stated_bits(run):
    assert answer("cost", run, "--on", "systolic")["network"]["bits"] == 8
    assert answer("cost", run, "--on", "systolic", "--bits", "4")["network"]["bits"] == 4
    assert "costed as if its words had 8 bits" in " ".join(lamina("cost", run, "--on", "systolic").stdout.split())


def test_batch(run):
    one, ten = (answer("cost", run, "--on", "systolic", "--batch", b)["results"][0]["total"] for b in (1, 10))
    assert ten["macs"] == 10 * one["macs"]
    assert ten["latency_s"] < 10 * one["latency_s"]  # the weights are read once


def test_emulate(integer, run):
    found = answer("emulate", integer, "--on", "systolic:rows=16,columns=16", "--limit", "50")
    assert (found["bits_agree"], found["cycles_agree"], found["examples"]) == (True, True, 50)
    assert found["accuracy"] > 0.7
    found = answer("emulate", run, "--on", "diannao", "--limit", "20")
    assert (found["bits_agree"], found["cycles_agree"]) == (True, True)
    refused = lamina("emulate", run, "--on", "systolic")
    assert (refused.returncode, "lamina quantise" in refused.stderr) == (2, True)


def test_export_and_diff(integer, tmp_path):
    need("gcc")
    assert lamina("export", integer, "--to", "c", "--out", tmp_path / "c").returncode == 0
    assert lamina("export", integer, "--to", "onnx", "--out", tmp_path / "onnx").returncode == 0
    (onnx,) = (tmp_path / "onnx").glob("*.onnx")
    for other in (tmp_path / "c", onnx):
        assert answer("diff", integer, other, "--limit", "20")["equal"] is True


def test_diff_names_the_first_layer_and_exits_1(integer, run):
    text = (integer / "network.lamina").read_text()
    assert " rounding=" not in text
    changed = integer.with_name("changed.lamina")
    lines = [line + " rounding=truncate" if "= linear(fc1" in line else line for line in text.splitlines()]
    changed.write_text("\n".join(lines) + "\n")
    changed.with_suffix(".safetensors").write_bytes((integer / "network.safetensors").read_bytes())
    done = lamina("diff", integer, changed)
    assert done.returncode == 1
    assert "differ first at 'fc2'" in done.stdout
    found = json.loads(lamina("diff", integer, changed, "--json").stdout)
    assert (found["equal"], found["layer"]) == (False, "fc2")


def test_lower_and_show(run, tmp_path):
    assert lamina("lower", run, "--out", tmp_path / "net.lamina").returncode == 0
    rows = answer("show", tmp_path / "net.lamina", "--svg", tmp_path / "net.svg")
    assert sum(row["macs"] for row in rows) == 266_200
    assert (tmp_path / "net.svg").read_text().startswith("<svg")
    fields = {row["field"]: row for row in answer("show", "diannao")}
    assert (fields["clock_hz"]["value"], fields["clock_hz"]["mark"]) == (0.98e9, "published")
    assert answer("show", "digits")["examples"] == {"train": 3500, "validation": 500, "test": 1000}


@pytest.mark.parametrize("kind", ["models", "machines", "data", "recipes", "exporters", "rows"])
def test_list(kind):
    rows = answer("list", kind)
    assert all({"name", "summary"} <= set(row) for row in rows)


def test_report(run):
    done = lamina("report", run)
    assert (done.returncode, done.stdout.strip()) == (0, str(run / "report.html"))
    assert "<html" in (run / "report.html").read_text()[:2000]


def test_doctor_and_machine(tmp_path):
    assert {row["what"] for row in answer("doctor")} >= {"python", "torch", "gcc", "cache", "roofline"}
    assert answer("machine", "measure")["parameters"]["peak_ops_per_s"] > 1e9
    mine = tmp_path / "mine.toml"
    mine.write_text('family = "systolic"\nrows = 8\ncolumns = 8\n')
    assert lamina("machine", "check", mine).returncode == 0
    mine.write_text('family = "systolic"\nrows = 8\ncolums = 8\n')
    done = lamina("machine", "check", mine)
    assert (done.returncode, "line 3" in done.stderr, "'columns'" in done.stderr) == (2, True, True)


def test_interrupted_is_130_and_resumable(tmp_path):
    import signal
    import subprocess
    import sys
    import time

    words = ["train", "lenet5", "--out", str(tmp_path / "r"), "--set", "epochs=200"]
    code = "import sys; sys.argv[0] = 'lamina'; from lamina.cli import main; main()"
    # a job in the background starts with SIGINT ignored, and would hand that on
    command = [sys.executable, "-c", f"import signal; signal.signal(2, signal.default_int_handler); {code}", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 100
        while not (tmp_path / "r" / "metrics.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, words_of = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in words_of
    assert "resume" in words_of
    assert list((tmp_path / "r" / "checkpoint").iterdir())


def test_test_pictures_that_were_trained_on_are_refused(run, tmp_path):
    """All of `digits` is in the training set of `mnist`: a run trained on one is not tested on the other."""
    from lamina.data import _fetch

    if not _fetch.folder_of("mnist").exists():
        pytest.skip("the whole MNIST is not here: lamina data fetch mnist")
    other = tmp_path / "mnist_run"
    other.mkdir()
    for name in ("network.lamina", "network.safetensors"):
        (other / name).write_bytes((run / name).read_bytes())
    (other / "run.toml").write_text((run / "run.toml").read_text().replace('name = "digits"', 'name = "mnist"'))
    done = lamina("emulate", other, "--on", "diannao", "--data", "digits", "--limit", "5")
    assert (done.returncode, "test pictures were trained on" in done.stderr) == (2, True)
