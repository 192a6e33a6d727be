"""What cost tools of others read: the layers that multiply, each a loop nest, in order.

    O[n, g, k, p, q] += W[g, k, c, r, s] * I[n, g, c, p·stride + r·dilation - pad, q·stride + s·dilation - pad]

Convolutions, fully connected layers and matrix products are this nest. Their tools do not model what multiplies nothing
(activations, pooling, moves); it is left out and listed, so that nothing is left out without a word. Another layer that
multiplies (a transposed convolution) is refused by name.
"""

import re
from dataclasses import dataclass

from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.ir.layer import Layer
from lamina.ir.nests import walk
from lamina.ir.network import Network, Operation

NESTS = ("conv2d", "linear", "matmul")
MOST_LAYERS = 20_000  # of one file, repeats counted


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    layers: tuple[tuple[Operation, Layer], ...]  # that multiply
    others: tuple[Layer, ...]  # that do not

    @property
    def macs(self) -> int:
        return sum(layer.macs for _, layer in self.layers)


def workload(network: Network, tool: str) -> Workload:
    """The layers of `network` for `tool`; raises `Unsupported` with the names of those that are no such nest."""
    layers, others = [], []
    for operation, layer in walk(network):
        if layer.macs:
            layers.append((operation, layer))
        else:
            others.append(layer)
    odd = [f"{one_line(layer.name, 60)} ({layer.operator})" for _, layer in layers if layer.operator not in NESTS]
    if odd:
        refuse(odd, tool, "these layers are no convolution, fully connected layer or matrix product")
    if not layers:
        raise BadInput(f"network {network.name!r} has no layer that multiplies: there is nothing for {tool} to cost")
    if sum(layer.repeats for _, layer in layers) > MOST_LAYERS:
        raise Unsupported(f"network {network.name!r} runs more than {MOST_LAYERS} layers: {tool} takes them one by one")
    return Workload(layers=tuple(layers), others=tuple(others))


def refuse(names: list[str], tool: str, reason: str) -> None:
    """Raise for layers that `tool` has no form for."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    raise Unsupported(f"{tool} cannot express {', '.join(names[:5])}{more}: {reason}")


def left_out(work: Workload) -> list[str]:
    """One line for each kind of layer that is left out."""
    kinds: dict[str, int] = {}
    for layer in work.others:
        kinds[layer.operator] = kinds.get(layer.operator, 0) + layer.repeats
    return [f"left out, since it multiplies nothing: {kind} ({count})" for kind, count in kinds.items()]


def producer(network: Network, operation: Operation, written: dict[str, int], place: int) -> int | None:
    """The number of the written layer whose result reaches input `place` of `operation`; None for a network's input.

    `written` maps operations to their numbers. Along the way the first input that is computed is followed.
    """
    makers = {name: o for o in network.operations for name in o.outputs}
    at = makers.get(operation.inputs[place]) if place < len(operation.inputs) else None
    while at is not None:
        if at.name in written:
            return written[at.name]
        at = next((makers[name] for name in at.inputs if name in makers), None)
    return None


def file_name(name: str) -> str:
    """`name` as the name of a file."""
    return re.sub(r"[^A-Za-z0-9_.\-]", "-", name).lstrip(".-")[:100] or "layer"
