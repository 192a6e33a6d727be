"""Long short-term memory: a cell that keeps a value until a gate lets it go, with peepholes if wanted.

    i, f, o = σ(W x[t] + U h[t-1] + b)     g = tanh(W_g x[t] + U_g h[t-1] + b_g)
    c[t] = f c[t-1] + i g                  h[t] = o tanh(c[t])                     answer = V h + c

The way from c[t-1] to c[t] is a product with f alone: with f near 1 a gradient passes through hundreds of steps. With
`peepholes` the gates see the cell too: i and f the old value, o the new one. The bias of f starts at `forget_bias`
more than drawn, so that at first nothing is forgotten (Gers et al. 2000). By default 128 units on the adding problem
of 100 steps: 67,713 parameters, 6,656,128 multiply-accumulates.

Shapes     x [n, t, inputs] or tokens int64 [n, t]; answers [n, outputs] or [n, t, outputs]; gates [n, t, hidden]
Paper      Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997,
           https://doi.org/10.1162/neco.1997.9.8.1735; forget gate: Gers, Schmidhuber and Cummins, Neural Computation
           12(10), 2000; peepholes: Gers, Schraudolph and Schmidhuber, JMLR 3, 2002
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lamina.models import _sequence
from lamina.models._initial import initialise
from lamina.nn.recurrent import Recurrent

ROWS = ("M31",)
INPUT_SHAPE = (1, 100, 2)
COUNTS = (
    4 * 128 * (2 + 128) + 2 * 4 * 128 + 128 + 1,  # 67,713
    100 * 4 * 128 * (2 + 128) + 128,  # 6,656,128
)
PAPER = "Hochreiter and Schmidhuber, Neural Computation 9(8), 1997, https://doi.org/10.1162/neco.1997.9.8.1735"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(_sequence.SequenceConfig):
    peepholes: bool = False
    forget_bias: float = 1.0


SMALL = _sequence.small(Config)
example = _sequence.example


class Lstm(_sequence.SequenceModel):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__(config, config.hidden)
        self.layer = Recurrent("lstm", config.inputs, config.hidden, peepholes=config.peepholes)

    def run(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return self.layer(x, state)

    def gates(self, x: Tensor) -> dict[str, Tensor]:
        """`input`, `forget`, `output`, `candidate`, `h` and `c` at every step, each [n, t, hidden]."""
        return self.layer.observe(self._embedded(x))


def lstm(config: Config = Config(), *, seed: int = 0) -> Lstm:
    """`config.hidden` cells, initial weights from `seed`, forget gates open."""
    model = Lstm(config)
    initialise(model, seed)
    with torch.no_grad():
        model.layer.bias_ih[config.hidden : 2 * config.hidden] += config.forget_bias
    return model
