"""The pooling study in miniature: what moves, what is kept, what is counted, how figures judge."""

import json
import math
from dataclasses import replace

import pytest
import torch

from lamina.core.errors import BadInput
from lamina.data._dataset import Dataset, Split
from lamina.recipes import _drawn, _work, pooling
from lamina.recipes.pooling import Config, figures, kept, movements, plan, trial
from lamina.training.augmentation import warp

SMALL = Config(seeds=2, data=("mnist",), examples=20, epochs=1, widths=(2, 3), hidden=4, moved=10)
_MOVES = ("shift_1", "shift_2", "shift_3", "shift_4", "rotation", "scale")


def made(count=40):
    """Ten classes of pictures: a bright row at the class's height."""
    y = torch.arange(count) % 10
    x = torch.zeros(count, 1, 28, 28)
    x[torch.arange(count), 0, 4 + 2 * y, 6:22] = 1.0
    split = Split(tensors={"x": x, "y": y})
    return Dataset(
        name="made", classes=tuple("0123456789"), checksum="0" * 64, train=split, validation=split, test=split
    )


class Brightest(torch.nn.Module):
    """The class of the brightest row among 4, 6 ... 22, the first where all are dark."""

    def forward(self, x):
        return x.round().sum(3)[:, 0, 4:24:2]


def test_a_trial_finds_an_error_what_is_kept_and_the_parameters(monkeypatch, tmp_path):
    monkeypatch.setattr(_work, "data_set", lambda name, limit: made())
    trials = {t.name: t for t in plan(SMALL)}
    assert len(trials) == 6 * 2
    found = {kind: trial(trials[f"mnist.{kind}-1"].settings, tmp_path) for kind in ("max", "stochastic", "none")}
    assert trial(trials["mnist.max-1"].settings, tmp_path) == found["max"], "the same trial, the same bits"
    assert json.loads(json.dumps(found)) == found
    convolutions = 2 * 25 + 2 + 3 * 50 + 3
    for kind, inputs in (("max", 3 * 49), ("stochastic", 3 * 49), ("none", 3 * 784)):
        assert found[kind]["convolution_parameters"] == convolutions
        assert found[kind]["parameters"] == convolutions + inputs * 4 + 4 + 40 + 10
        assert 0 <= found[kind]["error"] <= 100
        assert found[kind].keys() == {"error", "parameters", "convolution_parameters", *_MOVES}


def test_what_is_kept_of_moved_rows():
    found = kept(Brightest(), made().test)
    # to the sides nothing is lost; up or down by one no row is seen, which is taken for class 0
    assert found["shift_1"] == found["shift_3"] == pytest.approx(50 + 50 * 0.1)
    # by two each row is that of another class; only the uppermost moves out of sight, and is class 0
    assert found["shift_2"] == pytest.approx(50 + 25 * 0.1)
    assert found["shift_4"] == pytest.approx(50 + 25 * 0.1)


def test_pictures_move_as_they_are_told():
    by_name: dict[str, list[torch.Tensor]] = {}
    x = torch.zeros(1, 1, 29, 29)
    x[0, 0, 14, 24] = 1.0  # ten pixels to the right of the middle
    for name, matrix in movements():
        moved = warp(x, torch.tensor(matrix, dtype=torch.float32)[None])[0, 0]
        by_name.setdefault(name, []).append(moved)
    assert tuple(by_name) == _MOVES
    places = {name: [divmod(int(m.argmax()), 29) for m in several] for name, several in by_name.items()}
    assert set(places["shift_2"]) == {(14, 22), (14, 26), (12, 24), (16, 24)}
    assert {x for _, x in places["scale"]} == {round(14 + 10 / 1.15), round(14 + 10 / 0.85)}
    down = 10 * math.sin(math.radians(15))
    assert sorted(y for y, _ in places["rotation"]) == [round(14 - down), round(14 + down)]


def test_figures_judge_each_statement_by_its_pairs():
    errors = {"max": 2.0, "average": 3.0, "overlapping": 1.5, "stochastic": 1.0, "stride": 4.0, "none": 3.0}
    found = {
        f"mnist.{kind}-{seed}": {
            "error": error + 0.1 * seed,
            "parameters": 1000 if kind == "none" else 100,
            "convolution_parameters": 60,
            **dict.fromkeys(_MOVES, 90 - error + seed),
        }
        for kind, error in errors.items()
        for seed in (0, 1)
    }
    judged = {f.name: f for f in figures(SMALL, found)}
    assert judged["average_less_max_mnist"].values == (1, 1)
    assert judged["max_less_overlapping_mnist"].values == (0.5, 0.5)
    assert judged["max_less_stochastic_mnist"].values == (1, 1)
    assert judged["shift_kept_mnist"].values == judged["rotation_kept_mnist"].values == (1, 1)
    assert judged["shift_kept_over_stride_mnist"].values == (2, 2)
    assert judged["network_parameters"].measured == 10
    assert judged["convolution_parameters"].measured == 1
    assert all(f.holds and f.title_zh for f in judged.values())
    worse = {name: {**f, "error": -f["error"], "shift_2": -f["shift_2"]} for name, f in found.items()}
    worse["mnist.max-0"]["convolution_parameters"] = 30
    failed = {f.name for f in figures(SMALL, worse) if not f.holds}
    assert failed == {
        "average_less_max_mnist", "max_less_overlapping_mnist", "max_less_stochastic_mnist", "shift_kept_mnist",
        "shift_kept_over_stride_mnist", "convolution_parameters",
    }  # fmt: skip
    (drawn,) = pooling.curves(SMALL, found)
    line = {one.name: one for one in drawn.lines}["max"]
    assert line.x == [0, 1, 2, 3, 4]
    assert line.y == pytest.approx([100] + [88.5] * 4)
    assert line.low[1] < 88.5 < line.high[1]


def test_training_examples_follow_from_the_seed():
    data = made()
    data = replace(data, train=Split(tensors={"x": data.train.inputs, "y": torch.arange(40)}))
    one, same, other = (_drawn.drawn(data, 30, seed) for seed in (1, 1, 2))
    labels = [part.train.labels.tolist() for part in (one, same, other)]
    assert labels[0] == labels[1] != labels[2]
    assert len(set(labels[0])) == 30
    assert torch.equal(one.train.inputs, data.train.inputs[one.train.labels])
    assert one.test is data.test
    with pytest.raises(BadInput, match="41 examples of 40 cannot be drawn: 1 to 40 are allowed"):
        _drawn.drawn(data, 41, 0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"seeds": 1}, "seeds is 1: at least 2"),
        ({"moved": 0}, "moved is 0: at least 1"),
        ({"widths": (0, 3)}, "each at least 1"),
        ({"data": ("digits",)}, "one or both of mnist, fashion_mnist"),
        ({"data": ("mnist", "mnist")}, "one or both"),
    ],
)
def test_bad_input_says_what_is_needed(given, says):
    with pytest.raises(BadInput, match=says):
        Config(**given)
