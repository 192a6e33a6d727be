"""Elman's temporal XOR: two random bits and their exclusive or, again and again; which bit comes next?

    1 0 1  0 0 0  1 1 0  ...        bit[3 i + 2] = bit[3 i] xor bit[3 i + 1]

Only every third bit can be foreseen, and only by who remembers the one before the last: with one bit of input no
network without memory does better than chance. Nothing marks where a triple begins. Elman's net shows it by an error
that dips at every third step; `by_place` gives the share of right answers at each place of the triple.

Shapes     x float32 [count, steps, 1] of 0 and 1, y int64 [count, steps]: the bit after each step
Errors     `BadInput` for no sequence or step
Paper      Elman, "Finding structure in time", Cognitive Science 14(2), 1990 (3,000 bits, 600 passes),
           https://doi.org/10.1207/s15516709cog1402_1
"""

import torch
from torch import Tensor

from lamina.core.seeds import derive
from lamina.tasks._checks import at_least


def temporal_xor(count: int, steps: int, *, seed: int = 0) -> dict[str, Tensor]:
    """`count` sequences of `steps` bits and their following bits, from `seed` alone."""
    at_least(1, sequences=count, steps=steps)
    generator = torch.Generator().manual_seed(derive(seed, "temporal_xor", count, steps))
    pairs = torch.randint(0, 2, (count, steps // 3 + 1, 2), generator=generator)
    bits = torch.cat([pairs, pairs.sum(dim=2, keepdim=True) % 2], dim=2).flatten(1)[:, : steps + 1]
    return {"x": bits[:, :-1, None].float(), "y": bits[:, 1:].contiguous()}


def by_place(logits: Tensor, y: Tensor) -> tuple[float, float, float]:
    """Shares of right answers for the first, second and third bit of a triple; logits [count, steps, 2].

    The third alone can be foreseen: a perfect answer is (0.5, 0.5, 1). Raises `BadInput` for fewer than 3 steps.
    """
    at_least(3, steps=y.shape[1])
    right = (logits.argmax(-1) == y).double()
    first, second, third = (float(right[:, (place - 1) % 3 :: 3].mean()) for place in range(3))
    return first, second, third
