"""Captioner, ranker and drawer: beam search against all sentences there are, attention by hand, bad batches."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from lamina.core.errors import BadInput
from lamina.models import _captions as shared
from lamina.models._beam import BEGIN, END, PAD, beam_search
from lamina.models.captioner import SMALL, Config, captioner, example
from lamina.models.picture_ranker import SMALL as RANKER
from lamina.models.picture_ranker import picture_ranker
from lamina.models.text_to_image import SMALL as DRAWER
from lamina.models.text_to_image import text_to_image

ATTENTION = ("soft", "none")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def sentences(words, steps):
    """Every sentence of at most `steps` words that has ended, or has used them up."""
    said = range(END + 1, words)
    for length in range(steps):
        yield from ([*first, END] for first in itertools.product(said, repeat=length))
    yield from map(list, itertools.product(said, repeat=steps))


def log_p(model, x, sentence):
    """Of one sentence, word by word."""
    annotations = model.encode(x)
    h, c = model.begin(annotations)
    total, last = 0.0, BEGIN
    for word in sentence:
        found, h, c = model.step(torch.tensor([last]), h, c, annotations)
        total, last = total + float(found[0, word].detach()), word
    return total


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("seed", range(3))
def test_a_wide_beam_finds_the_best_of_all_sentences(attention, seed):
    model = captioner(replace(SMALL, words=6, steps=4, attention=attention), seed=seed).eval()
    with torch.no_grad():
        model.output.weight.mul_(6)  # far from uniform: greedy and exhaustive part
    x = example(model.config, 2, generator=generator(seed))["x"]
    words, scores = model.caption(x, width=200)
    for row in range(2):
        everything = {tuple(s): log_p(model, x[row : row + 1], s) for s in sentences(6, 3)}
        best = max(everything, key=everything.get)
        assert [w for w in words[row].tolist() if w != PAD] == list(best)
        assert float(scores[row]) == pytest.approx(everything[best], abs=1e-5)


def test_a_beam_finds_what_greedy_walks_past():
    # the likelier first word leads nowhere: 0.6 * 0.3 < 0.4 * 0.9
    table = torch.full((6, 6), 1e-9)
    table[BEGIN, 4], table[BEGIN, 5] = 0.6, 0.4
    table[4, 3], table[4, 4], table[4, END] = 0.35, 0.35, 0.3
    table[5, END], table[5, 3] = 0.9, 0.1
    table[3, END] = table[END, END] = table[PAD, PAD] = 1

    def step(words, state):
        return table.log()[words], state

    greedy, _ = beam_search(step, (torch.zeros(1, 1),), width=1, steps=3)
    found, score = beam_search(step, (torch.zeros(1, 1),), width=2, steps=3)
    assert greedy[0, 0] == 4
    assert found[0].tolist() == [5, END, PAD]
    assert float(score) == pytest.approx(np.log(0.36))


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("width", [1, 3])
def test_pictures_together_get_what_each_gets_alone(attention, width):
    model = captioner(replace(SMALL, steps=7, attention=attention, hidden=16, channels=(8, 8)), seed=1).eval()
    with torch.no_grad():
        model.output.weight.mul_(8)
        model.begin_c.weight.mul_(30)  # pictures that differ are told apart
        model.output.bias[END] = -1.0
    x = torch.linspace(0, 5, 9)[:, None, None, None] * example(model.config, 9, generator=generator())["x"]
    words, scores = model.caption(x, width=width)
    assert len({tuple(row) for row in words.tolist()}) > 1
    for row in range(9):
        alone, score = model.caption(x[row : row + 1], width=width)
        assert torch.equal(alone[0], words[row])
        assert float(score) == pytest.approx(float(scores[row]), abs=1e-5)


@pytest.mark.parametrize("attention", ATTENTION)
def test_the_loss_is_minus_log_p_of_the_caption(attention):
    model = captioner(replace(SMALL, attention=attention))
    batch = example(model.config, 3, generator=generator(1))
    wanted = [
        -log_p(model, batch["x"][i : i + 1], [w for w in batch["tokens"][i, 1:].tolist() if w != PAD]) for i in range(3)
    ]
    assert float(model.loss(batch).detach()) == pytest.approx(np.mean(wanted), rel=1e-5)


def test_attention_is_a_weighted_mean_of_places():
    model = captioner(SMALL)
    annotations, h = torch.rand(2, 4, 3), torch.rand(2, 4)
    seen, share = model.attend(h, annotations)
    assert torch.allclose(share.sum(1), torch.ones(2))
    assert torch.allclose(seen, torch.einsum("np,npc->nc", share, annotations))
    for place in range(4):
        e = model.of_both(torch.tanh(model.of_place(annotations[:, place]) + model.of_state(h)))[:, 0]
        reference = model.of_both(torch.tanh(model.of_place(annotations[:, 0]) + model.of_state(h)))[:, 0]
        assert torch.allclose(share[:, place] / share[:, 0], torch.exp(e - reference), atol=1e-5)


def test_padding_changes_neither_sentence_nor_loss():
    batch = example(SMALL, 3, generator=generator())
    padded = torch.cat([batch["tokens"], torch.zeros(3, 2, dtype=torch.int64)], dim=1)
    model, ranker = captioner(SMALL), picture_ranker(RANKER)
    assert torch.allclose(model.loss(batch), model.loss({**batch, "tokens": padded}))
    assert torch.allclose(ranker.sentence(batch["tokens"]), ranker.sentence(padded))
    short = batch["tokens"][1:2, :4]  # its own words alone
    assert torch.allclose(ranker.sentence(batch["tokens"])[1], ranker._unpadded(short)[0], atol=1e-6)


def test_the_ranking_loss_is_that_of_its_definition():
    model = picture_ranker(RANKER)
    batch = example(RANKER, 4, generator=generator(2))
    batch["tokens"][3] = batch["tokens"][0]  # equal captions: no wrong pair
    s = model(batch["x"], batch["tokens"]).detach().numpy()
    wanted = sum(
        max(0, 0.2 - s[i, i] + s[i, j]) + max(0, 0.2 - s[i, i] + s[j, i])
        for i in range(4)
        for j in range(4)
        if i != j and {i, j} != {0, 3}
    )
    assert float(model.loss(batch).detach()) == pytest.approx(wanted / 4, rel=1e-5)


def test_the_drawer_s_bound_is_that_of_its_definition():
    model = text_to_image(DRAWER)
    batch = example(SMALL, 2, generator=generator(3))
    x, condition = batch["x"], model.sentences(batch["tokens"])
    mean, log_variance = model.recognise(x, condition)
    p = torch.distributions.Normal(mean, (log_variance / 2).exp())
    divergence = torch.distributions.kl_divergence(p, torch.distributions.Normal(0.0, 1.0)).sum(1)
    drawn = model.draw(mean, condition)
    missed = -(x * torch.sigmoid(drawn).log() + (1 - x) * torch.sigmoid(-drawn).log()).flatten(1).sum(1)
    assert model.metrics(batch)["loss"] == pytest.approx(float((missed + divergence).sum().detach()), rel=1e-5)
    first, again = (model.sample(batch["tokens"], generator=generator(5)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.shape == (2, *DRAWER.shape)


@pytest.mark.parametrize("model", [captioner(SMALL), picture_ranker(RANKER), text_to_image(DRAWER)])
def test_bad_batches_are_one_clear_error(model):
    batch = example(SMALL, 2, generator=generator())
    x, tokens = batch["x"], batch["tokens"]
    for broken, message in (
        ({"tokens": tokens}, "a caption without a picture"),
        ({"x": x}, "a picture without a caption"),
        ({"x": x[:1], "tokens": tokens}, "1 pictures with 2 captions"),
        ({"x": x, "tokens": tokens + 3}, r"the vocabulary has 0\.\.7"),
        ({"x": x, "tokens": tokens[:, :0]}, "t of at least 1"),
        ({"x": x, "tokens": torch.zeros_like(tokens)}, "caption 0 has length 0"),
        ({"x": x, "tokens": tokens.flip(1)}, "length 0|behind its padding"),
        ({"x": x, "tokens": tokens.float()}, "int64"),
        ({"x": x[:, :, :4], "tokens": tokens}, r"inputs are \[2, 1, 4, 8\]"),
    ):
        with pytest.raises(BadInput, match=message):
            model.loss(broken)


def test_bad_settings_are_one_clear_error():
    with pytest.raises(BadInput, match="multiples of 8"):
        Config(shape=(1, 30, 32))
    with pytest.raises(BadInput, match="words is 4"):
        Config(words=4)
    with pytest.raises(BadInput, match="a beam of 0"):
        captioner(SMALL).caption(torch.rand(1, 1, 8, 8), width=0)
    with pytest.raises(BadInput, match="does not begin"):
        captioner(SMALL).loss({"x": torch.rand(1, 1, 8, 8), "tokens": torch.tensor([[1]])})
    assert shared.PAD == PAD == 0
