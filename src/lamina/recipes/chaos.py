"""Chaos foretold: an echo state network tells the next value of Mackey-Glass, then goes on by itself.

    told      s[t] ◀ the true x[t]        ▶ x[t+1]                         500 steps behind 10,000 that were learned
    alone     s[t] ◀ its own answer       ▶ x[t+1], x[t+2] ... x[t+84]     from 50 starts, behind 3,000 steps

The error is the root of the mean square as a share of the series' spread (NRMSE; at step 84 alone, Jaeger's NRMSE_84).
Both tasks are done at reservoirpy's settings and judged by the error that reservoirpy has with them, a factor 1.2
being equal; and once more with the ridge that is best on steps of validation, of a random search. A chaotic series
makes any error grow: what a method is worth shows alone. Seeds draw the reservoir; the series is the same for all.

Paper      Jaeger and Haas, "Harnessing nonlinearity", Science 304, 2004, https://doi.org/10.1126/science.1091277 (1,000
           units, 3,000 steps: NRMSE_84 of 10^-4.2)
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamina.core.errors import BadInput
from lamina.recipes._interval import interval
from lamina.recipes._results import Figure, over_seeds
from lamina.recipes._study import Curves, Found, Line, Study, Trial, seeds, study

ROWS = ("M34",)
TRIAL_S = 25.0
RIDGE = 1e-8  # of both networks where they are compared
RIDGES = (1e-10, 1e-5)  # searched between; below, float32 states are too coarse
TOLD = {"spectral_radius": 0.95, "leak": 1.0, "input_scaling": 1.0}  # benchmarks/reservoir.py
FREE = {"spectral_radius": 1.25, "leak": 0.3, "input_scaling": 1.0}  # slower units, which bear their own answers
TOLD_LEARNED, TOLD_TEST, TOLD_VALIDATION = (
    10_000,
    10_000,
    10_500,
)  # learned from the first; the others are where to go on
FREE_LEARNED, FREE_VALIDATION, FREE_TEST = 3_000, 3_000, 6_000
AHEAD = 84
STARTS, APART = 50, 50  # forecasts, and steps between them
CONTEXT = 500  # true steps that a reservoir hears before it goes on alone
EQUAL = 1.2  # times the other's error
RECORDED = {  # errors of reservoirpy 0.4.2 at these settings, 1,000 units; the files that hold them
    "told": (3.4367494866441436e-04, "benchmarks/results/reservoir_AMD-EPYC_2026-11-24.json"),
    "free": (0.009427216496942026, "benchmarks/results/free_running_AMD-EPYC_2026-11-24.json"),
}
PUBLISHED = 10**-4.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    seeds: int = 5
    hidden: int = 1000  # units, a multiple of 10
    candidates: int = 6  # ridges of a search

    def __post_init__(self) -> None:
        for name, least in (("seeds", 2), ("hidden", 10), ("candidates", 1)):
            if getattr(self, name) < least:
                raise BadInput(f"{name} is {getattr(self, name)}: at least {least} is needed")
        if self.hidden % 10:
            raise BadInput(f"hidden is {self.hidden}: a multiple of 10 is needed")


def chaos(out: Path | str, config: Config = Config()) -> Study:
    """Run the study into the folder `out`, or go on with it; what it found. `BadInput` for a folder of another run."""
    return study(__name__, out, config)


def plan(config: Config) -> list[Trial]:
    shared = {"hidden": config.hidden, "candidates": config.candidates}
    return [Trial(name=f"reservoir-{seed}", settings={"seed": seed, **shared}) for seed in seeds(config)]


def trial(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    values, seed, hidden = series(), settings["seed"], settings["hidden"]

    def chosen(objective: Any) -> float:
        from lamina.training.search import LogUniform, search

        space = {"ridge": LogUniform(*RIDGES)}
        found = search(lambda drawn, _: objective(drawn["ridge"]), space, count=settings["candidates"], seed=seed)
        return float(found.best.settings["ridge"])

    told = chosen(lambda ridge: one_step(values, seed, hidden, ridge, start=TOLD_VALIDATION))
    free = chosen(lambda ridge: free_running(values, seed, hidden, ridge, start=FREE_VALIDATION)[-1])
    return {
        "told": one_step(values, seed, hidden, RIDGE),
        "told_chosen": one_step(values, seed, hidden, told),
        "told_ridge": told,
        "free": free_running(values, seed, hidden, RIDGE),
        "free_chosen": free_running(values, seed, hidden, free),
        "free_ridge": free,
    }


def figures(config: Config, found: Found) -> list[Figure]:
    def column(name: str, scale: float) -> list[float]:
        errors = [found[f"reservoir-{seed}"][name] for seed in seeds(config)]
        return [scale * (e[-1] if isinstance(e, list) else e) for e in errors]

    told, free = (RECORDED[name][0] for name in ("told", "free"))
    millionths = "millionths of the spread"
    return [
        over_seeds(
            column("told", 1 / told), row="M34", name="told_over_reservoirpy",
            title="One step ahead: error over reservoirpy's at equal settings", unit="x", rule="at_most", limit=EQUAL,
            source=RECORDED["told"][1],
        ),
        over_seeds(
            column("free", 1 / free), row="M34", name="free_over_reservoirpy",
            title="84 steps by itself: error over reservoirpy's at equal settings", unit="x", rule="at_most",
            limit=EQUAL, source=RECORDED["free"][1],
        ),
        over_seeds(
            column("told_chosen", 1e6), row="M34", name="nrmse_told", unit=millionths,
            title="NRMSE one step ahead, ridge by validation", rule="at_most", limit=round(1e6 * EQUAL * told, 1),
            source=f"{EQUAL:g} times reservoirpy's, {RECORDED['told'][1]}",
        ),
        over_seeds(
            column("free_chosen", 1e6), row="M34", name="nrmse_84", unit=millionths,
            title="NRMSE 84 steps ahead by itself, ridge by validation", rule="at_most",
            limit=round(1e6 * PUBLISHED, 1), published=round(1e6 * PUBLISHED, 1),
            source="Jaeger and Haas, Science 304, 2004 (1,000 units)",
        ),
    ]  # fmt: skip


def curves(config: Config, found: Found) -> list[Curves]:
    lines = tuple(
        _line(title, [found[f"reservoir-{seed}"][name] for seed in seeds(config)])
        for name, title in (("free", "ridge 1e-8"), ("free_chosen", "ridge by validation"))
    )
    return [
        Curves(
            title="A reservoir goes on by itself", x="steps ahead", y="error / spread", lines=lines,
            log_y=True,
        )
    ]  # fmt: skip


def _line(name: str, errors: Sequence[Sequence[float]]) -> Line:
    """The geometric mean over the seeds, step by step, as errors grow by factors."""
    from math import exp, log
    from statistics import fmean

    logs = [[log(e) for e in step] for step in zip(*errors, strict=True)]
    low, high = zip(*(interval(step) for step in logs), strict=True)
    return Line(
        name=name, x=list(range(1, AHEAD + 1)), y=[exp(fmean(step)) for step in logs], low=[exp(v) for v in low],
        high=[exp(v) for v in high],
    )  # fmt: skip


@functools.cache
def series() -> Any:
    """The values that all share, float64."""
    from lamina.tasks.mackey_glass import mackey_glass

    return mackey_glass(TOLD_VALIDATION + 501, washout=500)[0]


def starts(first: int) -> list[int]:
    """The steps that the forecasts begin at."""
    return [first + APART * i for i in range(STARTS)]


def one_step(values: Any, seed: int, hidden: int, ridge: float, *, start: int = TOLD_TEST) -> float:
    """NRMSE of the next value for the 500 steps from `start` on, each told from the true steps before it."""
    from lamina.tasks.mackey_glass import nrmse

    model, x = _learned(values, seed, hidden, ridge, TOLD, TOLD_LEARNED)
    told = model(x[:, : start + 500])[0, start:, 0].numpy()
    return nrmse(told, values[start + 1 : start + 501])


def free_running(values: Any, seed: int, hidden: int, ridge: float, *, start: int = FREE_TEST) -> list[float]:
    """NRMSE 1 .. 84 steps behind the starts from `start` on, where the network hears its own answers."""
    import torch

    from lamina.tasks.mackey_glass import nrmse

    model, x = _learned(values, seed, hidden, ridge, FREE, FREE_LEARNED)
    heard = torch.stack([x[0, s - CONTEXT : s] for s in starts(start)])
    found = model.forecast(heard, AHEAD)[:, :, 0].numpy()
    return [nrmse(found[:, k], values[[s + k for s in starts(start)]]) for k in range(AHEAD)]


def _learned(values: Any, seed: int, hidden: int, ridge: float, settings: dict[str, float], steps: int) -> Any:
    """A network that has learned from the first `steps` values what follows each, and the values as its input."""
    import torch

    from lamina.models.echo_state_network import Config as Reservoir
    from lamina.models.echo_state_network import echo_state_network

    x = torch.from_numpy(values).float().reshape(1, -1, 1)
    shape: dict[str, Any] = {"hidden": hidden, "groups": 10, "bias_scaling": 0.0, "washout": 100}
    model = echo_state_network(Reservoir(**shape | settings, ridge=ridge), seed=seed)
    model.solve([{"x": x[:, :steps], "y": x[:, 1 : steps + 1]}])
    return model, x
