"""Steps of recurrent networks as pure functions: the plain cell, LSTM with or without peepholes, GRU.

    rnn     h' = f(a + U h + b)
    lstm    i, f, o = σ(. + p c)    g = tanh(.)    c' = f c + i g    h' = o tanh(c')       (o looks at c', i and f at c)
    gru     r, z = σ(.)             n = tanh(a_n + r (U_n h + b_n))                        h' = (1 - z) n + z h

`a` is the step's input already multiplied: a = W x + b, all steps of a sequence at once outside the loop. Rows of U
lie as in torch: input, forget, candidate, output; reset, update, new. Every gate is handed back, to be looked at.

Shapes    a [n, gates h], h and c [n, h], U [gates h, h], b [gates h], p [3, h] for input, forget and output gate
Papers    Elman, Cognitive Science 14, 1990, https://doi.org/10.1207/s15516709cog1402_1; Hochreiter and Schmidhuber,
          Neural Computation 9(8), 1997, https://doi.org/10.1162/neco.1997.9.8.1735; Gers, Schraudolph and Schmidhuber
          (peepholes), JMLR 3, 2002; Cho et al. (GRU), EMNLP 2014, https://arxiv.org/abs/1406.1078
"""

import torch
from torch import Tensor
from torch.nn import functional as F

ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}
Gates = dict[str, Tensor]


def rnn(h: Tensor, a: Tensor, weight: Tensor, bias: Tensor, *, activation: str = "tanh") -> tuple[Tensor, Gates]:
    """The next state of a plain cell, and no gates."""
    return ACTIVATIONS[activation](a + F.linear(h, weight, bias)), {}


def lstm(
    state: tuple[Tensor, Tensor], a: Tensor, weight: Tensor, bias: Tensor, *, peepholes: Tensor | None = None
) -> tuple[tuple[Tensor, Tensor], Gates]:
    """The next (h, c), and the gates `input`, `forget`, `output` with the `candidate`."""
    h, c = state
    to_input, to_forget, to_candidate, to_output = (a + F.linear(h, weight, bias)).chunk(4, dim=-1)
    if peepholes is not None:
        to_input, to_forget = to_input + peepholes[0] * c, to_forget + peepholes[1] * c
    gates = {
        "input": torch.sigmoid(to_input),
        "forget": torch.sigmoid(to_forget),
        "candidate": torch.tanh(to_candidate),
    }
    c = gates["forget"] * c + gates["input"] * gates["candidate"]
    if peepholes is not None:
        to_output = to_output + peepholes[2] * c
    gates["output"] = torch.sigmoid(to_output)
    return (gates["output"] * torch.tanh(c), c), gates


def gru(h: Tensor, a: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Gates]:
    """The next h, and the gates `reset`, `update` with the `candidate`."""
    (a_reset, a_update, a_new), (u_reset, u_update, u_new) = (
        x.chunk(3, dim=-1) for x in (a, F.linear(h, weight, bias))
    )
    reset, update = torch.sigmoid(a_reset + u_reset), torch.sigmoid(a_update + u_update)
    candidate = torch.tanh(a_new + reset * u_new)
    return (1 - update) * candidate + update * h, {"reset": reset, "update": update, "candidate": candidate}
