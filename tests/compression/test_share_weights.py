"""Weight sharing: k-means against plain Lloyd, the codebook's gradient against autograd, exact values afterwards."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from lamina.compression import prune, share_weights
from lamina.core.errors import BadInput


def plain_lloyd(values: np.ndarray, clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """k-means as it is written down: all distances, then all means, until nothing changes."""
    centroids = np.linspace(values.min(), values.max(), clusters)
    index = None
    while True:
        new = np.abs(values[:, None] - centroids[None]).argmin(1)
        if index is not None and (new == index).all():
            return centroids, index
        index = new
        for k in range(clusters):
            if (index == k).any():
                centroids[k] = values[index == k].mean()


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 300))
def test_clusters_are_those_of_plain_lloyd(seed, clusters, size):
    values = np.random.default_rng(seed).normal(size=size)
    codebook, index = share_weights.cluster(values, clusters)
    centroids, plain = plain_lloyd(values, clusters)
    used = np.unique(plain)
    assert np.allclose(codebook, centroids[used], atol=1e-12)
    assert np.array_equal(index, np.searchsorted(used, plain))


def test_a_tie_goes_to_the_lower_centroid():
    codebook, index = share_weights.cluster(np.array([0.0, 2.0, 4.0]), 2)
    assert codebook.tolist() == [1.0, 4.0]
    assert index.tolist() == [0, 0, 1]


def test_the_start_is_linear():
    # one far outlier: density-based starts would give it no centroid of its own
    codebook, index = share_weights.cluster(np.array([0.0, 0.1, 0.2, 10.0]), 2)
    assert codebook == pytest.approx([0.1, 10.0])
    assert index.tolist() == [0, 0, 0, 1]


def model_with_zeros() -> nn.Sequential:
    torch.manual_seed(2)
    model = nn.Sequential(nn.Conv2d(1, 5, 3), nn.Tanh(), nn.Flatten(), nn.Linear(180, 10))
    prune.apply(model, prune.masks(model, {"3.weight": 0.3}))
    return model


def test_a_centroids_gradient_is_the_sum_over_its_cluster():
    plain, shared = model_with_zeros().double(), model_with_zeros().double()
    share_weights.attach(shared, {"0.weight": 4, "3.weight": 6})
    with torch.no_grad():
        for i in (0, 3):
            plain[i].weight.copy_(shared[i].weight)
    x, y = torch.randn(16, 1, 8, 8, dtype=torch.float64), torch.arange(16) % 10
    F.cross_entropy(plain(x), y).backward()
    F.cross_entropy(shared(x), y).backward()
    for i in (0, 3):
        codebook = shared[i].parametrizations.weight.original
        expected = [float(plain[i].weight.grad[plain[i].weight == value].sum()) for value in codebook]
        assert codebook.grad.tolist() == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_the_gradient_is_that_of_indexing():
    codebook = torch.randn(7, dtype=torch.float64, requires_grad=True)
    index, places = torch.randint(0, 7, (40,)), torch.randperm(90)[:40].sort().values
    out = share_weights._Gather.apply(codebook, index, places, 90)
    upstream = torch.randn(90, dtype=torch.float64)
    (own,) = torch.autograd.grad((out * upstream).sum(), codebook)
    (reference,) = torch.autograd.grad((codebook[index] * upstream[places]).sum(), codebook)
    assert torch.allclose(own, reference, rtol=1e-14)
    assert torch.autograd.gradcheck(lambda c: share_weights._Gather.apply(c, index, places, 90), (codebook,))


def train(model: nn.Module, *, after_update) -> None:
    x = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    y = (x.mean((1, 2, 3)) * 40).long().clamp(0, 9)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(30):
        optimiser.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimiser.step()
        after_update((step + 1) / 30)


def test_shared_weights_are_codebook_values_and_zeros_stay():
    model = model_with_zeros()
    before = {name: weight.detach().clone() for name, weight in prune.weights(model).items()}
    sizes = share_weights.share_weights(model, {"0.weight": 4, "3.weight": 6}, retrain=train)
    assert isinstance(model[3].weight, nn.Parameter)
    assert list(model.state_dict()) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    for name, weight in prune.weights(model).items():
        assert torch.equal(weight == 0, before[name] == 0)
        assert sizes[name] == torch.unique(weight[weight != 0]).numel() <= {"0.weight": 4, "3.weight": 6}[name]
        assert not torch.equal(weight, before[name])


def test_sharing_without_retraining_moves_each_weight_to_its_nearest_value():
    model = model_with_zeros()
    before = model[0].weight.detach().clone()
    share_weights.share_weights(model, {"0.weight": 8})
    values = torch.unique(model[0].weight.detach())
    nearest = values[(before[..., None] - values).abs().argmin(-1)]
    assert torch.allclose(model[0].weight, nearest)


def test_an_error_in_retraining_leaves_plain_weights():
    def broken(model, *, after_update):
        raise RuntimeError("stop")

    model = model_with_zeros()
    with pytest.raises(RuntimeError, match="stop"):
        share_weights.share_weights(model, {"3.weight": 4}, retrain=broken)
    assert isinstance(model[3].weight, nn.Parameter)


def test_rounding_keeps_the_upper_bits():
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.00390625, 1.01171875], [-1 / 3, 0.0]]))
    expected = model.weight.detach().bfloat16().float()
    share_weights.round_floats(model, 16)
    assert torch.equal(model.weight, expected)
    assert ((model.bias.detach().numpy().view(np.uint32) & 0xFFFF) == 0).all()


def test_what_cannot_be_shared_is_refused():
    with pytest.raises(BadInput, match=r"no layer '2\.weight'"):
        share_weights.share_weights(model_with_zeros(), {"2.weight": 4})
    with pytest.raises(BadInput, match="0 clusters"):
        share_weights.cluster(np.ones(3), 0)
    with pytest.raises(BadInput, match="all finite"):
        share_weights.cluster(np.array([1.0, np.nan]), 2)
    with pytest.raises(BadInput, match="prune less"):
        share_weights.Shared(torch.zeros(3, 3), 2)
    with pytest.raises(BadInput, match="12 bits"):
        share_weights.round_floats(nn.Linear(1, 1), 12)
