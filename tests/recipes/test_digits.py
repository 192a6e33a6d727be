"""The main job in miniature: what it leaves, what it refuses, and that it does not look at the test set too early."""

import csv
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from lamina.core.errors import BadInput
from lamina.recipes import _stages
from lamina.recipes import digits as recipe
from lamina.recipes._settings import Schedule, Settings
from lamina.recipes._work import Work
from lamina.recipes.digits import Config, Outcome, digits
from tests.recipes.killed_run import CONFIG

FILES = (
    "run.toml",
    "metrics.jsonl",
    "weights.safetensors",
    "network.lamina",
    "network.safetensors",
    "packed.lmn",
    "layers.csv",
    "cost.json",
    "summary.json",
    "evaluation.json",
    "report.html",
    "export/c/lenet5_int8.c",
    "export/c_float/lenet5.c",
)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return digits(tmp_path_factory.mktemp("digits") / "run", CONFIG)


def test_the_folder_has_every_file(done):
    assert [name for name in FILES if not (done.path / name).is_file()] == []


def test_the_table_agrees_with_the_files(done):
    summary = done.summary
    assert summary["packed_bytes"] == (done.path / "packed.lmn").stat().st_size
    assert summary["stages"][-1]["bytes"] == summary["packed_bytes"]
    assert summary["stages"][0]["bytes"] == 4 * 61_706
    assert summary["ratio"] == pytest.approx(4 * 61_706 / summary["packed_bytes"])
    assert summary["network"]["macs"] == 416_520
    assert sum(row["bytes"] for row in summary["packed"][:-1]) == summary["packed_bytes"]
    evaluation = json.loads((done.path / "evaluation.json").read_text())
    right = sum(evaluation["confusion"][i][i] for i in range(10))
    assert right / sum(map(sum, evaluation["confusion"])) == summary["test_accuracy"]
    assert len(evaluation["wrong"]) == CONFIG.limit - right


def test_layers_sum_to_the_totals(done):
    totals = {row["machine"]: row for row in done.summary["headline"]}
    with (done.path / "layers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for machine, total in totals.items():
        own = [row for row in rows if row["machine"] == machine]
        for quantity in ("latency_s", "energy_j", "dram_bytes"):
            assert sum(float(row[quantity]) for row in own) == total[quantity]
        assert sum(int(row["macs"]) for row in own) == 416_520


def test_no_integer_differs_at_any_link(done):
    links = {link["link"]: link["differing"] for link in done.summary["chain"]}
    assert {"fake-quantised torch", "packed file, read again", "systolic emulator", "diannao emulator"} <= links.keys()
    assert {differing for differing in links.values() if differing is not None} == {0}


def test_a_wrong_rounding_in_one_link_is_counted(done, monkeypatch):
    """Half away from zero in torch's requantisation, and nowhere else."""
    from lamina.nn import integer
    from lamina.recipes import _chain
    from lamina.recipes._learning import FINAL

    def away(a, x_scale, w_scale, y_scale, rounding, axis=1):
        along = [1] * a.ndim
        along[axis] = -1
        scaled = a * (x_scale.double() * w_scale.double() / y_scale.double()).reshape(along)
        return torch.sign(scaled) * torch.floor(scaled.abs() + 0.5)

    data = recipe_data()
    with _open(done.path) as run:
        work = Work(run, replace(CONFIG, limit=None), None, data)
        integer_network, _ = work.networks()
        x = data.train.inputs[:200]
        wanted = _chain.stored(integer_network, integer_network.run({"x": x.numpy()})["output"])
        model = work.integer_model()
        assert (run.path / FINAL).exists()
        equal = _chain._link("torch", wanted, _chain.stored(integer_network, model(x).detach().numpy()))
        monkeypatch.setattr(integer, "requantise", away)
        wrong = _chain._link("torch", wanted, _chain.stored(integer_network, model(x).detach().numpy()))
    assert equal["differing"] == 0
    assert wrong["differing"] > 0


def recipe_data():
    from lamina.recipes._work import data_set

    return data_set("digits", None)


def _open(path):
    from lamina.core.run_folder import open_run, read_settings

    return open_run(path, read_settings(path)["configuration"])


def test_the_packed_file_runs_in_a_process_without_torch(done):
    program = (
        "import sys, numpy as np\n"
        "from lamina.api import sources\n"
        f"network = sources.network({str(done.path / 'packed.lmn')!r})\n"
        "print(network.run({'x': np.zeros((1, 1, 28, 28), np.float32)})['output'].tolist(), 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    with _open(done.path) as run:
        model = Work(run, CONFIG, None, None).model("weights.safetensors")
    logits, torch_loaded = said.rsplit(" ", 1)
    assert torch_loaded.strip() == "False"
    np.testing.assert_allclose(json.loads(logits), model(torch.zeros(1, 1, 28, 28)).detach().numpy(), atol=1e-5)


def test_a_finished_run_is_not_repeated(done, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in done.path.rglob("*") if path.is_file() and path.name != ".lock"}

    def never(self, *_):
        raise AssertionError("a stage ran again")

    monkeypatch.setattr(Work, "model", never)
    again = digits(done.path, CONFIG)
    assert again.summary == done.summary
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_an_altered_file_makes_its_stage_run_again(done):
    """And the file is then what it was; stages that read it find nothing changed."""
    said = []
    packed = done.path / "packed.lmn"
    good = packed.read_bytes()
    packed.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    original = _stages.say
    _stages.say = said.append
    try:
        digits(done.path, CONFIG)
    finally:
        _stages.say = original
    assert packed.read_bytes() == good
    ran = [line.split()[1].rstrip(":") for line in said if "done before" not in line and line[0].isdigit()]
    assert ran == ["share", "report"]


def test_it_prints_the_table_and_the_page(done):
    text = str(done)
    assert str(done.path / "report.html") in text
    for machine in ("systolic", "diannao"):
        assert machine in text
    json.dumps(done.to_json(), allow_nan=False)
    assert isinstance(done, Outcome)


def test_choices_do_not_see_the_test_set(tmp_path):
    """The stages that choose run on a data set that has no test split at all."""
    from lamina.core.run_folder import open_run

    data = recipe_data().limited(40)
    blind = replace(data, test=None)
    short = Schedule(epochs=1, learning_rate=1e-3, batch_size=20)
    settings = Settings(train=short, prune=short, share=short, density=0.3, clusters=4, threads=1)
    with open_run(tmp_path / "run", {"blind": True}) as run:
        plan = [
            stage for stage in recipe._plan() if stage.name in ("train", "prune", "share", "lower", "cost", "export")
        ]
        _stages.run_stages(run, plan, Work(run, CONFIG, settings, blind))
        assert (run.path / "packed.lmn").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": "lenet6"}, "lenet5"),
        ({"data": "digit"}, "digits"),
        ({"bits": 9}, "2 to 8"),
        ({"density": 0.0}, "density is 0.0"),
        ({"limit": 0}, "limit is 0"),
        ({"examples": 0}, "examples is 0"),
        ({"machines": "dianao"}, "diannao"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_written(tmp_path, change, says):
    with pytest.raises(BadInput, match=says):
        digits(tmp_path / "run", replace(CONFIG, **change))
    assert not (tmp_path / "run").exists()


def test_another_configuration_is_refused(done):
    with pytest.raises(BadInput, match="another configuration"):
        digits(done.path, replace(CONFIG, seed=1))


def test_the_default_is_the_published_network():
    assert Config().model == "lenet5"
    assert set(recipe.ROWS) >= {"A2", "M24", "O6"}
