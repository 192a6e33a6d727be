"""The perceptron: one threshold unit that learns from its mistakes, and cannot learn XOR.

    a = w x + b        class 1 where a > 0        a mistake (t a <= 0, t = ±1):  w += t x,  b += t

Where some (w*, b*) of length 1 keeps every example at t a >= margin, the rule started at zero errs at most
(R / margin)^2 times, R the largest length of (x, 1), in whatever order the examples come (Novikoff 1962). Where none
does it never ends: a > 0 on (0,1) and (1,0) adds up to w1 + w2 + 2b > 0, a <= 0 on (0,0) and (1,1) to
w1 + w2 + 2b <= 0, so no line solves XOR (Minsky and Papert 1969); one hidden layer does, see `mlp`.
`gradients` is the rule, averaged over the batch: with batches of one, plain SGD and a rate of 1 it is Rosenblatt's.

Shapes     x_BD [n, inputs], y [n] in {0, 1}; a [n, 1]
Paper      Rosenblatt, "The Perceptron", Psychological Review 65(6), 1958, https://doi.org/10.1037/h0042519
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput
from lamina.models._classifier import Batch
from lamina.models._pictures import checked_labels, checked_shape, made_up

ROWS = ("M22",)
INPUT_SHAPE = (1, 2)
COUNTS = (3, 2)  # two weights and a threshold
PAPER = "Rosenblatt, Psychological Review 65(6), 1958, https://doi.org/10.1037/h0042519"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    inputs: int = 2


class Perceptron(nn.Module):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        self.config = config
        self.unit = nn.Linear(config.inputs, 1)

    def forward(self, x_BD: Tensor) -> Tensor:
        checked_shape(x_BD, (self.config.inputs,))
        return self.unit(x_BD)

    def loss(self, batch: Batch, *, generator: torch.Generator | None = None) -> Tensor:
        """How far on the wrong side, max(0, -t a), mean over the batch: 0 without a mistake."""
        return torch.relu(-self._sided(batch)).mean()

    def gradients(self, batch: Batch, *, generator: torch.Generator | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and minus the mean of Rosenblatt's steps; an example at a = 0 is a mistake too."""
        with torch.no_grad():
            sided = self._sided(batch)
            steps = (2.0 * batch["y"] - 1) * (sided <= 0) / len(sided)
            given = {"unit.weight": -(steps @ batch["x"])[None], "unit.bias": -steps.sum()[None]}
            return torch.relu(-sided).mean(), given

    def metrics(self, batch: Batch) -> dict[str, float]:
        """Sums over the batch: `loss`, `correct` and `count` examples."""
        with torch.no_grad():
            sided = self._sided(batch)
        return {"loss": float(torch.relu(-sided).sum()), "correct": int((sided > 0).sum()), "count": len(sided)}

    def entries(self) -> dict[str, tuple[Callable[..., Any], Any]]:
        return {"main": (self.forward, torch.linspace(0, 1, self.config.inputs)[None])}

    def _sided(self, batch: Batch) -> Tensor:
        """t a: above 0 on the right side."""
        checked_labels(batch["y"], 2)
        return (2.0 * batch["y"] - 1) * self(batch["x"])[:, 0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Learnt:
    weight: Tensor  # [inputs]
    bias: float
    mistakes: int
    converged: bool  # the last pass had none


def learn(x_ND: Tensor, y_N: Tensor, *, passes: int = 1000) -> Learnt:
    """Rosenblatt's rule from zero, example by example, in float64, until a pass without a mistake or for `passes`."""
    if x_ND.dim() != 2 or len(x_ND) == 0 or y_N.shape != x_ND.shape[:1]:
        raise BadInput(f"examples {list(x_ND.shape)} and labels {list(y_N.shape)}: [n, d] and [n] are needed, n >= 1")
    checked_labels(y_N, 2)
    points = torch.cat([x_ND.double(), torch.ones(len(x_ND), 1, dtype=torch.float64)], dim=1)
    sided = points * (2.0 * y_N[:, None] - 1)
    weight, mistakes = torch.zeros(points.shape[1], dtype=torch.float64), 0
    for _ in range(passes):
        before = mistakes
        for point in sided:
            if float(point @ weight) <= 0:
                weight, mistakes = weight + point, mistakes + 1
        if mistakes == before:
            break
    return Learnt(weight=weight[:-1], bias=float(weight[-1]), mistakes=mistakes, converged=mistakes == before)


def mistake_bound(x_ND: Tensor, y_N: Tensor, weight_D: Tensor, bias: float) -> float:
    """(R / margin)^2 for a separator of any length; raises `BadInput` where it does not separate."""
    a = x_ND.double() @ weight_D.double() + bias
    margin = float((a * (2.0 * y_N - 1)).min())
    if margin <= 0:
        raise BadInput(f"the separator leaves an example at {margin:.3g} on the wrong side: no bound follows")
    reach = float(x_ND.double().square().sum(1).max()) + 1
    return reach * (float(weight_D.double().square().sum()) + bias**2) / margin**2


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    return made_up((config.inputs,), 2, count, generator)


def perceptron(config: Config = Config(), *, seed: int = 0) -> Perceptron:
    """Rosenblatt 1958, started at zero, as the bound needs it, whatever the seed."""
    model = Perceptron(config)
    nn.init.zeros_(model.unit.weight)
    nn.init.zeros_(model.unit.bias)
    return model
