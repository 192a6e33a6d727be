"""A run is a folder the user named; one process writes it, under a lock.

    run.toml        everything needed to repeat it (schema, versions, seed, configuration, data checksum)
    metrics.jsonl   one object a step or epoch, appended, never twice for one step
    ...             what the stages leave; every file is written whole (`files.write`)

`open_run` creates the folder or goes on with it when the configuration is the same; another configuration is an
error (INTERFACE, section 3). The lock is `flock` on `.lock`: it goes with the process, so a killed run leaves none.
"""

import contextlib
import fcntl
import json
import os
import platform
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from lamina.core import files
from lamina.core.errors import BadInput

SCHEMA = 1
_PACKAGES = ("lamina", "torch", "numpy", "safetensors", "onnx", "onnxruntime")


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFolder:
    path: Path
    settings: Mapping[str, Any]  # the parsed run.toml

    def file(self, name: str) -> Path:
        return self.path / name

    def append_metrics(self, *rows: Mapping[str, Any]) -> None:
        """Append objects to metrics.jsonl; durable once this returns."""
        path = self.file("metrics.jsonl")
        with files.explained(path), path.open("ab") as file:
            file.write("".join(json.dumps(dict(row), allow_nan=False) + "\n" for row in rows).encode())
            file.flush()
            os.fsync(file.fileno())

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl; a last line cut short by a kill is left out."""
        path = self.file("metrics.jsonl")
        if not path.exists():
            return []
        rows = []
        lines = files.read(path).split(b"\n")
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                rows.append(json.loads(line))
            except ValueError as e:
                if number == len(lines):
                    break
                raise BadInput(f"{path}, line {number}: not valid JSON: the file is damaged") from e
        return rows

    def keep_metrics(self, keep: int) -> None:
        """Cut metrics.jsonl to its first `keep` rows: what a checkpoint knows of."""
        rows = self.metrics()[:keep]
        files.write(self.file("metrics.jsonl"), "".join(json.dumps(r) + "\n" for r in rows).encode())


@contextlib.contextmanager
def open_run(path: Path, configuration: Mapping[str, Any], *, must_exist: bool = False) -> Iterator[RunFolder]:
    """Lock and open the run at `path`, creating it; `configuration` is plain data and identifies the run.

    Raises `BadInput` when another process writes there, when the folder holds a run of another configuration or
    schema, when it holds files and no run, or when `must_exist` and there is none.
    """
    wanted = _plain(configuration)
    described = path / "run.toml"
    if must_exist and not described.exists():
        raise BadInput(f"{path}: there is no run to resume here (no run.toml): drop --resume to start one")
    with files.explained(path):
        path.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        if described.exists():
            settings = read_settings(path)
            if settings["configuration"] != wanted:
                raise BadInput(
                    f"{path}: holds a run of another configuration ({_difference(settings['configuration'], wanted)}): "
                    "choose another --out, or repeat its settings to go on with it"
                )
        else:
            strangers = [p.name for p in path.iterdir() if p.name != ".lock" and not p.name.endswith(".part")]
            if strangers:
                raise BadInput(f"{path}: not empty and not a run (it has {strangers[0]!r}): choose another --out")
            settings = {"schema": SCHEMA, "versions": versions(), "configuration": wanted}
            _write_toml(described, settings)
        yield RunFolder(path=path, settings=settings)


def read_settings(path: Path) -> dict[str, Any]:
    """The run.toml of the run folder `path`, checked for its schema."""
    described = path / "run.toml"
    if not described.exists():
        raise BadInput(f"{path}: not a run folder (no run.toml)")
    try:
        settings = tomllib.loads(files.read(described).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise BadInput(f"{described}: not valid TOML ({e}): the file is damaged") from e
    if settings.get("schema") != SCHEMA:
        raise BadInput(
            f"{described}: schema {settings.get('schema')!r}, this Lamina reads schema {SCHEMA}, without migration: "
            "use the version that wrote it"
        )
    if not isinstance(settings.get("configuration"), dict):
        raise BadInput(f"{described}: the table [configuration] is missing: the file is damaged")
    return settings


def versions() -> dict[str, str]:
    """Versions that decide bits: Python, the processor, and the packages that are installed."""
    found = {"python": platform.python_version(), "machine": platform.machine(), "system": sys.platform}
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with files.explained(path / ".lock"), (path / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise BadInput(f"{path}: another process is writing this run: wait for it or choose another --out") from e
        yield


def _plain(value: Any) -> Any:
    """`value` as TOML gives it back: dictionaries, lists and scalars, None left out."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _difference(there: Mapping[str, Any], here: Mapping[str, Any], prefix: str = "") -> str:
    for key in sorted(there.keys() | here.keys()):
        a, b = there.get(key), here.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            if inner := _difference(a, b, f"{prefix}{key}."):
                return inner
        elif a != b:
            return f"{prefix}{key} is {a!r} there and {b!r} here"
    return ""


def _write_toml(path: Path, value: Mapping[str, Any]) -> None:
    import tomli_w

    files.write(path, tomli_w.dumps(value).encode())
