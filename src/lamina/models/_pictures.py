"""What classifiers share that may draw while they learn, as by dropout: checked batches, logits, loss, the entry.

A subclass sets `config` (with `classes`) and `shape`, that of one example without its batch, and has
`logits(x, generator)`, which draws in training alone. `forward` is that without a generator.

Errors    `BadInput` for inputs of another shape and for labels outside the classes
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.models._classifier import Batch, Classifier


class Drawing(nn.Module):
    """All but the loss."""

    config: Any
    shape: tuple[int, ...]
    metrics = Classifier.metrics

    @property
    def learning(self) -> bool:
        """Whether to draw: in training mode, and never in what is exported."""
        return self.training and not torch.compiler.is_exporting()

    def logits(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """x [n, *shape] to [n, classes]; random in training mode alone."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        checked_shape(x, self.shape)
        return self.logits(x, None)

    def entries(self) -> dict[str, tuple[Callable[..., Any], Any]]:
        """The classifier on one made-up example."""
        return {"main": (self.forward, torch.rand(1, *self.shape, generator=torch.Generator().manual_seed(0)))}


class DrawingClassifier(Drawing):
    """With the usual loss."""

    def loss(self, batch: Batch, *, generator: torch.Generator | None = None) -> Tensor:
        """Cross-entropy, mean over the batch, in nats."""
        checked_shape(batch["x"], self.shape)
        checked_labels(batch["y"], self.config.classes)
        return F.cross_entropy(self.logits(batch["x"], generator), batch["y"])


def checked_shape(x: Tensor, shape: tuple[int, ...]) -> None:
    """Raises `BadInput` unless x is a batch of examples of `shape`."""
    if tuple(x.shape[1:]) != shape or x.dim() != len(shape) + 1:
        raise BadInput(f"inputs are {list(x.shape)}: [n, {', '.join(map(str, shape))}] is needed")


def checked_labels(y: Tensor, classes: int) -> None:
    """Raises `BadInput` where a label is no class."""
    if y.numel() and not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise BadInput(f"labels {int(y.min())}..{int(y.max())}: the classes are 0..{classes - 1}")


def made_up(shape: tuple[int, ...], classes: int, count: int, generator: torch.Generator) -> Batch:
    """`count` examples of noise in [0, 1), with any labels."""
    return {
        "x": torch.rand(count, *shape, generator=generator),
        "y": torch.randint(0, classes, (count,), generator=generator),
    }
