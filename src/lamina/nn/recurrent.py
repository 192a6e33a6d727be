"""One recurrent layer over whole sequences: a cell of `cells`, its weights, and two ways through that agree.

    y[t], s[t+1] = cell(s[t], W x[t] + b)        the input products of all steps at once, then the loop

Without peepholes it is torch's own fused kernel that walks, as fast as `torch.nn`; exported, with peepholes, with the
logistic function, or looked into (`observe`), it is `scan` over the cell. Weights are named and laid out as those of
`torch.nn.RNN`, `LSTM` and `GRU`, both biases included.

Shapes    x [n, t, inputs], y [n, t, hidden]; state [n, hidden], of an LSTM the pair (h, c); observed [n, t, hidden]
Errors    `BadInput` for sizes below 1, an unknown kind, and options that its cell does not have
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.core.errors import BadInput, unknown
from lamina.nn import cells
from lamina.nn.scan import scan

State: TypeAlias = Tensor | tuple[Tensor, Tensor]
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
FUSED: dict[tuple[str, str], Callable[..., Any]] = {
    ("rnn", "tanh"): torch._VF.rnn_tanh,
    ("rnn", "relu"): torch._VF.rnn_relu,
    ("lstm", "tanh"): torch._VF.lstm,
    ("gru", "tanh"): torch._VF.gru,
}


class Recurrent(nn.Module):
    """`kind` is rnn, lstm or gru; `activation` (tanh, relu, sigmoid) is of the rnn alone, `peepholes` of the lstm."""

    def __init__(
        self, kind: str, inputs: int, hidden: int, *, activation: str = "tanh", peepholes: bool = False
    ) -> None:
        super().__init__()
        if kind not in GATES:
            raise unknown("recurrent cell", kind, GATES)
        if activation not in cells.ACTIVATIONS:
            raise unknown("activation", activation, cells.ACTIVATIONS)
        if min(inputs, hidden) < 1:
            raise BadInput(f"a recurrent layer of {inputs} inputs and {hidden} units: at least one of each is needed")
        if (peepholes and kind != "lstm") or (activation != "tanh" and kind != "rnn"):
            raise BadInput(f"{kind} with peepholes={peepholes}, {activation}: peepholes are of lstm, relu of rnn")
        self.kind, self.inputs, self.hidden, self.activation = kind, inputs, hidden, activation
        rows = GATES[kind] * hidden
        self.weight_ih = nn.Parameter(torch.empty(rows, inputs))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden))
        self.bias_ih = nn.Parameter(torch.empty(rows))
        self.bias_hh = nn.Parameter(torch.empty(rows))
        self.peepholes = nn.Parameter(torch.empty(3, hidden)) if peepholes else None
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(hidden**-0.5), hidden**-0.5)

    def begin(self, x: Tensor) -> State:
        """The state before the first step: zeros, for the batch of x [n, ...]."""
        zero = x.new_zeros(len(x), self.hidden)
        return (zero, zero) if self.kind == "lstm" else zero

    def step(self, state: Any, a: Tensor) -> tuple[Any, cells.Gates]:
        """One step of the cell behind its input product a."""
        if self.kind == "lstm":
            return cells.lstm(state, a, self.weight_hh, self.bias_hh, peepholes=self.peepholes)
        if self.kind == "gru":
            return cells.gru(state, a, self.weight_hh, self.bias_hh)
        return cells.rnn(state, a, self.weight_hh, self.bias_hh, activation=self.activation)

    def forward(self, x: Tensor, state: State | None = None, *, reverse: bool = False) -> tuple[Tensor, State]:
        """x to (y, last state). `reverse` walks from the last step to the first; y[:, t] still belongs to x[:, t]."""
        self._check(x)
        state = self.begin(x) if state is None else state
        fused = None if self.peepholes is not None else FUSED.get((self.kind, self.activation))
        if fused is None or torch.compiler.is_exporting():
            last, (y,) = self._walk(x, state, lambda following, _: (_output(following),), reverse)
            return y, last
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        before = tuple(s[None] for s in state) if isinstance(state, tuple) else state[None]
        y, *after = fused(x.flip(1) if reverse else x, before, weights, True, 1, 0.0, self.training, False, True)
        last = (after[0][0], after[1][0]) if len(after) == 2 else after[0][0]
        return y.flip(1) if reverse else y, last

    def observe(self, x: Tensor, state: State | None = None) -> dict[str, Tensor]:
        """Every gate at every step, by the names in `cells`, with `h` and (lstm) `c`."""
        self._check(x)
        names: list[str] = []

        def seen(following: Any, gates: cells.Gates) -> tuple[Tensor, ...]:
            h, *c = following if isinstance(following, tuple) else (following,)
            named = {**gates, "h": h, **({"c": c[0]} if c else {})}
            names[:] = named
            return tuple(named.values())

        _, values = self._walk(x, self.begin(x) if state is None else state, seen, False)
        return dict(zip(names, values, strict=True))

    def _walk(self, x: Tensor, state: State, output: Any, reverse: bool) -> tuple[State, tuple[Tensor, ...]]:
        def cell(before: Any, a: Tensor) -> tuple[Any, tuple[Tensor, ...]]:
            following, gates = self.step(before, a)
            return following, output(following, gates)

        a = F.linear(x, self.weight_ih, self.bias_ih).transpose(0, 1)
        last, values = scan(cell, a, state, reverse=reverse)
        return last, tuple(v.transpose(0, 1) for v in values)

    def _check(self, x: Tensor) -> None:
        if x.dim() != 3 or x.shape[2] != self.inputs or x.shape[1] < 1:
            raise BadInput(f"sequences are {list(x.shape)}: [n, t, {self.inputs}] with t of at least 1 is needed")


def _output(state: Any) -> Tensor:
    return state[0] if isinstance(state, tuple) else state
