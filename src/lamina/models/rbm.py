"""Restricted Boltzmann machine: two layers of binary units without links inside, trained by contrastive divergence.

    E(v, h) = -a'v - b'h - h'W v        p(v) = Σ_h exp(-E) / Z = exp(-F(v)) / Z
    F(v) = -a'v - Σ_j log(1 + exp(b_j + W_j v))
    p(h_j = 1 | v) = σ(b_j + W_j v)            p(v_i = 1 | h) = σ(a_i + W'_i h)

A layer's units are independent given the other, so a Gibbs step draws each layer at once. The slope of log p(v) is
<h v'> with v from the data less <h v'> with v from the model; CD-k takes for the latter what k Gibbs steps from the
data leave, hence has a bias that k lowers. Z, and with it the exact likelihood and slope, come by enumeration of the
smaller layer, while that is small. The loss that training prints is the cross-entropy of one reconstruction: CD
descends no function (Sutskever and Tieleman 2010). Pixels between 0 and 1 are taken for probabilities.

Shapes     visible v_BV [n, 784] (pictures are flattened) and hidden h_BH [n, 500], in {0, 1} or [0, 1] as probabilities
Paper      Hinton, "Training Products of Experts by Minimizing Contrastive Divergence", Neural Computation 14(8), 2002,
           https://doi.org/10.1162/089976602760128018
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.core.errors import BadInput, Unsupported
from lamina.core.seeds import derive
from lamina.models._classifier import Batch

ROWS = ("M9", "M39")
INPUT_SHAPE = (1, 784)
COUNTS = (784 * 500 + 500, 784 * 500)  # of visible to hidden, which needs no visible biases: 392,500 and 392,000
PAPER = "Hinton, Neural Computation 14(8), 2002, https://doi.org/10.1162/089976602760128018"
MOST_ENUMERATED = 20  # units of the smaller layer: a million states


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    visible: int = 784
    hidden: int = 500
    k: int = 1  # Gibbs steps of an update


SMALL = Config(visible=9, hidden=5)


class Rbm(nn.Module):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        if min(config.visible, config.hidden, config.k) < 1:
            raise BadInput(f"visible {config.visible}, hidden {config.hidden}, k {config.k}: 1 or more are needed")
        self.config = config
        self.weight = nn.Parameter(torch.zeros(config.hidden, config.visible))
        self.visible_bias = nn.Parameter(torch.zeros(config.visible))
        self.hidden_bias = nn.Parameter(torch.zeros(config.hidden))

    def forward(self, v_BV: Tensor) -> Tensor:
        return self.hidden_given(v_BV)

    def hidden_given(self, v_BV: Tensor) -> Tensor:
        """p(h = 1 | v) [n, hidden]: the code of a picture, one pass."""
        return torch.sigmoid(F.linear(v_BV.flatten(1), self.weight, self.hidden_bias))

    def visible_given(self, h_BH: Tensor) -> Tensor:
        """p(v = 1 | h) [n, visible]."""
        return torch.sigmoid(F.linear(h_BH, self.weight.T, self.visible_bias))

    def reconstruct(self, v_BV: Tensor) -> Tensor:
        """Down again from the probabilities of the code, nothing drawn."""
        return self.visible_given(self.hidden_given(v_BV))

    def energy(self, v_BV: Tensor, h_BH: Tensor) -> Tensor:
        """E(v, h) [n]."""
        return -(v_BV @ self.visible_bias) - (F.linear(v_BV, self.weight, self.hidden_bias) * h_BH).sum(dim=1)

    def free_energy(self, v_BV: Tensor) -> Tensor:
        """F(v) = -log Σ_h exp(-E(v, h)) [n]."""
        v_BV = v_BV.flatten(1)
        return -(v_BV @ self.visible_bias) - F.softplus(F.linear(v_BV, self.weight, self.hidden_bias)).sum(dim=1)

    def gibbs_step(self, v_BV: Tensor, *, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """All hidden units given v, then all visible ones given those: (v [n, visible], h [n, hidden]), of 0 and 1."""
        count, config = len(v_BV), self.config
        uniform_BH = torch.rand(count, config.hidden, generator=generator)
        return self.drawn_step(v_BV, uniform_BH, torch.rand(count, config.visible, generator=generator))

    def drawn_step(self, v_BV: Tensor, uniform_BH: Tensor, uniform_BV: Tensor) -> tuple[Tensor, Tensor]:
        """A Gibbs step whose random numbers, uniform in [0, 1), are given: so it is a function, and lowers."""
        h_BH = (uniform_BH < self.hidden_given(v_BV)).to(v_BV.dtype)
        return (uniform_BV < self.visible_given(h_BH)).to(v_BV.dtype), h_BH

    def sample(self, v_BV: Tensor, steps: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Where chains from v_BV are after `steps` Gibbs steps [n, visible]."""
        for _ in range(steps):
            v_BV, _ = self.gibbs_step(v_BV, generator=generator)
        return v_BV

    def contrastive_divergence(
        self, v_BV: Tensor, k: int, *, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Minus the direction of CD-k by parameter, mean over the batch; the hidden units enter by probability."""
        count, start_BH = len(v_BV), self.hidden_given(v_BV)
        end_BV = self.sample(v_BV, k, generator=generator)
        end_BH = self.hidden_given(end_BV)
        return {
            "weight": (end_BH.T @ end_BV - start_BH.T @ v_BV) / count,
            "visible_bias": (end_BV - v_BV).mean(dim=0),
            "hidden_bias": (end_BH - start_BH).mean(dim=0),
        }

    @torch.no_grad()
    def gradients(self, batch: Batch, *, generator: torch.Generator | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy of the reconstruction, mean over the batch in nats, and CD-k's update."""
        v_BV = self._visible(batch)
        return self._mismatch(v_BV) / len(v_BV), self.contrastive_divergence(v_BV, self.config.k, generator=generator)

    @torch.no_grad()
    def metrics(self, batch: Batch) -> dict[str, float]:
        """Sums: `loss`, the cross-entropy of the reconstruction in nats, and `count`."""
        v_BV = self._visible(batch)
        return {"loss": float(self._mismatch(v_BV)), "count": len(v_BV)}

    def entries(self) -> dict[str, tuple[Callable[..., Any], Any]]:
        """Inference, reconstruction, free energy, and a Gibbs step that is given its random numbers."""
        drawn, config = torch.Generator().manual_seed(0), self.config
        v = torch.rand(1, config.visible, generator=drawn)
        uniform = (torch.rand(1, config.hidden, generator=drawn), torch.rand(1, config.visible, generator=drawn))
        return {
            "main": (self.forward, v),
            "reconstruct": (self.reconstruct, v),
            "free_energy": (self.free_energy, v),
            "gibbs_step": (self.drawn_step, (v, *uniform)),
        }

    def _mismatch(self, v_BV: Tensor) -> Tensor:
        activity = F.linear(self.hidden_given(v_BV), self.weight.T, self.visible_bias)
        return F.binary_cross_entropy_with_logits(activity, v_BV, reduction="sum")

    def _visible(self, batch: Batch) -> Tensor:
        v_BV = batch["x"].flatten(1)
        if v_BV.shape[1] != self.config.visible:
            raise BadInput(f"inputs are {list(batch['x'].shape)}: {self.config.visible} units an example are needed")
        if len(v_BV) and not (v_BV.min() >= 0 and v_BV.max() <= 1):
            raise BadInput(f"inputs of {float(v_BV.min()):.4g} to {float(v_BV.max()):.4g}: [0, 1] is needed")
        return v_BV


def states(units: int) -> Tensor:
    """Every state of `units` binary units, [2^units, units]; raises `Unsupported` for too many."""
    if units > MOST_ENUMERATED:
        raise Unsupported(f"2^{units} states cannot be enumerated: at most {MOST_ENUMERATED} units are")
    return (torch.arange(2**units)[:, None] >> torch.arange(units) & 1).to(torch.float32)


def log_partition(model: Rbm) -> Tensor:
    """log Z, exact, by all states of the smaller layer; it can be differentiated."""
    if model.config.visible <= model.config.hidden:
        v = states(model.config.visible).to(model.weight.dtype)
        return torch.logsumexp(-model.free_energy(v), dim=0)
    h = states(model.config.hidden).to(model.weight.dtype)
    return torch.logsumexp(
        h @ model.hidden_bias + F.softplus(F.linear(h, model.weight.T, model.visible_bias)).sum(dim=1), dim=0
    )


def log_likelihood(model: Rbm, v_BV: Tensor) -> Tensor:
    """log p(v) in nats [n], exact; v of 0 and 1."""
    return -model.free_energy(v_BV) - log_partition(model)


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    return {"x": torch.rand(count, config.visible, generator=generator)}


def rbm(config: Config = Config(), *, seed: int = 0) -> Rbm:
    """Weights from N(0, 0.01), as Hinton's guide advises, drawn from `seed`; biases 0."""
    model = Rbm(config)
    generator = torch.Generator().manual_seed(derive(seed, "initial", "weight"))
    with torch.no_grad():
        model.weight.normal_(0, 0.01, generator=generator)
    return model
