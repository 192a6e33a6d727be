"""The parts of a `.keras` file: a zip with the model's description as JSON and its weights as HDF5.

    config.json        what the layers are and how they are joined
    model.weights.h5   layers/<class in snake case>[_n]/[<part>/]vars/<i>: one array a variable

Nothing is unpacked to disk and only these two members are opened, each after its declared size was checked and never
beyond it. Of the HDF5 file plain arrays under hard links are read: links to other files, arrays kept outside of it,
virtual arrays and arrays that are larger than what is stored for them are refused, so that a small file cannot name
another one or fill the memory.

Errors    `BadInput` with what is wrong; the package h5py comes with the extra `keras`
Source    the format that `keras.Model.save` documents, version 3
"""

import contextlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from lamina.core import files
from lamina.core.errors import BadInput, Unsupported, missing_extra, one_line
from lamina.core.units import GiB, MiB
from lamina.ir.network import Array

LARGEST_CONFIG = 64 * MiB
LARGEST_WEIGHTS = 4 * GiB
MOST_MEMBERS = 10_000
MOST_AMPLIFIED = 1100  # zlib makes at most about 1030 bytes of one
WIDTHS = ("f2", "f4", "f8", "i1", "i4", "i8", "u1")


@dataclass(frozen=True, slots=True)
class Archive:
    config: Mapping[str, Any]
    weights: Any  # an open h5py.File, or None

    def array(self, path: str) -> Array:
        """The variable at `path`."""
        with _damaged(f"weights at {path!r}"):
            return _dataset(self.weights, path)


@contextlib.contextmanager
def read(path: Path) -> Iterator[Archive]:
    """The archive in the file `path`, open while its network is built."""
    try:
        import h5py
    except ImportError as e:
        raise missing_extra("h5py", "keras") from e
    data = files.read(path, limit=LARGEST_WEIGHTS)
    with _damaged("the zip archive"):
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise BadInput(f"an archive of {len(members)} members: at most {MOST_MEMBERS} are read")
    config = _json(_member(archive, "config.json", LARGEST_CONFIG))
    names = {member.filename for member in members}
    if "model.weights.h5" not in names:
        others = [one_line(name, 40) for name in sorted(names) if "weights" in name]
        raise Unsupported(
            f"an archive without model.weights.h5 (it has {', '.join(others) or 'no weights'}): save again"
        )
    weights = _member(archive, "model.weights.h5", LARGEST_WEIGHTS)
    with _damaged("model.weights.h5"):
        file = h5py.File(io.BytesIO(weights), "r")
    with file:
        yield Archive(config=config, weights=file)


@contextlib.contextmanager
def _damaged(what: str) -> Iterator[None]:
    """Whatever zipfile, zlib and h5py raise over a broken file, as one error."""
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, EOFError, zlib.error, zipfile.BadZipFile) as e:
        raise BadInput(f"{what} cannot be read ({one_line(e, 100)}): the file is damaged or no .keras file") from e
    except (NotImplementedError, MemoryError, OverflowError) as e:
        raise BadInput(f"{what} cannot be read ({one_line(e, 100)})") from e


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """The bytes of one member; never more than it declares, nor than `limit`."""
    with _damaged(name):
        information = archive.getinfo(name)
        if information.flag_bits & 1:
            raise Unsupported(f"{name} is encrypted")
        declared, stored = information.file_size, information.compress_size
        if declared > limit or declared > MOST_AMPLIFIED * stored + 1024:
            raise BadInput(f"{name} of {declared} bytes, packed in {stored}: at most {limit} are read")
        with archive.open(information) as member:
            found = member.read(declared + 1)
    if len(found) != declared:
        raise BadInput(f"{name} has another length than the archive says")
    return found


def _json(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as e:
        raise BadInput(f"config.json is not valid JSON ({one_line(e, 100)})") from e
    if not isinstance(found, dict):
        raise BadInput("config.json describes no model")
    return found


def _dataset(file: Any, path: str) -> Array:
    import h5py

    place = file
    for part in path.split("/"):
        if not isinstance(place, h5py.Group) or part not in place:
            raise BadInput(f"there are no weights at {one_line(path, 120)!r}: the file is not whole")
        if not isinstance(place.get(part, getlink=True), h5py.HardLink):
            raise BadInput(f"{one_line(path, 120)!r} is a link to elsewhere: only arrays of this file are read")
        place = place[part]
    if not isinstance(place, h5py.Dataset):
        raise BadInput(f"{one_line(path, 120)!r} is no array")
    if place.external or place.is_virtual:
        raise BadInput(f"{one_line(path, 120)!r} is kept in another file: only arrays of this file are read")
    if place.dtype.str[1:] not in WIDTHS:
        raise BadInput(f"{one_line(path, 120)!r} holds {one_line(place.dtype, 40)}: plain numbers are read")
    size, stored = prod(place.shape) * place.dtype.itemsize, place.id.get_storage_size()
    if size > stored * (MOST_AMPLIFIED if place.chunks else 1) or size > LARGEST_WEIGHTS:
        raise BadInput(f"{one_line(path, 120)!r} of shape {list(place.shape)} with {stored} bytes stored for it")
    return np.asarray(place[()])
