"""Simple recurrent network of Elman: context units hold a copy of the hidden units, one step old.

    context[t] = h[t-1]        h[t] = f(W x[t] + U context[t] + b)        answer = V h + c

Forwards it is a plain recurrent network. Elman trained it as if the copy were an input like any other: no gradient
goes into the context, `truncation` 1, which is the default here; none is full back-propagation through time. By default
128 logistic units on the adding problem of 100 steps: 17,025 parameters, 1,664,128 multiply-accumulates.

Shapes     x [n, t, inputs] or tokens int64 [n, t]; answers [n, outputs] or [n, t, outputs]
Paper      Elman, "Finding structure in time", Cognitive Science 14(2), 1990,
           https://doi.org/10.1207/s15516709cog1402_1
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lamina.models import _sequence
from lamina.models._initial import initialise
from lamina.nn.recurrent import Recurrent

ROWS = ("M30",)
INPUT_SHAPE = (1, 100, 2)
COUNTS = (
    128 * (2 + 128) + 2 * 128 + 128 + 1,  # 17,025
    100 * 128 * (2 + 128) + 128,  # 1,664,128
)
PAPER = "Elman, Cognitive Science 14(2), 1990, https://doi.org/10.1207/s15516709cog1402_1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(_sequence.SequenceConfig):
    activation: Literal["sigmoid", "tanh"] = "sigmoid"
    truncation: int | None = 1  # steps that a gradient goes back: 1 is Elman's copy; none: all


SMALL = _sequence.small(Config)
example = _sequence.example


class Elman(_sequence.SequenceModel):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__(config, config.hidden)
        self.layer = Recurrent("rnn", config.inputs, config.hidden, activation=config.activation)

    def run(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return self.layer(x, state)

    def _features(self, x: Tensor, truncation: int | None) -> Tensor:
        """With copies as inputs every step is a layer of its own, and all steps learn at once."""
        if truncation != 1 or torch.compiler.is_exporting():
            return super()._features(x, truncation)
        with torch.no_grad():
            h, _ = self.run(x)
            context = torch.cat([x.new_zeros(len(x), 1, self.config.hidden), h[:, :-1]], dim=1)
        h, _ = self.layer.step(context, F.linear(x, self.layer.weight_ih, self.layer.bias_ih))
        return h


def elman(config: Config = Config(), *, seed: int = 0) -> Elman:
    """`config.hidden` hidden and context units, initial weights from `seed`."""
    model = Elman(config)
    initialise(model, seed)
    return model
