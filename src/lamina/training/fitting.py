"""`fit`: one training loop for every model.

    for each step:   g = gradients(model, batch)     w = update(w, g)     (steps.py)
    each epoch:      validation loss and accuracy, one row of metrics.jsonl

What a step draws follows from (seed, epoch) for the order of examples and from (seed, step) for the loss, never from
what came before; so a run killed at any moment resumes to the bits of an unbroken one (equal thread count given).
Checkpoints are written at the end of an epoch, and within one when half a minute has passed; rows of metrics that the
last checkpoint does not know of are cut before going on.

Speed comes from what is left out: no data loader, tensors in memory, channels-last convolutions, fused optimisers.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lamina.core import files, progress
from lamina.core.errors import BadInput
from lamina.core.run_folder import RunFolder, open_run
from lamina.core.seeds import derive
from lamina.training import checkpoints, steps
from lamina.training.checkpoints import Checkpoint
from lamina.training.evaluation import evaluate

SAVE_EVERY_S = 30.0  # within an epoch
SAVE_AT_LEAST_S = 1.0  # between checkpoints at the ends of short epochs


@dataclass(frozen=True, kw_only=True, slots=True)
class FitConfig:
    epochs: int = 10
    batch_size: int = 64
    optimiser: steps.Optimiser = "adam"
    learning_rate: float = 2e-3  # the peak of the schedule
    schedule: steps.Schedule = "one_cycle"
    momentum: float = 0.9  # of the optimiser "momentum", in [0, 1)
    weight_decay: float = 0.0
    patience: int | None = None  # epochs without a better validation loss until training stops; the best weights stay

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1)):
            if getattr(self, name) < least:
                raise BadInput(f"{name} is {getattr(self, name)}: at least {least} is needed")
        if not 0 < self.learning_rate < math.inf:
            raise BadInput(f"learning_rate is {self.learning_rate}: a positive number is needed, such as 0.001")
        if not 0 <= self.momentum < 1 or self.weight_decay < 0:
            raise BadInput(
                f"momentum {self.momentum} and weight_decay {self.weight_decay}: [0, 1) and 0 or more are allowed"
            )
        if self.patience is not None and self.patience < 1:
            raise BadInput(f"patience is {self.patience}: at least 1 epoch, or none")


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


@dataclass(slots=True)
class _Position:
    """Where training stands; plain numbers, so that JSON keeps their bits."""

    epoch: int = 0
    batch: int = 0  # within the epoch
    step: int = 0
    loss_sum: float = 0.0  # over the epoch's examples so far
    seen: int = 0
    best: float = math.inf  # validation loss
    best_epoch: int = -1
    finished: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)


def fit(
    model: nn.Module,
    data: Any,
    *,
    out: Path | str | RunFolder | None = None,
    config: FitConfig = FitConfig(),
    loss: steps.Loss | None = None,
    seed: int = 0,
    after_update: Callable[[float], None] | None = None,
    resume: bool = False,
    stage: str = "train",
) -> Fit:
    """Train `model` in place on `data.train`, choosing by `data.validation`.

    `out` is a folder to create or go on with, an open run (`stage` names its part), or None to keep nothing.
    `loss(model, batch, generator=...)` replaces the model's own; `after_update(t)` is called behind every update with
    the share t in (0, 1] of the updates done (pruning masks).
    Raises `BadInput` for a loss that is not finite, with the step and the remedy.
    """
    if loss is None and not hasattr(model, "loss"):
        raise BadInput(f"{type(model).__name__} has no loss(batch, generator=...): give fit(..., loss=function)")
    if out is None or isinstance(out, RunFolder):
        return _Loop(model, data, config, loss, seed, after_update, out, stage).run()
    described = description(model, data, config, seed)
    with open_run(Path(out), described, must_exist=resume) as run:
        return _Loop(model, data, config, loss, seed, after_update, run, stage).run()


def description(model: nn.Module, data: Any, config: FitConfig, seed: int) -> dict[str, Any]:
    """What identifies a training run in run.toml: model, data with checksum, configuration, seed."""
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
    }


class _Loop:
    """One call of `fit`: the model, its optimiser, and where they stand."""

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        config: FitConfig,
        loss: steps.Loss | None,
        seed: int,
        after_update: Callable[[float], None] | None,
        run: RunFolder | None,
        stage: str,
    ) -> None:
        self.model = model.to(memory_format=torch.channels_last)
        self.data, self.config, self.loss, self.seed = data, config, loss, seed
        self.after_update, self.folder, self.stage = after_update, run, stage
        self.state = steps.optimiser(
            model, config.optimiser, config.learning_rate, momentum=config.momentum, weight_decay=config.weight_decay
        )
        self.at = _Position()
        self.best: dict[str, Tensor] = {}
        self.batches = math.ceil(len(data.train) / config.batch_size)
        self.rows_before = 0
        self.saved_at = time.monotonic()

    def run(self) -> Fit:
        if len(self.data.train) == 0:
            raise BadInput("the training split is empty")
        self._restore()
        total = self.config.epochs * self.batches
        if not self.at.finished:
            with progress.bar(self.stage, total, done=self.at.step) as advance:
                while self.at.epoch < self.config.epochs and not self._patience_is_over():
                    self._epoch(total, advance)
            if self.best:
                _put(self.model, self.best)
            self.at.finished = True
            self._save()
        self.model.zero_grad(set_to_none=True)
        self.model.eval()
        if self.folder is not None and self.stage == "train":
            self._weights(self.folder.file("weights.safetensors"))
        return Fit(model=self.model, history=tuple(self.at.history), path=self.folder.path if self.folder else None)

    def _epoch(self, total: int, advance: Callable[..., None]) -> None:
        at, config = self.at, self.config
        started = time.monotonic()
        order = self.data.train.order(self.seed, at.epoch)
        self.model.train()
        for index, batch in enumerate(self.data.train.batches(config.batch_size, order=order)):
            if index < at.batch:  # done before the run was resumed
                continue
            rate = steps.learning_rate(config.schedule, config.learning_rate, at.step, total)
            generator = torch.Generator().manual_seed(derive(self.seed, "step", at.step))
            value, given = steps.gradients(self.model, batch, loss=self.loss, generator=generator)
            loss = float(value)
            if not math.isfinite(loss):
                raise BadInput(
                    f"the loss is {loss} at step {at.step}: lower the learning rate (now {rate:.3g}), such as "
                    f"--set learning_rate={config.learning_rate / 3:.1g}, or look for broken data"
                )
            steps.update(self.model, self.state, given, rate)
            count = len(batch["y"]) if "y" in batch else len(next(iter(batch.values())))
            at.loss_sum, at.seen = at.loss_sum + loss * count, at.seen + count
            at.batch, at.step = index + 1, at.step + 1
            if self.after_update is not None:
                self.after_update(at.step / total)
            advance(1, f"loss {at.loss_sum / at.seen:.4f}")
            if time.monotonic() - self.saved_at > SAVE_EVERY_S:
                self._save()
        self._end_of_epoch(rate, time.monotonic() - started)

    def _end_of_epoch(self, rate: float, seconds: float) -> None:
        at = self.at
        row: dict[str, Any] = {
            "stage": self.stage,
            "epoch": at.epoch + 1,
            "step": at.step,
            "train_loss": at.loss_sum / at.seen,
            "learning_rate": rate,
            "seconds": round(seconds, 3),
        }
        if len(self.data.validation):
            found = evaluate(self.model, self.data.validation)
            row |= {f"validation_{k}": found[k] for k in ("loss", "accuracy") if k in found}
            self._keep_best(row)
        at.history.append(row)
        at.epoch, at.batch, at.loss_sum, at.seen = at.epoch + 1, 0, 0.0, 0
        if self.folder is not None:
            self.folder.append_metrics(row)
        if time.monotonic() - self.saved_at > SAVE_AT_LEAST_S:
            self._save()

    def _keep_best(self, row: dict[str, Any]) -> None:
        if self.config.patience is None:
            return
        better = row["validation_loss"] < self.at.best
        row["kept"] = better
        if better:
            self.at.best, self.at.best_epoch = row["validation_loss"], self.at.epoch
            self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}

    def _patience_is_over(self) -> bool:
        patience = self.config.patience
        return patience is not None and self.at.best_epoch >= 0 and self.at.epoch - 1 - self.at.best_epoch >= patience

    def _moments(self) -> dict[str, Tensor]:
        """The optimiser's tensors by parameter name."""
        found = {}
        for name, parameter in self.model.named_parameters():
            for key, value in self.state.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    found[f"{name}:{key}"] = value
        return found

    def _save(self) -> None:
        if self.folder is None:
            return
        tensors = {f"model:{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"optimiser:{k}": v for k, v in self._moments().items()}
        tensors |= {f"best:{k}": v for k, v in self.best.items()}
        position = asdict(self.at)
        position["best"] = None if math.isinf(self.at.best) else self.at.best
        state = {"position": position, "rows_before": self.rows_before}
        checkpoints.save(self._checkpoints(), self.at.step, Checkpoint(state=state, tensors=tensors))
        self.saved_at = time.monotonic()

    def _checkpoints(self) -> Path:
        assert self.folder is not None
        path = self.folder.file("checkpoint")
        return path if self.stage == "train" else path / self.stage

    def _restore(self) -> None:
        if self.folder is None:
            return
        found = checkpoints.load(self._checkpoints())
        if found is None:
            # rows of this stage that no checkpoint knows of belong to a run that was killed before its first one
            rows = self.folder.metrics()
            self.rows_before = sum(row.get("stage") != self.stage for row in rows)
            if len(rows) > self.rows_before:
                self.folder.keep_metrics(self.rows_before)
            return
        position = dict(found.state["position"])
        position["best"] = math.inf if position["best"] is None else position["best"]
        self.at, self.rows_before = _Position(**position), found.state["rows_before"]
        by_kind: dict[str, dict[str, Tensor]] = {"model": {}, "optimiser": {}, "best": {}}
        for name, tensor in found.tensors.items():
            kind, _, rest = name.partition(":")
            by_kind[kind][rest] = tensor
        _put(self.model, by_kind["model"])
        self.best = by_kind["best"]
        self._put_moments(by_kind["optimiser"])
        if not self.at.finished:
            self.folder.keep_metrics(self.rows_before + len(self.at.history))
            progress.say(f"{self.stage}: resumed after step {self.at.step}")

    def _put_moments(self, tensors: Mapping[str, Tensor]) -> None:
        parameters = dict(self.model.named_parameters())
        for name, tensor in tensors.items():
            parameter, _, key = name.rpartition(":")
            owner = parameters[parameter]
            # fused updates walk weights and moments in one order: the memory formats must be the same
            place = torch.empty_like(owner) if tensor.shape == owner.shape else torch.empty_like(tensor)
            self.state.state[owner][key] = place.copy_(tensor).detach()

    def _weights(self, path: Path) -> None:
        from safetensors.torch import save as to_bytes

        files.write(path, to_bytes({k: v.detach().contiguous() for k, v in self.model.state_dict().items()}))


def _put(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy `tensors` into the model's own, whose memory format stays."""
    try:
        model.load_state_dict(tensors)
    except RuntimeError as e:
        raise BadInput(
            "the checkpoint does not fit the model: was the code changed in between? choose another --out"
        ) from e
