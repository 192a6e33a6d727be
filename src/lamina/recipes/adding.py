"""The adding problem at a lag: which recurrent network keeps a number that long, and how far its gradients reach.

    models x steps x learning rates   ▶  squared error (1/6 is no memory at all), share solved, gradient at lag 1 .. T

Networks have equal numbers of units, not of weights (an LSTM has four times those of a plain network), equal data,
updates and schedule; the bias of the forget gates starts at 1. Several learning rates are a sweep: how much tuning a
network needs is the number of them that solve. Each training is a stage of one run folder: killed at any moment, the
same command goes on. adding.json holds what was found; nothing is chosen by it.

Papers     Hochreiter and Schmidhuber, Neural Computation 9(8), 1997, experiment 4 (an LSTM solves it at minimal lags of
           50 to 500); Bengio, Simard and Frasconi, IEEE Trans. Neural Networks 5(2), 1994 (why a plain one does not)
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lamina.core import files
from lamina.core.errors import BadInput
from lamina.core.progress import say
from lamina.core.run_folder import RunFolder, open_run

ROWS = ("M29", "M31")
FOUND = "adding.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    models: tuple[str, ...] = ("rnn", "lstm")  # registered, with the fields of a model of sequences
    steps: tuple[int, ...] = (200,)  # of a sequence; the first number lies at least half of them back
    rates: tuple[float, ...] = (3e-3,)  # peaks of Adam's learning rate, one training each
    hidden: int = 64
    updates: int = 4000
    batch_size: int = 64
    examples: int = 50_000  # to learn from; 1,000 more are judged
    clip: float = 1.0  # the most that the norm of a gradient may be

    def __post_init__(self) -> None:
        for name in ("hidden", "updates", "batch_size", "examples"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name} is {getattr(self, name)}: at least 1 is needed")
        for name in ("models", "steps", "rates"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise BadInput(f"{name} is {values}: one or more, each once, are needed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """One row a training; prints as a table."""

    path: Path
    rows: tuple[Mapping[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        return {"path": str(self.path), "rows": [dict(row) for row in self.rows]}

    def __str__(self) -> str:
        lines = [
            f"{'model':<8} {'steps':>6} {'rate':>8} {'error':>8} {'solved':>7} {'gradient, first over last step':>31}"
        ]
        for row in self.rows:
            lines.append(
                f"{row['model']:<8} {row['steps']:>6} {row['rate']:>8g} {row['error']:>8.5f} {row['solved']:>7.1%} "
                f"{row['reach']:>31.1e}"
            )
        return "\n".join(lines)


def adding(out: Path | str, config: Config = Config()) -> Outcome:
    """Run the recipe into the folder `out`, or go on with it; what it found.

    Raises `BadInput` for a model that is not registered, or a folder of another run.
    """
    from lamina.recipes._work import model_module

    for name in config.models:
        model_module(name)  # a name that is wrong is better known before an hour of training
    described = {"verb": "run", "recipe": "adding", "seed": config.seed, "settings": asdict(config)}
    with open_run(Path(out), described) as run:
        path = run.file(FOUND)
        if not path.exists():
            files.write_json(path, {"rows": _found(run, config)})
        return Outcome(path=run.path, rows=tuple(files.read_json(path)["rows"]))


def _found(run: RunFolder, config: Config) -> list[dict[str, Any]]:
    from lamina.recipes._made import made
    from lamina.tasks import adding as task

    trainings = len(config.models) * len(config.steps) * len(config.rates)
    say(f"adding: {trainings} trainings of {config.updates:,} updates each, into {run.path}")
    rows = []
    for steps in config.steps:
        train, held = (task.adding(n, steps, seed=s) for n, s in ((config.examples, config.seed), (1000, -1)))
        data = made(f"adding {steps}", train, held)
        for name in config.models:
            for rate in config.rates:
                rows.append(_row(run, config, name, rate, steps, data))
                say(f"{name}, {steps} steps, rate {rate:g}: {rows[-1]['solved']:.1%} solved")
    return rows


def _row(run: RunFolder, config: Config, name: str, rate: float, steps: int, data: Any) -> dict[str, Any]:
    from lamina.recipes._work import model_module
    from lamina.tasks import adding as task
    from lamina.training import FitConfig, fit
    from lamina.training.evaluation import predictions

    module = model_module(name)
    settings = module.Config(inputs=2, hidden=config.hidden, outputs=1, steps=steps)
    model = getattr(module, name)(settings, seed=config.seed)
    schedule = FitConfig(
        steps=config.updates, batch_size=config.batch_size, learning_rate=rate, clip=config.clip, schedule="one_cycle"
    )
    fit(model, data, out=run, config=schedule, seed=config.seed, stage=f"{name}_{steps}_{rate:g}")
    answers, y = predictions(model, data.validation), data.validation.labels
    norms = _norms(model, data.validation.inputs[:50])
    return {
        "model": name,
        "steps": steps,
        "rate": rate,
        "error": float(((answers - y) ** 2).mean()),
        "baseline": task.BASELINE,
        "solved": task.solved(answers, y),
        "reach": norms[-1] / max(norms[0], 1e-300) if norms else 0.0,
        "gradient_norms": norms,  # lag 0 first
    }


def _norms(model: Any, x: Any) -> list[float]:
    """Of the answer's gradient for the states of its recurrent layer, lag by lag; of one that has several, none."""
    from torch import Tensor
    from torch.nn import functional as F

    from lamina.tasks.gradient_norms import gradient_norms

    layer = getattr(model, "layer", None)
    if layer is None:
        return []
    return gradient_norms(
        lambda state, a: layer.step(state, a)[0],
        F.linear(x, layer.weight_ih, layer.bias_ih).transpose(0, 1).detach(),
        layer.begin(x),
        lambda state: model.head(state if isinstance(state, Tensor) else state[0]).mean(),
    )
