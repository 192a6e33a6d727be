"""SCALE-Sim topologies: a table of layers, each with its own input, as a network of shapes without weights.

    Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,
    Layer, M, N, K,                                                            (the matrix form)

SCALE-Sim's own rules are kept. The output size is rounded up, ceil((H - R) / stride) + 1 (its code writes it as
ceil((H - R + S) / S)), which is a convolution padded at the bottom and at the right by what is missing. A row whose
name holds "DP" is depthwise: one layer for each channel. The matrix form is a fully connected layer of M rows, all of
one example. Rows do not feed one another: the network has one input and one output per layer.

Source    the format: scalesim-project/SCALE-Sim, topologies/*.csv and scalesim/topology_utils.py
"""

import re
from collections.abc import Callable
from math import ceil
from pathlib import Path

from lamina.core import files
from lamina.core.errors import BadInput, one_line
from lamina.core.units import MiB
from lamina.ir import Constant, Network, Operation, Type

CONVOLUTION = 8  # columns
MATRIX = 4
LARGEST = 2**24  # of any size
MOST_LAYERS = 20_000
MOST_NUMBERS = 2**40  # of one tensor


def read(path: Path) -> Network:
    """The network in the topology file `path`; raises `BadInput` with the line's number."""
    text = files.read(path, limit=16 * MiB).decode(errors="replace")
    try:
        return parse(text, re.sub(r"[^A-Za-z0-9_.\-]", "_", path.stem) or "topology")
    except BadInput as e:
        raise BadInput(f"{path}: {e}") from e


def parse(text: str, name: str = "topology") -> Network:
    """The network in a topology's text."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if len(lines) < 2:
        raise BadInput("a topology has a line of titles and at least one layer")
    columns, row = _form(lines[0][1])
    inputs: dict[str, Type] = {}
    constants: dict[str, Constant] = {}
    operations: list[Operation] = []
    for number, line in lines[1:]:
        try:
            title, sizes = _cells(line, columns)
            for given, parts in _channels(title, sizes):
                layer = _unique(given, number, inputs)
                source, weights, operation = row(layer, parts)
                _check_size(source, weights, *operation.outputs.values())
                inputs[f"{layer}.input"] = source
                constants[f"{layer}.weight"] = Constant(type=weights)
                operations.append(operation)
            if len(operations) > MOST_LAYERS:
                raise BadInput(f"more than {MOST_LAYERS} layers")
        except BadInput as e:
            raise BadInput(f"line {number}: {e}") from e
    return Network(
        name=name,
        inputs=inputs,
        constants=constants,
        operations=tuple(operations),
        outputs={operation.name: operation.name for operation in operations},
    )


Row = tuple[Type, Type, Operation]


def _channels(title: str, sizes: list[int]) -> list[tuple[str, list[int]]]:
    """The layers of one line: one, or for a depthwise convolution one a channel, named as SCALE-Sim names them."""
    if "DP" not in title or len(sizes) != CONVOLUTION - 1:
        return [(title, sizes)]
    if sizes[4] > MOST_LAYERS:
        raise BadInput(f"a depthwise layer of {sizes[4]} channels: at most {MOST_LAYERS} layers are read")
    return [(f"{title}Channel_{channel}", [*sizes[:4], 1, *sizes[5:]]) for channel in range(sizes[4])]


def _check_size(*types: Type) -> None:
    for type_ in types:
        if type_.size > MOST_NUMBERS:
            raise BadInput(f"a tensor of shape {list(type_.shape)}: at most 2^40 numbers are allowed")


def _form(titles: str) -> tuple[int, Callable[[str, list[int]], Row]]:
    words = [word.strip().lower() for word in titles.strip().rstrip(",").split(",")]
    if words[1:] == ["m", "n", "k"]:
        return MATRIX, _matrix
    if len(words) >= CONVOLUTION and "height" in words[1] and "stride" in words[7]:
        return CONVOLUTION, _convolution
    raise BadInput(
        f"line 1: titles {one_line(titles, 80)!r}: 'Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter "
        "Width, Channels, Num Filter, Strides' or 'Layer, M, N, K' are needed"
    )


def _cells(line: str, columns: int) -> tuple[str, list[int]]:
    """The layer's name and its sizes; columns after the known ones (sparsity) must be 1:1 or empty."""
    cells = [cell.strip() for cell in line.strip().rstrip(",").split(",")]
    if len(cells) < columns:
        raise BadInput(f"{len(cells)} columns, {columns} are needed")
    for cell in cells[columns:]:
        if cell not in ("", "1:1"):
            raise BadInput(f"column {one_line(cell, 20)!r}: sparse layers are not modelled, 1:1 is allowed")
    sizes = []
    for cell in cells[1:columns]:
        if not re.fullmatch(r"\d{1,9}", cell) or not 1 <= int(cell) <= LARGEST:
            raise BadInput(f"{one_line(cell, 20)!r} is not a size: whole numbers from 1 to {LARGEST} are allowed")
        sizes.append(int(cell))
    return cells[0], sizes


def _unique(layer: str, number: int, inputs: dict[str, Type]) -> str:
    name = re.sub(r"[^A-Za-z0-9_.\-]", "_", layer)[:100] or f"line{number}"
    return name if f"{name}.input" not in inputs else f"{name}_{number}"


def _convolution(layer: str, sizes: list[int]) -> Row:
    height, width, r, s, channels, filters, stride = sizes
    if r > height or s > width:
        raise BadInput(f"a filter of {r}x{s} does not fit an input of {height}x{width}")
    p, q = ceil((height - r) / stride) + 1, ceil((width - s) / stride) + 1
    padding = (0, (p - 1) * stride + r - height, 0, (q - 1) * stride + s - width)
    operation = Operation(
        operator="conv2d",
        inputs=(f"{layer}.input", f"{layer}.weight"),
        outputs={layer: Type(shape=(1, filters, p, q))},
        attributes={"stride": (stride, stride), "padding": padding},
    )
    return Type(shape=(1, channels, height, width)), Type(shape=(filters, channels, r, s)), operation


def _matrix(layer: str, sizes: list[int]) -> Row:
    m, n, k = sizes
    operation = Operation(
        operator="linear", inputs=(f"{layer}.input", f"{layer}.weight"), outputs={layer: Type(shape=(1, m, n))}
    )
    return Type(shape=(1, m, k)), Type(shape=(n, k)), operation
