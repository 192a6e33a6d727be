"""Any network of the house as a torch module: what ONNX, Keras or Caffe files held can be trained, or checked.

    values ──rule of each operation (`nn.network_rules`)──▶ values          weights are parameters, all else is fixed

Float operators are torch's, so that gradients flow; integer operators compute the interpreter's own integers, held as
integer-valued float64 (`network_rules._rule`): one module is both the float network and a link of the chain. A scan is
a loop over its body, gradients flow through every step. Running statistics of batch normalisation stand still.

Shapes    inputs as the network declares them, in its order or by name; axis 0, the batch, may have any size where the
          operations let it (a fixed reshape does not); one output is a tensor, several are a dict
Errors    `BadInput` for a shape or name that does not fit, `Unsupported` for an operator without a torch rule
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.ir.check import site
from lamina.ir.network import Array, Constant, Network, Operation
from lamina.ir.operators._table import Site
from lamina.ir.types import Element, Float, Type
from lamina.nn.network_rules import TABLE
from lamina.nn.network_rules._rule import held


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One operation, where it stands, and the plan of its body where it is a scan."""

    operation: Operation
    site: Site
    body: "Plan | None" = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A network ready to be walked."""

    network: Network
    steps: tuple[Step, ...]


Compute = Callable[[Step, Sequence[Tensor]], list[Tensor]]


def plan(network: Network) -> Plan:
    """What walking `network` needs; raises `Unsupported` for an operator without a torch rule, naming it."""
    types, steps = network.types, []
    for operation in network.operations:
        if operation.operator not in TABLE and operation.operator != "scan":
            raise Unsupported(f"{operation.operator} {operation.name!r} has no torch rule: run it in the interpreter")
        body = operation.attributes.get("body")
        inner = plan(body) if isinstance(body, Network) else None
        steps.append(Step(operation=operation, site=site(operation, types), body=inner))
    return Plan(network=network, steps=tuple(steps))


def walk(plan: Plan, values: dict[str, Tensor], compute: Compute) -> dict[str, Tensor]:
    """`values`, to which every operation's results are added in order."""
    for step in plan.steps:
        operation = step.operation
        try:
            found = compute(step, [values[name] for name in operation.inputs])
        except (BadInput, RuntimeError, IndexError) as e:
            where = f"network {plan.network.name!r}, {operation.operator} {operation.name!r}"
            raise BadInput(f"{where}: {one_line(e)}") from e
        values.update(zip(operation.outputs, found, strict=True))
    return values


def meaning(step: Step, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The results of one operation by the rule of its operator."""
    if step.body is not None:
        return scan(step, tensors, meaning)
    rule, where = TABLE[step.operation.operator], step.site
    if rule.moves is not None:
        found = rule.moves(tensors, where)
    else:
        real = isinstance(where.inputs[0].element, Float) and isinstance(where.outputs[0].element, Float)
        chosen = rule.floats if real else rule.integers
        if chosen is None:
            raise BadInput("this operator is defined on integers alone" if real else "it has no integer meaning")
        found = chosen(tensors, where)
    several: Sequence[Tensor] = found if isinstance(found, list) else [found]
    return [result.to(held(type_.element)) for result, type_ in zip(several, where.outputs, strict=True)]


def scan(step: Step, tensors: Sequence[Tensor], compute: Compute) -> list[Tensor]:
    """The body walked once for each place along axis 0 of the sequences; see `ir.operators.loop`."""
    assert step.body is not None
    body, attributes = step.body.network, step.site.attributes
    names, count, sequences = list(body.inputs), len(body.carry), attributes["sequences"]
    values = dict(zip(names, tensors, strict=True))
    trips = len(tensors[count]) if sequences else attributes["steps"]
    stacked: dict[str, list[Tensor]] = {name: [] for name in body.outputs if name not in body.carry}
    for t in range(trips)[:: -1 if attributes["reverse"] else 1]:
        slices = {name: values[name][t] for name in names[count : count + sequences]}
        found = walk(step.body, {**values, **slices}, compute)
        last = {name: found[value] for name, value in body.outputs.items()}
        values.update((into, last[name]) for name, into in body.carry.items())
        for name, parts in stacked.items():
            parts.append(last[name])
    order = -1 if attributes["reverse"] else 1
    return [last[name] if name in body.carry else torch.stack(stacked[name][::order]) for name in body.outputs]


class NetworkModule(nn.Module):
    """`network` as a module; its weights of floats are parameters, other constants buffers."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self._plan = plan(network)
        weights = set(network.weights)
        for name, constant in network.constants.items():
            tensor = tensor_of(network.data(name), constant.type.element)
            if name in weights and isinstance(constant.type.element, Float):
                self.register_parameter(key(name), nn.Parameter(tensor))
            else:
                self.register_buffer(key(name), tensor)

    def forward(self, *inputs: Tensor, **named: Tensor) -> Any:
        values = self.values(dict(zip(self.network.inputs, inputs, strict=False)) | named)
        ends = {name: values[value] for name, value in self.network.outputs.items()}
        return next(iter(ends.values())) if len(ends) == 1 else ends

    def values(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Every value by name."""
        known = entered(self.network, inputs)
        known.update((name, self.constant(name)) for name in self.network.constants)
        return walk(self._plan, known, meaning)

    def trace(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every value by name as NumPy arrays of stored numbers: what `ir.interpreter.trace` gives."""
        with torch.no_grad():
            found = self.values({name: torch.from_numpy(np.asarray(array)) for name, array in inputs.items()})
        return stored(found, self.network.types)

    def constant(self, name: str) -> Tensor:
        """The tensor of constant `name`."""
        found = getattr(self, key(name))
        assert isinstance(found, Tensor)
        return found

    def to_network(self) -> Network:
        """The network with the weights that the module has now; a code book that they left is no longer declared."""
        constants = dict(self.network.constants)
        for name, given in constants.items():
            if isinstance(self.constant(name), nn.Parameter):
                data = np.ascontiguousarray(self.constant(name).detach().numpy(), given.type.element.storage)
                if not np.array_equal(data, self.network.data(name)):
                    uncoded = Type(shape=given.type.shape, element=given.type.element)
                    constants[name] = Constant(type=uncoded, data=data.copy())
        return self.network.replaced(constants=constants)


def integer_module(network: Network) -> NetworkModule:
    """An integer network as a module that gives the interpreter's integers to the bit; it has nothing to train.

    Raises `BadInput` for a network whose weights are floats.
    """
    module = NetworkModule(network).eval()
    found = next(iter(dict(module.named_parameters())), None)
    if found is not None:
        raise BadInput(f"network {network.name!r} has float weights: quantise it, or use NetworkModule")
    return module


def key(name: str) -> str:
    """The attribute that holds constant `name`: torch allows no points, and no name that a module has itself."""
    return ":" + name.replace(".", ":")


def tensor_of(data: Array, element: Element) -> Tensor:
    """Stored numbers as a tensor of their own."""
    return torch.from_numpy(
        np.array(data, {torch.float32: "f4", torch.float64: "f8", torch.int64: "i8"}[held(element)])
    )


def stored(values: Mapping[str, Tensor], types: Mapping[str, Type]) -> dict[str, Array]:
    """Tensors as arrays of stored numbers."""
    return {name: value.detach().numpy().astype(types[name].element.storage) for name, value in values.items()}


def entered(network: Network, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inputs as the network holds them; raises `BadInput` where a name, a shape or a number does not fit."""
    for name in inputs:
        if name not in network.inputs:
            raise BadInput(f"network {network.name!r} has no input {one_line(name, 60)!r}: {', '.join(network.inputs)}")
    found = {}
    for name, type_ in network.inputs.items():
        if name not in inputs:
            raise BadInput(f"network {network.name!r} needs the input {name!r}: {type_}")
        tensor, element = inputs[name], type_.element
        if tensor.ndim != len(type_.shape) or tuple(tensor.shape[1:]) != type_.shape[1:]:
            raise BadInput(f"input {name!r} is {list(tensor.shape)}, {list(type_.shape)} is needed (any batch)")
        tensor = tensor.to(held(element))
        if not isinstance(element, Float) and (int(tensor.min()) < element.low or int(tensor.max()) > element.high):
            raise BadInput(f"input {name!r} has entries outside {element.low}..{element.high}")
        found[name] = tensor
    return found
