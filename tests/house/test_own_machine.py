"""The two examples of a machine of one's own run as they are printed, from an empty folder, in 20 lines each."""

import os
import subprocess
import sys
from pathlib import Path

from lamina.hw import registry
from tests.house.tool import ROOT

PYTHON, TOML = (ROOT / "examples" / f"own_machine.{suffix}" for suffix in ("py", "toml"))


def run(command, folder):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == [], "nothing is written"
    return done.stdout


def test_the_python_file(tmp_path):
    said = run([sys.executable, PYTHON], tmp_path)
    for word in ("own_machine", "tpu_like", "diannao", "100%", "times what no mapping can beat"):
        assert word in said
    machine = PYTHON.read_text().partition("mine = ")[2].partition("assumed")[0]
    assert len(machine.splitlines()) <= 20


def test_the_machine_file(tmp_path):
    said = run([Path(sys.executable).with_name("lamina"), "cost", "lenet5", "--on", TOML], tmp_path)
    assert "own_machine" in said
    assert "100%" in said
    lines = [line for line in TOML.read_text().splitlines() if line and line[0] != "#"]
    assert len(lines) <= 20
    assert registry.find(str(TOML)).parameters.units == 256
