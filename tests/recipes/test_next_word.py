"""The study of the next word: equal parameters, no look ahead, perplexities by hand, words that follow a rule."""

import math
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from lamina.core.errors import BadInput
from lamina.data._dataset import Dataset, Split
from lamina.recipes import _work
from lamina.recipes import next_word as study

TINY = study.Config(seeds=2, words=6, longest=6, hidden=12, embedding=8, epochs=8, batch_size=20, learning_rate=0.05)


def counting(count):
    """Sentences that begin anywhere and count on, modulo six: known from the second word on."""
    first = torch.randint(0, 6, (count, 1), generator=torch.Generator().manual_seed(count))
    x = torch.zeros(count, 32, dtype=torch.int64)
    x[:, 0], x[:, 1:5], x[:, 5] = 1, 4 + (first + torch.arange(4)) % 6, 2
    return Split(tensors={"x": x})


@pytest.fixture
def made_up(monkeypatch):
    data = Dataset(
        name="made up", classes=(), checksum="0", train=counting(200), validation=counting(10), test=counting(100)
    )
    monkeypatch.setattr(_work, "data_set", lambda name, limit: data)


def test_the_next_of_four_counted_words_is_known_but_for_the_first(made_up):
    trials = study.plan(TINY)
    assert [t.name for t in trials] == [f"{arm}-{seed}" for seed in (0, 1) for arm in study.ARMS]
    found = {f"{t.settings['arm']}-0": study.trial(t.settings, Path()) for t in trials if t.settings["seed"] == 0}
    found |= {f"{arm}-1": {**found[f"{arm}-0"], "perplexity": 1.5} for arm in study.ARMS}
    judged = {f.name: f for f in study.figures(TINY, found)}
    # the first of four words is one of six, the others follow from it; by their frequencies all are one of six
    for arm, (row, _, _) in study.ARMS.items():
        assert found[f"{arm}-0"]["perplexity"] == pytest.approx(6**0.25, rel=0.2)
        assert judged[f"{arm}_perplexity"].row == row
        assert judged[f"{arm}_perplexity"].limit == pytest.approx(6, rel=0.02)
    gain = [found[f"rnn-{s}"]["perplexity"] / found[f"gru-{s}"]["perplexity"] for s in (0, 1)]
    assert judged["gru_gain"].values == pytest.approx(gain, abs=1e-6)
    assert "clockwork_gain" not in judged
    assert all(f.title_zh for f in judged.values())


@pytest.mark.parametrize("arm", study.ARMS)
def test_networks_have_equal_parameters_and_do_not_look_ahead(arm):
    settings = asdict(study.Config()) | {"arm": arm, "seed": 0}
    model = study.network(settings)
    count = sum(p.numel() for p in model.parameters())
    assert count == pytest.approx(218_604, rel=0.005)  # of the one layer of 128 units
    x = torch.randint(4, 1004, (2, 9), generator=torch.Generator().manual_seed(0))
    other = x.clone()
    other[:, 5] = 4 + (x[:, 5] - 3) % 1000
    with torch.no_grad():
        changed = (model(x) != model(other)).any(2).any(0)
    assert changed.tolist() == [False] * 5 + [True] * 4


def test_words_that_are_padding_or_rare_are_no_answers():
    x = torch.tensor([[1, 4, 3, 5, 2, 0]])
    logits = torch.arange(60.0).view(1, 6, 10)
    found, wanted = study._answers(lambda _: logits, x)
    assert wanted.tolist() == [4, 5]
    assert torch.equal(found, logits[0, [0, 2]])


def test_frequencies_are_counted_once_more_than_seen():
    learned, held = torch.tensor([[1, 4, 4, 5, 2]]), torch.tensor([[1, 4, 5, 6, 3]])
    # three words: seen twice, once and never, hence 3, 2 and 1 of 6
    wanted = math.exp(-(math.log(3 / 6) + math.log(2 / 6) + math.log(1 / 6)) / 3)
    assert study._by_frequency(learned, held, 3) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("setting", "message"),
    [({"seeds": 1}, "at least 2"), ({"words": 9000}, "1 to 8,000"), ({"learning_rate": 1.0}, "less than 1")],
)
def test_settings_are_checked(setting, message):
    with pytest.raises(BadInput, match=message):
        study.Config(**{**asdict(TINY), **setting})
