"""The temporal order problem: in a stream of noise X or Y is seen a few times; which ones, and in which order?

    x   E a c b X d a ...... c b Y a d B        classes  XX XY YX YY  (2 signals),  XXX .. YYY (3 signals)

Tokens: `a b c d` are noise, then `X Y`, then `E` at the beginning and `B` at the end. The signals lie in ranges of
their own, as tenths of the sequence: [1/10, 2/10) and [5/10, 6/10) for two; [1/10, 2/10), [33/100, 43/100) and
[66/100, 76/100) for three. Nothing but memory tells the classes apart; chance is 1/4 or 1/8.

Shapes     x int64 tokens [count, steps] of TOKENS, y int64 classes [count], X as 0 and Y as 1, the first signal highest
Errors     `BadInput` for no sequence, fewer than 10 steps, or other than 2 or 3 signals
Paper      Hochreiter and Schmidhuber, Neural Computation 9(8), 1997, experiments 6a and 6b (100 to 110 steps)
"""

import torch
from torch import Tensor

from lamina.core.errors import BadInput
from lamina.core.seeds import derive
from lamina.tasks._checks import at_least

TOKENS = "abcdXYEB"
RANGES = {2: ((0.10, 0.20), (0.50, 0.60)), 3: ((0.10, 0.20), (0.33, 0.43), (0.66, 0.76))}


def temporal_order(count: int, steps: int = 105, *, signals: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """`count` sequences of `steps` steps with `signals` signals, from `seed` alone."""
    at_least(1, sequences=count)
    at_least(10, steps=steps)
    if signals not in RANGES:
        raise BadInput(f"signals is {signals}: 2 or 3 are allowed")
    generator = torch.Generator().manual_seed(derive(seed, "temporal_order", count, steps, signals))
    x = torch.randint(0, 4, (count, steps), generator=generator)
    x[:, 0], x[:, -1] = TOKENS.index("E"), TOKENS.index("B")
    y, rows = torch.zeros(count, dtype=torch.int64), torch.arange(count)
    for low, high in RANGES[signals]:
        first = int(low * steps)
        place = torch.randint(first, max(first + 1, int(high * steps)), (count,), generator=generator)
        seen = torch.randint(0, 2, (count,), generator=generator)
        x[rows, place] = TOKENS.index("X") + seen
        y = 2 * y + seen
    return {"x": x, "y": y}
