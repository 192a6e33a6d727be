"""Small torch modules that tests of lowering, quantisation and export share."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Small(nn.Module):
    """Two convolutions and two fully connected layers with a choice of activation and pooling."""

    def __init__(self, activation: str = "relu", pooling: str = "max", *, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.conv1 = nn.Conv2d(1, 4, 5, padding=2)
            self.conv2 = nn.Conv2d(4, 8, 3, stride=2, groups=2, dilation=1)
            self.fc1 = nn.Linear(8 * 3 * 3, 16)
            self.fc2 = nn.Linear(16, 10, bias=False)
        self.activation = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}[activation]
        self.pooling = {"max": F.max_pool2d, "average": F.avg_pool2d}[pooling]

    def forward(self, x: Tensor) -> Tensor:
        x = self.pooling(self.activation(self.conv1(x)), 2)
        x = F.dropout(self.activation(self.conv2(x)), 0.5, self.training)
        return self.fc2(self.activation(self.fc1(x.flatten(1))))


SHAPE = (1, 1, 14, 14)


def images(count: int, *, seed: int = 1) -> Tensor:
    """Random pixels in [0, 1]."""
    return torch.rand(count, *SHAPE[1:], generator=torch.Generator().manual_seed(seed))
