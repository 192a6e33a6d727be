"""A study: one trial for every arm and seed, as many at a time as there are cores; then figures with intervals.

    plan(config) -> trials     trial(settings, folder) -> numbers     figures(config, found) -> figures

A recipe is a file with these three functions, a Config with `seeds`, TRIAL_S (processor seconds of a trial here), and
for a statement of the survey its CLAIM. A trial runs on THREADS threads (1 where the file does not say) in a process of
its own, so that its bits do not depend on what runs beside it. What it found is in trials/NAME.json as soon as it ends,
and `fit` may keep checkpoints in trials/NAME/: killed, the same command goes on. figures.json holds what was found,
curves.json what the page draws, report.html both. Nothing is chosen by an outcome: every trial of the plan counts.

Errors     `BadInput` for a folder of another run, and what a trial raises; Ctrl-C stops the trials that run
"""

import importlib
import multiprocessing
import os
import re
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lamina.core import files, progress
from lamina.core.errors import BadInput
from lamina.core.progress import say
from lamina.core.registry import summary
from lamina.core.run_folder import RunFolder, open_run
from lamina.recipes._interval import interval
from lamina.recipes._results import Figure, told
from lamina.reporting import report

FOUND, REPORT = "figures.json", "report.html"
Found = Mapping[str, Mapping[str, Any]]  # trial's name -> what it found


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    name: str  # of its file: small letters, digits, _ . -
    settings: Mapping[str, Any]  # plain values

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9_][a-z0-9_.-]*", self.name):
            raise BadInput(f"trial {self.name!r}: small letters, digits, _, . and - are allowed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One curve, each value with its interval where there are several seeds."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Curves:
    """One plot of the page: lines over one axis, with units in the labels."""

    title: str
    x: str
    y: str
    lines: tuple[Line, ...]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """What a study found; prints as a table."""

    path: Path
    recipe: str
    figures: tuple[Figure, ...]
    seconds: float  # of processor time, all trials together

    def to_json(self) -> dict[str, Any]:
        rows = [asdict(f) | {"holds": f.holds, "verdict": f.verdict} for f in self.figures]
        return {"path": str(self.path), "recipe": self.recipe, "seconds": self.seconds, "figures": rows}

    def __str__(self) -> str:
        lines = [f"{'':<62} {'found':>28}  {'asked':<12} verdict"]
        lines += [f"{f.title[:62]:<62} {told(f):>28}  {f.asked:<12} {f.verdict}" for f in self.figures]
        return "\n".join([*lines, f"{self.seconds:,.0f} s of processor time: {self.path}"])


def study(module: str, out: Path | str, config: Any) -> Study:
    """Run the study that file `module` describes into the folder `out`, or go on with it; what it found."""
    file = importlib.import_module(module)
    recipe = module.rpartition(".")[2]
    described = {"verb": "run", "recipe": recipe, "seed": config.seed, "settings": asdict(config)}
    with open_run(Path(out), described) as run:
        path = run.file(FOUND)
        if not path.exists():
            plan = file.plan(config)
            found, seconds = trials(run, module, plan, each_s=file.TRIAL_S, threads=getattr(file, "THREADS", 1))
            if hasattr(file, "curves"):
                drawn = [asdict(c) for c in file.curves(config, found)]
                files.write_json(run.file("curves.json"), {"schema": 1, "curves": drawn})
            found_figures = file.figures(config, found)
            written = {"schema": 1, "seconds": round(seconds, 1), "figures": [asdict(f) for f in found_figures]}
            files.write_json(path, written | {"title": summary(file), "shown": [_shown(f) for f in found_figures]})
        if not run.file(REPORT).exists():
            report(run.path)
        stored = files.read_json(path)
        figures = tuple(Figure(**f | {"values": tuple(f["values"])}) for f in stored["figures"])
        return Study(path=run.path, recipe=recipe, figures=figures, seconds=stored["seconds"])


def _shown(figure: Figure) -> dict[str, Any]:
    """A figure as the page shows it."""
    return {
        "title": figure.title,
        "row": figure.row,
        "claim": figure.claim,
        "found": told(figure),
        "asked": figure.asked,
        "verdict": figure.verdict,
        "seeds": len(figure.values),
        "unit": figure.unit,
        "measured": figure.measured,
        "interval": list(figure.interval),
        "limit": figure.limit,
        "source": figure.source,
    }


def trials(
    run: RunFolder, module: str, plan: Sequence[Trial], *, each_s: float, threads: int = 1
) -> tuple[dict[str, dict[str, Any]], float]:
    """What the trials of `plan` found, by name, and their processor seconds; what is on disk is not repeated."""
    if len({trial.name for trial in plan}) < len(plan):
        raise BadInput(f"{run.path}: two trials of one name")
    run.file("trials").mkdir(exist_ok=True)
    paths = {trial.name: run.file(f"trials/{trial.name}.json") for trial in plan}
    missing = [trial for trial in plan if not paths[trial.name].exists()]
    at_once = max(1, min(len(os.sched_getaffinity(0)) // threads, len(missing)))
    if missing:
        minutes = len(missing) * each_s / at_once / 60
        say(
            f"{module.rpartition('.')[2]}: {len(missing)} of {len(plan)} trials to do, {at_once} at a time, "
            f"about {minutes:,.0f} min, into {run.path}"
        )
    with progress.bar("trials", len(plan), done=len(plan) - len(missing)) as advance:
        started = time.monotonic()
        done = _run(module, missing, run.file("trials"), at_once, threads)
        for count, (name, found, seconds) in enumerate(done, start=1):
            files.write_json(paths[name], {"schema": 1, "seconds": seconds, "found": found})
            advance(1, name)
            left = (time.monotonic() - started) / count * (len(missing) - count)
            say(f"{name}: {seconds:.0f} s of processor time, {left / 60:.0f} min left", level=2)
    stored = {name: files.read_json(path) for name, path in paths.items()}
    return {name: s["found"] for name, s in stored.items()}, sum(s["seconds"] for s in stored.values())


def per_seed(config: Any, found: Found, arm: str, figure: str) -> tuple[float, ...]:
    """The numbers `figure` of the trials ARM-SEED, in the order of the seeds."""
    return tuple(float(found[f"{arm}-{seed}"][figure]) for seed in seeds(config))


def differences(one: Iterable[float], other: Iterable[float]) -> tuple[float, ...]:
    """`one` less `other`, seed by seed."""
    return tuple(a - b for a, b in zip(one, other, strict=True))


def line(name: str, x: Sequence[float], values: Iterable[Sequence[float]]) -> Line:
    """The curve of means, with their intervals, of the `values` of all seeds at each x."""
    several = list(values)
    ends = [interval(of_seeds) for of_seeds in several]
    means = [statistics.fmean(of_seeds) for of_seeds in several]
    return Line(name=name, x=list(x), y=means, low=[low for low, _ in ends], high=[high for _, high in ends])


def seeds(config: Any) -> range:
    """The seeds of a study: `config.seeds` of them from `config.seed` on."""
    return range(config.seed, config.seed + config.seeds)


def _run(
    module: str, plan: Sequence[Trial], folder: Path, at_once: int, threads: int
) -> Iterator[tuple[str, Any, float]]:
    """Name, finding and processor seconds of each trial as it ends."""
    if not plan:
        return
    fresh = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    with ProcessPoolExecutor(at_once, mp_context=fresh, initializer=_quiet, initargs=(threads,)) as pool:
        running = {pool.submit(_one, module, t.name, dict(t.settings), folder / t.name): t.name for t in plan}
        try:
            while running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    found, seconds = future.result()
                    yield running.pop(future), found, seconds
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            if running:  # an error, or Ctrl-C: what was under way is in its checkpoints or begins again
                for process in multiprocessing.active_children():
                    process.terminate()


def _quiet(threads: int) -> None:
    """A worker prints nothing and computes on `threads` threads."""
    import torch

    torch.set_num_threads(threads)
    progress.set_verbosity(0)


def _one(module: str, name: str, settings: dict[str, Any], folder: Path) -> tuple[dict[str, Any], float]:
    """One trial in this process, and the processor seconds it took."""
    before = time.process_time()
    found = importlib.import_module(module).trial(settings, folder)
    return found, round(time.process_time() - before, 3)
