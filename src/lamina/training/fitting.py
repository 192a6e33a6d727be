"""`fit`: one training loop for every model.

    for each step:   g = gradients(model, batch)     w = update(w, g)     (steps.py)
    each epoch:      validation loss and accuracy, one row of metrics.jsonl

What a step draws follows from (seed, epoch) for the order of examples and from (seed, step) for the loss, never from
what came before; so a run killed at any moment resumes to the bits of an unbroken one (equal thread count given). The
loop itself, with its checkpoints, is in `_loop.py`; the in-memory form (`out=None`) keeps nothing.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from torch import nn

from lamina.core.errors import BadInput
from lamina.core.run_folder import RunFolder, open_run
from lamina.training._loop import Augment, Loop
from lamina.training.steps import Loss, Optimiser, Schedule


@dataclass(frozen=True, kw_only=True, slots=True)
class FitConfig:
    epochs: int = 10
    steps: int | None = None  # updates in place of `epochs`; the last epoch may be cut short
    batch_size: int = 64
    optimiser: Optimiser = "adam"
    learning_rate: float = 2e-3  # the peak of the schedule
    schedule: Schedule = "one_cycle"
    momentum: float = 0.9  # of the optimiser "momentum", in [0, 1)
    beta1: float = 0.9  # of "adam" and "adamw": decay of the mean, in [0, 1)
    beta2: float = 0.999  # and of the square
    clip: float | None = None  # the most that the norm of all gradients together may be
    weight_decay: float = 0.0
    patience: int | None = None  # epochs without a better validation loss until training stops; the best weights stay

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "steps", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadInput(f"{name} is {value}: at least 1 is needed")
        if not 0 < self.learning_rate < math.inf:
            raise BadInput(f"learning_rate is {self.learning_rate}: a positive number is needed, such as 0.001")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise BadInput(f"beta1 {self.beta1} and beta2 {self.beta2}: [0, 1) is allowed")
        if self.clip is not None and not 0 < self.clip < math.inf:
            raise BadInput(f"clip is {self.clip}: a positive number is needed, such as 1.0")
        if not 0 <= self.momentum < 1 or not 0 <= self.weight_decay < math.inf:
            raise BadInput(
                f"momentum {self.momentum} and weight_decay {self.weight_decay}: [0, 1) and 0 or more are allowed"
            )
        for name, allowed in (("optimiser", get_args(Optimiser)), ("schedule", get_args(Schedule))):
            if getattr(self, name) not in allowed:
                raise BadInput(f"{name} is {getattr(self, name)!r}: one of {', '.join(allowed)} is needed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """What `fit` gives back; `model` is the one that was handed in, trained."""

    model: nn.Module
    history: tuple[Mapping[str, Any], ...]  # one row an epoch
    path: Path | None  # the run folder

    @property
    def validation_accuracy(self) -> float | None:
        """Of the weights that the model has now: the best epoch's with `patience`, else the last one's."""
        kept = [row for row in self.history if row.get("kept", True)]
        return kept[-1].get("validation_accuracy") if kept else None

    def to_json(self) -> dict[str, Any]:
        return {"path": str(self.path) if self.path else None, "history": [dict(row) for row in self.history]}

    def __str__(self) -> str:
        last = self.history[-1]
        accuracy = self.validation_accuracy
        reached = f", validation accuracy {accuracy:.2%}" if accuracy is not None else ""
        return f"{len(self.history)} epochs, loss {last['train_loss']:.4f}{reached}" + (
            f": {self.path}" if self.path else ""
        )


def fit(
    model: nn.Module,
    data: Any,
    *,
    out: Path | str | RunFolder | None = None,
    config: FitConfig = FitConfig(),
    loss: Loss | None = None,
    seed: int = 0,
    after_update: Callable[[float], None] | None = None,
    augment: Augment | None = None,
    resume: bool = False,
    stage: str = "train",
) -> Fit:
    """Train `model` in place on `data.train`, choosing by `data.validation`.

    `out` is a folder to create or go on with, an open run (`stage` names its part), or None to keep nothing.
    `loss(model, batch, generator=...)` replaces the model's own; `augment(batch, generator=...)` gives the batch that a
    step sees; `after_update(t)` is called behind every update with
    the share t in (0, 1] of the updates done (pruning masks). A model with `players()` has its players step in turn;
    one with `solve(batches)` is fitted by one pass.
    Raises `BadInput` for a loss that is not finite, with the step and the remedy. Ctrl-C ends the step under way, saves
    it and raises `KeyboardInterrupt`.
    """
    if loss is None and not any(hasattr(model, name) for name in ("loss", "players", "solve", "gradients")):
        raise BadInput(f"{type(model).__name__} has no loss(batch, generator=...): give fit(..., loss=function)")
    if out is None or isinstance(out, RunFolder):
        return _in(out, model, data, config, loss, seed, after_update, augment, stage)
    with open_run(Path(out), description(model, data, config, seed, loss, augment), must_exist=resume) as run:
        return _in(run, model, data, config, loss, seed, after_update, augment, stage)


def _in(
    run: RunFolder | None,
    model: nn.Module,
    data: Any,
    config: FitConfig,
    loss: Loss | None,
    seed: int,
    after_update: Callable[[float], None] | None,
    augment: Augment | None,
    stage: str,
) -> Fit:
    history = Loop(model, data, config, loss, seed, after_update, augment, run, stage).run()
    return Fit(model=model, history=tuple(history), path=run.path if run else None)


def description(
    model: nn.Module, data: Any, config: FitConfig, seed: int, loss: Loss | None = None, augment: Augment | None = None
) -> dict[str, Any]:
    """What identifies a training run in run.toml: model, data with checksum, configuration, seed, functions given."""
    kind = type(model)
    package, _, name = kind.__module__.rpartition(".")
    registered = package == "lamina.models" and hasattr(model, "config")
    described = {"name": name, "settings": asdict(model.config)} if registered else {"class": kind.__qualname__}
    return {
        "verb": "train",
        "seed": seed,
        "model": described,
        "data": {"name": data.name, "checksum": data.checksum},
        "fit": asdict(config),
        "loss": _named(loss),
        "augment": _named(augment),
    }


def _named(function: Callable[..., Any] | None) -> str | None:
    """A function by its name; a configured object by how it prints."""
    if function is None:
        return None
    return getattr(function, "__qualname__", None) or repr(function)
