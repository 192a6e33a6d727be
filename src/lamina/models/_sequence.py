"""What every model of sequences is: what it takes, what of a sequence it answers, its loss, its counts.

    x ─(embedding)─▶ steps ─ run ─▶ features ─ head ─▶ one answer (`reads` "last"), or one for each step ("each")

An answer is a class (cross-entropy in nats) or a vector of values (squared error). Sequences of a batch are of one
length, without padding. Back-propagation through time is full, or cut every `truncation` steps: the state goes on,
its gradient does not.

Shapes    x [n, t, inputs], or int64 tokens [n, t]; y [n, outputs] or [n, t, outputs], of classes int64 [n] or [n, t]
Errors    `BadInput` for other shapes, sequences of length 0, padding, tokens and classes that do not exist
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.models._pictures import checked_labels

Batch = dict[str, Tensor]
PADDING = ("lengths", "mask")


@dataclass(frozen=True, kw_only=True, slots=True)
class SequenceConfig:
    """Defaults: the adding problem of 100 steps, 128 units."""

    inputs: int = 2  # values of one step; with `tokens`, the size of an embedding
    tokens: int | None = None  # different tokens, where a step is one of them
    hidden: int = 128
    outputs: int = 1  # values of an answer, or classes
    steps: int = 100  # of the sequence that is lowered and costed; any length is taken
    reads: Literal["last", "each"] = "last"
    target: Literal["value", "class"] = "value"
    truncation: int | None = None  # steps that a gradient goes back at least; none: all

    def __post_init__(self) -> None:
        for name in ("inputs", "tokens", "hidden", "outputs", "steps", "truncation"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadInput(f"{name} is {value}: at least 1 is needed")


def small(kind: Any, **settings: Any) -> Any:
    """A configuration for tests."""
    return kind(**{"inputs": 3, "hidden": 5, "outputs": 3, "steps": 4, **settings})


class SequenceModel(nn.Module):
    """A subclass has `run(x, state) -> (features, state)`, and gives the size of a feature to `__init__`."""

    def __init__(self, config: Any, features: int) -> None:
        super().__init__()
        self.config = config
        self.embedding = None if config.tokens is None else nn.Embedding(config.tokens, config.inputs)
        self.head: nn.Module = nn.Linear(features, config.outputs)

    def run(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Steps x [n, t, inputs] from `state` (None: the beginning) to features [n, t, f] and the state behind them."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self._answer(x, None)

    def loss(self, batch: Batch, *, generator: torch.Generator | None = None) -> Tensor:
        """Mean over the batch (and the steps): cross-entropy in nats, or the squared error."""
        return self._error(self._answer(self._checked(batch), self.config.truncation), batch["y"])

    def metrics(self, batch: Batch) -> dict[str, float]:
        """Sums over the batch: `loss`, `count`; of classes `correct`, where each sequence counts 1 in all."""
        with torch.no_grad():
            found = self(self._checked(batch))
        count = len(found)
        sums = {"loss": float(self._error(found, batch["y"])) * count, "count": count}
        if self.config.target == "class":
            sums["correct"] = float((found.argmax(-1) == batch["y"]).double().mean()) * count
        return sums

    def entries(self) -> dict[str, tuple[Callable[..., Any], Any]]:
        """The model on one made-up sequence."""
        return {"main": (self.forward, example(self.config, 1, generator=torch.Generator().manual_seed(0))["x"])}

    def _answer(self, x: Tensor, truncation: int | None) -> Tensor:
        features = self._features(self._embedded(x), truncation)
        return self.head(features[:, -1] if self.config.reads == "last" else features)

    def _features(self, x: Tensor, truncation: int | None) -> Tensor:
        if truncation is None or truncation >= x.shape[1]:
            return self.run(x)[0]
        parts, state = [], None
        for part in x.split(truncation, dim=1):
            features, state = self.run(part, state)
            state = detached(state)
            parts.append(features)
        return torch.cat(parts, dim=1)

    def _embedded(self, x: Tensor) -> Tensor:
        if self.embedding is None:
            if x.dim() != 3 or x.shape[1] < 1 or x.shape[2] != self.config.inputs or not x.is_floating_point():
                needed = f"numbers [n, t, {self.config.inputs}] with t of at least 1 are needed"
                raise BadInput(f"sequences are {x.dtype} {list(x.shape)}: {needed}")
            return x
        if x.dim() != 2 or x.shape[1] < 1 or x.dtype != torch.int64:
            raise BadInput(f"tokens are {x.dtype} {list(x.shape)}: int64 [n, t] with t of at least 1 are needed")
        if (
            not torch.compiler.is_exporting()
            and x.numel()
            and not 0 <= int(x.min()) <= int(x.max()) < self.config.tokens
        ):
            raise BadInput(f"tokens {int(x.min())}..{int(x.max())}: those known are 0..{self.config.tokens - 1}")
        return self.embedding(x)

    def _checked(self, batch: Batch) -> Tensor:
        for name in PADDING:
            if name in batch:
                raise BadInput(f"the batch has {name!r}: sequences are of one length here, batch those that are equal")
        x, y, config = batch["x"], batch["y"], self.config
        wanted = (len(x), *x.shape[1:2])[: 1 if config.reads == "last" else 2]
        wanted += (config.outputs,) if config.target == "value" else ()
        if tuple(y.shape) != wanted:
            raise BadInput(f"targets are {list(y.shape)} for sequences {list(x.shape)}: {list(wanted)} is needed")
        if config.target == "class":
            if y.dtype != torch.int64:
                raise BadInput(f"classes are {y.dtype}: int64 is needed")
            checked_labels(y, config.outputs)
        return x

    def _error(self, found: Tensor, y: Tensor) -> Tensor:
        return (
            F.cross_entropy(found.flatten(0, -2), y.flatten())
            if self.config.target == "class"
            else F.mse_loss(found, y)
        )


def detached(state: Any) -> Any:
    """The state without its history."""
    return state.detach() if isinstance(state, Tensor) else tuple(map(detached, state))


def example(config: Any, count: int, *, generator: torch.Generator) -> Batch:
    """`count` sequences of noise with any answers."""
    if config.tokens is None:
        x = torch.rand(count, config.steps, config.inputs, generator=generator)
    else:
        x = torch.randint(0, config.tokens, (count, config.steps), generator=generator)
    places = (count,) if config.reads == "last" else (count, config.steps)
    if config.target == "class":
        return {"x": x, "y": torch.randint(0, config.outputs, places, generator=generator)}
    return {"x": x, "y": torch.rand(*places, config.outputs, generator=generator)}
