"""The study of label efficiency: few labels well drawn, the softmax's optimum, machines that learn, figures."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.data._dataset import Dataset, Split
from lamina.recipes import _work
from lamina.recipes import label_efficiency as study

TINY = study.Config(
    seeds=2, labels=(10, 100), unlabelled=300, filters=6, hidden=20, learning=5, updates=5, limit=50
)  # fmt: skip


def digits(count, seed=0):
    """Pictures with a bright bar whose row tells the class."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 10, (count,), generator=generator)
    x = 0.1 * torch.rand(count, 1, 28, 28, generator=generator)
    for row in (0, 1):
        x[torch.arange(count), 0, 2 * y + 4 + row] += 0.8
    return Split(tensors={"x": x, "y": y})


@pytest.fixture(scope="module")
def found():
    data = Dataset(
        name="bars", classes=tuple("0123456789"), checksum="0", train=digits(400), validation=digits(0),
        test=digits(60, 1),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_work, "data_set", lambda name, limit: data)
        return {t.name: study.trial(t.settings, Path()) for t in study.plan(TINY)}


def test_a_trial_tells_every_arm_at_every_number_of_labels(found):
    assert list(found) == ["seed-0", "seed-1"]
    for one in found.values():
        assert {arm: list(by) for arm, by in one.items()} == {arm: ["10", "100"] for arm in study.ARMS}
        assert one["pixels"]["100"] > 95  # bars are easy for a line
    assert found["seed-0"] != found["seed-1"]


def test_figures_are_paired_gains(found):
    by_name = {f.name: f for f in study.figures(TINY, found)}
    gains = by_name["gain_over_lenet5_at_100"].values
    assert gains[1] == pytest.approx(found["seed-1"]["features"]["100"] - found["seed-1"]["lenet5"]["100"])
    assert by_name["gain_over_pixels_at_100"].values[0] == pytest.approx(
        found["seed-0"]["features"]["100"] - found["seed-0"]["pixels"]["100"]
    )
    (plot,) = study.curves(TINY, found)
    assert [line.name for line in plot.lines] == list(study.ARMS.values())
    assert plot.lines[1].y[0] == pytest.approx(np.mean([f["pixels"]["10"] for f in found.values()]))


def test_labels_are_as_many_of_each_class_and_the_small_sets_are_in_the_large():
    y = digits(2000).labels
    places = study.labelled(y, 100, seed=3)
    assert len(set(places.tolist())) == 100
    for n in (10, 50, 100):
        assert torch.bincount(y[places[:n]]).tolist() == [n // 10] * 10
    assert not torch.equal(places, study.labelled(y, 100, seed=4))


def test_the_softmax_is_at_its_optimum():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(40, 6, generator=generator), torch.arange(40) % 10
    asked = torch.cat([torch.eye(6), torch.zeros(1, 6)])
    logits = study.softmax(x, y, asked)
    bias = logits[6]
    weight = (logits[:6] - bias).T.clone().requires_grad_()
    offset = bias.clone().requires_grad_()
    (F.cross_entropy(F.linear(x, weight, offset), y) + study.DECAY / 2 * weight.square().sum()).backward()
    assert float(weight.grad.abs().max()) < 5e-4
    assert float(offset.grad.abs().max()) < 5e-4


def test_a_machine_reconstructs_what_it_learned_from_better_than_the_mean():
    x = digits(300).inputs
    pieces = study._patches(x, 0)
    assert pieces.shape[1] == 49
    assert float(pieces.mean(1).min()) > 0.1
    model = study._machine("upper", pieces.clamp(0, 1), 12, {"seed": 0, "learning": 500})
    told, mean = model.reconstruct(pieces), pieces.mean(0).expand_as(pieces)
    assert F.mse_loss(told, pieces) < 0.6 * F.mse_loss(mean, pieces)


def test_a_sparse_machine_says_nothing_about_blank_paper():
    pieces, blank = study._patches(digits(300).inputs, 0).clamp(0, 1), torch.zeros(1, 49)
    settings = {"seed": 0, "learning": 800}
    dense, sparse = (study._machine("lower", pieces, 12, settings, sparse=s) for s in (None, study.SPARSE))
    assert dense.hidden_given(blank).mean() > 0.3
    assert sparse.hidden_given(blank).mean() < 0.1
    assert sparse.hidden_given(pieces).mean() < dense.hidden_given(pieces).mean()


def test_pieces_are_cut_where_they_are():
    x = torch.arange(784.0).view(1, 1, 28, 28) / 784
    for piece in study._patches(x, 1).view(-1, 7, 7) * 784:
        corner = round(float(piece[0, 0]))
        row, column = divmod(corner, 28)
        assert torch.allclose(piece, 784 * x[0, 0, row : row + 7, column : column + 7])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"seeds": 1}, "at least 2"),
        ({"updates": 0}, "updates is 0"),
        ({"labels": (10, 30)}, "multiples of 10"),
        ({"labels": (10, 100, 105)}, "multiples of 10"),
        ({"unlabelled": 50}, r"unlabelled is 50: 100"),
        ({"unlabelled": 60_000}, "55,000"),
    ],
)
def test_settings_are_checked(setting, message):
    with pytest.raises(BadInput, match=message):
        study.Config(**{**asdict(TINY), **setting})
