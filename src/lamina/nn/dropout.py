"""Dropout keyed by a generator: hidden units fall out by a coin's toss while a network learns.

    training    y = x m / (1 - share),  m ~ Bernoulli(1 - share) per entry        E[y] = x
    else        y = x

torch's own takes no generator, so what it draws hangs on everything drawn before. Outside training nothing is left of
it, so that a network which is evaluated, lowered or exported never sees it.

Shapes    x of any shape, y the same
Errors    a share outside [0, 1)
Paper     Srivastava et al., "Dropout", JMLR 15, 2014, https://jmlr.org/papers/v15/srivastava14a.html
"""

import torch
from torch import Tensor

from lamina.core.errors import BadInput

ROWS = ("M26",)


def dropout(x: Tensor, share: float, *, training: bool, generator: torch.Generator | None = None) -> Tensor:
    """`x` with a random `share` of its entries at zero and the others scaled up, while `training`; else `x` itself."""
    checked_share(share)
    if not training or share == 0 or torch.compiler.is_exporting():
        return x
    keep = torch.empty(x.shape, dtype=x.dtype).bernoulli_(1 - share, generator=generator)
    return x * keep / (1 - share)


def checked_share(share: float) -> None:
    """Raises `BadInput` unless a part is left to learn."""
    if not 0 <= share < 1:
        raise BadInput(f"a share of {share} cannot be dropped: it must be in [0, 1), 0.5 is usual")
