"""Elman's temporal XOR: the next bit where every third is the exclusive or of the two before it.

    elman (copies as inputs), elman (all the way back), jordan, mlp   ▶  right answers at each place of the triple

Perfect is (1/2, 1/2, 1): two bits of three are chance, and what a network knows of the third is what it remembers. The
MLP sees one bit and has no memory; Jordan's net remembers what it said, not what it saw. Equal hidden units, data and
updates; each training is a stage of one run folder, which goes on where it was killed. temporal_xor.json holds what was
found. Unlike Elman's one pass over one string of 3,000 bits again and again, batches of short strings from state zero.

Paper      Elman, "Finding structure in time", Cognitive Science 14(2), 1990 (the error dips at every third step),
           https://doi.org/10.1207/s15516709cog1402_1
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lamina.core import files
from lamina.core.errors import BadInput
from lamina.core.progress import say
from lamina.core.run_folder import RunFolder, open_run

ROWS = ("M30",)
FOUND = "temporal_xor.json"
NETWORKS = ("elman", "elman_full", "jordan", "mlp")


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    steps: int = 60  # bits of a string
    hidden: int = 16
    updates: int = 2000
    batch_size: int = 64
    examples: int = 2000  # strings to learn from; 1,000 more are judged
    learning_rate: float = 0.02

    def __post_init__(self) -> None:
        for name, least in (("steps", 3), ("hidden", 1), ("updates", 1), ("batch_size", 1), ("examples", 1)):
            if getattr(self, name) < least:
                raise BadInput(f"{name} is {getattr(self, name)}: at least {least} is needed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Shares of right answers by network and place; prints as a table."""

    path: Path
    right: Mapping[str, tuple[float, ...]]

    def to_json(self) -> dict[str, Any]:
        return {"path": str(self.path), "right": {name: list(found) for name, found in self.right.items()}}

    def __str__(self) -> str:
        lines = [f"{'network':<12} {'first bit':>10} {'second bit':>10} {'third bit':>10}"]
        for name, found in self.right.items():
            lines.append(f"{name:<12} " + " ".join(f"{share:>10.1%}" for share in found))
        return "\n".join(lines)


def temporal_xor(out: Path | str, config: Config = Config()) -> Outcome:
    """Run the recipe into the folder `out`, or go on with it; what it found. `BadInput` for a folder of another run."""
    described = {"verb": "run", "recipe": "temporal_xor", "seed": config.seed, "settings": asdict(config)}
    with open_run(Path(out), described) as run:
        path = run.file(FOUND)
        if not path.exists():
            say(f"temporal_xor: {len(NETWORKS)} trainings of {config.updates:,} updates each, into {run.path}")
            files.write_json(path, {name: _right(run, config, name) for name in NETWORKS})
        return Outcome(path=run.path, right={name: tuple(found) for name, found in files.read_json(path).items()})


def _right(run: RunFolder, config: Config, name: str) -> tuple[float, ...]:
    import torch

    from lamina.recipes._made import made
    from lamina.tasks import temporal_xor as task
    from lamina.training import FitConfig, fit

    train = task.temporal_xor(config.examples, config.steps, seed=config.seed)
    held = task.temporal_xor(1000, config.steps, seed=-1)
    x, size = held["x"], config.batch_size
    if name == "mlp":  # every step an example of its own
        train, held = ({k: v.flatten(0, 1) for k, v in part.items()} for part in (train, held))
        x, size = held["x"], config.batch_size * config.steps
    model = _model(name, config)
    schedule = FitConfig(steps=config.updates, batch_size=size, learning_rate=config.learning_rate, clip=1.0)
    fit(model, made("temporal XOR", train, held), out=run, config=schedule, seed=config.seed, stage=name)
    with torch.no_grad():
        logits = model.eval()(x)
    found = task.by_place(logits.view(1000, config.steps, 2), held["y"].view(1000, config.steps))
    say(f"{name}: the third bit is right in {found[2]:.1%}")
    return found


def _model(name: str, config: Config) -> Any:
    from lamina.recipes._work import model_module

    kind = name.removesuffix("_full")
    module = model_module(kind)
    if kind == "mlp":
        settings: dict[str, Any] = {"shape": (1,), "hidden": (config.hidden,), "classes": 2}
    else:
        settings = {"inputs": 1, "hidden": config.hidden, "outputs": 2, "reads": "each", "target": "class"}
        settings |= {"truncation": None} if name == "elman_full" else {}
    return getattr(module, kind)(module.Config(**settings), seed=config.seed)
