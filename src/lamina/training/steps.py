"""A training step is two halves: gradients of a loss, and an update of the weights with them.

    g = gradients(model, batch)         w, state = update(w, state, g)

They are apart so that a strategy (a parameter server, all-reduce) can stand between them. The updates are torch's own
fused optimisers:

    sgd        w -= η g                       momentum   v = μ v + g,  w -= η v
    adam       Kingma & Ba 2015               adamw      Loshchilov & Hutter 2019 (decay apart from the gradient)
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

Loss = Callable[..., Tensor]
Optimiser = Literal["sgd", "momentum", "adam", "adamw"]
Schedule = Literal["constant", "cosine", "one_cycle", "step"]


def gradients(
    model: nn.Module, batch: Mapping[str, Tensor], *, loss: Loss | None = None, generator: torch.Generator | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss (a mean over the batch) and its gradient for each trainable parameter, by name.

    `loss(model, batch, generator=...)` replaces the model's own `loss(batch, generator=...)`.
    """
    model.zero_grad(set_to_none=True)
    value = model.loss(batch, generator=generator) if loss is None else loss(model, batch, generator=generator)
    value.backward()
    return value.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def optimiser(
    model: nn.Module, kind: Optimiser, learning_rate: float, *, momentum: float = 0.9, weight_decay: float = 0.0
) -> torch.optim.Optimizer:
    """torch's fused optimiser of that name over the trainable parameters of `model`."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    shared: dict[str, Any] = {"lr": learning_rate, "weight_decay": weight_decay, "fused": True}
    if kind in ("sgd", "momentum"):
        return torch.optim.SGD(parameters, momentum=momentum if kind == "momentum" else 0.0, **shared)
    return (torch.optim.Adam if kind == "adam" else torch.optim.AdamW)(parameters, **shared)


def update(model: nn.Module, state: torch.optim.Optimizer, given: Mapping[str, Tensor], learning_rate: float) -> None:
    """Move the weights of `model` by the gradients `given`; `state` is the optimiser with its moments."""
    for name, parameter in model.named_parameters():
        parameter.grad = given.get(name)
    for group in state.param_groups:
        group["lr"] = learning_rate
    state.step()


def learning_rate(schedule: Schedule, peak: float, step: int, steps: int) -> float:
    """The learning rate of step `step` of `steps`.

    constant    η                                       step        η/10 from one half on, η/100 from three quarters on
    cosine      η (1 + cos(π t)) / 2,  t = step/steps   one_cycle   η/10 up to η over 30 %, then down to η/1000, cosines
                                                                    (Smith & Topin 2018)
    """
    t = step / max(steps, 1)
    if schedule == "constant":
        return peak
    if schedule == "cosine":
        return peak * (1 + math.cos(math.pi * t)) / 2
    if schedule == "step":
        return peak * (1.0 if t < 0.5 else 0.1 if t < 0.75 else 0.01)
    low, high, part = (0.1 * peak, peak, t / 0.3) if t < 0.3 else (peak, 0.001 * peak, (t - 0.3) / 0.7)
    return high + (low - high) * (1 + math.cos(math.pi * part)) / 2
