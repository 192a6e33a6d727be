"""Plain recurrent network: one hidden state that each step reads and writes, trained by back-propagation through time.

    h[t] = f(W x[t] + U h[t-1] + b)        answer = V h + c, of the last step or of each

A gradient from step t to step t - k is a product of k matrices diag(f') U: it vanishes or explodes in k, which is what
the LSTM was made for. `truncation` cuts it after so many steps. By default 128 units on the adding problem of 100
steps: 17,025 parameters, 1,664,128 multiply-accumulates.

Shapes     x [n, t, inputs] or tokens int64 [n, t]; answers [n, outputs] or [n, t, outputs]
Paper      Rumelhart, Hinton and Williams, Nature 323, 1986, https://doi.org/10.1038/323533a0; through time: Werbos,
           Proc. IEEE 78(10), 1990, https://doi.org/10.1109/5.58337
"""

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from lamina.models import _sequence
from lamina.models._initial import initialise
from lamina.nn.recurrent import Recurrent

ROWS = ("M29",)
INPUT_SHAPE = (1, 100, 2)
COUNTS = (
    128 * (2 + 128) + 2 * 128 + 128 + 1,  # 17,025
    100 * 128 * (2 + 128) + 128,  # 1,664,128
)
PAPER = "Werbos, Proc. IEEE 78(10), 1990, https://doi.org/10.1109/5.58337"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(_sequence.SequenceConfig):
    activation: Literal["tanh", "relu"] = "tanh"


SMALL = _sequence.small(Config)
example = _sequence.example


class Rnn(_sequence.SequenceModel):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__(config, config.hidden)
        self.layer = Recurrent("rnn", config.inputs, config.hidden, activation=config.activation)

    def run(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return self.layer(x, state)


def rnn(config: Config = Config(), *, seed: int = 0) -> Rnn:
    """`config.hidden` units, initial weights from `seed`."""
    model = Rnn(config)
    initialise(model, seed)
    return model
