"""Coverage of mixtures against counts done by hand and the law of large numbers."""

import math

import pytest
import torch

from lamina.core.errors import BadInput
from lamina.tasks.mixtures import coverage, grid, ring


def test_centres_lie_where_they_should():
    assert ring().centres.norm(dim=1).tolist() == pytest.approx([2.0] * 8)
    assert torch.cdist(ring().centres, ring().centres).sort(dim=1).values[:, 1].tolist() == pytest.approx(
        [4 * math.sin(math.pi / 8)] * 8, rel=1e-4
    )
    assert sorted(map(tuple, grid().centres.tolist())) == [(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)]


@pytest.mark.parametrize("mixture", [ring(), grid()], ids=["ring", "grid"])
def test_true_samples_cover_everything(mixture):
    count = 100_000
    found = coverage(mixture, mixture.samples(count, generator=torch.Generator().manual_seed(0)))
    modes = len(mixture.centres)
    assert (found.covered, found.modes) == (modes, modes)
    assert found.good == pytest.approx(1 - math.exp(-4.5), abs=0.002)
    assert 0 < found.divergence < 4 * (modes - 1) / (2 * count)


def test_the_divergence_of_samples_done_by_hand():
    mixture = ring()
    assert coverage(mixture, mixture.centres).divergence == pytest.approx(0, abs=1e-12)
    alone = coverage(mixture, mixture.centres[3:4].expand(50, 2))
    assert (alone.covered, alone.good, alone.divergence) == (1, 1.0, pytest.approx(math.log(8)))
    uneven = coverage(mixture, mixture.centres[[0, 0, 0, 1]])
    assert uneven.divergence == pytest.approx(0.75 * math.log(6) + 0.25 * math.log(2))


def test_samples_far_from_every_centre_cover_nothing():
    mixture = grid()
    between = coverage(mixture, mixture.centres + 0.2)  # 0.28 away, 0.15 is good
    assert (between.covered, between.good) == (0, 0.0)
    assert between.divergence == pytest.approx(0, abs=1e-12)
    edge = coverage(mixture, mixture.centres[:2] + torch.tensor([[0.149, 0.0], [0.151, 0.0]]))
    assert (edge.covered, edge.good) == (1, 0.5)


@pytest.mark.parametrize(
    "samples", [torch.zeros(0, 2), torch.zeros(3, 3), torch.zeros(2), torch.full((1, 2), math.nan)]
)
def test_samples_that_are_none_are_named(samples):
    with pytest.raises(BadInput, match=r"is needed|not finite"):
        coverage(ring(), samples)
    with pytest.raises(BadInput, match="deviation is 0"):
        ring(deviation=0)
