"""A network as its designer would draw it: blocks, with what only follows them folded in.

    conv2d ─▶ batch_norm ─▶ relu                     one block: conv2d, batch norm, relu
    flatten ─▶ linear ─▶ relu                        one block: linear, relu
    two branches ─▶ add                              a block of its own: branches meet only at blocks

An operation that reads one result which nobody else reads is folded into the block that made it, unless it multiplies
or pools: those are what a drawing is about. A block's size is that of its result; inputs and outputs are blocks too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lamina.ir.drawing import FILLS, MULTIPLY, POOL, VIEW, settings
from lamina.ir.network import Network, Operation
from lamina.ir.summary import table
from lamina.ir.types import Type

END = "#ffffff"  # inputs and outputs
JOIN = "#fdeeda"  # what has several sources, and all that works element by element
_JOINS = ("add", "multiply", "concatenate", "subtract", "maximum", "minimum", "divide")


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One box of a drawing."""

    name: str
    words: str  # what it does: "conv2d, 5×5 window, relu"
    shape: tuple[int, ...]  # of its result, the batch left out
    parameters: int
    macs: int
    fill: str  # the colour of its kind
    sources: tuple[str, ...]  # blocks it reads

    @property
    def size(self) -> int:
        """Numbers in its result."""
        found = 1
        for extent in self.shape:
            found *= extent
        return found

    @property
    def shown_shape(self) -> str:
        return "×".join(map(str, self.shape)) or "scalar"


def blocks(network: Network) -> list[Block]:
    """The blocks of `network` in topological order, inputs first and outputs last."""
    made: list[Block] = []
    place: dict[str, int] = {}  # value -> its block
    for name, type_ in network.inputs.items():
        place[name] = len(made)
        made.append(_block(name, "input", type_, (), END))
    readers = _readers(network)
    for row, operation in zip(table(network), network.operations, strict=True):
        read = list(dict.fromkeys(name for name in operation.inputs if name in place))
        fill = JOIN if operation.operator in _JOINS else FILLS.get(operation.operator, JOIN)
        words = _words(network, operation)
        result = operation.outputs[operation.name]
        if _folds(operation, read, readers, made, place, fill):
            before = made[place[read[0]]]
            made[place[read[0]]] = Block(
                name=before.name, words=", ".join(filter(None, (before.words, words))),
                shape=_shape(result) if words or before.fill == VIEW else before.shape,
                parameters=before.parameters + row["parameters"], macs=before.macs + row["macs"],
                fill=JOIN if words and before.fill == VIEW else before.fill, sources=before.sources,
            )  # fmt: skip
            place.update(dict.fromkeys(operation.outputs, place[read[0]]))
            continue
        sources = tuple(dict.fromkeys(made[place[name]].name for name in read))
        place.update(dict.fromkeys(operation.outputs, len(made)))
        made.append(
            Block(
                name=operation.name, words=words or operation.operator.replace("_", " "), shape=_shape(result),
                parameters=row["parameters"], macs=row["macs"], fill=fill, sources=sources,
            )
        )  # fmt: skip
    for name, value in network.outputs.items():
        source = (made[place[value]].name,) if value in place else ()
        made.append(_block(f"> {name}", "output", network.types[value], source, END))
    return made


def bodies(network: Network) -> dict[str, Network]:
    """The networks inside scans, by the scan's name."""
    return {
        operation.name: body
        for operation in network.operations
        if isinstance(body := operation.attributes.get("body"), Network)
    }


def count(number: int, what: str) -> str:
    """A number of things in three digits.

    >>> count(9472, "weight"), count(60_965_224, "weight"), count(1, "weight")
    ('9.47 k weights', '61 M weights', '1 weight')
    """
    for factor, prefix in ((10**9, " G"), (10**6, " M"), (10**3, " k")):
        if number >= factor:
            return f"{number / factor:.3g}{prefix} {what}s"
    return f"{number} {what}{'s' if number != 1 else ''}"


def _block(name: str, words: str, type_: Type, sources: tuple[str, ...], fill: str) -> Block:
    return Block(name=name, words=words, shape=_shape(type_), parameters=0, macs=0, fill=fill, sources=sources)


def _shape(type_: Type) -> tuple[int, ...]:
    """The extents without a batch of one."""
    shape = tuple(type_.shape)
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape


def _readers(network: Network) -> Mapping[str, int]:
    """How often each value is read, as an output too."""
    found: dict[str, int] = {}
    for operation in network.operations:
        for name in operation.inputs:
            found[name] = found.get(name, 0) + 1
    for value in network.outputs.values():
        found[value] = found.get(value, 0) + 1
    return found


def _folds(
    operation: Operation,
    read: Sequence[str],
    readers: Mapping[str, int],
    made: Sequence[Block],
    place: Mapping[str, int],
    fill: str,
) -> bool:
    """Whether `operation` belongs to the block that it reads."""
    if len(read) != 1 or fill in (MULTIPLY, POOL) or readers.get(read[0]) != 1:
        return False
    return made[place[read[0]]].fill != END


def _words(network: Network, operation: Operation) -> str:
    """What an operation does, in words; a change of form alone is not worth any."""
    kind = operation.operator
    if FILLS.get(kind) == VIEW and kind not in _JOINS and kind != "resize":
        return ""
    name = kind.removesuffix("2d").replace("_", " ") if kind != "conv2d" else "conv"
    if FILLS.get(kind) not in (MULTIPLY, POOL):
        return name
    return f"{name} {_window(network, operation)}".strip()


def _window(network: Network, operation: Operation) -> str:
    """Window and stride as 3×3/2, and groups; of a scan its steps."""
    kernel = operation.attributes.get("kernel")
    if operation.operator in ("conv2d", "conv_transpose2d"):
        kernel = network.types[operation.inputs[1]].shape[2:]
    if not isinstance(kernel, tuple):
        return settings(network, operation) if operation.operator == "scan" else ""
    stride, groups = operation.attributes.get("stride"), operation.attributes.get("groups", 1)
    told = "×".join(map(str, kernel))
    if isinstance(stride, tuple) and set(stride) != {1}:
        told += "/" + ("×".join(map(str, stride)) if len(set(stride)) > 1 else str(stride[0]))
    return told + (f" in {groups} groups" if groups != 1 else "")
