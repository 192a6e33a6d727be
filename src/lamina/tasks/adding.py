"""The adding problem: two numbers of a long sequence are marked, their sum is wanted at its end.

    x[t] = (value in [0, 1), mark)        y = value[a] + value[b]        a in the first half, b in the second

The first mark lies at least half the sequence before the answer, so a network has to keep a number that long. Who
always says 1 has the mean squared error 1/6. Hochreiter and Schmidhuber draw from [-1, 1], ask for 1/2 + sum/4, and
call a sequence solved when the error is below 0.04; on the scale used here that is `SOLVED`.

Shapes     x [count, steps, 2], y [count, 1], float32; a batch is a dict of tensors
Errors     `BadInput` for fewer than two steps, or no sequence
Paper      Hochreiter and Schmidhuber, Neural Computation 9(8), 1997, experiment 4; in this form Le, Jaitly and Hinton,
           2015, https://arxiv.org/abs/1504.00941
"""

import torch
from torch import Tensor

from lamina.core.seeds import derive
from lamina.tasks._checks import at_least

BASELINE = 1 / 6  # the variance of a sum of two uniform numbers
SOLVED = 2 * 0.04  # absolute error: their answer is half of ours


def adding(count: int, steps: int, *, seed: int = 0) -> dict[str, Tensor]:
    """`count` sequences of `steps` steps, from `seed` alone."""
    at_least(1, sequences=count)
    at_least(2, steps=steps)
    generator = torch.Generator().manual_seed(derive(seed, "adding", count, steps))
    values = torch.rand(count, steps, generator=generator)
    half, rows = steps // 2, torch.arange(count)
    first = torch.randint(0, half, (count,), generator=generator)
    second = torch.randint(half, steps, (count,), generator=generator)
    marks = torch.zeros(count, steps)
    marks[rows, first] = marks[rows, second] = 1.0
    y = (values[rows, first] + values[rows, second])[:, None]
    return {"x": torch.stack([values, marks], dim=2), "y": y}


def solved(answers: Tensor, y: Tensor) -> float:
    """The share of the sequences whose answer is near enough, in [0, 1]."""
    return float(((answers - y).abs() < SOLVED).double().mean())
