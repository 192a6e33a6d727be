"""Networks that compute the same with less: pure functions from network to network.

    fold_constants    what depends on constants alone is a constant
    fold_batch_norm   y = s (W x + b - m) / sqrt(v + epsilon) + t  =  W' x + b'     (Jacob et al., 2018, section 3.2)
    stabilise         formulas that overflow become their stable forms (`ir.stable`)
    compose           operators that an exporter wrote out are one again (`ir.composed`)
    remove_copies     what gives back what it gets goes (`ir.copies`)
    remove_dead       what no output needs goes, constants included
    simplify          all of them, until nothing changes

Values that something else reads, network outputs and the inputs stay, by name. Folded numbers are the interpreter's.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from lamina.ir import composed, stable
from lamina.ir.check import site
from lamina.ir.copies import remove_copies
from lamina.ir.interpreter import meaning
from lamina.ir.matching import alive, rewritten
from lamina.ir.network import Array, Constant, Network, Operation
from lamina.ir.types import Float, Type

ROWS = ("T5",)
MOST_FOLDED = 2**24  # numbers of one folded result: a small text must not become a large file
KEPT = ("dequantise", "scan")  # integers are the smaller constants; a scan of constants may be long
MULTIPLYING = ("conv2d", "linear", "conv_transpose2d")


def simplify(network: Network) -> Network:
    """`network` folded, stabilised, composed, without what is dead."""
    while True:
        found = compose(stabilise(fold_batch_norm(remove_copies(fold_constants(network)))))
        if found is network:
            return remove_dead(network)
        network = found


def stabilise(network: Network) -> Network:
    """`network` with the rules of `ir.stable`, bodies of scans too."""
    return rewritten(network, stable.RULES)


def compose(network: Network) -> Network:
    """`network` with the rules of `ir.composed`, bodies of scans too."""
    return rewritten(network, composed.RULES)


def remove_dead(network: Network) -> Network:
    """`network` without operations and constants that no output needs; the inputs stay."""
    operations = alive(network.operations, network.outputs.values())
    needed = {name for o in operations for name in o.inputs} | set(network.outputs.values())
    constants = {name: c for name, c in network.constants.items() if name in needed}
    if len(operations) == len(network.operations) and len(constants) == len(network.constants):
        return network
    return network.replaced(operations=tuple(operations), constants=constants)


def fold_constants(network: Network) -> Network:
    """`network` in which operations on stored constants alone have become constants, under their results' names.

    Left alone: results above 2^24 numbers, results that are NaN, compressed constants, and `dequantise`.
    """
    constants, operations = dict(network.constants), []
    types = network.types
    for operation in network.operations:
        folded = _folded(operation, constants, types)
        if folded is None:
            operations.append(operation)
        else:
            constants.update(folded)
    if len(operations) == len(network.operations):
        return network
    return remove_dead(network.replaced(operations=tuple(operations), constants=constants))


def _folded(
    operation: Operation, constants: Mapping[str, Constant], types: Mapping[str, Type]
) -> dict[str, Constant] | None:
    given = [constants.get(name) for name in operation.inputs]
    if operation.operator in KEPT or sum(t.size for t in operation.outputs.values()) > MOST_FOLDED:
        return None
    arrays = [c.data for c in given if c is not None and not c.type.sparse and not c.type.codebook_bits]
    stored = [a for a in arrays if a is not None]
    if not given or len(stored) < len(given):
        return None
    found = meaning(operation, site(operation, types), stored)
    if any(a.dtype.kind == "f" and np.isnan(a).any() for a in found):
        return None
    return {
        name: Constant(type=t, data=np.ascontiguousarray(a))
        for (name, t), a in zip(operation.outputs.items(), found, strict=True)
    }


def fold_batch_norm(network: Network) -> Network:
    """`network` in which each batch norm is folded into the layer before it, whose name the result takes.

    The layer is a float conv2d, linear or conv_transpose2d with stored weights that nothing but the batch norm reads.
    """
    uses = Counter([name for o in network.operations for name in o.inputs] + [*network.outputs.values()])
    layers = {o.name: o for o in network.operations if o.operator in MULTIPLYING and uses[o.name] == 1}
    constants, renamed = dict(network.constants), dict[str, str]()
    replaced: dict[str, Operation] = {}
    for norm in network.operations:
        layer = layers.get(norm.inputs[0]) if norm.operator == "batch_norm" else None
        folded = _merged(layer, norm, network) if layer is not None else None
        if layer is not None and folded is not None:
            weights, bias = _names(layer, network, constants, uses)
            constants.update({weights: folded[0], bias: folded[1]})
            replaced[layer.name] = replace(layer, inputs=(layer.inputs[0], weights, bias))
            renamed[norm.name] = layer.name
    if not renamed:
        return network
    left = (replaced.get(o.name, o) for o in network.operations if o.name not in renamed)
    moved = tuple(replace(o, inputs=tuple(renamed.get(name, name) for name in o.inputs)) for o in left)
    outputs = {name: renamed.get(value, value) for name, value in network.outputs.items()}
    return remove_dead(network.replaced(operations=moved, constants=constants, outputs=outputs))


def _names(
    layer: Operation, network: Network, constants: Mapping[str, Constant], uses: Mapping[str, int]
) -> tuple[str, str]:
    """What the folded weights and bias are called: as before, unless something else reads those or there was none."""
    names, taken = [], network.types.keys() | constants.keys()
    for place, what in ((1, "weights"), (2, "bias")):
        name = layer.inputs[place] if place < len(layer.inputs) else ""
        if uses.get(name) != 1:
            name = next(free for i in count(1) if (free := f"{layer.name[:180]}.{what}_{i}") not in taken)
        names.append(name)
    return names[0], names[1]


def _merged(layer: Operation, norm: Operation, network: Network) -> tuple[Constant, Constant] | None:
    """Weights and bias of `layer` after `norm`, computed in float64; None where they are not stored."""
    found = [network.constants.get(name) for name in (*layer.inputs[1:], *norm.inputs[1:])]
    stored = [c.data.astype(np.float64) for c in found if c is not None and c.data is not None]
    kind = network.types[norm.name]
    if len(stored) < len(found) or not isinstance(kind.element, Float) or found[0] is None:
        return None
    if found[0].type.codebook_bits or (layer.operator == "linear" and len(kind.shape) != 2):
        return None  # scaled code words are more than the book has; and axis 1 is not linear's
    weights, *rest, scale, shift, mean, variance = stored
    epsilon = norm.attributes.get("epsilon", 1e-5)
    with np.errstate(all="ignore"):
        factor = scale / np.sqrt(variance + float(str(epsilon)))
        bias = ((rest[0] if rest else 0.0) - mean) * factor + shift
        scaled = weights * _along_outputs(factor, weights, layer)
    if not (np.isfinite(factor).all() and np.isfinite(bias).all()):
        return None
    w = Constant(type=found[0].type, data=np.ascontiguousarray(scaled, kind.element.storage))
    b = Constant(
        type=Type(shape=bias.shape, element=kind.element), data=np.ascontiguousarray(bias, kind.element.storage)
    )
    return w, b


def _along_outputs(factor: Array, weights: Array, layer: Operation) -> Array:
    """`factor`, one number per output channel, as it multiplies the weights."""
    if layer.operator != "conv_transpose2d":
        return factor.reshape(-1, *[1] * (weights.ndim - 1))
    groups: Any = layer.attributes.get("groups", 1)  # w [c, k/groups, r, s]: the channels of a group share its factors
    return np.repeat(factor.reshape(groups, -1), weights.shape[0] // groups, axis=0)[:, :, None, None]
