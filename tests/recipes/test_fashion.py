"""The clothing study in miniature: what a trial finds, what it counts as time, how its figures are judged."""

import json
from dataclasses import asdict

import pytest
import torch

from lamina.core import files
from lamina.core.errors import BadInput
from lamina.data._dataset import Dataset, Split
from lamina.recipes import _work, fashion
from lamina.recipes.fashion import Clock, Config, accuracy, curves, figures, plan, smoothed, trial

SMALL = Config(epochs=2, batch_size=20, width=8, depth=1, limit=40, seed=3)


def made(name="made", count=40, seed=0):
    """Ten classes of pictures: a bright row at the class's height, mirrored for nothing."""
    parts = {}
    for part in ("train", "validation", "test"):
        y = torch.arange(count) % 10
        x = 0.1 * torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(seed + len(part)))
        x[torch.arange(count), 0, 4 + 2 * y] = 1.0
        parts[part] = Split(tensors={"x": x, "y": y})
    return Dataset(name=name, classes=tuple("0123456789"), checksum="0" * 64, **parts)


class Leftmost(torch.nn.Module):
    """Logits for two classes: the brightness of the left and of the right edge, the left one's strange to softmax."""

    def forward(self, x):
        return torch.stack([5 * x[:, 0, 0, 0], 4 * x[:, 0, 0, -1]], 1)


@pytest.fixture
def data(monkeypatch):
    found = made()
    monkeypatch.setattr(_work, "data_set", lambda name, limit: found)
    return found


def test_a_trial_finds_accuracies_and_its_processor_seconds(data, tmp_path):
    settings = plan(SMALL)[0].settings
    found = trial(settings, tmp_path / "one")
    assert json.loads(json.dumps(found)) == found
    assert len(found["history"]) == SMALL.epochs
    assert all(0 <= found[name] <= 100 for name in ("validation", "test"))
    assert found["core_seconds"] > 0
    again = trial(settings, tmp_path / "two")
    assert {**again, "core_seconds": 0} == {**found, "core_seconds": 0}
    # a trial whose end was not written down: nothing is trained again, and its seconds are not forgotten
    files.write_json(tmp_path / "two" / "spent.json", {"seconds": 500.0})
    repeated = trial(settings, tmp_path / "two")
    assert repeated["test"] == found["test"]
    assert repeated["core_seconds"] >= 500


def test_the_test_split_is_read_once_behind_the_training(data, monkeypatch, tmp_path):
    from lamina.training import evaluation

    read, predictions = [], evaluation.predictions

    def watched(model, split, **given):
        read.append(split.labels is data.test.labels)
        return predictions(model, split, **given)

    monkeypatch.setattr(evaluation, "predictions", watched)
    trial(plan(SMALL)[0].settings, tmp_path / "run")
    assert read == [False, False, True, True]


def test_picture_and_mirror_image_are_read_together():
    x = torch.zeros(3, 1, 1, 4)
    x[:, 0, 0, 0], x[:, 0, 0, 3] = torch.tensor([1.0, 0.0, 1.0]), torch.tensor([0.0, 1.0, 0.9])
    model = Leftmost()
    together = model(x).softmax(1) + model(x.flip(3)).softmax(1)
    right = together.argmax(1)
    assert not torch.equal(right, model(x).argmax(1))
    assert accuracy(model, Split(tensors={"x": x, "y": right})) == 100
    assert accuracy(model, Split(tensors={"x": x, "y": 1 - right})) == 0


def test_labels_are_smoothed_by_a_tenth():
    x, y = torch.rand(4, 1, 1, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 1, 0])
    shares = Leftmost()(x).log_softmax(1)
    wanted = -(0.9 * shares[torch.arange(4), y] + 0.1 * shares.mean(1)).mean()
    assert torch.allclose(smoothed(Leftmost(), {"x": x, "y": y}), wanted)


def test_the_clock_goes_on_where_a_killed_run_left_it(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(fashion.time, "process_time", lambda: now[0])
    clock = Clock(tmp_path / "spent.json")
    now[0] = 104.0
    clock(0.1)
    assert not clock.path.exists()
    now[0] = 107.0
    clock(0.2)
    now[0] = 109.0
    clock(0.3)
    assert clock.seconds == 9
    now[0] = 50.0  # another process
    resumed = Clock(tmp_path / "spent.json")
    assert resumed.seconds == 7
    now[0] = 51.0
    resumed(1.0)
    assert Clock(tmp_path / "spent.json").seconds == 8


def test_figures_hold_accuracy_and_budget_to_what_was_asked():
    def found(*pairs):
        return {
            f"resnet20-{seed}": {"test": test, "core_seconds": seconds, "history": [50.0, 60.0]}
            for seed, (test, seconds) in enumerate(pairs)
        }

    one = figures(Config(), found((93.6, 3599.0)))
    assert [(f.name, f.measured, f.holds) for f in one] == [
        ("fashion_accuracy", 93.6, True),
        ("fashion_core_seconds", 3599.0, True),
    ]
    assert {f.row for f in one} == set(fashion.ROWS)
    assert all(f.title_zh and f.source for f in one)
    assert [f.holds for f in figures(Config(), found((93.4, 3601.0)))] == [False, False]
    two = figures(Config(seeds=2), found((93.4, 3000.0), (93.7, 3100.0)))
    assert [f.values for f in two] == [(93.4, 93.7), (3000.0, 3100.0)]
    drawn = curves(Config(seeds=2, epochs=2), found((1, 2), (3, 4)))
    assert [(list(line.x), line.y) for line in drawn[0].lines] == [([1, 2], [50.0, 60.0])] * 2


def test_a_trial_knows_all_settings_and_each_seed_has_one():
    trials = plan(Config(seed=4, seeds=2))
    assert [t.name for t in trials] == ["resnet20-4", "resnet20-5"]
    assert {**asdict(Config()), "seed": 5}.items() >= dict(trials[1].settings).items()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"epochs": 0}, "epochs is 0"), ({"limit": 0}, "limit is 0"), ({"learning_rate": 0.0}, "positive")],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(BadInput, match=message):
        Config(**settings)
