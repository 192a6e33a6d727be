"""Weight sharing: the weights of a layer take few distinct values, and the values are trained.

    share      minimise sum_i (w_i - c[k_i])^2     k-means in one dimension, Lloyd from evenly spaced centroids
    retrain    w_i = c[k_i] in the forward pass;   dL/dc_k = sum_{i: k_i = k} dL/dw_i      the indices k_i stay
    zero       weights that pruning set to zero stay zero: they are outside the codebook

On sorted values a cluster is an interval, so that a Lloyd step is one binary search of the midpoints and differences of
a running sum. While training, the layer's weight is a torch parametrisation whose only parameter is the codebook;
afterwards it is a plain weight again, holding codebook values exactly.

Shapes     N weights, K codebook entries (some K may stay empty and are dropped)
Paper      Han et al., "Deep Compression", ICLR 2016, https://arxiv.org/abs/1510.00149, section 4
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from lamina.compression.prune import Retrain, weights
from lamina.core.errors import BadInput

MOST_CLUSTERS = 2**15 - 1
MOST_STEPS = 1_000

Floats = NDArray[np.float64]


def cluster(values: NDArray[Any], clusters: int) -> tuple[Floats, NDArray[np.int64]]:
    """Codebook (K,), ascending, and index (N,) of k-means over `values` (N,), K <= clusters after dropping empty ones.

    Each value belongs to its nearest centroid (the lower one in a tie), and each centroid is the mean of its values.
    """
    if not 1 <= clusters <= MOST_CLUSTERS:
        raise BadInput(f"{clusters} clusters: 1 to {MOST_CLUSTERS} are possible")
    values = np.asarray(values, np.float64).reshape(-1)
    if values.size == 0 or not np.isfinite(values).all():
        raise BadInput(f"{values.size} values to cluster: at least one, and all finite")
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    running = np.concatenate([[0.0], np.cumsum(ascending)])
    centroids = np.linspace(ascending[0], ascending[-1], clusters)
    bounds = np.zeros(0, np.int64)
    for _ in range(MOST_STEPS):
        middle = (centroids[1:] + centroids[:-1]) / 2
        new = np.concatenate([[0], np.searchsorted(ascending, middle, side="right"), [values.size]])
        if np.array_equal(new, bounds):
            break
        bounds = new
        size = np.diff(bounds)
        centroids = np.where(size > 0, np.diff(running[bounds]) / np.maximum(size, 1), centroids)
    size = np.diff(bounds)
    codebook = centroids[size > 0]
    index = np.empty(values.size, np.int64)
    index[order] = np.repeat(np.arange(codebook.size), size[size > 0])
    return codebook, index


class _Gather(torch.autograd.Function):
    """codebook (K,), index (N,), places (N,) -> a flat tensor of `size` elements, zero outside `places`."""

    @staticmethod
    def forward(ctx: Any, codebook: Tensor, index: Tensor, places: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(index, places)
        ctx.entries = codebook.numel()
        return codebook.new_zeros(size).index_copy_(0, places, codebook[index])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        index, places = ctx.saved_tensors
        flat = gradients[0].reshape(-1)
        # summed in float64, in the order of the weights: the same bits on every run
        summed = torch.bincount(index, weights=flat[places].double(), minlength=ctx.entries)
        return summed.to(flat.dtype), None, None, None


class Shared(nn.Module):
    """The parametrisation weight = codebook[index], zero where the weight was zero."""

    index: Tensor
    places: Tensor

    def __init__(self, weight: Tensor, clusters: int) -> None:
        super().__init__()
        flat = weight.detach().reshape(-1)
        places = torch.nonzero(flat).reshape(-1)
        if places.numel() == 0:
            raise BadInput("a layer without any non-zero weight cannot share weights: prune less")
        codebook, index = cluster(flat[places].cpu().numpy(), clusters)
        self.shape = weight.shape
        self.register_buffer("index", torch.from_numpy(index).to(weight.device), persistent=False)
        self.register_buffer("places", places, persistent=False)
        self.start = torch.from_numpy(codebook).to(weight)

    def right_inverse(self, weight: Tensor) -> Tensor:
        return self.start

    def forward(self, codebook: Tensor) -> Tensor:
        flat: Tensor = _Gather.apply(codebook, self.index, self.places, self.shape.numel())
        return flat.reshape(self.shape)


def attach(model: nn.Module, clusters: Mapping[str, int]) -> None:
    """Give the named layers shared weights, in place: their parameter is now the codebook."""
    found = weights(model)
    for name, count in clusters.items():
        module = model.get_submodule(name.rpartition(".")[0])
        parametrize.register_parametrization(module, "weight", Shared(found[name], count))


def detach(model: nn.Module, clusters: Mapping[str, int]) -> None:
    """Turn the named layers' weights into plain parameters again, holding exactly their codebook's values."""
    for name in clusters:
        module = model.get_submodule(name.rpartition(".")[0])
        parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
        # registered again, so that parameters keep their order: weight, bias
        bias = module.bias
        del module.bias
        module.register_parameter("bias", bias)


def share_weights(model: nn.Module, clusters: Mapping[str, int], *, retrain: Retrain | None = None) -> dict[str, int]:
    """Share the weights of the named layers in place, retraining codebooks and biases; distinct non-zeros per layer.

    Raises `BadInput` for a layer that is not there, one that is all zero, or a count outside [1, 2^15 - 1].
    """
    found = weights(model)
    if missing := [name for name in clusters if name not in found]:
        raise BadInput(f"no layer {missing[0]!r} to share: there are {', '.join(found)}")
    attach(model, clusters)
    try:
        if retrain is not None:
            retrain(model, after_update=lambda share: None)
    finally:
        detach(model, clusters)
    return {name: int(torch.unique(weight[weight != 0]).numel()) for name, weight in weights(model).items()}


def round_floats(model: nn.Module, bits: int) -> None:
    """Round every float32 parameter to its `bits` upper bits (half to even), in place: 16 is bfloat16 inside float32.

    Equal values stay equal, so shared weights stay shared. bits: 16, 24 or 32 (32 changes nothing).
    """
    if bits not in (16, 24, 32):
        raise BadInput(f"{bits} bits of a float32: 16, 24 or 32 are possible")
    drop = 32 - bits
    if drop == 0:
        return
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dtype == torch.float32:
                pattern = parameter.detach().cpu().contiguous().numpy().view(np.uint32).astype(np.int64)
                half = (1 << (drop - 1)) - 1 + ((pattern >> drop) & 1)
                rounded = ((pattern + half) >> drop << drop).astype(np.uint32).view(np.float32)
                parameter.copy_(torch.from_numpy(rounded))
