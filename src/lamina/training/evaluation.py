"""How good a model is on a split: sums over batches, divided once.

Shapes    split.inputs [n, ...], split.labels [n]; logits [n, classes]
"""

from typing import Any

import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput


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


def evaluate(model: nn.Module, split: Any, *, batch_size: int = 1000) -> dict[str, float]:
    """`loss` (nats, mean), `accuracy` in [0, 1], `correct` and `count` on `split`.

    A model with `metrics(batch)` gives its own sums and counts; another is taken for a classifier of logits.
    Raises `BadInput` for an empty split.
    """
    _not_empty(split)
    was_training = model.training
    model.eval()
    sums: dict[str, float] = {}
    try:
        with torch.inference_mode():
            for batch in split.batches(batch_size):
                for name, value in _metrics(model, batch).items():
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


def _metrics(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, float]:
    if hasattr(model, "metrics"):
        own: dict[str, float] = model.metrics(batch)
        return own
    logits = model(batch["x"])
    return {
        "loss": float(nn.functional.cross_entropy(logits, batch["y"], reduction="sum")),
        "correct": int((logits.argmax(dim=1) == batch["y"]).sum()),
        "count": len(batch["y"]),
    }
