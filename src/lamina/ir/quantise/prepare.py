"""A float network in the words that have an integer meaning, before its numbers are measured.

    batch_norm(x)           conv2d by one weight per channel where x is [n, c, h, w]; elsewhere s x + t
    matmul(x, W)            linear(x, W^T) where W is a constant matrix, so that its scales may differ per column
    x / c                   x (1/c) where c is a constant
    linear(x, W) + b        linear(x, W, b) where b is a constant vector and nothing else reads the sum

`ir.simplify` has run before: batch norms behind a layer are in that layer. The float meaning stays the same up to
rounding; everything is float64 while it is folded.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina.ir.check import site
from lamina.ir.network import Array, Constant, Network, Operation
from lamina.ir.simplify import simplify
from lamina.ir.types import Float, Type


def prepared(network: Network) -> Network:
    """`network` simplified and rewritten; names of inputs, outputs and layers stay."""
    return _rewritten(simplify(network))


@dataclass(slots=True)
class _Work:
    network: Network
    types: dict[str, Type]
    uses: Mapping[str, int]
    constants: dict[str, Constant]
    operations: list[Operation] = field(default_factory=list)

    def data(self, name: str) -> Array | None:
        found = self.network.constants.get(name)
        return None if found is None or found.data is None else found.data.astype(np.float64)

    def store(self, stem: str, data: Array, like: Type) -> str:
        name, count = stem[:180], 1
        while name in self.types or name in self.constants:
            count += 1
            name = f"{stem[:180]}_{count}"
        stored = np.asarray(data, like.element.storage, order="C")
        self.constants[name] = Constant(type=Type(shape=data.shape, element=like.element), data=stored)
        return name

    def emit(self, operator: str, inputs: tuple[str, ...], outputs: Mapping[str, Type], **attributes: Any) -> None:
        self.operations.append(Operation(operator=operator, inputs=inputs, outputs=outputs, attributes=attributes))


def _rewritten(network: Network) -> Network:
    types = network.types
    uses = Counter([name for o in network.operations for name in o.inputs] + [*network.outputs.values()])
    work = _Work(network, types, uses, dict(network.constants))
    for operation in network.operations:
        rule = _RULES.get(operation.operator)
        if rule is None or not isinstance(types[operation.name].element, Float) or not rule(work, operation):
            work.operations.append(operation)
    used = {name for o in work.operations for name in o.inputs} | set(network.outputs.values())
    kept = {name: c for name, c in work.constants.items() if name in used}
    return network.replaced(constants=kept, operations=tuple(work.operations))


def _batch_norm(work: _Work, norm: Operation) -> bool:
    numbers = [work.data(name) for name in norm.inputs[1:]]
    type_ = norm.outputs[norm.name]
    parts = [n for n in numbers if n is not None]
    if len(parts) < 4:
        return False
    scale, bias, mean, variance = parts
    factor = scale / np.sqrt(variance + site(norm, work.types).attributes["epsilon"])
    shift = bias - mean * factor
    if not (np.isfinite(factor).all() and np.isfinite(shift).all()):
        return False
    if len(type_.shape) == 4:
        weights = work.store(f"{norm.name}.weight", factor.reshape(-1, 1, 1, 1), type_)
        shifts = work.store(f"{norm.name}.bias", shift, type_)
        work.emit("conv2d", (norm.inputs[0], weights, shifts), norm.outputs, groups=type_.shape[1])
        return True
    along = (-1, *[1] * (len(type_.shape) - 2))
    weights = work.store(f"{norm.name}.weight", factor.reshape(along), type_)
    shifts = work.store(f"{norm.name}.bias", shift.reshape(along), type_)
    product = f"{norm.name}.scaled"
    work.emit("multiply", (norm.inputs[0], weights), {product: type_})
    work.emit("add", (product, shifts), norm.outputs)
    return True


def _matmul(work: _Work, product: Operation) -> bool:
    matrix = work.data(product.inputs[1])
    if matrix is None or matrix.ndim != 2:
        return False
    weights = work.store(f"{product.name}.weight", matrix.T, product.outputs[product.name])
    work.emit("linear", (product.inputs[0], weights), product.outputs)
    return True


def _divide(work: _Work, quotient: Operation) -> bool:
    divisor = work.data(quotient.inputs[1])
    if divisor is None or not (np.isfinite(divisor) & (divisor != 0)).all():
        return False
    factor = work.store(f"{quotient.name}.factor", 1 / divisor, quotient.outputs[quotient.name])
    work.emit("multiply", (quotient.inputs[0], factor), quotient.outputs)
    return True


def _add(work: _Work, total: Operation) -> bool:
    for product, other in (total.inputs, total.inputs[::-1]):
        bias = work.data(other)
        made = next((o for o in work.operations if o.name == product), None)
        if bias is None or made is None or made.operator != "linear" or len(made.inputs) > 2 or work.uses[product] > 1:
            continue
        shape = made.outputs[product].shape
        if bias.shape[-1:] != shape[-1:] or bias.size != shape[-1] or total.outputs[total.name].shape != shape:
            continue
        vector = work.store(f"{made.name}.bias", bias.reshape(-1), total.outputs[total.name])
        work.operations.remove(made)
        work.emit("linear", (*made.inputs, vector), total.outputs)
        return True
    return False


_RULES = {"batch_norm": _batch_norm, "matmul": _matmul, "divide": _divide, "add": _add}
