"""Pruning: which weights stay, how the density falls, and that what is pruned stays zero through training."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from lamina.compression import prune
from lamina.core.errors import BadInput


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))


def noise(model: nn.Module, *, after_update, steps: int = 20) -> None:
    """A stand-in for training: every parameter moves, and is reported as an update."""
    generator = torch.Generator().manual_seed(1)
    for step in range(steps):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.01 * torch.randn(parameter.shape, generator=generator)
        after_update((step + 1) / steps)


def test_the_largest_weights_stay():
    model = network()
    before = model[3].weight.detach().abs().reshape(-1).numpy().copy()
    prune.apply(model, prune.masks(model, {"3.weight": 0.1}))
    kept = np.flatnonzero(model[3].weight.detach().reshape(-1).numpy())
    assert set(kept) == set(np.argsort(-before)[:144])
    assert (model[0].weight != 0).all()
    assert (model[3].bias != 0).all()


def test_only_weights_of_layers_are_pruned():
    assert list(prune.weights(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Conv1d(2, 2, 1)))) == [
        "0.weight",
        "2.weight",
    ]
    assert list(prune.weights(nn.Linear(2, 2))) == ["weight"]
    with pytest.raises(BadInput, match="nothing to compress"):
        prune.weights(nn.ReLU())


def test_the_schedule_is_the_cubic():
    # Zhu and Gupta, equation 1, in densities: half way along the ramp an eighth of the way is left
    assert prune.scheduled(1.0, 0.2, 0.25, 0.5) == pytest.approx(0.2 + 0.8 / 8)
    assert prune.scheduled(1.0, 0.2, 0.0, 0.5) == 1.0
    assert prune.scheduled(1.0, 0.2, 0.5, 0.5) == prune.scheduled(1.0, 0.2, 1.0, 0.5) == 0.2
    assert prune.scheduled(1.0, 0.2, 0.0, 0.0) == 0.2


@pytest.mark.parametrize("ramp", [0.0, 0.4, 1.0])
def test_gradual_pruning_reaches_its_densities_and_stays_pruned(ramp):
    model, seen = network(), []

    def retrain(model, *, after_update):
        def watched(share):
            after_update(share)
            seen.append(model[3].weight.detach() != 0)

        noise(model, after_update=watched)

    masks = prune.gradual(model, {"0.weight": 0.5, "3.weight": 0.05}, retrain=retrain, ramp=ramp)
    assert prune.density(model) == pytest.approx({"0.weight": 0.5, "3.weight": 0.05})
    assert torch.equal(model[3].weight != 0, masks["3.weight"])
    shares = [float(alive.float().mean()) for alive in seen]
    assert shares == sorted(shares, reverse=True)
    assert all(not (later & ~earlier).any() for earlier, later in pairwise(seen))
    if ramp == 1.0:
        assert shares[9] == pytest.approx(prune.scheduled(1.0, 0.05, 0.5, 1.0), abs=0.01)
    if ramp == 0.0:
        assert shares[0] == pytest.approx(0.05)


def test_deviation_is_one_quality_for_all_layers():
    model = network()
    densities = prune.densities(model, 0.2, "deviation")
    quality = []
    for name, weight in prune.weights(model).items():
        weight = weight.detach()
        kept = weight.abs()[prune.masks(model, densities)[name]]
        quality.append((float(kept.min() / weight.std(correction=0)), weight.numel()))
    (first, _), (second, _) = quality
    assert first == pytest.approx(second, rel=0.2)
    assert sum(densities[n] * w.numel() for n, w in prune.weights(model).items()) == pytest.approx(0.2 * 1476, abs=1)


def test_lamp_scores_are_those_of_the_definition():
    model = network()
    score = {}
    for name, weight in prune.weights(model).items():
        squares = weight.detach().double().square().reshape(-1)
        score[name] = torch.stack([w / squares[squares >= w].sum() for w in squares])
    threshold = torch.cat(list(score.values())).sort(descending=True).values[round(0.1 * 1476) - 1]
    expected = {name: float((s >= threshold).double().mean()) for name, s in score.items()}
    assert prune.densities(model, 0.1, "lamp") == pytest.approx(expected)


def test_no_layer_is_emptied():
    model = nn.Sequential(nn.Linear(100, 100), nn.Linear(100, 2))
    with torch.no_grad():
        model[1].weight.mul_(1e-6)
    for rule in ("lamp", "deviation"):
        assert min(prune.densities(model, 0.001, rule).values()) > 0


@pytest.mark.parametrize(
    ("densities", "words"),
    [
        ({"3.weight": 0.0}, "density 0.0"),
        ({"3.weight": 1.5}, "density 1.5"),
        ({"3.wight": 0.5}, "did you mean '3.weight'"),
    ],
)
def test_bad_densities_are_refused(densities, words):
    with pytest.raises(BadInput, match=words):
        prune.gradual(network(), densities, retrain=noise)
    with pytest.raises(BadInput, match="density"):
        prune.densities(network(), 2.0)
    with pytest.raises(BadInput, match="unknown rule"):
        prune.densities(network(), 0.5, "lam")
    with pytest.raises(BadInput, match="ramp"):
        prune.gradual(network(), {"3.weight": 0.5}, retrain=noise, ramp=2)
