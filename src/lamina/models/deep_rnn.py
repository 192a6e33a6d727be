"""Deep recurrent networks: depth between layers, inside a step, or behind the state.

    stacked              h_l[t] = f(W_l h_(l-1)[t] + U_l h_l[t-1])                            `depth` recurrent layers
    transition           h[t] = f(V_k ... f(V_1 f(W x[t] + U h[t-1])) [+ h[t-1]'s way])       `depth` layers a step
    output               answer = V g_k(... g_1(h[t]))                                        `depth` layers behind h
    transition_output    both

Steps are the deeper the more layers a transition has, so the way back in time is longer too; `shortcut` adds W' h[t-1]
before the last function of the transition (the paper's DT(S)). By default two stacked layers of 128 units on the adding
problem of 100 steps: 50,049 parameters, 4,940,928 multiply-accumulates.

Shapes     x [n, t, inputs] or tokens int64 [n, t]; answers [n, outputs] or [n, t, outputs]
Paper      Pascanu, Gulcehre, Cho and Bengio, "How to construct deep recurrent neural networks", ICLR 2014,
           https://arxiv.org/abs/1312.6026
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput
from lamina.models import _sequence
from lamina.models._initial import initialise
from lamina.nn.recurrent import Recurrent
from lamina.nn.scan import scan

ROWS = ("M33",)
INPUT_SHAPE = (1, 100, 2)
COUNTS = (
    128 * (2 + 128) + 2 * 128 + 128 * 256 + 2 * 128 + 128 + 1,  # 50,049
    100 * (128 * (2 + 128) + 128 * 256) + 128,  # 4,940,928
)
PAPER = "Pascanu et al., ICLR 2014, https://arxiv.org/abs/1312.6026"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(_sequence.SequenceConfig):
    form: Literal["stacked", "transition", "output", "transition_output"] = "stacked"
    depth: int = 2
    shortcut: bool = False  # of a deep transition

    def __post_init__(self) -> None:
        _sequence.SequenceConfig.__post_init__(self)
        if self.depth < 1:
            raise BadInput(f"depth is {self.depth}: at least 1 is needed")
        if self.shortcut and "transition" not in self.form:
            raise BadInput(f"a shortcut in a {self.form} network: it leads over a deep transition")


SMALL = _sequence.small(Config)
example = _sequence.example


class DeepRnn(_sequence.SequenceModel):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__(config, config.hidden)
        hidden = config.hidden
        count = config.depth if config.form == "stacked" else 1
        sizes = [config.inputs, *[hidden] * (count - 1)]
        self.layers = nn.ModuleList(Recurrent("rnn", size, hidden) for size in sizes)
        deep = config.depth - 1 if "transition" in config.form else 0
        self.transition = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(deep))
        self.shortcut = nn.Linear(hidden, hidden, bias=False) if config.shortcut and deep else None
        if "output" in config.form:
            behind = [part for _ in range(config.depth) for part in (nn.Linear(hidden, hidden), nn.Tanh())]
            self.head = nn.Sequential(*behind, self.head)

    def run(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """`state` has one tensor a recurrent layer."""
        states = [None] * len(self.layers) if state is None else list(state)
        if self.transition:
            return self._deep_steps(x, states[0])
        for place, layer in enumerate(self.layers):
            x, states[place] = layer(x, states[place])
        return x, tuple(states)

    def _deep_steps(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Any]:
        (layer,) = self.layers

        def cell(before: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
            h, _ = layer.step(before, a)
            for place, deeper in enumerate(self.transition):
                last = place == len(self.transition) - 1
                way = self.shortcut(before) if self.shortcut is not None and last else 0.0
                h = torch.tanh(deeper(h) + way)
            return h, h

        a = nn.functional.linear(x, layer.weight_ih, layer.bias_ih).transpose(0, 1)
        last, y = scan(cell, a, layer.begin(x) if state is None else state)
        return y.transpose(0, 1), (last,)


def deep_rnn(config: Config = Config(), *, seed: int = 0) -> DeepRnn:
    """`config.depth` layers of `config.hidden` units, deep where `config.form` says, initial weights from `seed`."""
    model = DeepRnn(config)
    initialise(model, seed)
    return model
