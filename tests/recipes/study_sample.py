"""A study that a test can run: the trial's number follows from its settings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamina.recipes._results import Figure, over_seeds
from lamina.recipes._study import Curves, Found, Line, Study, Trial, differences, per_seed, seeds, study

TRIAL_S = 0.1
CLAIM = "C17"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    seeds: int = 3
    broken: str = ""  # the trial that raises


def study_sample(out: Path | str, config: Config = Config()) -> Study:
    return study(__name__, out, config)


def plan(config: Config) -> list[Trial]:
    return [
        Trial(name=f"{arm}-{seed}", settings={"arm": arm, "seed": seed, "broken": f"{arm}-{seed}" == config.broken})
        for seed in seeds(config)
        for arm in ("one", "other")
    ]


def trial(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    import torch

    if settings["broken"]:
        raise ValueError("a trial that is broken")
    value = settings["seed"] + (0.5 if settings["arm"] == "one" else 0.1 * settings["seed"])
    return {"value": value, "threads": torch.get_num_threads(), "process": os.getpid()}


def figures(config: Config, found: Found) -> list[Figure]:
    one, other = per_seed(config, found, "one", "value"), per_seed(config, found, "other", "value")
    return [
        over_seeds(
            differences(one, other), row="M25", name="difference", title="one over the other", title_zh="差",
            unit="points", rule="at_least", limit=0.0, claim=CLAIM,
        )
    ]  # fmt: skip


def curves(config: Config, found: Found) -> list[Curves]:
    one = per_seed(config, found, "one", "value")
    return [Curves(title="Value by seed", x="seed", y="value", lines=(Line(name="one", x=list(seeds(config)), y=one),))]
