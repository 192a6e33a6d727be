"""Ten small torch modules of different kind, in float64, each with an input: what training is compared on."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 4


class Convolutions1d(nn.Module):
    """Strided, dilated and grouped convolutions over a signal."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(4, 8, 3, stride=2, padding=1)
        self.second = nn.Conv1d(8, 8, 3, groups=4, dilation=2, padding=2)
        self.third = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.third(F.elu(self.second(F.leaky_relu(self.first(x)))).amax(2))
        return y


class Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(3, 5, num_layers=2, bidirectional=True)
        self.last = nn.Linear(10, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.cells(x)[0].mean(0))
        return y


class Attention(nn.Module):
    """One block of a transformer: attention and two layers, each normalised and added."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, activation="gelu", batch_first=True)
        self.last = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.block(x).mean(1))
        return y


class Words(nn.Module):
    """Word vectors, their sum normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.norm = nn.Embedding(11, 6), nn.LayerNorm(6)
        self.last = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(F.silu(self.norm(self.table(x).sum(1))))
        return y


class Residual(nn.Module):
    """Two blocks that add to what they read, group-normalised, pooled by the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Conv2d(1, 4, 3, padding=1)
        self.inner = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(4))
        self.norms = nn.ModuleList(nn.GroupNorm(2, 4) for _ in range(2))
        self.last = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.start(x)
        for block, norm in enumerate(self.norms):
            inside = F.relu(self.inner[2 * block](norm(x)))
            x = x + self.inner[2 * block + 1](inside)
        y: Tensor = self.last(F.relu(x).mean((2, 3)))
        return y


def pictures(size: int) -> Tensor:
    return torch.randn(6, 1, size, size, dtype=torch.float64)


def mlp() -> tuple[nn.Module, Tensor]:
    module = nn.Sequential(nn.Linear(7, 9), nn.Tanh(), nn.Linear(9, 8), nn.Sigmoid(), nn.Linear(8, CLASSES))
    return module, torch.randn(6, 7, dtype=torch.float64)


def lenet5() -> tuple[nn.Module, Tensor]:
    module = nn.Sequential(
        nn.Conv2d(1, 3, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(24, 10), nn.ReLU(), nn.Linear(10, CLASSES),
    )  # fmt: skip
    return module, pictures(12)


def batch_norm() -> tuple[nn.Module, Tensor]:
    """Normalised by statistics that are given: its scale and bias are trained."""
    norm = nn.BatchNorm2d(5)
    nn.init.uniform_(norm.running_mean)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    module = nn.Sequential(
        nn.Conv2d(1, 5, 3, stride=2), norm, nn.Hardtanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(20, CLASSES)
    )
    return module, pictures(9)


def transposed() -> tuple[nn.Module, Tensor]:
    """Down by convolutions, up by transposed ones."""
    module = nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.Softplus(),
        nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1), nn.PReLU(4),
        nn.ConvTranspose2d(4, 2, 2, groups=2), nn.Conv2d(2, 1, 2),
    )  # fmt: skip
    return module, pictures(8)


def autoencoder() -> tuple[nn.Module, Tensor]:
    layers: list[nn.Module] = []
    for inputs, outputs in ((9, 6), (6, 3), (3, 6), (6, 9)):
        layers += [nn.Linear(inputs, outputs), nn.GELU("tanh")]
    return nn.Sequential(*layers[:-1]), torch.randn(5, 9, dtype=torch.float64)


# name: the module and its input, the loss, the optimiser
MODELS: dict[str, tuple[Callable[[], tuple[nn.Module, Tensor]], str, str]] = {
    "mlp": (mlp, "cross_entropy", "sgd"),
    "lenet5": (lenet5, "cross_entropy", "momentum"),
    "batch_norm": (batch_norm, "cross_entropy", "adam"),
    "convolutions": (lambda: (Convolutions1d(), torch.randn(6, 4, 15, dtype=torch.float64)), "cross_entropy", "adam"),
    "transposed": (transposed, "mean_squared_error", "adam"),
    "lstm": (lambda: (Lstm(), torch.randn(5, 3, 3, dtype=torch.float64)), "cross_entropy", "adam"),
    "attention": (lambda: (Attention(), torch.randn(3, 5, 8, dtype=torch.float64)), "cross_entropy", "momentum"),
    "words": (lambda: (Words(), torch.randint(0, 11, (6, 7))), "cross_entropy", "adam"),
    "residual": (lambda: (Residual(), pictures(6)), "cross_entropy", "momentum"),
    "autoencoder": (autoencoder, "mean_squared_error", "sgd"),
}
