"""Magnitude pruning: the smallest weights become zero, little by little, and the others are trained to make up for it.

    mask        m_i = 1 for the round(d n) largest |w_i| of a layer with n weights and density d
    schedule    d(t) = d_end + (d_now - d_end) (1 - t / ramp)^3    for t < ramp, then d_end;   t in (0, 1]
    update      w <- m w                                             after each step: what is pruned stays zero

Only the weights of convolutions and linear layers are pruned (two axes or more); biases stay. Densities are told per
layer, or follow from one target for the whole network by a rule whose result the caller sees before it is applied:

    deviation   keep |w| > q std(w) in each layer, one q for all         (Han et al. 2015, the "quality parameter")
    lamp        keep the largest w_i^2 / sum_{|w_j| >= |w_i|} w_j^2       (Lee et al. 2021: layer-adaptive magnitude)

Shapes     weights of any shape; a mask is bool of its weight's shape. Densities are shares of non-zeros in (0, 1].
Paper      Han et al. 2015, https://arxiv.org/abs/1506.02626; Zhu and Gupta 2017, https://arxiv.org/abs/1710.01878
           (schedule); Lee et al. 2021, https://arxiv.org/abs/2010.07611
"""

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput, unknown

Rule = Literal["deviation", "lamp"]
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
REFRESHES = 100  # masks are chosen anew this many times along the ramp

AfterUpdate = Callable[[float], None]


class Retrain(Protocol):
    """Trains `model` in place and calls `after_update(t)` after every update, t in (0, 1] the share of updates done."""

    def __call__(self, model: nn.Module, *, after_update: AfterUpdate) -> None: ...


def weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """What is pruned: the weights of `LAYERS`, by their parameter's name, each once."""
    found: dict[str, nn.Parameter] = {}
    for name, module in model.named_modules():
        if isinstance(module, LAYERS) and not any(module.weight is other for other in found.values()):
            found[f"{name}.weight" if name else "weight"] = module.weight
    if not found:
        raise BadInput("nothing to compress: the model has no linear layer and no convolution")
    return found


def masks(model: nn.Module, densities: Mapping[str, float]) -> dict[str, Tensor]:
    """Bool masks that keep the round(density * n) largest weights of each layer, at least one; ties: the first kept.

    Raises `BadInput` for a layer that is not there or a density outside (0, 1].
    """
    found = weights(model)
    result = {}
    for name, density in densities.items():
        if name not in found:
            raise unknown("layer", name, found)
        if not 0 < density <= 1:
            raise BadInput(f"density {density!r} of {name}: shares of kept weights in (0, 1] are possible")
        size = found[name].detach().abs().reshape(-1)
        kept = torch.sort(size, descending=True, stable=True).indices[: max(1, round(density * size.numel()))]
        mask = torch.zeros(size.shape, dtype=torch.bool, device=size.device)
        mask[kept] = True
        result[name] = mask.reshape(found[name].shape)
    return result


def apply(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Set the weights outside `masks` to zero, in place."""
    found = weights(model)
    with torch.no_grad():
        for name, mask in masks.items():
            found[name].masked_fill_(~mask, 0.0)


def density(model: nn.Module) -> dict[str, float]:
    """The share of non-zeros of each layer's weights."""
    return {name: float((weight != 0).float().mean()) for name, weight in weights(model).items()}


def densities(model: nn.Module, target: float, rule: Rule = "lamp") -> dict[str, float]:
    """Per-layer densities whose weights together are `target` of all weights, by `rule` (the module's head)."""
    if not 0 < target <= 1:
        raise BadInput(f"density {target!r}: shares of kept weights in (0, 1] are possible")
    scores = {"deviation": _deviation, "lamp": _lamp}
    if rule not in scores:
        raise unknown("rule", rule, scores)
    by_layer = {name: scores[rule](weight.detach().double().reshape(-1)) for name, weight in weights(model).items()}
    every = torch.cat(list(by_layer.values()))
    keep = max(1, round(target * every.numel()))
    threshold = torch.sort(every, descending=True).values[keep - 1]
    return {name: max(1, int((score >= threshold).sum())) / score.numel() for name, score in by_layer.items()}


def _deviation(weight: Tensor) -> Tensor:
    return weight.abs() / weight.std(correction=0).clamp_min(1e-30)


def _lamp(weight: Tensor) -> Tensor:
    ascending = torch.sort(weight.square(), stable=True)
    at_least = ascending.values.flip(0).cumsum(0).flip(0)
    score = torch.empty_like(weight)
    score[ascending.indices] = ascending.values / at_least.clamp_min(1e-300)
    return score


def scheduled(start: float, end: float, share: float, ramp: float) -> float:
    """The density at `share` of the retraining: from `start` to `end` by a cubic that has arrived at `ramp`."""
    rest = max(0.0, 1 - share / ramp) if ramp > 0 else 0.0
    return end + (start - end) * rest**3


def gradual(
    model: nn.Module, densities: Mapping[str, float], *, retrain: Retrain, ramp: float = 0.5
) -> dict[str, Tensor]:
    """Prune `model` in place to `densities` while `retrain` runs once; the masks at the end.

    ramp: share of the retraining in [0, 1] after which the masks are final; 0 prunes all at once beforehand.
    """
    if not 0 <= ramp <= 1:
        raise BadInput(f"ramp {ramp!r}: a share of the retraining in [0, 1]")
    masks(model, densities)
    start = {name: max(share, densities[name]) for name, share in density(model).items() if name in densities}
    current: dict[str, Tensor] = {}
    stage = -1

    def after_update(share: float) -> None:
        nonlocal current, stage
        apply(model, current)
        now = REFRESHES if share >= ramp else int(share / ramp * REFRESHES)
        if now > stage:
            stage = now
            reached = ramp * now / REFRESHES
            wanted = {name: scheduled(start[name], end, reached, ramp) for name, end in densities.items()}
            current = masks(model, wanted)
            apply(model, current)

    if ramp == 0:
        after_update(0.0)
    retrain(model, after_update=after_update)
    after_update(1.0)
    return current
