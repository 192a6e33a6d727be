"""The examples run as they are printed, from an empty folder."""

import os
import subprocess
import sys

import pytest

from tests.house.tool import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs(path, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, path], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for machine in ("cpu", "diannao", "systolic"):
        assert machine in done.stdout
    run = tmp_path / "runs" / "mine"
    assert {p.name for p in run.iterdir()} >= {"run.toml", "metrics.jsonl", "weights.safetensors", "export"}
    assert {p.suffix for p in (run / "export").iterdir()} >= {".c", ".h"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["runs"], "nothing is written elsewhere"
