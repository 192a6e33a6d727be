"""What every classifier is: a network of pixels to logits, its loss and its counts."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Batch = dict[str, Tensor]


class Classifier(nn.Module):
    """Batches hold `x` (inputs) and `y` (classes, int64); a subclass has `forward`, x to logits [n, classes]."""

    def loss(self, batch: Batch, *, generator: torch.Generator | None = None) -> Tensor:
        """Cross-entropy, mean over the batch, in nats."""
        return F.cross_entropy(self(batch["x"]), batch["y"])

    def metrics(self, batch: Batch) -> dict[str, float]:
        """Sums over the batch: `loss` in nats, `correct` and `count` examples."""
        with torch.no_grad():
            logits = self(batch["x"])
        return {
            "loss": float(F.cross_entropy(logits, batch["y"], reduction="sum")),
            "correct": int((logits.argmax(dim=1) == batch["y"]).sum()),
            "count": len(batch["y"]),
        }
