"""Elman's temporal XOR: the next bit where every third is the exclusive or of the two before it.

    elman (copies as inputs), elman (all the way back), jordan, mlp   ▶  right answers at each place of the triple

Perfect is (1/2, 1/2, 1): two bits of three are chance, and what a network knows of the third is what it remembers. The
MLP sees one bit and has no memory, so nothing lifts it over 1/2; Jordan's net remembers what it said, not what it saw,
and has to say what it wants to know later. Equal hidden units, strings and updates, for each seed its own strings to
learn from; the strings that judge are the same for all and were never seen, nor was a setting chosen by them. Unlike
Elman's one pass over one string of 3,000 bits again and again, batches of short strings from state zero, by Adam.

Paper      Elman, "Finding structure in time", Cognitive Science 14(2), 1990 (the error dips at every third step),
           https://doi.org/10.1207/s15516709cog1402_1
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lamina.core.errors import BadInput
from lamina.recipes._results import Figure, over_seeds
from lamina.recipes._study import Curves, Found, Study, Trial, differences, line, per_seed, seeds, study

ROWS = ("M30",)
CLAIM = "C20"
TRIAL_S = 12.0  # of processor time, on average over the networks
NETWORKS = ("elman", "elman_full", "jordan", "mlp")
JUDGED = -1  # seed of the strings that judge; those of learners have seeds from 0 on
STRINGS = 1000  # that judge
ELMAN = "Elman, Cognitive Science 14(2), 1990"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    seeds: int = 5
    steps: int = 30  # bits of a string
    hidden: int = 16
    updates: int = 2000
    batch_size: int = 64
    examples: int = 2000  # strings to learn from
    learning_rate: float = 0.02

    def __post_init__(self) -> None:
        given = {"seed": 0, "seeds": 2, "steps": 3, "hidden": 1, "updates": 1, "batch_size": 1, "examples": 1}
        for name, least in given.items():
            if getattr(self, name) < least:
                raise BadInput(f"{name} is {getattr(self, name)}: at least {least} is needed")
        if not 0 < self.learning_rate < math.inf:
            raise BadInput(f"learning_rate is {self.learning_rate}: a positive number is needed, such as 0.02")


def temporal_xor(out: Path | str, config: Config = Config()) -> Study:
    """Run the study into the folder `out`, or go on with it. `BadInput` for a folder of another run."""
    return study(__name__, out, config)


def plan(config: Config) -> list[Trial]:
    given = asdict(config)
    return [
        Trial(name=f"{network}-{seed}", settings=given | {"network": network, "seed": seed})
        for seed in seeds(config)
        for network in NETWORKS
    ]


def trial(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Right answers in percent at the three places of a triple."""
    import torch

    from lamina.recipes._made import made
    from lamina.tasks import temporal_xor as task
    from lamina.training import FitConfig, fit

    seed, steps, size = settings["seed"], settings["steps"], settings["batch_size"]
    train, judged = (task.temporal_xor(n, steps, seed=s) for n, s in ((settings["examples"], seed), (STRINGS, JUDGED)))
    x = judged["x"]
    if settings["network"] == "mlp":  # every step an example of its own
        train, x, size = {name: part.flatten(0, 1) for name, part in train.items()}, x.flatten(0, 1), size * steps
    model = _model(settings)
    schedule = FitConfig(steps=settings["updates"], batch_size=size, learning_rate=settings["learning_rate"], clip=1.0)
    data = made("temporal XOR", train, {name: part[:0] for name, part in train.items()})
    fit(model, data, config=schedule, seed=seed)
    with torch.no_grad():
        places = task.by_place(model(x).view(STRINGS, steps, 2), judged["y"])
    return dict(zip(("first", "second", "third"), (100 * share for share in places), strict=True))


def figures(config: Config, found: Found) -> list[Figure]:
    third = {network: per_seed(config, found, network, "third") for network in NETWORKS}
    half = f"{ELMAN} (the error dips at every third bit); half the way from chance to perfect"
    nearly = f"{ELMAN}; nearly every third bit"
    return [
        over_seeds(
            differences(third["elman"], third["mlp"]),
            row="M30", name="elman_over_mlp", title="Third bits that an Elman net has right over an MLP",
            title_zh="Elman 网络比多层感知机多预测对的第三位比特", unit="points", rule="at_least", limit=25,
            source=half, claim=CLAIM,
        ),
        over_seeds(
            third["elman"],
            row="M30", name="elman_third", title="Third bits that an Elman net has right",
            title_zh="Elman 网络预测对的第三位比特", unit="%", rule="at_least", limit=95, source=nearly, claim=CLAIM,
        ),
        over_seeds(
            third["mlp"],
            row="M30", name="mlp_third", title="Third bits that an MLP has right: chance is 50 %",
            title_zh="多层感知机预测对的第三位比特（随机为 50 %）", unit="%", rule="at_most", limit=55, source=half,
            claim=CLAIM,
        ),
        over_seeds(
            third["elman_full"],
            row="M30", name="elman_full_third", title="Third bits of an Elman net that learns all the way back",
            unit="%", rule="at_least", limit=95, source=nearly,
        ),
        over_seeds(
            differences(third["jordan"], third["mlp"]),
            row="M30", name="jordan_over_mlp", title="Third bits that a Jordan net has right over an MLP",
            unit="points", rule="at_least", limit=25, source=half,
        ),
    ]  # fmt: skip


def curves(config: Config, found: Found) -> list[Curves]:
    places = ("first", "second", "third")
    lines = [
        line(network, [1, 2, 3], (per_seed(config, found, network, place) for place in places)) for network in NETWORKS
    ]
    title = "Temporal XOR: the third bit of a triple is the exclusive or of the first two"
    return [Curves(title=title, x="bit of the triple", y="right answers (%)", lines=tuple(lines))]


def _model(settings: Mapping[str, Any]) -> Any:
    from lamina.recipes._work import model_module

    kind = settings["network"].removesuffix("_full")
    module = model_module(kind)
    if kind == "mlp":
        given: dict[str, Any] = {"shape": (1,), "hidden": (settings["hidden"],), "classes": 2}
    else:
        given = {"inputs": 1, "hidden": settings["hidden"], "outputs": 2, "reads": "each", "target": "class"}
        given |= {"truncation": None} if settings["network"] == "elman_full" else {}
    return getattr(module, kind)(module.Config(**given), seed=settings["seed"])
