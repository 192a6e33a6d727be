"""The reference interpreter: slow, NumPy, and the definition of what a network computes.

It walks the operations in order and asks the operator table for the meaning of each: the float meaning where operands
are real numbers, the integer meaning (int64 inside, stored width outside) where they are integers. Other links of the
chain are right when they give these numbers. Values lie in C order, since NumPy's float sums depend on the layout.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from lamina.core.errors import BadInput, one_line
from lamina.ir.check import site
from lamina.ir.network import Array, Network, Operation
from lamina.ir.operators import operator
from lamina.ir.operators._table import Operator, Site
from lamina.ir.types import BOOL, Float, Type


def run(network: Network, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Output names to arrays for `inputs`, names to arrays of the declared shapes.

    A batch other than the declared one is inferred from the inputs. Raises `BadInput` for a missing or unknown name, a
    shape that does not fit, NaN, or integers outside their type.
    """
    values = trace(network, inputs)
    return {name: values[value] for name, value in network.outputs.items()}


def trace(network: Network, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Every value of the network by name: what `lamina diff` compares."""
    network, values = entered(network, inputs)
    _compute(network, network.types, values)
    return values


def entered(network: Network, inputs: Mapping[str, Array]) -> tuple[Network, dict[str, Array]]:
    """`network` for the batch that comes, and what is known before its first operation: inputs and constants."""
    network = _fitted(network, inputs)
    values: dict[str, Array] = {name: _input(name, inputs[name], type_) for name, type_ in network.inputs.items()}
    values.update((name, network.data(name)) for name in network.constants)
    return network, values


def run_stored(network: Network, values: Mapping[str, Array]) -> dict[str, Array]:
    """Output names to arrays; `values` holds the stored numbers of every input, which nobody checks again."""
    known = {**values, **{name: network.data(name) for name in network.constants}}
    _compute(network, network.types, known)
    return {name: known[value] for name, value in network.outputs.items()}


def _compute(network: Network, types: Mapping[str, Type], values: dict[str, Array]) -> None:
    for operation in network.operations:
        found = meaning(operation, site(operation, types), [values[name] for name in operation.inputs])
        values.update(zip(operation.outputs, found, strict=True))


def meaning(operation: Operation, where: Site, arrays: Sequence[Array]) -> tuple[Array, ...]:
    """The stored results of one operation on `arrays`, by the operator table, in C order.

    Float sums of NumPy follow the memory's layout, so that the layout belongs to the definition.
    """
    found = _results(operator(operation.operator), where, arrays)
    several = found if isinstance(found, list) else [found]
    return tuple(
        np.asarray(array, type_.element.storage, order="C") for array, type_ in zip(several, where.outputs, strict=True)
    )


def _results(entry: Operator, where: Site, arrays: Sequence[Array]) -> Array | list[Array]:
    # infinities are numbers here; and a BLAS kernel may compute on lanes that it drops: no flag is a statement
    with np.errstate(all="ignore"):
        if entry.moves is not None:
            return entry.moves(arrays, where)
        real = isinstance(where.outputs[0].element, Float) and isinstance(where.inputs[0].element, Float)
        if entry.run is not None and (entry.integers is None or real):
            return entry.run(arrays, where.attributes)
        assert entry.integers is not None
        return entry.integers([a.astype(np.int64) if a.dtype.kind in "iu" else a for a in arrays], where)


def _fitted(network: Network, inputs: Mapping[str, Array]) -> Network:
    """`network` for the batch that came; raises `BadInput` where names or shapes do not fit."""
    for name in inputs:
        if name not in network.inputs:
            raise BadInput(
                f"network {network.name!r} has no input {one_line(name, 60)!r}: "
                f"its inputs are {', '.join(network.inputs)}"
            )
    for name, type_ in network.inputs.items():
        if name not in inputs:
            raise BadInput(f"network {network.name!r} needs the input {name!r}: {type_}")
        shape = np.shape(inputs[name])
        if len(shape) != len(type_.shape) or shape[1:] != type_.shape[1:] or 0 in shape:
            raise BadInput(f"input {name!r} has shape {list(shape)}, {list(type_.shape)} is needed (any batch)")
    if all(np.shape(inputs[name]) == type_.shape for name, type_ in network.inputs.items()):
        return network
    batches = {name: np.shape(inputs[name])[0] for name, type_ in network.inputs.items() if type_.shape}
    if len({*batches.values()}) > 1:
        raise BadInput(f"inputs of different batches: {', '.join(f'{n} has {b}' for n, b in batches.items())}")
    return network.with_batch(next(iter(batches.values())))


def _input(name: str, array: Array, type_: Type) -> Array:
    array = np.asarray(array)
    if isinstance(type_.element, Float):
        if array.dtype.kind not in "fiub":
            raise BadInput(f"input {name!r} is an array of {array.dtype}: numbers are needed")
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise BadInput(f"input {name!r} holds NaN: numbers are needed")
        return array.astype(type_.element.storage, order="C")
    if array.dtype.kind not in ("iub" if type_.element == BOOL else "iu"):
        raise BadInput(f"input {name!r} is an array of {array.dtype}: {type_.element} takes stored integers")
    if array.size and (array.min() < type_.element.low or array.max() > type_.element.high):
        raise BadInput(f"input {name!r} has entries outside {type_.element.low}..{type_.element.high}")
    return array.astype(type_.element.storage, order="C")
