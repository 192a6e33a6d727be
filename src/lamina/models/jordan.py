"""Network of Jordan: what it said before is what it remembers; the context units read its outputs.

    s[t] = α s[t-1] + y[t-1]        h[t] = f(W x[t] + U s[t] + b)        answer[t] = V h[t] + c

y is the answer, or of classes its logistic function; α is the memory of a context unit for itself. All that it knows
of the past went through its outputs, so it needs a target that tells the state. By default 128 units on the adding
problem of 100 steps: 769 parameters, 51,200 multiply-accumulates.

Shapes     x [n, t, inputs] or tokens int64 [n, t]; answers [n, outputs] or [n, t, outputs]; s [n, outputs]
Paper      Jordan, "Serial order: a parallel distributed processing approach", ICS report 8604, University of
           California, San Diego, 1986; in Advances in Psychology 121, 1997,
           https://doi.org/10.1016/S0166-4115(97)80111-2
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput
from lamina.models import _sequence
from lamina.models._initial import initialise
from lamina.nn.scan import scan

ROWS = ("M30",)
INPUT_SHAPE = (1, 100, 2)
COUNTS = (
    128 * (2 + 1) + 128 + 128 + 128 + 1,  # 769
    100 * (128 * (2 + 1) + 128),  # 51,200
)
PAPER = "Jordan, ICS report 8604, 1986; Advances in Psychology 121, 1997, https://doi.org/10.1016/S0166-4115(97)80111-2"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(_sequence.SequenceConfig):
    decay: float = 0.5  # α, in [0, 1)

    def __post_init__(self) -> None:
        _sequence.SequenceConfig.__post_init__(self)
        if not 0 <= self.decay < 1:
            raise BadInput(f"decay is {self.decay}: [0, 1) is allowed")


SMALL = _sequence.small(Config)
example = _sequence.example


class Jordan(_sequence.SequenceModel):
    """The features are the answers themselves: the head stands inside the loop."""

    def __init__(self, config: Config = Config()) -> None:
        super().__init__(config, config.hidden)
        self.output, self.head = self.head, nn.Identity()
        self.input = nn.Linear(config.inputs, config.hidden)
        self.context = nn.Linear(config.outputs, config.hidden)

    def run(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        classes = self.config.target == "class"

        def cell(s: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
            answer = self.output(torch.sigmoid(a + self.context(s)))
            return self.config.decay * s + (torch.sigmoid(answer) if classes else answer), answer

        state = x.new_zeros(len(x), self.config.outputs) if state is None else state
        last, answers = scan(cell, self.input(x).transpose(0, 1), state)
        return answers.transpose(0, 1), last


def jordan(config: Config = Config(), *, seed: int = 0) -> Jordan:
    """`config.hidden` logistic units, as many context units as outputs, initial weights from `seed`."""
    model = Jordan(config)
    initialise(model, seed)
    return model
