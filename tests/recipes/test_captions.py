"""The recipe of captions in its smallest form: figures in their ranges, gone on with, refused to another run."""

import functools

import pytest

from lamina.core.errors import BadInput
from lamina.recipes import _work
from lamina.recipes.captions import Config, captions

TINY = Config(epochs=1, limit=60, hidden=8, width=2)


def test_it_runs_and_goes_on_with_what_is_there(tmp_path, monkeypatch):
    pytest.importorskip("sacrebleu")
    monkeypatch.setattr(_work, "data_set", functools.cache(_work.data_set))  # composing takes seconds
    first = captions(tmp_path / "run", TINY)
    networks, nearest = first.found["networks"], first.found["nearest"]
    for name in ("words_right", "words_right_in_drawn", "recall_at_10", "recall_at_10_of_chance"):
        assert 0 <= networks[name] <= 1
    assert 0 < nearest["words_right"] < 1
    assert 0 < nearest["bleu_4"] < 100
    assert "bleu_4" in str(first)
    (tmp_path / "run" / "captions.json").unlink()
    assert captions(tmp_path / "run", TINY).to_json() == first.to_json()
    with pytest.raises(BadInput, match="hidden"):
        captions(tmp_path / "run", Config(epochs=1, limit=60, hidden=9, width=2))


def test_bad_settings_are_one_clear_error():
    with pytest.raises(BadInput, match="width is 0: at least 1"):
        Config(width=0)
