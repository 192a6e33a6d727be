"""Recipes of recurrent networks in miniature: what they leave, going on after a kill, what they refuse."""

import json

import pytest

from lamina.core.errors import BadInput
from lamina.recipes import adding, temporal_xor
from lamina.training import _loop

ADDING = adding.Config(steps=(10,), hidden=16, updates=90, batch_size=32, examples=960, rates=(0.01,))
XOR = temporal_xor.Config(steps=12, hidden=8, updates=20, batch_size=32, examples=64)


def kill_in(monkeypatch, stage):
    """Let training break off in the second epoch of `stage`; what undoes it."""
    monkeypatch.setattr(_loop, "SAVE_AT_LEAST_S", 0.0)
    original = _loop.Loop._end_of_epoch

    def killed(self, seconds):
        original(self, seconds)
        if self.stage == stage and self.at.epoch == 2:
            raise RuntimeError("killed")

    monkeypatch.setattr(_loop.Loop, "_end_of_epoch", killed)
    return lambda: monkeypatch.setattr(_loop.Loop, "_end_of_epoch", original)


def test_adding_goes_on_where_it_was_killed(tmp_path, monkeypatch):
    whole = adding.adding(tmp_path / "a", ADDING)
    assert [row["model"] for row in whole.rows] == ["rnn", "lstm"]
    for row in whole.rows:
        assert len(row["gradient_norms"]) == 11
        assert row["reach"] == pytest.approx(row["gradient_norms"][10] / row["gradient_norms"][0])
        assert 0 < row["error"] < 1
        assert 0 <= row["solved"] <= 1
        assert row["model"] in str(whole)
    assert json.loads((tmp_path / "a" / "adding.json").read_text())["rows"] == whole.to_json()["rows"]
    undo = kill_in(monkeypatch, "lstm_10_0.01")
    with pytest.raises(RuntimeError, match="killed"):
        adding.adding(tmp_path / "b", ADDING)
    undo()
    assert adding.adding(tmp_path / "b", ADDING).rows == whole.rows


def test_temporal_xor_goes_on_where_it_was_killed(tmp_path, monkeypatch):
    whole = temporal_xor.temporal_xor(tmp_path / "a", XOR)
    assert tuple(whole.right) == temporal_xor.NETWORKS
    assert all(0 <= share <= 1 for found in whole.right.values() for share in found)
    assert "elman_full" in str(whole)
    json.dumps(whole.to_json())
    undo = kill_in(monkeypatch, "jordan")
    with pytest.raises(RuntimeError, match="killed"):
        temporal_xor.temporal_xor(tmp_path / "b", XOR)
    undo()
    assert temporal_xor.temporal_xor(tmp_path / "b", XOR).right == whole.right
    with pytest.raises(BadInput, match="another configuration"):
        temporal_xor.temporal_xor(tmp_path / "a", temporal_xor.Config(seed=3))


def test_bad_settings_are_refused(tmp_path):
    with pytest.raises(BadInput, match="did you mean 'lstm'"):
        adding.adding(tmp_path / "run", adding.Config(models=("lstn",)))
    assert not (tmp_path / "run").exists()
    with pytest.raises(BadInput, match="each once"):
        adding.Config(steps=(10, 10))
    with pytest.raises(BadInput, match="updates is 0"):
        adding.Config(updates=0)
    with pytest.raises(BadInput, match="steps is 2: at least 3"):
        temporal_xor.Config(steps=2)
