"""Bidirectional recurrent network: one layer reads forwards, one backwards, and an answer sees both sides.

    → h[t] = cell(x[t], → h[t-1])      ← h[t] = cell(x[t], ← h[t+1])      answer[t] = V [→ h[t]; ← h[t]] + c

`reads` "last" answers for the whole sequence, from the ends of both walks; "each" for every step; "around" for every
step from [→ h[t-1]; ← h[t+1]], which have not seen step t: that fills in a missing word. It needs the whole sequence,
so it cannot be trained on pieces. By default 128 plain units a direction on the adding problem of 100 steps: 34,049
parameters, 3,328,256 multiply-accumulates.

Shapes     x [n, t, inputs] or tokens int64 [n, t]; answers [n, outputs] or [n, t, outputs]
Paper      Schuster and Paliwal, "Bidirectional recurrent neural networks", IEEE Trans. Signal Processing 45(11), 1997,
           https://doi.org/10.1109/78.650093
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from lamina.core.errors import BadInput
from lamina.models import _sequence
from lamina.models._initial import initialise
from lamina.nn.recurrent import Recurrent

ROWS = ("M32",)
INPUT_SHAPE = (1, 100, 2)
COUNTS = (
    2 * (128 * (2 + 128) + 2 * 128) + 2 * 128 + 1,  # 34,049
    2 * 100 * 128 * (2 + 128) + 2 * 128,  # 3,328,256
)
PAPER = "Schuster and Paliwal, IEEE Trans. Signal Processing 45(11), 1997, https://doi.org/10.1109/78.650093"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(_sequence.SequenceConfig):
    cell: Literal["rnn", "lstm", "gru"] = "rnn"
    reads: Literal["last", "each", "around"] = "last"  # type: ignore[assignment]  # one choice more than its base

    def __post_init__(self) -> None:
        _sequence.SequenceConfig.__post_init__(self)
        if self.truncation is not None:
            raise BadInput(f"truncation is {self.truncation}: a bidirectional network needs the whole sequence, none")


SMALL = _sequence.small(Config)
example = _sequence.example


class BidirectionalRnn(_sequence.SequenceModel):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__(config, 2 * config.hidden)
        self.forwards = Recurrent(config.cell, config.inputs, config.hidden)
        self.backwards = Recurrent(config.cell, config.inputs, config.hidden)

    def run(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """`state` is the pair of both layers' states."""
        first, second = (None, None) if state is None else state
        ahead, first = self.forwards(x, first)
        back, second = self.backwards(x, second, reverse=True)
        return torch.cat([ahead, back], dim=-1), (first, second)

    def _features(self, x: Tensor, truncation: int | None) -> Tensor:
        ahead, back = self.run(x)[0].chunk(2, dim=-1)
        if self.config.reads == "last":  # the end of each walk, as a sequence of one step
            return torch.cat([ahead[:, -1:], back[:, :1]], dim=-1)
        if self.config.reads == "around":
            none = x.new_zeros(len(x), 1, self.config.hidden)
            ahead, back = torch.cat([none, ahead[:, :-1]], dim=1), torch.cat([back[:, 1:], none], dim=1)
        return torch.cat([ahead, back], dim=-1)


def bidirectional_rnn(config: Config = Config(), *, seed: int = 0) -> BidirectionalRnn:
    """`config.hidden` units a direction, initial weights from `seed`."""
    model = BidirectionalRnn(config)
    initialise(model, seed)
    return model
