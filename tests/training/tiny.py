"""Small data, models and losses that the tests of training share."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.data._dataset import Dataset, Split


def blobs(train: int = 90, validation: int = 30, test: int = 30, *, seed: int = 0) -> Dataset:
    """Two noisy classes in six features, inputs [n, 6]: learnt in a few steps, never perfectly."""
    generator = torch.Generator().manual_seed(seed)

    def split(count: int) -> Split:
        labels = torch.randint(0, 2, (count,), generator=generator)
        inputs = torch.rand(count, 6, generator=generator) + 0.5 * labels.unsqueeze(1)
        return Split(tensors={"x": inputs, "y": labels})

    return Dataset(
        name="blobs",
        classes=("0", "1"),
        checksum="0",
        train=split(train),
        validation=split(validation),
        test=split(test),
    )


class Tiny(nn.Module):
    """6-5-2 with dropout of torch's own, which draws from the global generator."""

    def __init__(self, seed: int = 0, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.fc1, self.fc2, self.dropout = nn.Linear(6, 5), nn.Linear(5, 2), nn.Dropout(dropout)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-0.5, 0.5, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(torch.relu(self.fc1(self.dropout(x))))

    def loss(self, batch: dict[str, Tensor], *, generator: torch.Generator | None = None) -> Tensor:
        return F.cross_entropy(self(batch["x"]), batch["y"])


def noisy(model: nn.Module, batch: dict[str, Tensor], *, generator: torch.Generator) -> Tensor:
    """A loss that draws from both generators."""
    x = batch["x"] + 0.1 * torch.rand(batch["x"].shape, generator=generator)
    return F.cross_entropy(model(F.dropout(x, 0.2)), batch["y"])


def weights(model: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in model.parameters()]
