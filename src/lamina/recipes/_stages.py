"""A run in stages: each is done once, and a run that was killed goes on where it stood.

    stages/NAME.json    written last, atomically: {"seconds", "inputs", "outputs" (file -> SHA-256), "result"}

A stage reads files of the run folder and writes files there, never memory of an earlier stage, so that an unbroken run
and a resumed one do the same work. It is done when its marker is there and every file the marker names still has its
checksum; an altered or missing file makes its stage, and all that read its files, run again.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lamina.core import files
from lamina.core.errors import BadInput
from lamina.core.progress import say
from lamina.core.run_folder import RunFolder

SCHEMA = 1
FOLDER = "stages"
W = TypeVar("W")


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What a stage leaves: the files it wrote (paths inside the run folder), plain data, and a line for people."""

    outputs: Sequence[str]
    says: str
    result: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage(Generic[W]):
    name: str
    does: str  # what a person reads when it begins
    inputs: Sequence[str]  # files of the run folder that it reads
    work: Callable[[W], Done]


def run_stages(run: RunFolder, stages: Sequence[Stage[W]], work: W) -> None:
    """Do `stages` in order, leaving out those that are done; `work` is handed to each."""
    for number, stage in enumerate(stages, start=1):
        head = f"{number}/{len(stages)} {stage.name}"
        if is_done(run, stage):
            say(f"{head}: done before")
            continue
        say(f"{head}: {stage.does}")
        inputs = _checksums(run, stage.inputs)
        started = time.monotonic()
        done = stage.work(work)
        seconds = round(time.monotonic() - started, 3)
        marker = {
            "schema": SCHEMA,
            "stage": stage.name,
            "seconds": seconds,
            "inputs": inputs,
            "outputs": _checksums(run, done.outputs),
            "result": dict(done.result),
        }
        files.write_json(_marker(run, stage.name), marker)
        say(f"    {done.says} ({seconds:.1f} s)")


def is_done(run: RunFolder, stage: Stage[Any]) -> bool:
    """Whether the marker of `stage` is there and every file that it names is as it was."""
    if not _marker(run, stage.name).exists():
        return False
    marker = _read(run, stage.name)
    if set(marker["inputs"]) != set(stage.inputs):
        return False
    return all(_unchanged(run, name, digest) for name, digest in {**marker["inputs"], **marker["outputs"]}.items())


def result(run: RunFolder, name: str) -> Mapping[str, Any]:
    """The plain data that stage `name` left; raises `BadInput` where it has not run."""
    found: Mapping[str, Any] = _read(run, name)["result"]
    return found


def seconds(run: RunFolder, name: str) -> float:
    """How long stage `name` took."""
    return float(_read(run, name)["seconds"])


def marker_name(name: str) -> str:
    """The marker of stage `name` as a file of the run folder: an input of stages that read its result."""
    return f"{FOLDER}/{name}.json"


def _marker(run: RunFolder, name: str) -> Any:
    return run.file(marker_name(name))


def _read(run: RunFolder, name: str) -> dict[str, Any]:
    marker = files.read_json(_marker(run, name))
    keys = {"schema": int, "inputs": dict, "outputs": dict, "result": dict, "seconds": int | float}
    if not isinstance(marker, dict) or not all(isinstance(marker.get(k), kind) for k, kind in keys.items()):
        raise BadInput(f"{_marker(run, name)}: not a stage's marker: delete it, and the stage runs again")
    if marker["schema"] != SCHEMA:
        raise BadInput(
            f"{_marker(run, name)}: schema {marker['schema']}, this Lamina reads {SCHEMA}: choose another --out"
        )
    return marker


def _checksums(run: RunFolder, names: Iterable[str]) -> dict[str, str]:
    return {name: files.sha256(run.file(name)) for name in names}


def _unchanged(run: RunFolder, name: str, digest: str) -> bool:
    return run.file(name).is_file() and files.sha256(run.file(name)) == digest
