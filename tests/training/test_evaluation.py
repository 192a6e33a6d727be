"""Evaluation: sums over batches, divided once, whatever the batch size."""

import numpy as np
import pytest
import torch
from torch import nn

from lamina.core.errors import BadInput
from lamina.training import evaluate, predictions
from tests.training.tiny import Tiny, blobs


def by_hand(model, split):
    logits = model(split.inputs).detach().numpy().astype(np.float64)
    y = split.labels.numpy()
    nats = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(y)), y]
    return {"loss": nats.mean(), "correct": int((logits.argmax(1) == y).sum()), "count": len(y)}


@pytest.mark.parametrize("size", [1, 7, 29, 30, 1000])
def test_a_ragged_last_batch_weighs_what_it_holds(size):
    model, split = Tiny(1), blobs(validation=30).validation
    expected, found = by_hand(model, split), evaluate(model, split, batch_size=size)
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    assert (found["correct"], found["count"]) == (expected["correct"], 30)
    assert found["accuracy"] == expected["correct"] / 30
    assert torch.allclose(predictions(model, split, batch_size=size), model(split.inputs), atol=1e-6)


def test_a_model_s_own_sums_are_divided_by_its_own_count():
    class Regression(nn.Linear):
        def metrics(self, batch):
            error = (self(batch["x"])[:, 0] - batch["y"]) ** 2
            return {"loss": error.sum().item(), "worst": error.sum().item() * 2, "count": 2 * len(error)}

    model, split = Regression(6, 1), blobs().test
    expected = ((model(split.inputs)[:, 0] - split.labels) ** 2).mean().item()
    found = evaluate(model, split, batch_size=11)
    assert found == {
        "loss": pytest.approx(expected / 2, rel=1e-5),
        "worst": pytest.approx(expected, rel=1e-5),
        "count": 60,
    }


@pytest.mark.parametrize("training", [True, False])
def test_dropout_is_off_and_the_mode_is_given_back(training):
    model = Tiny(1, dropout=0.9).train(training)
    split = blobs().test
    assert evaluate(model, split) == evaluate(model, split)
    assert torch.equal(predictions(model, split), predictions(model, split))
    assert model.training is training


def test_an_empty_split():
    for function in (evaluate, predictions):
        with pytest.raises(BadInput, match="the split is empty"):
            function(Tiny(), blobs().test.first(0))


def test_metrics_without_a_count():
    class Half(Tiny):
        def metrics(self, batch):
            return {"loss": 1.0}

    with pytest.raises(BadInput, match="gives no 'count'"):
        evaluate(Half(), blobs().test)
