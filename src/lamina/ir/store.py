"""Networks on disk: `NAME.lamina` (text) and `NAME.safetensors` (weights) side by side.

The text carries the SHA-256 of the weights; a mismatch, a missing tensor or a damaged file is one `BadInput`. The
weights file is always the sibling of the same stem: no path inside a file is followed. A text without `weights` line
has shapes only: it can be shown and costed, not run.
"""

from pathlib import Path
from typing import Any

import numpy as np

from lamina.core import files
from lamina.core.errors import BadInput
from lamina.ir.network import Array, Network
from lamina.ir.text import MOST_BYTES, parse, print_file, weights_checksum


def tensors(networks: list[Network]) -> dict[str, Array]:
    """Every constant that has data, as "network:constant"."""
    return {
        f"{network.name}:{name}": constant.data
        for network in networks
        for name, constant in network.constants.items()
        if constant.data is not None
    }


def save(networks: list[Network], path: Path) -> None:
    """Write `path` (.lamina) and its weights beside it, weights first: a reader never sees a text without them.

    Raises `BadInput` where some constants have data and others only a shape: that is neither kind of file.
    """
    from safetensors.numpy import save as to_bytes

    arrays = {name: np.ascontiguousarray(array) for name, array in tensors(networks).items()}
    if not arrays:
        files.write(path, print_file(networks).encode())
        return
    lacking = [name for name in _names(networks) if name not in arrays]
    if lacking:
        raise BadInput(f"{path}: {lacking[0]!r} has no weights while others have: lower the network again")
    data = to_bytes(arrays)
    files.write(path.with_suffix(".safetensors"), data)
    files.write(path, print_file(networks, files.sha256(data)).encode())


def load(path: Path) -> list[Network]:
    """The networks in `path` (.lamina), with weights where the text names them."""
    try:
        text = files.read(path, limit=MOST_BYTES).decode()
    except UnicodeDecodeError as e:
        raise BadInput(f"{path}: not a .lamina text (not UTF-8)") from e
    checksum = weights_checksum(text)
    weights, beside = None, path.with_suffix(".safetensors")
    if checksum is not None:
        if not beside.exists():
            raise BadInput(f"{path}: its weights {beside.name} are missing: keep both files together")
        data = files.read(beside)
        if files.sha256(data) != checksum:
            raise BadInput(
                f"{beside}: does not belong to {path.name}, or is damaged (SHA-256 differs): lower the network again"
            )
        weights = read_safetensors(data, beside)
    try:
        networks = parse(text, weights)
    except BadInput as e:
        raise BadInput(f"{path}: {e}") from e
    for name in _names(networks):
        if weights is not None and name not in weights:
            raise BadInput(f"{path}: its weights {beside.name} lack {name!r}: lower the network again")
    return networks


def _names(networks: list[Network]) -> list[str]:
    return [f"{network.name}:{name}" for network in networks for name in network.constants]


def read_safetensors(data: bytes, path: Path) -> dict[str, Any]:
    """The tensors in `data`; damage is a `BadInput` naming `path`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    try:
        return dict(from_bytes(data))
    except (SafetensorError, ValueError, KeyError, TypeError) as e:
        raise BadInput(f"{path}: not a readable safetensors file ({e}): the file is damaged") from e
