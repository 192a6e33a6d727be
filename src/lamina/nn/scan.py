"""scan: one cell, step after step, with explicit state; how every recurrent net of the house is written.

    s[0] = state        s[t+1], y[t] = cell(s[t], x[t])        result: s[T], and y stacked along axis 0

In torch this is a Python loop, and gradients flow through every step. `torch.export` would unroll that loop: T copies
of the cell, and no longer a recurrent net. While a module is exported the cell is therefore traced once, between two
registered operators that mark the boundary (`lamina::scan_begin`, `lamina::scan_end`); lowering makes of what lies
between them one `scan`, whose weights stay those of the module. A scan may stand inside the cell of another.

Shapes    inputs [T, ...], state [...] of any form: one tensor, or a tuple of tensors; y likewise
Errors    the cell has to give back states of the shapes and types that it took
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

Tensors: TypeAlias = Tensor | Sequence[Tensor]


def scan(
    cell: Callable[[Any, Any], tuple[Any, Any]], inputs: Tensors, state: Tensors, *, reverse: bool = False
) -> tuple[Any, Any]:
    """The last state and the stacked outputs of `cell(state, step) -> (state, output)` over axis 0 of `inputs`.

    States, inputs and outputs are tensors or tuples of them, as the cell has them. `reverse` walks from the last step
    to the first; the output of step t still lies at t. Raises `ValueError` where the lengths of inputs differ or the
    cell changes the form of its state.
    """
    sequences, states = _several(inputs), _several(state)
    steps = {len(x) for x in sequences}
    if len(steps) != 1 or 0 in steps:
        raise ValueError(f"sequences of {sorted(steps)} steps: one length of at least 1 is needed")
    (count,) = steps
    if torch.compiler.is_exporting():
        return _traced(cell, inputs, state, count, reverse)
    outputs = []
    for t in reversed(range(count)) if reverse else range(count):
        following, output = cell(_like(state, states), _like(inputs, [x[t] for x in sequences]))
        states = _checked(states, _several(following))
        outputs.append(output)
    outputs = outputs[::-1] if reverse else outputs
    stacked = [torch.stack(parts) for parts in zip(*map(_several, outputs), strict=True)]
    return _like(state, states), _like(outputs[0], stacked)


def _traced(cell: Any, inputs: Tensors, state: Tensors, steps: int, reverse: bool) -> tuple[Any, Any]:
    """One step of the cell between the two marks."""
    sequences, states = _several(inputs), _several(state)
    inside = torch.ops.lamina.scan_begin(states, sequences, reverse)
    before, slices = inside[: len(states)], inside[len(states) :]
    following, output = cell(_like(state, before), _like(inputs, slices))
    outputs = _several(output)
    results = torch.ops.lamina.scan_end(_checked(states, _several(following)), outputs, inside[0], steps)
    return _like(state, results[: len(states)]), _like(output, results[len(states) :])


@torch.library.custom_op("lamina::scan_begin", mutates_args=())
def _begin(states: Sequence[Tensor], sequences: Sequence[Tensor], reverse: bool) -> list[Tensor]:
    """The states and the first steps, as values of the cell's inside."""
    return [x.clone() for x in states] + [x[0].clone() for x in sequences]


@_begin.register_fake
def _(states, sequences, reverse):
    return [torch.empty_like(x) for x in states] + [torch.empty_like(x[0]) for x in sequences]


@torch.library.custom_op("lamina::scan_end", mutates_args=())
def _end(states: Sequence[Tensor], outputs: Sequence[Tensor], begun: Tensor, steps: int) -> list[Tensor]:
    """The last states and the stacked outputs; `begun` is the first value of the beginning that this ends."""
    raise NotImplementedError("an exported scan is a mark for lowering and cannot be run")


@_end.register_fake
def _(states, outputs, begun, steps):
    return [torch.empty_like(x) for x in states] + [x.new_empty((steps, *x.shape)) for x in outputs]


def _several(x: Any) -> list[Tensor]:
    return [x] if isinstance(x, Tensor) else list(x)


def _like(form: Any, tensors: Sequence[Tensor]) -> Any:
    """One tensor where `form` is one, else a tuple."""
    return tensors[0] if isinstance(form, Tensor) else tuple(tensors)


def _checked(before: Sequence[Tensor], after: Sequence[Tensor]) -> list[Tensor]:
    if [(x.shape, x.dtype) for x in before] != [(x.shape, x.dtype) for x in after]:
        forms = [" and ".join(f"{x.dtype}{list(x.shape)}" for x in side) for side in (before, after)]
        raise ValueError(f"the cell takes states {forms[0]} and gives {forms[1]}: they must be equal")
    return list(after)
