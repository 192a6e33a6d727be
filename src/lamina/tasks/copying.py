"""The copy task: say again, after a long silence, what was said at its beginning.

    in     s1 .. sk   blank ..................   cue   blank x (k-1)
    out    blank ...............................       s1 .. sk             k + lag + k steps

Of `symbols + 2` tokens the first `symbols` are said; then come the blank and the cue, which stands `lag` steps behind
the last symbol. Who knows all but the symbols has the cross-entropy k ln(symbols) / (2 k + lag): `baseline`.

Shapes     x int64 tokens [count, steps], y int64 classes [count, steps]; steps = 2 k + lag
Errors     `BadInput` for no sequence, no symbol, nothing to copy, or a lag below 1
Paper      Hochreiter and Schmidhuber, 1997, experiment 2; in this form Arjovsky, Shah and Bengio, ICML 2016,
           https://arxiv.org/abs/1511.06464
"""

import math

import torch
from torch import Tensor

from lamina.core.seeds import derive
from lamina.tasks._checks import at_least


def copying(count: int, lag: int, *, length: int = 10, symbols: int = 8, seed: int = 0) -> dict[str, Tensor]:
    """`count` sequences of `length` symbols to copy over `lag` steps, from `seed` alone."""
    at_least(1, sequences=count, lag=lag, length=length, symbols=symbols)
    generator = torch.Generator().manual_seed(derive(seed, "copying", count, lag, length, symbols))
    said = torch.randint(0, symbols, (count, length), generator=generator)
    blank, cue = symbols, symbols + 1
    x = torch.full((count, 2 * length + lag), blank)
    y = x.clone()
    x[:, :length] = y[:, -length:] = said
    x[:, length + lag - 1] = cue
    return {"x": x, "y": y}


def baseline(lag: int, *, length: int = 10, symbols: int = 8) -> float:
    """Cross-entropy in nats, mean over the steps, of a guess that knows the times and not the symbols."""
    at_least(1, lag=lag, length=length, symbols=symbols)
    return length * math.log(symbols) / (2 * length + lag)


def recalled(logits: Tensor, y: Tensor, *, length: int = 10) -> float:
    """The share of the symbols said again rightly, in [0, 1]; logits [count, steps, classes]."""
    return float((logits.argmax(-1) == y)[:, -length:].double().mean())
