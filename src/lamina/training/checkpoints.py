"""Checkpoints: whole or absent, checked, the last two kept; safetensors and JSON, nothing is unpickled.

    checkpoint/00000120/state.safetensors    weights and optimiser state
    checkpoint/00000120/state.json           the rest, and the SHA-256 of both

A checkpoint is written into a temporary folder, synced and renamed, so that a kill leaves the one before. One that is
cut short or altered at any byte fails its checksum, and the one before is used; when none is good, that is a
`BadInput`.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lamina.core import files
from lamina.core.errors import BadInput
from lamina.core.progress import say

SCHEMA = 1
KEPT = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    state: Mapping[str, Any]  # plain data
    tensors: Mapping[str, Tensor]


def save(folder: Path, step: int, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` of step `step` and drop all but the last two."""
    data = to_bytes(checkpoint.tensors)
    state = {"schema": SCHEMA, "tensors_sha256": files.sha256(data), "state": dict(checkpoint.state)}
    target = folder / f"{step:08d}"
    with files.explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{target.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        files.write(part / "state.safetensors", data)
        files.write_json(part / "state.json", {**state, "state_sha256": _digest(state)})
        if target.exists():  # of the same step: the one before the finish, or a damaged one that was passed over
            shutil.rmtree(target)
        os.replace(part, target)
        files.sync_folder(folder)
    for old in numbered(folder)[:-KEPT]:
        with contextlib.suppress(OSError):
            shutil.rmtree(old)


def load(folder: Path) -> Checkpoint | None:
    """The newest good checkpoint; None where there is none at all, `BadInput` where all are damaged."""
    found = numbered(folder)
    for part in folder.glob(".*.part"):  # begun by a process that was killed
        shutil.rmtree(part, ignore_errors=True)
    reasons = []
    for path in reversed(found):
        try:
            return _read(path)
        except BadInput as e:
            reasons.append(str(e))
            say(f"passing over a damaged checkpoint: {e}")
    if reasons:
        raise BadInput(f"{folder}: no checkpoint is whole ({reasons[0]}): delete the run folder to start again")
    return None


def to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """A safetensors file; tensors that share memory (tied weights) are written each."""
    from safetensors.torch import save as as_file

    return as_file({k: v.detach().clone(memory_format=torch.contiguous_format) for k, v in tensors.items()})


def numbered(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, oldest first."""
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.iterdir() if p.is_dir() and p.name.isdecimal()), key=lambda p: int(p.name))


def _read(path: Path) -> Checkpoint:
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    state = files.read_json(path / "state.json")
    if not isinstance(state, dict) or state.get("schema") != SCHEMA or not isinstance(state.get("state"), dict):
        raise BadInput(f"{path}: not a checkpoint of schema {SCHEMA}")
    claimed = state.pop("state_sha256", None)
    data = files.read(path / "state.safetensors")
    if claimed != _digest(state) or files.sha256(data) != state["tensors_sha256"]:
        raise BadInput(f"{path}: the checksum does not fit")
    try:
        return Checkpoint(state=state["state"], tensors=from_bytes(data))
    except SafetensorError as e:
        raise BadInput(f"{path}: not a readable safetensors file ({e})") from e


def _digest(state: Mapping[str, Any]) -> str:
    return files.sha256(json.dumps(state, sort_keys=True).encode())
