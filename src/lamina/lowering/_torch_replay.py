"""The way round torch.export: run the module once, write down every operator that it calls, and then doubt it.

A module that looks at its numbers (`if x.sum() > 0`, `float(x.mean())`) cannot be exported. Its calls on one input can
be recorded; they are a network of that input's path alone. The network is accepted only if it gives torch's results on
other random inputs, and refused otherwise. Loops are unrolled, and a layer that torch computes in one opaque piece (an
LSTM) has no rule here: write recurrence as `nn.scan`.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules import module as hooks
from torch.utils._python_dispatch import TorchDispatchMode

from lamina.core.errors import LaminaError, Unsupported
from lamina.ir import Network
from lamina.lowering._torch_program import Call, Program, Ref, Stored, form_of, in_place, output_names
from lamina.lowering._torch_translate import translate

DRAWS = 3
TOLERANCE = 1e-4  # of the largest value: sums in another order


class Recorder(TorchDispatchMode):
    """Every operator that runs while this is entered, as calls on named tensors."""

    def __init__(self, known: Mapping[str, torch.Tensor], paths: list[str]) -> None:
        super().__init__()
        self.paths = paths
        self.calls: list[Call] = []
        self.constants: dict[str, torch.Tensor] = {}
        self.alive: list[Any] = [known]  # an id names a tensor only while it lives
        self.names = {id(tensor): name for name, tensor in known.items()}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        schema = func._schema
        given = {a.name: a.default_value for a in schema.arguments if a.has_default_value()}
        given.update(zip((a.name for a in schema.arguments), args, strict=False))
        given.update(kwargs)
        arguments = {a.name: self._refs(given[a.name]) for a in schema.arguments if a.name in given}
        result = func(*args, **kwargs)
        several = isinstance(result, list | tuple)
        tensors = [t for t in (result if several else [result]) if isinstance(t, torch.Tensor)]
        self.alive.append(tensors)
        results = []
        for i, tensor in enumerate(tensors):
            self.names[id(tensor)] = f"value_{len(self.calls)}_{i}"
            results.append(self.ref(tensor))
        if results:
            path = self.paths[-1] if self.paths and self.paths[-1] else schema.name.partition("::")[2].strip("_")
            self.calls.append(Call(target=str(func), arguments=arguments, results=results, several=several, path=path))
        return result

    def _refs(self, argument: Any) -> Any:
        if isinstance(argument, torch.Tensor):
            return self.ref(argument)
        return [self._refs(part) for part in argument] if isinstance(argument, list | tuple) else argument

    def ref(self, tensor: torch.Tensor) -> Ref:
        """The name of `tensor`; one that no call made is a constant."""
        if id(tensor) not in self.names:
            name = f"constant_{len(self.constants)}"
            self.alive.append(tensor)
            self.names[id(tensor)], self.constants[name] = name, tensor.detach().clone()
        return Ref(self.names[id(tensor)], tuple(tensor.shape), tensor.dtype)


def replay(
    module: nn.Module, positional: Sequence[Any], named: Mapping[str, Any], name: str, argument_names: Sequence[str]
) -> Network:
    """The network of the calls that `module` makes on these inputs; raises `Unsupported` where others differ."""
    given = dict(zip(argument_names, positional, strict=False)) | dict(named)
    if not all(isinstance(value, torch.Tensor) for value in given.values()):
        raise Unsupported("inputs that are tuples are only read by torch.export")
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    copies = {key: value.detach().clone() for key, value in given.items()}
    paths: list[str] = []
    recorder = Recorder({f"p:{k}": v for k, v in own.items()} | {f"x:{k}": v for k, v in copies.items()}, paths)
    with _paths(module, paths), recorder:
        returned = module(**copies)
    form, results = form_of(returned)
    outputs = dict(zip(output_names(form), [recorder.ref(t) for t in results], strict=True))
    tensors = {f"p:{k}": (k, v) for k, v in own.items()} | {k: (k, v) for k, v in recorder.constants.items()}
    stored = {
        key: Stored(key_name, Ref(key, tuple(v.shape), v.dtype), v.detach().cpu().numpy())
        for key, (key_name, v) in tensors.items()
    }
    functional = in_place(recorder.calls, outputs, stored)
    if functional is None:
        raise Unsupported("the module writes into parts of values: write new values")
    program = Program(
        stored=stored,
        inputs=[Ref(f"x:{k}", tuple(v.shape), v.dtype) for k, v in given.items()],
        calls=functional[0],
        outputs=functional[1],
    )
    network = translate(program, name, {f"x:{k}": k for k in given})
    for seed in range(DRAWS):
        _doubt(module, network, given, seed)
    return network


@contextlib.contextmanager
def _paths(module: nn.Module, paths: list[str]) -> Iterator[None]:
    """Keeps in `paths` where the running module stands."""
    names = {part: path for path, part in module.named_modules()}
    before = hooks.register_module_forward_pre_hook(lambda part, _: paths.append(names.get(part, "")))
    after = hooks.register_module_forward_hook(lambda part, *_: [paths.pop(), None][1], always_call=True)
    try:
        yield
    finally:
        before.remove()
        after.remove()


def _doubt(module: nn.Module, network: Network, given: Mapping[str, torch.Tensor], seed: int) -> None:
    """Raise where the network differs from the module on inputs drawn like `given`."""
    generator = torch.Generator().manual_seed(seed)
    drawn = {key: _like(value, generator) for key, value in given.items()}
    expected = [t.numpy() for t in form_of(module(**{k: v.clone() for k, v in drawn.items()}))[1]]
    try:
        found = list(network.run({k: v.numpy() for k, v in drawn.items()}).values())
    except LaminaError as e:
        raise Unsupported(f"its calls on one input fail on another: {e}") from e
    for array, wanted in zip(found, expected, strict=True):
        reach = TOLERANCE * abs(wanted).max(initial=0) if wanted.dtype.kind == "f" else 0
        if array.shape != wanted.shape or not np.allclose(array, wanted, rtol=0, atol=reach):
            raise Unsupported("what it computes depends on its numbers: other inputs take another path")


def _like(value: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Random numbers of the same kind: normal ones, integers up to the largest that was given, truth values."""
    if value.dtype.is_floating_point:
        return torch.randn(value.shape, generator=generator, dtype=value.dtype)
    return torch.randint(int(value.max()) + 1, value.shape, generator=generator).to(value.dtype)
