"""Killed at any moment, `fit` goes on to the bits of the unbroken run."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def found():
    memory = Path("/dev/shm")  # hundreds of fsyncs: a kill leaves the same files there, sooner
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.training.killing", folder],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            timeout=800,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("case", ["adam", "momentum"])
def test_killed_twenty_times_and_resumed_to_the_same_bits(found, case):
    kills = [k for k in found["cases"] if k["case"] == case]
    assert len(kills) >= 20
    assert all(k["killed_by"][0] == 9 for k in kills)
    assert sum(k["killed_by"][1] == 9 for k in kills) >= 10, "most resumed runs are killed once more"
    assert [(k["at"], k["event"]) for k in kills if k["status"] != 0] == []
    assert [(k["at"], k["event"]) for k in kills if not k["equal"]] == []
    events = {k["event"] for k in kills}
    assert {"half a write", "before fsync", "after fsync", "before rename", "after rename", "update"} <= events


@pytest.mark.parametrize("case", ["adam", "momentum"])
def test_no_step_is_in_metrics_twice(found, case):
    for rows in [found[case], *(k["rows"] for k in found["cases"] if k["case"] == case)]:
        steps = [row["step"] for row in rows]
        assert steps == sorted(set(steps))
        assert [row["epoch"] for row in rows] == list(range(1, len(rows) + 1))


def test_early_stopping_was_part_of_it(found):
    assert len(found["adam"]) < 6
    assert [row["kept"] for row in found["adam"]][-1] is False


def test_ctrl_c_saves_the_step_under_way(found):
    interrupted = found["interrupted"]
    assert interrupted["code"] == 130
    assert interrupted["checkpoints"][-1] == "00000004", "the fourth update was interrupted"
    assert (interrupted["status"], interrupted["equal"]) == (0, True)
