"""From a torch module to a network, through public `torch.export`.

    module ──torch.export──▶ calls of aten and lamina operators ──torch_rules──▶ ir.Network

Each operator has one rule (`torch_rules/`). Shapes are those of the example input; a batch stays open where the
module keeps axis 0. Dropout is the identity: networks are lowered in evaluation mode. A model with several players
says so by `entries()`, name -> (function, example inputs), and becomes several networks.

Names     operations are called after the module that makes them (`conv1`), constants after their parameters
          (`conv1.weight`), inputs after the arguments of `forward`; a single result is called `output`.
"""

import contextlib
import copy
import inspect
import re
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from lamina.core.errors import BadInput, LaminaError, Unsupported, one_line
from lamina.ir import Network
from lamina.lowering._torch_program import bound as bound
from lamina.lowering._torch_program import layer_name as layer_name
from lamina.lowering._torch_program import of_export
from lamina.lowering._torch_translate import translate

ROWS = ("T1",)

Shapes = Sequence[int] | Mapping[str, Sequence[int]]
Examples = Sequence[Any] | Mapping[str, Any]  # tensors, or tuples of tensors


def lower(
    module: nn.Module, *, input_shape: Shapes | None = None, inputs: Examples | None = None, name: str | None = None
) -> Network:
    """The network that `module` computes in evaluation mode.

    `input_shape` is the shape of its one input of real numbers, batch included, or argument names to shapes. `inputs`
    are example tensors instead, by name or in order: for token ids, truth values, float64, and arguments that are
    tuples; both together name different arguments. A module on torch's meta device becomes a network without weights,
    which can be counted and costed. Raises `BadInput` where the module does not take them,
    `Unsupported` where an operator has no rule.
    """
    empty = any(p.is_meta for p in module.parameters())
    positional, given = _examples(input_shape, inputs, "meta" if empty else "cpu")
    order = [*inspect.signature(module.forward).parameters]
    named = dict(sorted(given.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))
    name = name or _default_name(module)
    with _evaluating(module):
        try:
            program = _export(module, positional, named)
        except Exception as refused:
            return _replayed(module, positional, named, name, refused)
    return translate(of_export(program), name, argument_names(module))


def _export(module: nn.Module, positional: tuple[Any, ...], named: Mapping[str, Any]) -> torch.export.ExportedProgram:
    return torch.export.export(module, positional, dict(named) or None)


def _replayed(
    module: nn.Module, positional: tuple[Any, ...], named: Mapping[str, Any], name: str, refused: Exception
) -> Network:
    """The network by recorded calls, of a module that torch.export refuses and that runs."""
    given = ", ".join(_told(value) for value in (*positional, *named.values()))
    text = f"{type(module).__name__} cannot be exported with input shape {given}: {one_line(refused)}"
    try:
        module(*positional, **named)
    except Exception:  # it does not take these inputs, and the first error says why
        raise BadInput(text) from refused
    from lamina.lowering._torch_replay import replay

    try:
        return replay(module, positional, named, name, [*argument_names(module).values()])
    except LaminaError as e:
        raise Unsupported(f"{text}; its recorded calls do not help either: {e}") from refused


@contextlib.contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode, no gradients, attention in its own operators; everything is put back."""
    was_training = {part: part.training for part in module.modules()}
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        module.eval()
        torch.backends.mha.set_fastpath_enabled(False)
        with torch.no_grad(), warnings.catch_warnings():
            # recurrent layers set their list of weights anew, torch calls what it deprecates: not the user's doing
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for part, training in was_training.items():
            part.training = training


def lower_all(
    module: nn.Module, *, input_shape: Shapes | None = None, inputs: Examples | None = None, name: str | None = None
) -> list[Network]:
    """The networks of `module.entries()`, called NAME.ENTRY, in order; `main` alone has no suffix.

    A module without `entries` has the one entry `main`: its `forward`, for `input_shape` or `inputs`.
    """
    entries = module.entries() if hasattr(module, "entries") else None
    if entries is None:
        return [lower(module, input_shape=input_shape, inputs=inputs, name=name)]
    stem = name or _default_name(module)
    networks = []
    for entry, (function, example) in entries.items():
        called = stem if entry == "main" else f"{stem}.{entry}"
        given = (example,) if isinstance(example, torch.Tensor) else example
        networks.append(lower(_with_forward(module, function), inputs=given, name=called))
    return networks


def _with_forward(module: nn.Module, function: Callable[..., Any]) -> nn.Module:
    """`module`, its own weights, with `function` in the place of `forward`."""
    if isinstance(function, nn.Module):
        return function
    other = copy.copy(module)
    own = getattr(function, "__self__", None) is module
    # a method of the module becomes one of the copy, so that torch sees every parameter as its own
    other.forward = types.MethodType(function.__func__, other) if own else function  # type: ignore[attr-defined]
    return other


def argument_names(module: nn.Module) -> dict[str, str]:
    """torch.export's names of the arguments of `forward` -> ours: a suffix of shape letters (x_BCHW) goes."""
    names = inspect.signature(module.forward).parameters
    return {name.lower(): re.sub(r"_[A-Z]+$", "", name) for name in names}


def _examples(
    input_shape: Shapes | None, inputs: Examples | None, device: str
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments in order, arguments by name."""
    positional: tuple[Any, ...] = ()
    named: dict[str, Any] = {}
    if isinstance(inputs, Mapping):
        named.update(inputs)
    elif inputs is not None:
        positional = tuple(inputs)
    if isinstance(input_shape, Mapping):
        named.update((key, torch.zeros(_shape(shape), device=device)) for key, shape in input_shape.items())
    elif input_shape is not None or inputs is None:
        positional = (*positional, torch.zeros(_shape(input_shape), device=device))
    return positional, named


def _shape(shape: Any) -> tuple[int, ...]:
    if shape is None or not len(shape) or any(not isinstance(s, int) or s < 1 for s in shape):
        raise BadInput(f"input shape {shape!r}: positive sizes, batch first, are needed, such as (1, 1, 28, 28)")
    return tuple(shape)


def _told(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return str(list(value.shape))
    return f"({', '.join(map(_told, value))})" if isinstance(value, list | tuple) else one_line(value, 40)


def _default_name(module: nn.Module) -> str:
    """A registered model is called after its file (`lenet5`), another module after its class in snake case."""
    package, _, file = type(module).__module__.rpartition(".")
    if package == "lamina.models":
        return file
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(module).__name__).lower()
