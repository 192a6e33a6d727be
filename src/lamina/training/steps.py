"""A training step is two halves: gradients of a loss, and an update of the weights with them.

    g = gradients(model, batch)         state = update(state, g)

They are apart so that a strategy (a parameter server, all-reduce) can stand between them. The updates are torch's own
fused optimisers:

    sgd        w -= η g                       momentum   v = μ v + g,  w -= η v
    adam       Kingma & Ba 2015               adamw      Loshchilov & Hutter 2019 (decay apart from the gradient)
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput

Loss = Callable[..., Tensor]
Optimiser = Literal["sgd", "momentum", "adam", "adamw"]
Schedule = Literal["constant", "cosine", "one_cycle", "step"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Player:
    """One side of a model that has several (a GAN): whose loss, whose weights, for how many steps in a row."""

    name: str
    loss: Loss | None  # loss(model, batch, generator=...); None: the model's own
    parameters: Mapping[str, nn.Parameter]
    steps: int = 1


def players(model: nn.Module, loss: Loss | None = None) -> tuple[Player, ...]:
    """The players of `model` in stepping order; a model without `players()` is one.

    `players()` gives name -> (loss(batch, generator=...), parameters by name or as modules' iterators, steps). Raises
    `BadInput` where a player has nothing to train.
    """
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if loss is not None or not hasattr(model, "players"):
        found: tuple[Player, ...] = (Player(name="", loss=loss, parameters=trainable),)
    else:
        names = {id(p): name for name, p in trainable.items()}
        found = tuple(
            Player(
                name=name,
                loss=lambda _, batch, generator, own=own: own(batch, generator=generator),
                parameters={names[id(p)]: p for p in parameters if id(p) in names},
                steps=count,
            )
            for name, (own, parameters, count) in model.players().items()
        )
    for player in found:
        if not player.parameters or player.steps < 1:
            whose = f"{type(model).__name__}{player.name and f', player {player.name}'}"
            raise BadInput(f"{whose} has no trainable parameters: there is nothing to fit")
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """The weights that are trained, by name, and the optimiser with its moments."""

    parameters: Mapping[str, nn.Parameter]
    optimiser: torch.optim.Optimizer


def begin(
    model: nn.Module | Player,
    kind: Optimiser,
    learning_rate: float,
    *,
    momentum: float = 0.9,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
) -> State:
    """torch's fused optimiser of that name over the trainable parameters of `model`, before the first step.

    Raises `BadInput` for a model without trainable parameters.
    """
    parameters = (
        model if isinstance(model, Player) else players(model, lambda *_, **__: torch.zeros(()))[0]
    ).parameters
    shared: dict[str, Any] = {"lr": learning_rate, "weight_decay": weight_decay, "fused": True}
    tensors = list(parameters.values())
    if kind in ("sgd", "momentum"):
        chosen: torch.optim.Optimizer = torch.optim.SGD(tensors, momentum=momentum * (kind == "momentum"), **shared)
    else:
        chosen = (torch.optim.Adam if kind == "adam" else torch.optim.AdamW)(tensors, betas=betas, **shared)
    return State(parameters=parameters, optimiser=chosen)


def gradients(
    model: nn.Module,
    batch: Mapping[str, Tensor],
    *,
    loss: Loss | None = None,
    generator: torch.Generator | None = None,
    parameters: Mapping[str, nn.Parameter] | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss (a mean over the batch) and its gradient for each trainable parameter, by name.

    `loss(model, batch, generator=...)` replaces the model's own `loss(batch, generator=...)`; `parameters` are those of
    `model` by name, where they are known: looking for them takes a percent of a small network's step. A model with a
    rule of its own (contrastive divergence) gives both by its `gradients(batch, generator=...)`.
    """
    if loss is None and hasattr(model, "gradients"):
        own: tuple[Tensor, dict[str, Tensor]] = model.gradients(batch, generator=generator)
        return own
    wanted = dict(model.named_parameters()) if parameters is None else parameters
    for parameter in wanted.values():
        parameter.grad = None
    value = model.loss(batch, generator=generator) if loss is None else loss(model, batch, generator=generator)
    value.backward()
    return value.detach(), {name: p.grad for name, p in wanted.items() if p.grad is not None}


def clip(given: Mapping[str, Tensor], most: float) -> None:
    """Scale the gradients, in place, so that the norm of all together is at most `most` (Pascanu et al. 2013)."""
    tensors = list(given.values())
    norm = torch.nn.utils.get_total_norm(tensors)
    torch._foreach_mul_(tensors, torch.clamp(most / (norm + 1e-12), max=1.0))


def update(state: State, given: Mapping[str, Tensor], learning_rate: float) -> State:
    """Move the weights by the gradients `given`, in place; a weight without a gradient stays. The same `state`."""
    for name, parameter in state.parameters.items():
        if parameter.grad is not (gradient := given.get(name)):  # assigning costs more than looking
            parameter.grad = gradient
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate
    state.optimiser.step()
    return state


def moments(state: State) -> dict[str, Tensor]:
    """The optimiser's tensors, named `parameter:moment`."""
    return {
        f"{name}:{kind}": value
        for name, parameter in state.parameters.items()
        for kind, value in state.optimiser.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def put_moments(states: Sequence[State], tensors: Mapping[str, Tensor]) -> None:
    """Give the optimisers the moments that `moments` returned; `BadInput` for one of a parameter that is not there."""
    whose = {name: state for state in states for name in state.parameters}
    for name, tensor in tensors.items():
        parameter, _, kind = name.rpartition(":")
        state = whose.get(parameter)
        owner = None if state is None else state.parameters[parameter]
        if state is None or owner is None or (tensor.dim() and tensor.shape != owner.shape):
            raise BadInput(f"the checkpoint has {kind} of {parameter!r}, which the model has not: choose another --out")
        # fused updates walk weights and moments in one order: the memory formats must be the same
        place = torch.empty_like(owner) if tensor.shape == owner.shape else torch.empty_like(tensor)
        state.optimiser.state[owner][kind] = place.copy_(tensor).detach()


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
