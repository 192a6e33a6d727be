"""Gated recurrent unit: two gates and no cell of its own; what the LSTM does with three quarters of its weights.

    r, z = σ(W x[t] + U h[t-1] + b)        n = tanh(W_n x[t] + b_n + r (U_n h[t-1] + b'_n))
    h[t] = (1 - z) n + z h[t-1]            answer = V h + c

The update gate z copies the state through any number of steps; the reset gate r lets a step forget it. The reset acts
behind the product, as in torch and cuDNN (the paper has it before). By default 128 units on the adding problem of 100
steps: 50,817 parameters, 4,992,128 multiply-accumulates.

Shapes     x [n, t, inputs] or tokens int64 [n, t]; answers [n, outputs] or [n, t, outputs]; gates [n, t, hidden]
Paper      Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine translation",
           EMNLP 2014, https://arxiv.org/abs/1406.1078
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lamina.models import _sequence
from lamina.models._initial import initialise
from lamina.nn.recurrent import Recurrent

ROWS = ("M35",)
INPUT_SHAPE = (1, 100, 2)
COUNTS = (
    3 * 128 * (2 + 128) + 2 * 3 * 128 + 128 + 1,  # 50,817
    100 * 3 * 128 * (2 + 128) + 128,  # 4,992,128
)
PAPER = "Cho et al., EMNLP 2014, https://arxiv.org/abs/1406.1078"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(_sequence.SequenceConfig):
    pass


SMALL = _sequence.small(Config)
example = _sequence.example


class Gru(_sequence.SequenceModel):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__(config, config.hidden)
        self.layer = Recurrent("gru", config.inputs, config.hidden)

    def run(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return self.layer(x, state)

    def gates(self, x: Tensor) -> dict[str, Tensor]:
        """`reset`, `update`, `candidate` and `h` at every step, each [n, t, hidden]."""
        return self.layer.observe(self._embedded(x))


def gru(config: Config = Config(), *, seed: int = 0) -> Gru:
    """`config.hidden` units, initial weights from `seed`."""
    model = Gru(config)
    initialise(model, seed)
    return model
