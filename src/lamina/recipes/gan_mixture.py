"""Adversarial nets on mixtures of 8 and 25 Gaussians: how many modes they cover, and how evenly.

    ring of 8, grid of 25  x  gan, wgan_gp   ▶  modes covered of all, good samples, KL of the modes' shares

Both players are perceptrons of equal size for either rule, and every one has as many updates of its generator; what
differs is the rule, with its n_critic steps of the discriminator. Nothing is chosen by the outcome: the last weights
count, the good ones of an hour ago do not. True samples are judged beside: their divergence is not 0 either.

Papers     Goodfellow et al., NIPS 2014, https://arxiv.org/abs/1406.2661; Gulrajani et al., NIPS 2017,
           https://arxiv.org/abs/1704.00028 (its grid is scaled down, its λ for points 0.1, as here)
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lamina.core.errors import BadInput
from lamina.recipes._results import Figure
from lamina.recipes._study import Found, Study, Trial, study

ROWS = ("M40",)
TRIAL_S = 300.0
MODELS = ("gan", "wgan_gp")
MIXTURES = ("ring", "grid")
GULRAJANI = "Gulrajani et al., NIPS 2017, figure 1: every mode, https://arxiv.org/abs/1704.00028"
TITLES = {"covered": "modes covered", "divergence": "divergence of the modes' shares"}
EVEN = 0.1  # nats: at most a tenth from equal shares


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    updates: int = 8_000  # of each generator
    batch_size: int = 256
    examples: int = 100_000  # that each training draws its batches from
    samples: int = 10_000  # that are judged
    hidden: int = 128  # units of each of three hidden layers, of either player
    latent: int = 2
    penalty: float = 0.1  # of wgan_gp's slope
    learning_rate: float = 1e-3  # of Adam, at first, down to 0 by a cosine; β1 = 0.5, β2 = 0.9

    def __post_init__(self) -> None:
        for name in ("updates", "batch_size", "examples", "samples", "hidden", "latent"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name} is {getattr(self, name)}: at least 1 is needed")


def gan_mixture(out: Path | str, config: Config = Config()) -> Study:
    """Run the study into the folder `out`, or go on with it; what it found."""
    return study(__name__, out, config)


def plan(config: Config) -> list[Trial]:
    return [
        Trial(name=f"{mixture}-{model}", settings={**asdict(config), "mixture": mixture, "model": model})
        for model in MODELS
        for mixture in MIXTURES
    ]


def trial(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """One training, and how its samples and as many true ones spread over the modes."""
    import torch

    from lamina.core.seeds import derive
    from lamina.tasks import mixtures
    from lamina.training import FitConfig, fit

    mixture = getattr(mixtures, settings["mixture"])()
    model = _model(settings)
    schedule = FitConfig(
        steps=settings["updates"] * sum(steps for _, _, steps in model.players().values()),
        batch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        schedule="cosine",
        beta1=0.5,
        beta2=0.9,
    )
    fit(model, _data(mixture, settings), out=folder, config=schedule, seed=settings["seed"])
    drawn = torch.Generator().manual_seed(derive(settings["seed"], "judged", mixture.name))
    true = mixtures.coverage(mixture, mixture.samples(settings["samples"], generator=drawn))
    with torch.no_grad():
        made = mixtures.coverage(mixture, model.sample(settings["samples"], generator=drawn))
    return {**asdict(made), "true": asdict(true)}


def figures(config: Config, found: Found) -> list[Figure]:
    rows = []
    for mixture in MIXTURES:
        for model in MODELS:
            row = found[f"{mixture}-{model}"]
            covered = {"unit": "modes", "measured": row["covered"], "rule": "at_least", "limit": row["modes"]}
            even = {"unit": "nats", "measured": round(row["divergence"], 6), "rule": "at_most", "limit": EVEN}
            for name, fields in (("covered", covered), ("divergence", even)):
                rows.append(
                    Figure(
                        row="M40",
                        name=f"{mixture}_{model}_{name}",
                        title=f"{model} on the {mixture} of {row['modes']}: {TITLES[name]}",
                        source=GULRAJANI if model == "wgan_gp" and name == "covered" else "",
                        **fields,
                    )
                )
    return rows


def _model(settings: Mapping[str, Any]) -> Any:
    from lamina.recipes._work import model_module

    name = settings["model"]
    module = model_module(name)
    hidden, latent = (settings["hidden"],) * 3, settings["latent"]
    penalty = {"penalty": settings["penalty"]} if name == "wgan_gp" else {}
    shape = module.Config(shape=(2,), latent=latent, hidden=hidden, output="linear", **penalty)
    return getattr(module, name)(shape, seed=settings["seed"])


def _data(mixture: Any, settings: Mapping[str, Any]) -> Any:
    import torch

    from lamina.core.seeds import derive
    from lamina.recipes._made import made

    generator = torch.Generator().manual_seed(derive(settings["seed"], "examples", mixture.name))
    points = mixture.samples(settings["examples"], generator=generator)
    return made(mixture.name, {"x": points}, {"x": points[:0]})
