"""How good a model is on a split: sums over batches, divided once.

Shapes    split.inputs [n, ...], split.labels [n]; logits [n, classes]
"""

from typing import Any

import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput
from lamina.training.steps import Loss


def predictions(model: nn.Module, split: Any, *, batch_size: int = 1000) -> Tensor:
    """The model's outputs for every example of `split`, in order; the model's mode is left as it was.

    Raises `BadInput` for an empty split.
    """
    _not_empty(split)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            return torch.cat([model(batch["x"]) for batch in split.batches(batch_size)])
    finally:
        model.train(was_training)


def evaluate(
    model: nn.Module, split: Any, *, batch_size: int = 1000, loss: Loss | None = None, classes: int | None = None
) -> dict[str, float]:
    """`loss` (mean), `accuracy` in [0, 1], `correct` and `count` on `split`.

    A model with `metrics(batch)` gives its own sums and counts. Another is taken for a classifier of logits, its loss
    in nats; or, with `loss(model, batch, generator=...)`, for whatever that measures, and for a classifier too only
    where its outputs are [n, `classes`].
    Raises `BadInput` for an empty split.
    """
    _not_empty(split)
    was_training = model.training
    model.eval()
    sums: dict[str, float] = {}
    try:
        with torch.inference_mode():
            for batch in split.batches(batch_size):
                for name, value in _metrics(model, batch, loss, classes).items():
                    sums[name] = sums.get(name, 0) + value
    finally:
        model.train(was_training)
    count = sums["count"]
    found = {name: value / count for name, value in sums.items() if name not in ("count", "correct")}
    if "correct" in sums:
        found |= {"accuracy": sums["correct"] / count, "correct": sums["correct"]}
    return found | {"count": count}


def _not_empty(split: Any) -> None:
    if len(split) == 0:
        raise BadInput("the split is empty: there is nothing to evaluate")


def _metrics(model: nn.Module, batch: dict[str, Tensor], loss: Loss | None, classes: int | None) -> dict[str, float]:
    if hasattr(model, "metrics"):
        own: dict[str, float] = model.metrics(batch)
        if "count" not in own:
            raise BadInput(f"{type(model).__name__}.metrics(batch) gives no 'count': sums and counts are needed")
        return own
    count = len(next(iter(batch.values())))
    found: dict[str, float] = {"count": count}
    if loss is not None:
        found["loss"] = float(loss(model, batch, generator=torch.Generator().manual_seed(0))) * count
        if classes is None or "y" not in batch:
            return found
    logits = model(batch["x"])
    if loss is None:
        found["loss"] = float(nn.functional.cross_entropy(logits, batch["y"], reduction="sum"))
    if loss is None or logits.shape == (count, classes):
        found["correct"] = int((logits.argmax(dim=1) == batch["y"]).sum())
    return found
