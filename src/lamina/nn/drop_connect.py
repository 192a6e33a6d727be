"""DropConnect: connections fall out, not units; at inference their sum is a Gaussian, matched by its two moments.

    training     u = (M o W) v + m o b,    M, m ~ Bernoulli(p) per connection, p = 1 - share
    inference    E[u] = p (W v + b)        Var[u] = p (1 - p) (W^2 v^2 + b^2)        u ~ N(E[u], Var[u])
                 E[relu(u)] = mu Phi(mu/s) + s phi(mu/s)        mu = E[u], s^2 = Var[u]

A unit's input is a sum of many independent terms, hence nearly normal. The paper draws from that normal and averages
the activations; for a ReLU the average over infinitely many draws is known, so nothing has to be drawn. A layer's
covariances between its units are left out, as in the paper. Masks are drawn for each example (the paper's way, B times
the weights in memory), or one for the batch (one plain product, noisier gradients).

Shapes     x_BC [b, c], weight_KC [k, c], bias_K [k]; u_BK [b, k]
Errors     a share outside [0, 1)
Paper      Wan et al., "Regularization of Neural Networks using DropConnect", ICML 2013,
           https://proceedings.mlr.press/v28/wan13.html
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from lamina.nn.dropout import checked_share

ROWS = ("M26",)
LEAST = 1e-12  # variance of a unit that nothing reaches, so that its root has a slope


def drop_connect(
    x_BC: Tensor,
    weight_KC: Tensor,
    bias_K: Tensor,
    share: float,
    *,
    each_example: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """One draw of u: a random `share` of the connections, biases among them, is cut."""
    checked_share(share)
    masks = (len(x_BC),) if each_example else ()
    keep = torch.empty(*masks, *weight_KC.shape).bernoulli_(1 - share, generator=generator)
    keep_bias = torch.empty(*masks, *bias_K.shape).bernoulli_(1 - share, generator=generator)
    weight, bias = keep.to(x_BC.dtype) * weight_KC, keep_bias.to(x_BC.dtype) * bias_K
    if not each_example:
        return F.linear(x_BC, weight, bias)
    return torch.bmm(weight, x_BC[:, :, None])[:, :, 0] + bias


def moments(x_BC: Tensor, weight_KC: Tensor, bias_K: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Mean and variance of u over all masks, both [b, k]."""
    checked_share(share)
    keep = 1 - share
    mean = keep * F.linear(x_BC, weight_KC, bias_K)
    variance = keep * share * F.linear(x_BC * x_BC, weight_KC * weight_KC, bias_K * bias_K)
    return mean, variance


def expected_relu(mean: Tensor, variance: Tensor) -> Tensor:
    """E[max(u, 0)] of a normal u."""
    deviation = torch.sqrt(variance + LEAST)
    ratio = mean / deviation
    share_above = 0.5 * (1 + torch.erf(ratio / math.sqrt(2)))
    density = torch.exp(-0.5 * ratio * ratio) / math.sqrt(2 * math.pi)
    return mean * share_above + deviation * density


def sampled_relu(mean: Tensor, variance: Tensor, samples: int, *, generator: torch.Generator | None = None) -> Tensor:
    """The paper's inference: the mean of max(u, 0) over `samples` draws from the normal."""
    noise = torch.randn(samples, *mean.shape, generator=generator, dtype=mean.dtype)
    return torch.relu(mean + torch.sqrt(variance) * noise).mean(0)
