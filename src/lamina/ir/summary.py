"""A network as a table: one row for each operation, in order, and what a person asks first.

    layer    operator    shape          macs   parameters   bytes   density
    conv1    conv2d      1x6x28x28   117,600          156     624         1

macs         multiply-accumulates of the dense layer; they sum to `network.macs`
parameters   weights and biases, zeros included; they sum to `network.parameters` (a shared constant counts where it is
             used first; look-up tables and segments count in bytes alone)
bytes        of the layer's constants at their declared width, neither sparse nor coded
density      share of the weights that are not zero; None without weights, or where only their shape is known
"""

from collections.abc import Sequence
from typing import Any

from lamina.ir.layer import Layer
from lamina.ir.nests import walk
from lamina.ir.network import Network

COLUMNS = ("layer", "operator", "shape", "macs", "parameters", "bytes", "density")


def table(network: Network) -> list[dict[str, Any]]:
    """One row for each operation, with the keys of `COLUMNS`; `shape` is a list, `bytes` may be a fraction."""
    nests = _nests(network)
    weights = set(network.weights)
    seen: set[str] = set()
    rows = []
    for operation in network.operations:
        own = {name for name in operation.inputs if name in network.constants} - seen
        seen |= own
        inside = nests.get(operation.name, [])
        layer = inside[0] if len(inside) == 1 else None
        weighted = layer is not None and layer.has_weights and len(operation.inputs) > 1
        known = weighted and network.constants.get(operation.inputs[1]) is not None
        known = known and network.constants[operation.inputs[1]].data is not None
        rows.append(
            {
                "layer": operation.name,
                "operator": operation.operator,
                "shape": list(operation.outputs[operation.name].shape),
                "macs": sum(nest.macs for nest in inside),
                "parameters": sum(network.constants[name].type.size for name in own & weights),
                "bytes": sum(network.constants[name].type.bytes for name in own),
                "density": layer.density if layer is not None and known else None,
            }
        )
    return rows


def _nests(network: Network) -> dict[str, list[Layer]]:
    """The layers of each operation: one or none, those of its body for a scan."""
    found: dict[str, list[Layer]] = {}
    for operation, layer in walk(network):
        found.setdefault(operation.name, []).append(layer)
    return found


def text(network: Network) -> str:
    """The table as aligned plain text, with a line of totals."""
    rows = table(network)
    lines = [COLUMNS, *(tuple(map(_cell, (row[column] for column in COLUMNS))) for row in rows)]
    total = {column: sum(row[column] for row in rows) for column in ("macs", "parameters", "bytes")}
    lines.append(("total", "", "", *map(_cell, total.values()), ""))
    return aligned(lines, right=range(3, len(COLUMNS)))


def aligned(lines: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Columns padded to their widest cell; those in `right` end at the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return "x".join(map(str, value)) or "scalar"
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
