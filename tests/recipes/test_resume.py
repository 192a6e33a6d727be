"""Killed anywhere, the run goes on to the same bytes: SIGKILL in every stage, around fsync and rename."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.requirements import need

ROOT = Path(__file__).parents[2]
SAME = ("weights.safetensors", "packed.lmn", "network.lamina", "network.safetensors", "layers.csv", "evaluation.json")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of both runs, and the moments at which children were to die and did."""
    need("gcc")
    folder = tmp_path_factory.mktemp("resume")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "LAMINA_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "tests.recipes.killed_run", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    return folder, said["kills"], said["died"]


def test_there_were_twenty_kills_and_one_in_every_stage(runs):
    _, kills, died = runs
    reached = [kill for kill, dead in zip(kills, died, strict=True) if dead]
    assert len(reached) >= 20
    assert {kill[0] for kill in reached} == {
        "train",
        "prune",
        "share",
        "lower",
        "cost",
        "emulate",
        "export",
        "check",
        "report",
    }
    assert reached == kills


@pytest.mark.parametrize("file", SAME)
def test_the_files_are_those_of_an_unbroken_run(runs, file):
    folder, _, _ = runs
    assert (folder / "killed" / file).read_bytes() == (folder / "unbroken" / file).read_bytes()


def test_no_step_is_there_twice(runs):
    folder, _, _ = runs
    rows = {}
    for name in ("unbroken", "killed"):
        lines = (folder / name / "metrics.jsonl").read_text().splitlines()
        rows[name] = [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]
    steps = [(row["stage"], row["step"]) for row in rows["killed"]]
    assert len(steps) == len(set(steps)) == 9  # three epochs of three stages
    assert rows["killed"] == rows["unbroken"]


def test_nothing_half_written_is_left(runs):
    folder, _, _ = runs
    markers = sorted(path.name for path in (folder / "killed" / "stages").glob("*.json"))
    assert markers == sorted(path.name for path in (folder / "unbroken" / "stages").glob("*.json"))
    for path in (folder / "killed" / "stages").glob("*.json"):
        json.loads(path.read_text())
