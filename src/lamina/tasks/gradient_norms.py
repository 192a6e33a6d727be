"""How much of an error reaches the steps before it: the norm of its gradient for the state, lag by lag.

    norm[k] = || dE / ds[T - k] ||,  E of the state behind step T

In a plain recurrent network it is a product of k matrices diag(f') U: with a largest singular value of U below
1 / max f' it falls at least geometrically in k (vanishing), and above it may grow (exploding). Through the cell of an
LSTM it is a product of forget gates. A state of several tensors (h and c) has the norm of all together.

Shapes     inputs [t, n, ...] (time first), state [n, ...] tensors; the result has t + 1 norms, lag 0 first
Errors     `BadInput` for no step, or an error that is no number
Papers     Bengio, Simard and Frasconi, IEEE Trans. Neural Networks 5(2), 1994; Pascanu, Mikolov and Bengio, ICML 2013,
           https://arxiv.org/abs/1211.5063
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lamina.core.errors import BadInput


def gradient_norms(
    step: Callable[[Any, Tensor], Any], inputs: Sequence[Tensor] | Tensor, state: Any, error: Callable[[Any], Tensor]
) -> list[float]:
    """Norms of the gradient of error(last state) for every state: lag 0 (the last) to lag t (the one given).

    `step(state, input)` gives the next state, a tensor or a tuple of tensors.
    """
    if len(inputs) == 0:
        raise BadInput("a sequence of length 0: at least 1 step is needed")
    with torch.enable_grad():
        states = [_form(state, lambda s: s.detach().clone().requires_grad_(True))]
        for x in inputs:
            states.append(step(states[-1], x))
        value = error(states[-1])
        if value.dim():
            raise BadInput(f"the error is {list(value.shape)}: one number is needed")
        flat = [part for s in reversed(states) for part in _several(s)]
        found = torch.autograd.grad(value, flat, allow_unused=True, materialize_grads=True)
    count = len(_several(state))
    lags = [found[start : start + count] for start in range(0, len(found), count)]
    return [float(torch.cat([part.flatten() for part in parts]).norm()) for parts in lags]


def _several(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else list(state)


def _form(state: Any, change: Callable[[Tensor], Tensor]) -> Any:
    return change(state) if isinstance(state, Tensor) else tuple(map(change, state))
