"""The study of the missing word: nobody sees the gap, equal parameters, counts by brute force, both sides win."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from lamina.core.errors import BadInput
from lamina.data._dataset import Dataset, Split
from lamina.recipes import _work
from lamina.recipes import missing_word as study

TINY = study.Config(
    seeds=2, words=12, longest=8, hidden=10, embedding=8, epochs=3, batch_size=20, learning_rate=0.03, gaps=2
)  # fmt: skip


def corpus(count, seed):
    """Sentences of three words: the last two tell each other, the first tells nothing."""
    drawn = np.random.default_rng(seed)
    x = np.zeros((count, 32), dtype=np.int64)
    for row in x:
        first, last = drawn.integers(4, 8), drawn.integers(4, 8)
        row[:5] = [1, first, 4 + last, last, 2]
    return Split(tensors={"x": torch.from_numpy(x)})


@pytest.fixture
def made_up(monkeypatch):
    data = Dataset(
        name="made up", classes=(), checksum="0", train=corpus(600, 0), validation=corpus(0, 1), test=corpus(200, 2)
    )
    monkeypatch.setattr(_work, "data_set", lambda name, limit: data)


def test_both_sides_tell_what_one_cannot(made_up):
    found = {t.name: study.trial(t.settings, Path()) for t in study.plan(TINY)}
    by_name = {f.name: f for f in study.figures(TINY, found)}
    assert len(found) == 6
    # of three words both ways knows two and forward one, and one of four is right by chance: 75 % and 50 %
    assert by_name["cloze_gain"].measured == pytest.approx(25, abs=6)
    assert by_name["perplexity_ratio"].measured == pytest.approx(4 ** (1 / 3), rel=0.1)
    gain = [found[f"both-{s}"]["accuracy"] - found[f"forward-{s}"]["accuracy"] for s in (0, 1)]
    assert by_name["cloze_gain"].values == pytest.approx(gain)
    assert by_name["cloze_gain"].claim == "C21"
    assert by_name["cloze_accuracy"].limit == pytest.approx(max(found[f"counts-{s}"]["frequent"] for s in (0, 1)))
    over = found["both-1"]["accuracy"] - found["counts-1"]["beside"]
    assert by_name["over_neighbours"].values[1] == pytest.approx(over)


@pytest.mark.parametrize("arm", ["forward", "both"])
def test_a_guess_does_not_see_its_own_word(arm):
    settings = asdict(TINY) | {"arm": arm, "seed": 0}
    model = study.network(settings)
    x = torch.from_numpy(np.random.default_rng(0).integers(4, 16, (3, 10)))
    before = study.guesses(model, arm, x)
    assert before.shape == (3, 8, 16)
    for place in range(1, 9):
        other = x.clone()
        other[:, place] = 4 + (x[:, place] - 3) % 12
        changed = (study.guesses(model, arm, other) != before).any(2).any(0)
        assert not changed[place - 1]
        assert changed[place:].all()  # all behind it, which both networks read
        assert bool(changed[: place - 1].any()) == (arm == "both" and place > 1)


@pytest.mark.parametrize("hidden", [10, 64])
def test_the_networks_have_equal_parameters(hidden):
    settings = asdict(study.Config(hidden=hidden)) | {"seed": 0}
    sizes = [sum(p.numel() for p in study.network(settings | {"arm": arm}).parameters()) for arm in ("forward", "both")]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.006)


def test_counts_are_those_by_hand():
    learned = [[1, 4, 5, 6, 2, 0], [1, 4, 5, 7, 2, 0], [1, 4, 5, 6, 2, 0], [1, 9, 5, 7, 2, 0], [1, 5, 8, 4, 2, 0]]
    held = [[1, 4, 5, 6, 2, 0], [1, 9, 5, 7, 2, 0], [1, 8, 5, 7, 2, 0], [1, 5, 8, 4, 2, 0]]

    class Round:
        tokens, places, answers = np.array(held), np.array([3, 3, 3, 2]), np.array([6, 7, 7, 8])

    found = study.counted(np.array(learned), [Round])
    # behind (4, 5) 6 leads by 2 to 1, behind (9, 5) 7; (8, 5) was never seen: behind 5 6 and 7 tie, the smaller is said
    assert found["trigram"] == pytest.approx(75)
    assert found["beside"] == pytest.approx(50)  # between 5 and the end 6 and 7 tie; between 5 and 4 there is 8
    assert found["frequent"] == 0  # it is 5


def test_sentences_are_short_and_known(made_up):
    settings = asdict(TINY) | {"words": 3, "sentences": 50}
    found = study.sentences(settings)
    assert found["train"].shape == (50, 10)
    assert set(found["test"].unique().tolist()) == {0, 1, 2, 3, 4, 5, 6}
    assert (found["test"] >= 4).any(1).all()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"seeds": 1}, "at least 2"),
        ({"words": 9000}, "1 to 8,000"),
        ({"longest": 31}, "4 to 30"),
        ({"learning_rate": 0.0}, "more than 0"),
    ],
)
def test_settings_are_checked(setting, message):
    with pytest.raises(BadInput, match=message):
        study.Config(**{**asdict(TINY), **setting})
