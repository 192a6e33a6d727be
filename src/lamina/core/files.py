"""Files that are whole or absent, never half.

`write` puts the bytes into a temporary file of the same folder, fsyncs it, renames it over the target and fsyncs the
folder: killed at any moment, the target is the old file or the new one. What the operating system refuses (full
disk, no permission, a folder in the way) becomes one `BadInput` that names the path.
"""

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lamina.core.errors import BadInput

_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space or choose another --out",
    errno.EDQUOT: "the disk quota is used up: free some space or choose another --out",
    errno.EACCES: "permission denied: choose a folder you may write, with --out",
    errno.EPERM: "not permitted: choose a folder you may write, with --out",
    errno.EROFS: "the file system is read-only: choose another --out",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "a file is in the way of a folder: choose another --out",
    errno.EISDIR: "this is a folder, not a file",
    errno.ENOENT: "no such file or folder",
    errno.ENAMETOOLONG: "the name is too long",
}


@contextlib.contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Turn an OSError about `path` into a `BadInput` with its remedy."""
    try:
        yield
    except OSError as e:
        raise BadInput(f"{path}: {_REMEDIES.get(e.errno or 0, e.strerror or str(e))}") from e


def write(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, atomically and durably."""
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        sync_folder(path.parent)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN and infinities are refused."""
    write(path, (json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode())


def read(path: Path, *, limit: int | None = None) -> bytes:
    """The bytes of `path`; more than `limit` bytes is a `BadInput`."""
    with explained(path):
        if limit is not None and (size := path.stat().st_size) > limit:
            raise BadInput(f"{path}: {size} bytes, and at most {limit} are read")
        return path.read_bytes()


def read_json(path: Path) -> Any:
    """The JSON value in `path`; broken JSON is a `BadInput` that names the place."""
    try:
        return json.loads(read(path))
    except (ValueError, RecursionError) as e:
        raise BadInput(f"{path}: not valid JSON ({e}): the file is damaged, delete it or run again") from e


def sha256(data: bytes | Path) -> str:
    """Hexadecimal SHA-256 of bytes, or of a file read in pieces."""
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()
    with explained(data), data.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_folder() -> Path:
    """Where data sets and this computer's measured roofline live: `$LAMINA_CACHE`, else the user's cache folder."""
    if chosen := os.environ.get("LAMINA_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lamina"
