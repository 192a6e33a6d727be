"""Debian packages read in place: members of data.tar in an `ar` archive, nothing unpacked to disk.

    !<arch>\\n   then for each member a header of 60 bytes (name 16, ..., size 10, "`\\n"), its bytes, one more if odd

Errors    `BadInput` for what is no Debian package
"""

import io
import tarfile
from collections.abc import Iterator

from lamina.core.errors import BadInput


def members(package: bytes, under: str) -> Iterator[tuple[str, bytes]]:
    """(path, contents) of every file below the folder `under` of the Debian package `package`, in its order."""
    with tarfile.open(fileobj=io.BytesIO(_data(package))) as tar:
        for member in tar:
            path = member.name.removeprefix("./")
            file = tar.extractfile(member) if member.isfile() and path.startswith(under) else None
            if file is not None:
                yield path, file.read()


def _data(package: bytes) -> bytes:
    if package[:8] != b"!<arch>\n":
        raise BadInput("this is no Debian package: it begins otherwise")
    at = 8
    while len(header := package[at : at + 60]) == 60:
        name, size = header[:16].decode("latin-1").strip(" /"), header[48:58].strip()
        if header[58:] != b"`\n" or not size.isdigit():
            break
        if name.startswith("data.tar"):
            return package[at + 60 : at + 60 + int(size)]
        at += 60 + int(size) + int(size) % 2
    raise BadInput("this is no Debian package: it has no data.tar")
