"""The parts of a `.keras` file: a zip with the model's description as JSON and its weights as HDF5.

    config.json        what the layers are and how they are joined
    model.weights.h5   layers/<class in snake case>[_n]/[<part>/]vars/<i>: one array a variable

Nothing is unpacked to disk and only these two members are opened, each after its declared size was checked and never
beyond it. An array may have many names in the file, but all that is read is not many times as large as the file.

Errors    `BadInput` and `Unsupported` with what is wrong
Source    the format that `keras.Model.save` documents, version 3
"""

import contextlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamina.core import files
from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.core.units import GiB, MiB
from lamina.ir.network import Array
from lamina.lowering._hdf5 import File
from lamina.lowering._parts import LARGEST_NUMBER

LARGEST_CONFIG = 16 * MiB
LARGEST_WEIGHTS = 4 * GiB
MOST_MEMBERS = 10_000
AMPLIFIED = 20  # times its packed size a member may have; Keras packs nothing
ALWAYS = 64 * MiB  # and what is read in any case


@dataclass(slots=True)
class Archive:
    config: Mapping[str, Any]
    weights: File
    left: int  # bytes that may still be read

    def array(self, path: str) -> Array:
        """The variable at `path`."""
        found = self.weights.array(path)
        self.left -= found.nbytes
        if self.left < 0:
            raise BadInput(f"weights at {path!r}: all together they are many times as large as the file")
        return found


def read(path: Path) -> Archive:
    """The archive in the file `path`."""
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
    try:
        return Archive(config=config, weights=File(weights), left=4 * len(weights) + MiB)
    except (BadInput, Unsupported) as e:
        raise type(e)(f"model.weights.h5: {e}") from e


@contextlib.contextmanager
def _damaged(what: str) -> Iterator[None]:
    """Whatever zipfile and zlib raise over a broken archive, as one error."""
    try:
        yield
    except NotImplementedError as e:  # a RuntimeError too: asked for first
        raise Unsupported(f"{what} cannot be read ({one_line(e, 100)})") from e
    except (OSError, ValueError, KeyError, RuntimeError, EOFError, zlib.error, zipfile.BadZipFile) as e:
        raise BadInput(f"{what} cannot be read ({one_line(e, 100)}): the file is damaged or no .keras file") from e


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """The bytes of one member; never more than it declares, nor than `limit`."""
    with _damaged(name):
        information = archive.getinfo(name)
        if information.flag_bits & 1:
            raise Unsupported(f"{name} is encrypted")
        declared, stored = information.file_size, information.compress_size
        most = min(limit, max(ALWAYS, AMPLIFIED * stored))
        if declared > most:
            raise BadInput(f"{name} of {declared} bytes, packed in {stored}: at most {most} are read")
        with archive.open(information) as member:
            found = member.read(declared + 1)
    if len(found) != declared:
        raise BadInput(f"{name} has another length than the archive says")
    return found


def _whole(text: str) -> int:
    if len(text) > 38:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _fraction(text: str) -> float:
    number = float(text)
    if not abs(number) <= LARGEST_NUMBER:
        raise ValueError(f"the number {one_line(text, 20)}")
    return number


def _json(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data, parse_int=_whole, parse_float=_fraction, parse_constant=_fraction)
    except (ValueError, RecursionError) as e:
        raise BadInput(f"config.json is not valid JSON ({one_line(e, 100)})") from e
    if not isinstance(found, dict):
        raise BadInput("config.json describes no model")
    return found
