"""Adversarial nets on mixtures of 8 and 25 Gaussians: how many modes they cover, and how evenly.

    ring of 8, grid of 25  x  gan, wgan_gp   ▶  modes covered of all, good samples, KL of the modes' shares

Both players are perceptrons of equal size for either rule, and every one has as many updates of its generator; what
differs is the rule, with its n_critic steps of the discriminator. Each of the four trainings is a stage of one run
folder: killed at any moment, the same command goes on. coverage.json holds what was found, beside true samples.
Nothing is chosen by the outcome: the last weights count, the good ones of an hour ago do not.

Papers     Goodfellow et al., NIPS 2014, https://arxiv.org/abs/1406.2661; Gulrajani et al., NIPS 2017,
           https://arxiv.org/abs/1704.00028 (its grid is scaled down, its λ for points 0.1, as here)
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lamina.core import files
from lamina.core.errors import BadInput
from lamina.core.progress import say
from lamina.core.run_folder import RunFolder, open_run

ROWS = ("M40",)
FOUND = "coverage.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    updates: int = 20_000  # of each generator
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What was found, by mixture and model; prints as a table."""

    path: Path
    coverage: Mapping[str, Mapping[str, Mapping[str, float]]]

    def to_json(self) -> dict[str, Any]:
        return {"path": str(self.path), "coverage": {name: dict(found) for name, found in self.coverage.items()}}

    def __str__(self) -> str:
        lines = [f"{'mixture':<8} {'samples of':<12} {'covered':>8} {'good':>8} {'KL, nats':>9}"]
        for mixture, found in self.coverage.items():
            for whose, row in found.items():
                covered = f"{row['covered']}/{row['modes']}"
                lines.append(f"{mixture:<8} {whose:<12} {covered:>8} {row['good']:>8.1%} {row['divergence']:>9.4f}")
        return "\n".join(lines)


def gan_mixture(out: Path | str, config: Config = Config()) -> Outcome:
    """Run the recipe into the folder `out`, or go on with it; what it found."""
    described = {"verb": "run", "recipe": "gan_mixture", "seed": config.seed, "settings": asdict(config)}
    with open_run(Path(out), described) as run:
        path = run.file(FOUND)
        if not path.exists():
            files.write_json(path, _found(run, config))
        return Outcome(path=run.path, coverage=files.read_json(path))


def _found(run: RunFolder, config: Config) -> dict[str, Any]:
    import torch

    from lamina.core.seeds import derive
    from lamina.tasks import mixtures

    steps = 2 * config.updates * (2 + 6)  # two mixtures; a generator's update is 2 steps of gan, 6 of wgan_gp
    say(f"gan_mixture: four trainings of {config.updates:,} generator updates, {steps:,} steps in all, into {run.path}")
    found: dict[str, Any] = {}
    for mixture in (mixtures.ring(), mixtures.grid()):
        drawn = torch.Generator().manual_seed(derive(config.seed, "judged", mixture.name))
        found[mixture.name] = {
            "the mixture": asdict(mixtures.coverage(mixture, mixture.samples(config.samples, generator=drawn)))
        }
        for name in ("gan", "wgan_gp"):
            model = _trained(run, name, mixture, config)
            with torch.no_grad():
                made = model.sample(config.samples, generator=drawn)
            row = found[mixture.name][name] = asdict(mixtures.coverage(mixture, made))
            say(f"{mixture.name}, {name}: {row['covered']} of {row['modes']} modes, KL {row['divergence']:.4f}")
    return found


def _trained(run: RunFolder, name: str, mixture: Any, config: Config) -> Any:
    """Model `name` after its training on `mixture`, which is done once a run."""
    from lamina import models
    from lamina.core.registry import member
    from lamina.training import FitConfig, fit

    module = member(models, name, "model")
    settings: dict[str, Any] = {
        "shape": (2,),
        "latent": config.latent,
        "hidden": (config.hidden,) * 3,
        "output": "linear",
    }
    if name == "wgan_gp":
        settings["penalty"] = config.penalty
    model = getattr(module, name)(module.Config(**settings), seed=config.seed)
    a_round = sum(steps for _, _, steps in model.players().values())
    schedule = FitConfig(
        steps=config.updates * a_round,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        schedule="cosine",
        beta1=0.5,
        beta2=0.9,
    )
    fit(model, _data(mixture, config), out=run, config=schedule, seed=config.seed, stage=f"{mixture.name}_{name}")
    return model


def _data(mixture: Any, config: Config) -> Any:
    import torch

    from lamina.core.seeds import derive
    from lamina.data._dataset import Dataset, Split

    generator = torch.Generator().manual_seed(derive(config.seed, "examples", mixture.name))
    points = mixture.samples(config.examples, generator=generator)
    train, none = Split(tensors={"x": points}), Split(tensors={"x": points[:0]})
    checksum = hashlib.sha256(points.numpy().tobytes()).hexdigest()
    return Dataset(name=mixture.name, classes=(), checksum=checksum, train=train, validation=none, test=none)
