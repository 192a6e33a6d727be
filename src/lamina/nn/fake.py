"""Quantisation-aware training: an integer network whose weights and scales are learned as real numbers.

    training   x ──operator in float32──▶ s (clip(round(y / s) + z) - z) ──▶ …        weights alike, straight through
    eval       x ──▶ the integers of `to_integer()`, as `nn.network` computes them ──▶ y

The structure is that of an integer network, which `ir.quantise` makes from a float one: the same operations, bits, zero
points, and groups of values that share an element (`nn._groups`). The scale of every group is learned. In training
values travel as the real numbers that their integers stand for: with power-of-two scales float32 holds sums below 2^24
exactly and the forward pass gives the integers themselves; with float scales a sum within a rounding error of a tie may
fall to its other side. In eval mode there is one arithmetic, that of the integer network.

Adding rounds both operands at the result's scale, a bias lies at s_x s_w, a table is its function: as in the integers.

Shapes    as the network's; any batch that its operations let through
Errors    `Unsupported` for a table whose function is not known, and for weights in fixed point
Papers    those of `nn.learned_scale`; Jacob et al., CVPR 2018, https://arxiv.org/abs/1712.05877 (the simulation)
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lamina.core.errors import Unsupported
from lamina.ir.network import Network
from lamina.ir.operators._table import Site
from lamina.ir.quantise.prepare import prepared
from lamina.ir.quantise.scopes import Key, Scope
from lamina.ir.types import FLOAT32, Element, Fixed, Float, Integer, is_power_of_two
from lamina.nn import _integer_form
from lamina.nn._functions import Function, functions
from lamina.nn._groups import PLAIN, Groups, groups, quantised, weights
from lamina.nn.learned_scale import LearnedScale, fake_activation, fake_weight, round_straight
from lamina.nn.network import Compute, NetworkModule, Plan, Step, entered, key, meaning, plan, scan, tensor_of, walk
from lamina.nn.network_rules import TABLE
from lamina.nn.network_rules._rule import held

SUMS = ("add", "subtract")
ON_GRID = ("relu", "flatten", "reshape")  # these keep numbers on their grid, as all that moves them
OFF_GRID = ("pad", "scatter_elements", "scatter_nd")  # but these put others among them
Scales = Mapping[Key, Tensor]


def fake_quantised(network: Network, start: Network) -> "FakeQuantised":
    """A module that trains the integer network `start`, made by `ir.quantise.quantise` from the float `network`.

    Weights start as the float ones of the same name (where there is none: as what `start` stores), scales as those of
    `start`. Raises `Unsupported` for a table that no float operation of the same name explains.
    """
    return FakeQuantised(network, start)


def to_integer(module: "FakeQuantised") -> Network:
    """The integer network of the present weights and scales: what `module` computes in eval mode."""
    return module.to_integer()


class FakeQuantised(nn.Module):
    """See `fake_quantised`."""

    def __init__(self, network: Network, start: Network) -> None:
        super().__init__()
        self.start, top = start, Scope(start)
        trained = weights(top)
        _no_fixed_weights(start, trained)
        self.groups: Groups = groups(top)
        self.functions: dict[Key, Function] = functions(Scope(prepared(network)), top)
        self._plan = plan(start)
        self._jobs: dict[int, _Job] = {}
        self._prepare(self._plan, top)
        powers = all(is_power_of_two(s) for _, element in self.groups.learned() for s in element.scale)
        self._learned = {root: "scale:" + ":".join(root).replace(".", ":") for root, _ in self.groups.learned()}
        for root, element in self.groups.learned():
            self.add_module(self._learned[root], LearnedScale(element.scale, power_of_two=powers))
        for name, data in _integer_form.starting(prepared(network), start, self.groups).items():
            if name in trained:
                self.register_parameter(key(name), nn.Parameter(tensor_of(data, FLOAT32)))
            else:
                kind = start.constants[name].type.element
                self.register_buffer(key(name), tensor_of(data, FLOAT32 if quantised(kind) else kind))
        self._made: tuple[tuple[int, ...], NetworkModule] | None = None

    def train(self, mode: bool = True) -> "FakeQuantised":
        self._made = None  # fused optimisers move weights without telling their versions
        super().train(mode)
        return self

    def forward(self, *inputs: Tensor, **named: Tensor) -> Any:
        given = dict(zip(self.start.inputs, inputs, strict=False)) | named
        if not self.training:
            return self._integers()(**given)
        values = self.values(given)
        ends = {name: values[value] for name, value in self.start.outputs.items()}
        return next(iter(ends.values())) if len(ends) == 1 else ends

    def values(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Every value of the training forward pass; those of integers as the real numbers that they stand for."""
        scales = self._scales()
        known = entered(self.start, inputs)
        for name, tensor in known.items():
            known[name] = _real(tensor, self.start.inputs[name].element)
        known.update((name, self._constant(name, scales)) for name in self.start.constants)
        return walk(self._plan, known, self._computing(scales))

    def to_integer(self) -> Network:
        """The integer network of the present weights and scales; raises `BadInput` where they fit no integers."""
        return self._integers().network

    def _integers(self) -> NetworkModule:
        """`to_integer` as a module, made anew where a weight or scale has changed."""
        state = tuple(parameter._version for parameter in self.parameters())
        if self._made is None or self._made[0] != state:
            with torch.inference_mode(False), torch.no_grad():
                scales = {root: self.get_submodule(name).numbers() for root, name in self._learned.items()}
                real = {
                    name: getattr(self, key(name)).detach().contiguous().numpy()
                    for name in self.start.constants
                    if hasattr(self, key(name))
                }
                made = _integer_form.rewritten(self.start, self.groups, scales, real, self.functions)
                self._made = state, NetworkModule(made).eval()
        return self._made[1]

    def _scales(self) -> dict[Key, Tensor]:
        """The scale of every group of quantised values, by root."""
        found = {root: torch.tensor(element.scale) for root, element in self.groups.roots()}
        found.update((root, self.get_submodule(name)()) for root, name in self._learned.items())
        for root, of in self.groups.derived.items():
            x, w = self.groups.root(of.x), self.groups.root(of.w)
            if of.products == "exact":
                found[root] = (found[x] * found[w]).detach()
        return found

    def _constant(self, name: str, scales: Scales) -> Tensor:
        root, element = self.groups.root((name,)), self.start.constants[name].type.element
        if not hasattr(self, key(name)):
            return torch.zeros(())  # a table: its function is computed in its place
        tensor: Tensor = getattr(self, key(name))
        if not quantised(element) or isinstance(element, Float | Fixed):
            return tensor
        if root not in self.groups.derived:
            return fake_weight(tensor, scales[root], element)
        most = _integer_form.BIAS_REACH
        return round_straight(tensor / scales[root]).clamp(-most, most) * scales[root]

    def _prepare(self, plan: Plan, scope: Scope) -> None:
        for step in plan.steps:
            operation = step.operation
            if step.body is not None:
                self._prepare(step.body, scope.body(operation))
            roots = [self.groups.root(scope.key(name)) for name in operation.outputs]
            self._jobs[id(step)] = _Job(step, roots, self.functions.get(scope.key(operation.name)))

    def _computing(self, scales: Scales) -> Compute:
        def compute(step: Step, tensors: Sequence[Tensor]) -> list[Tensor]:
            if step.body is not None:
                return scan(step, tensors, compute)
            return self._jobs[id(step)].results(tensors, scales)

        return compute


class _Job:
    """One operation on real numbers."""

    def __init__(self, step: Step, roots: Sequence[Key], function: Function | None) -> None:
        self.step, self.roots, self.function = step, roots, function
        where, name = step.site, step.operation.operator
        self.elements = [t.element for t in where.outputs]
        self.float_site = Site(
            inputs=tuple(replace(t, element=_as_real(t.element)) for t in where.inputs),
            outputs=tuple(replace(t, element=_as_real(t.element)) for t in where.outputs),
            attributes=where.attributes,
        )
        self.coded = any(quantised(t.element) for t in (*where.inputs, *where.outputs))
        self.rounded = name in OFF_GRID or (name not in ON_GRID and (name not in TABLE or TABLE[name].moves is None))
        if name == "lookup" and function is None:
            raise Unsupported(f"table {step.operation.name!r}: no float operation of that name says what it computes")

    def results(self, tensors: Sequence[Tensor], scales: Scales) -> list[Tensor]:
        """The results; `scales` by root."""
        if not self.coded:
            return meaning(self.step, tensors)
        found = self._real_results(tensors, scales)
        return [
            fake_activation(y.to(torch.float32), scales[root], element)
            if self.rounded and not isinstance(element, Float) and quantised(element)
            else y.to(held(_as_real(element)))
            for y, root, element in zip(found, self.roots, self.elements, strict=True)
        ]

    def _real_results(self, tensors: Sequence[Tensor], scales: Scales) -> Sequence[Tensor]:
        name = self.step.operation.operator
        if name in ("quantise", "dequantise"):
            return tensors
        if name in PLAIN:
            inputs = zip(tensors, self.step.site.inputs, strict=True)
            return [y.to(torch.float32) for y in meaning(self.step, [x.to(held(t.element)) for x, t in inputs])]
        if self.function is not None and name == "lookup":
            return [self.function(tensors[0])]
        if name == "piecewise_linear":
            x, starts, slopes, intercepts = tensors
            segment = torch.searchsorted(starts[1:].contiguous(), x.detach().contiguous(), right=True)
            return [slopes[segment] * x + intercepts[segment]]
        if name in SUMS:
            scale = scales[self.roots[0]].detach()
            tensors = [round_straight(x / scale) * scale for x in tensors]
        rule = TABLE[name].moves or TABLE[name].floats
        assert rule is not None
        found = rule(tensors, self.float_site)
        return found if isinstance(found, list) else [found]


def _no_fixed_weights(network: Network, trained: Sequence[str]) -> None:
    fixed = next((n for n in trained if isinstance(network.constants[n].type.element, Fixed)), None)
    if fixed is not None:
        raise Unsupported(f"{fixed!r} has weights in fixed point, whose scale cannot be learned: quantise to integers")


def _as_real(element: Element) -> Element:
    """Float32 in place of what stands for real numbers."""
    return FLOAT32 if quantised(element) else element


def _real(tensor: Tensor, element: Element) -> Tensor:
    """The real numbers that stored ones stand for."""
    if isinstance(element, Float) or not quantised(element):
        return tensor
    assert isinstance(element, Integer | Fixed)
    return (tensor - element.zero_point).to(torch.float32) * element.scale[0]
