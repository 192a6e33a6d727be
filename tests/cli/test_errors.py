"""Bad input on the command line: one line on stderr, the right exit code, no traceback, nothing on stdout."""

import json
import subprocess
import sys

import pytest

from lamina.ir import Network, Operation, Type, store


def lamina(*words, cwd=None):
    """Run the command as a person does."""
    code = "from lamina.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        check=False,
    )


@pytest.fixture
def saved(tmp_path):
    network = Network(
        name="tiny",
        inputs={"x": Type(shape=(1, 4))},
        constants={},
        operations=(Operation(operator="relu", inputs=("x",), outputs={"y": Type(shape=(1, 4))}),),
        outputs={"output": "y"},
    )
    store.save([network], tmp_path / "tiny.lamina")
    return tmp_path / "tiny.lamina"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["list", "model"], "unknown kind 'model': did you mean 'models'"),
        (["cost", "nothing_like_it"], "unknown model 'nothing_like_it'"),
        (["cost", "missing.lamina"], "missing.lamina: no such file"),
        (["diff", "missing.lmn", "missing.lamina"], "missing.lmn: no such file"),
        (["export", "missing.lamina", "--to", "cobol", "--out", "x"], "unknown exporter 'cobol'"),
        (["data", "fetch", "mnits"], "did you mean 'mnist'"),
        (["train", "lenet55"], "did you mean 'lenet5'"),
        (["run", "digit"], "did you mean 'digits'"),
        (["train", "lenet5", "--set", "epochs"], "KEY=VALUE"),
        (["train", "lenet5", "--set", "epoch=3"], "did you mean 'epochs'"),
        (["train", "lenet5", "--config", "missing.toml"], "missing.toml: no such file"),
        (["compress", "missing_run"], "missing_run: not a run folder"),
        (["compress", "missing_run", "--max-drop", "ten"], "max-drop"),
        (["quantise", "missing_run", "--bits", "40"], "bits"),
        (["report", "missing_run"], "missing_run"),
    ],
)
def test_one_line_and_exit_code_2(words, says, tmp_path):
    done = lamina(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(tmp_path):
    assert "Traceback" in lamina("cost", "missing.lamina", "--debug", cwd=tmp_path).stderr


def test_damaged_file_names_its_line(saved):
    saved.write_text(saved.read_text().replace("relu(x)", "relu(z)"))
    done = lamina("lower", saved, "--out", saved.with_name("other.lamina"))
    assert (done.returncode, "relu 'y'" in done.stderr, "'z'" in done.stderr) == (2, True, True)


def test_unwritable_folder(saved, tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = lamina("lower", saved, "--out", tmp_path / "file" / "x.lamina")
    assert (done.returncode, "not a folder" in done.stderr or "in the way" in done.stderr) == (2, True)


def test_full_disk(saved):
    done = lamina("lower", saved, "--out", "/dev/full/x.lamina")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_json_is_one_value(tmp_path):
    done = lamina("list", "rows", "--json", cwd=tmp_path)
    rows = json.loads(done.stdout)
    assert done.returncode == 0
    assert {"id", "name", "summary", "state", "file", "evidence"} <= set(rows[0])


def test_costing_a_file_loads_no_torch(saved):
    code = (
        "import sys; sys.argv = ['lamina', 'cost', sys.argv[1], '--on', 'systolic', '--json']\n"
        "from lamina.cli import main\n"
        "try:\n    main()\nfinally:\n    print('torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(saved)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stderr.strip().splitlines()[-1] == "False"
    assert json.loads(done.stdout)["schema"] == 1
