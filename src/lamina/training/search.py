"""Random search of settings: trial k draws its own by (seed, k); what is done is kept, a killed search goes on.

    best = argmin over k < count of objective(draw(space, seed, k), seed_k)

Random beats a grid where few of the settings matter, since each trial tries another value of every one. A trial does
not depend on those before it, so that a longer search begins with the shorter one. An objective that is not finite
(a reservoir that saturates) is a bad trial, not an end.

Shapes     a space: name -> `Uniform`, `LogUniform`, or a tuple of choices; settings: name -> value
Errors     `BadInput` for an empty space, bounds out of order, or a folder of another search
Paper      Bergstra & Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 13, 2012,
           https://jmlr.org/papers/v13/bergstra12a.html
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamina.core import progress
from lamina.core.errors import BadInput
from lamina.core.run_folder import RunFolder, open_run
from lamina.core.seeds import derive, numpy_generator


@dataclass(frozen=True, slots=True)
class Uniform:
    low: float
    high: float

    def __post_init__(self) -> None:
        if not -math.inf < self.low <= self.high < math.inf:
            raise BadInput(f"uniform in [{self.low}, {self.high}]: finite bounds in order are needed")

    def value(self, share: float) -> float:
        """The value at `share` in [0, 1) of the way."""
        return self.low + share * (self.high - self.low)


@dataclass(frozen=True, slots=True)
class LogUniform:
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high < math.inf:
            raise BadInput(f"log-uniform in [{self.low}, {self.high}]: positive bounds in order are needed")

    def value(self, share: float) -> float:
        """The value at `share` in [0, 1) of the way between the logarithms."""
        return self.low * (self.high / self.low) ** share


Space = Mapping[str, Uniform | LogUniform | tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    number: int
    settings: Mapping[str, Any]
    value: float  # of the objective, less is better; infinite where it was not finite
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    trials: tuple[Trial, ...]  # in order

    @property
    def best(self) -> Trial:
        return min(self.trials, key=lambda trial: trial.value)


def draw(space: Space, seed: int, number: int) -> dict[str, Any]:
    """The settings of trial `number`; each follows from its name, so that a wider space leaves the others."""
    found = {}
    for name, values in space.items():
        share = float(numpy_generator(seed, "search", number, name).random())
        found[name] = values[int(share * len(values))] if isinstance(values, tuple) else values.value(share)
    return found


def search(
    objective: Callable[[Mapping[str, Any], int], float],
    space: Space,
    *,
    count: int,
    seed: int = 0,
    out: Path | str | None = None,
) -> Search:
    """`count` trials of `objective(settings, seed)`, each with a seed of its own, the least value the best.

    With `out`, a folder, each trial is written as it ends, and those of an earlier call are read instead of done again.
    """
    if count < 1 or not space or not all(space.values()):
        raise BadInput(
            f"{count} trials of {sorted(space) or 'nothing'}: one trial, setting and choice at least are needed"
        )
    if out is None:
        return _in(None, objective, space, count, seed)
    described = {name: str(values) for name, values in space.items()}
    with open_run(Path(out), {"verb": "search", "seed": seed, "space": described}) as run:
        return _in(run, objective, space, count, seed)


def _in(run: RunFolder | None, objective: Any, space: Space, count: int, seed: int) -> Search:
    done = {} if run is None else {row["trial"]: row for row in run.metrics()}
    trials = []
    for number in range(count):
        settings = draw(space, seed, number)
        if number in done:
            value, seconds = done[number]["value"], done[number]["seconds"]
        else:
            started = time.monotonic()
            value = float(objective(settings, derive(seed, "trial", number)))
            value = value if math.isfinite(value) else None
            seconds = time.monotonic() - started
            if run is not None:
                run.append_metrics({"trial": number, "settings": settings, "value": value, "seconds": seconds})
            progress.say(f"trial {number + 1} of {count}: {value} with {settings} ({seconds:.1f} s)")
        value = math.inf if value is None else value
        trials.append(Trial(number=number, settings=settings, value=value, seconds=seconds))
    return Search(trials=tuple(trials))
