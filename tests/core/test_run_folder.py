"""A run folder: one writer, one configuration, one schema, metrics without a half line."""

import subprocess
import sys
import tomllib

import pytest

from lamina.core.errors import BadInput
from lamina.core.run_folder import open_run, read_settings

CONFIGURATION = {"seed": 0, "fit": {"epochs": 3, "patience": None}}


def test_the_same_configuration_goes_on(tmp_path):
    with open_run(tmp_path / "r", CONFIGURATION) as run:
        run.append_metrics({"step": 1})
    with open_run(tmp_path / "r", CONFIGURATION) as run:
        assert run.metrics() == [{"step": 1}]
    stored = tomllib.loads((tmp_path / "r" / "run.toml").read_text())
    assert stored["schema"] == 1
    assert stored["configuration"]["fit"] == {"epochs": 3}
    assert {"python", "torch", "numpy"} <= set(stored["versions"])


def test_another_configuration_is_refused_with_the_difference(tmp_path):
    with open_run(tmp_path / "r", CONFIGURATION):
        pass
    other = {"seed": 0, "fit": {"epochs": 4}}
    with pytest.raises(BadInput, match=r"fit\.epochs is 3 there and 4 here"), open_run(tmp_path / "r", other):
        pass


def test_one_writer(tmp_path):
    code = "import sys; from pathlib import Path; from lamina.core.run_folder import open_run\n"
    code += "with open_run(Path(sys.argv[1]), {'seed': 0}): pass"
    with open_run(tmp_path / "r", {"seed": 0}):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "r")], capture_output=True, text=True, check=False
        )
    assert "another process is writing this run" in done.stderr


def test_strangers_and_schemas(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"not empty and not a run \(it has 'notes.txt'\)"), open_run(tmp_path, {}):
        pass
    assert [p.name for p in tmp_path.iterdir() if p.name != ".lock"] == ["notes.txt"]
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "run.toml").write_text("schema = 99\n[configuration]\n")
    with pytest.raises(BadInput, match="schema 99, this Lamina reads schema 1"):
        read_settings(folder)
    (folder / "run.toml").write_text("schema = [")
    with pytest.raises(BadInput, match="not valid TOML"):
        read_settings(folder)
    with pytest.raises(BadInput, match="no run to resume"), open_run(tmp_path / "none", {}, must_exist=True):
        pass
    assert not (tmp_path / "none").exists()


def test_a_line_cut_short_is_left_out_and_a_broken_one_named(tmp_path):
    with open_run(tmp_path / "r", {}) as run:
        for step in range(3):
            run.append_metrics({"step": step})
        with run.file("metrics.jsonl").open("a") as file:
            file.write('{"step": 3')
        assert [row["step"] for row in run.metrics()] == [0, 1, 2]
        run.keep_metrics(2)
        assert run.file("metrics.jsonl").read_text() == '{"step": 0}\n{"step": 1}\n'
        run.file("metrics.jsonl").write_text('{"step": 0}\n{broken}\n{"step": 2}\n')
        with pytest.raises(BadInput, match="line 2"):
            run.metrics()
