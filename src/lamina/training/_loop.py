"""The loop of `fit`, and where it stands.

Checkpoints are written at the end of an epoch, within one when half a minute has passed, and at Ctrl-C. Rows of
metrics.jsonl that the last checkpoint does not know of are cut before going on, so that no step is there twice.

Speed comes from what is left out: no data loader, tensors in memory, channels-last convolutions, fused optimisers.
torch's global generator is keyed by (seed, step) too, and given back as it was, so that a module which draws from it
(`torch.nn.Dropout`) repeats.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lamina.core import files, progress
from lamina.core.errors import BadInput, one_line
from lamina.core.run_folder import RunFolder
from lamina.core.seeds import derive
from lamina.training import checkpoints, steps
from lamina.training._interrupt import held
from lamina.training.checkpoints import Checkpoint
from lamina.training.evaluation import evaluate

if TYPE_CHECKING:
    from lamina.training.fitting import FitConfig

Augment = Callable[..., Mapping[str, Tensor]]  # augment(batch, generator=...) -> batch
SAVE_EVERY_S = 30.0  # within an epoch
SAVE_AT_LEAST_S = 1.0  # between checkpoints at the ends of short epochs
_ALL_BITS = 2**63 - 1  # of a seed: the global generator's is the complement of the other's


@dataclass(slots=True)
class _Position:
    """Where training stands; plain numbers, so that JSON keeps their bits."""

    epoch: int = 0
    batch: int = 0  # within the epoch
    step: int = 0
    loss_sum: float = 0.0  # over the epoch's examples so far
    seen: int = 0
    best: float | None = None  # validation loss
    best_epoch: int = -1
    finished: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)


class Loop:
    """One call of `fit`: the model, its optimiser, and where they stand."""

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        config: "FitConfig",
        loss: steps.Loss | None,
        seed: int,
        after_update: Callable[[float], None] | None,
        augment: Augment | None,
        run: RunFolder | None,
        stage: str,
    ) -> None:
        if len(data.train) == 0:
            raise BadInput("the training split is empty")
        if config.patience is not None and len(data.validation) == 0:
            raise BadInput("patience needs a validation split, and this one is empty: leave patience out")
        self.model = model.to(memory_format=torch.channels_last)
        self.data, self.config, self.loss, self.seed = data, config, loss, seed
        self.after_update, self.augment, self.folder, self.stage = after_update, augment, run, stage
        self.players = () if hasattr(model, "solve") else steps.players(model, loss)
        self.turns = [index for index, player in enumerate(self.players) for _ in range(player.steps)]
        self.states = [
            steps.begin(
                player,
                config.optimiser,
                config.learning_rate,
                momentum=config.momentum,
                betas=(config.beta1, config.beta2),
                weight_decay=config.weight_decay,
            )
            for player in self.players
        ]
        self.at = _Position()
        self.best: dict[str, Tensor] = {}
        self.total = config.steps or config.epochs * math.ceil(len(data.train) / config.batch_size)
        self.rows_before = 0  # of metrics.jsonl, by earlier stages
        self.saved_at = time.monotonic()
        self.generator = torch.Generator()
        self.tried = False  # whether this process has done a step

    def run(self) -> list[dict[str, Any]]:
        """Train to the end, from the last checkpoint if there is one; one row an epoch."""
        self._restore()
        if not self.at.finished:
            state = torch.default_generator.get_state()
            try:
                with held() as pressed, progress.bar(self.stage, self.total, done=self.at.step) as advance:
                    if not self.players:
                        self._solve()
                    while (self.at.step < self.total or self.at.batch) and not self._patience_is_over():
                        self._epoch(advance, pressed)
            finally:
                torch.default_generator.set_state(state)
            if self.best:
                _put(self.model, self.best)
            self.at.finished = True
            self._save()
        self.model.zero_grad(set_to_none=True)
        self.model.eval()
        if self.folder is not None and self.stage == "train":
            files.write(self.folder.file("weights.safetensors"), checkpoints.to_bytes(self.model.state_dict()))
        return self.at.history

    def _solve(self) -> None:
        """A model that is fitted in closed form: one pass over the training split, one row."""
        started = time.monotonic()
        self.model.solve(self.data.train.batches(self.config.batch_size))
        found = evaluate(self.model, self.data.train)
        self.at.step = self.total = 1
        self.at.loss_sum, self.at.seen = found.get("loss", 0.0), 1
        self._end_of_epoch(time.monotonic() - started)

    def _epoch(self, advance: Callable[..., None], pressed: Callable[[], bool]) -> None:
        at, size = self.at, self.config.batch_size
        started = time.monotonic()
        order = self.data.train.order(self.seed, at.epoch)
        self.model.train()
        for batch in self.data.train.batches(size, order=order[at.batch * size :]):
            self._step(batch)
            advance(1, f"loss {at.loss_sum / at.seen:.4f}")
            if pressed():
                self._save()
                raise KeyboardInterrupt
            if time.monotonic() - self.saved_at > SAVE_EVERY_S:
                self._save()
            if at.step == self.total:
                break
        self._end_of_epoch(time.monotonic() - started)

    def _rate(self, step: int) -> float:
        return steps.learning_rate(self.config.schedule, self.config.learning_rate, step, self.total)

    def _step(self, batch: Mapping[str, Tensor]) -> None:
        at = self.at
        key = derive(self.seed, "step", at.step)
        torch.default_generator.manual_seed(key ^ _ALL_BITS)
        generator = self.generator.manual_seed(key)
        turn = self.turns[at.step % len(self.turns)]
        player, state = self.players[turn], self.states[turn]
        try:
            if self.augment is not None:
                batch = self.augment(batch, generator=generator)
            value, given = steps.gradients(
                self.model, batch, loss=player.loss, generator=generator, parameters=player.parameters
            )
        except (RuntimeError, IndexError, ValueError) as e:
            if self.tried:
                raise
            shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in batch.items())
            raise BadInput(f"{type(self.model).__name__} does not take a batch of {shapes}: {one_line(e)}") from e
        self.tried = True
        loss = float(value)
        if not math.isfinite(loss):
            raise self._diverged(f"the loss is {loss}")
        if self.config.clip is not None:
            steps.clip(given, self.config.clip)
        steps.update(state, given, self._rate(at.step))
        count = len(next(iter(batch.values())))
        at.loss_sum, at.seen = at.loss_sum + loss * count, at.seen + count
        at.batch, at.step = at.batch + 1, at.step + 1
        if self.after_update is not None:
            self.after_update(at.step / self.total)

    def _diverged(self, what: str) -> BadInput:
        lower = f"learning_rate={self.config.learning_rate / 3:.1g}"
        return BadInput(f"{what} at step {self.at.step}: lower the learning rate ({lower}), or look for broken data")

    def _end_of_epoch(self, seconds: float) -> None:
        at = self.at
        row: dict[str, Any] = {
            "stage": self.stage,
            "epoch": at.epoch + 1,
            "step": at.step,
            "train_loss": at.loss_sum / at.seen,
            "learning_rate": self._rate(at.step - 1),
            "seconds": round(seconds, 3),
        }
        if len(self.data.validation):
            found = self._validate()
            row |= {f"validation_{k}": found[k] for k in ("loss", "accuracy") if k in found}
            self._keep_best(row)
        at.history.append(row)
        at.epoch, at.batch, at.loss_sum, at.seen = at.epoch + 1, 0, 0.0, 0
        if self.folder is not None:
            self.folder.append_metrics(row)
        progress.say(f"{self.stage}: {_line(row)}", level=2)
        if time.monotonic() - self.saved_at > SAVE_AT_LEAST_S:
            self._save()

    def _validate(self) -> dict[str, float]:
        torch.default_generator.manual_seed(derive(self.seed, "validation", self.at.epoch))
        loss = self.loss
        if loss is None and hasattr(self.model, "loss"):
            loss = _own_loss
        found = evaluate(self.model, self.data.validation, loss=loss, classes=len(self.data.classes))
        if not math.isfinite(found.get("loss", 0.0)):
            raise self._diverged(f"the validation loss is {found['loss']}")
        return found

    def _keep_best(self, row: dict[str, Any]) -> None:
        if self.config.patience is None:
            return
        better = self.at.best is None or row["validation_loss"] < self.at.best
        row["kept"] = better
        if better:
            self.at.best, self.at.best_epoch = row["validation_loss"], self.at.epoch
            self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}

    def _patience_is_over(self) -> bool:
        patience = self.config.patience
        return patience is not None and self.at.best_epoch >= 0 and self.at.epoch - 1 - self.at.best_epoch >= patience

    def _save(self) -> None:
        if self.folder is None:
            return
        weights = self.model.state_dict()
        if not all(bool(torch.isfinite(w).all()) for w in weights.values()):
            raise self._diverged("a weight is not finite")
        tensors = {f"model:{k}": v for k, v in weights.items()}
        for state in self.states:
            tensors |= {f"optimiser:{k}": v for k, v in steps.moments(state).items()}
        tensors |= {f"best:{k}": v for k, v in self.best.items()}
        plain = {"position": asdict(self.at), "rows_before": self.rows_before, "threads": torch.get_num_threads()}
        checkpoints.save(self._checkpoints(), self.at.step, Checkpoint(state=plain, tensors=tensors))
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
            self.rows_before = sum(row.get("stage") != self.stage for row in self.folder.metrics())
            self.folder.keep_metrics(self.rows_before)
            return
        self.at, self.rows_before = _Position(**found.state["position"]), found.state["rows_before"]
        by_kind: dict[str, dict[str, Tensor]] = {"model": {}, "optimiser": {}, "best": {}}
        for name, tensor in found.tensors.items():
            kind, _, rest = name.partition(":")
            by_kind[kind][rest] = tensor
        _put(self.model, by_kind["model"])
        self.best = by_kind["best"]
        steps.put_moments(self.states, by_kind["optimiser"])
        if self.at.finished:
            return
        self.folder.keep_metrics(self.rows_before + len(self.at.history))
        progress.say(f"{self.stage}: resumed after step {self.at.step}")
        if (before := found.state["threads"]) != (now := torch.get_num_threads()):
            progress.say(
                f"{self.stage}: {before} threads before, {now} now: sums may round otherwise, so may the weights"
            )


def _own_loss(model: Any, batch: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    loss: Tensor = model.loss(batch, generator=generator)
    return loss


def _line(row: Mapping[str, Any]) -> str:
    reached = f", validation accuracy {row['validation_accuracy']:.2%}" if "validation_accuracy" in row else ""
    return f"epoch {row['epoch']}, loss {row['train_loss']:.4f}{reached} ({row['seconds']:.1f} s)"


def _put(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy `tensors` into the model's own, whose memory format stays."""
    try:
        model.load_state_dict(tensors)
    except RuntimeError as e:
        raise BadInput(
            "the checkpoint does not fit the model: was the code changed in between? choose another --out"
        ) from e
