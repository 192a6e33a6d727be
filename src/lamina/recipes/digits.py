"""Handwritten digits, from data to silicon: the main job, in one run folder and on one page.

    train ▶ prune ▶ share ▶ lower ▶ cost ▶ emulate ▶ export ▶ check ▶ report

A network learns digits, loses most of its weights, becomes a packed file and an integer network, is costed and
emulated, written as C and ONNX, and every link of the chain is compared with the interpreter. Each stage is done once:
killed at any moment, the same command goes on and ends with the same weights and the same packed bytes. Every choice is
made on the validation split; the test split is read once, at the end.

Paper      LeCun et al., Proc. IEEE 86(11), 1998, https://doi.org/10.1109/5.726791 (0.8 % test error on all of MNIST);
           Han et al., ICLR 2016, https://arxiv.org/abs/1510.00149 (LeNet-5 39x, LeNet-300-100 40x smaller, no loss)
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lamina.core import files
from lamina.core.errors import BadInput
from lamina.core.progress import say
from lamina.core.run_folder import open_run
from lamina.recipes._published import PUBLISHED as PUBLISHED

# the rows it gives evidence for: digits read, LeNet-5, Deep Compression, and the machines that it is costed on
ROWS = ("A2", "M24", "O6", "H1", "H6", "H19")


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    model: str = "lenet5"  # a registered model that takes the data's pictures
    data: str = "digits"  # a registered data set
    seed: int = 0
    bits: int = 8  # of weights and activations, 2..8
    machines: str = "cpu,systolic:rows=32,columns=32,diannao"
    examples: int = 1000  # test examples through every link of the chain
    limit: int | None = None  # examples of each split, none: all of them
    epochs: int | None = None  # of each of the three trainings, none: those of _settings.py
    density: float | None = None  # share of the weights that pruning leaves, in (0, 1]
    clusters: int | None = None  # codebook entries of each layer


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What the run left: prints as the final table and the place of the page."""

    path: Path
    summary: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"path": str(self.path), "report": str(self.path / "report.html"), **self.summary}

    def __str__(self) -> str:
        from lamina.recipes._summary import table_text

        return f"{table_text(self.summary)}\n\nreport: {self.path / 'report.html'}"


def digits(out: Path | str, config: Config = Config()) -> Outcome:
    """Run the recipe into the folder `out`, or go on with it; what it found.

    Raises `BadInput` for a model or data set that is not registered, a number out of range, or a folder of another run.
    """
    from lamina.recipes import _stages
    from lamina.recipes._work import Work, data_set, model_module

    _check(config)
    module = model_module(config.model)
    data = data_set(config.data, config.limit)
    taken, given = [*module.INPUT_SHAPE[1:]], [*data.train.inputs.shape[1:]]
    if taken != given:
        raise BadInput(
            f"{config.model} takes inputs of shape {taken}, {config.data} has {given}: choose another --data"
        )
    chosen = _settings(config, len(data.train))
    described = {
        "verb": "run",
        "recipe": "digits",
        "seed": config.seed,
        "model": {"name": config.model, "settings": asdict(module.Config())},
        "data": {"name": data.name, "checksum": data.checksum, "limit": config.limit},
        "settings": asdict(chosen),
        **{name: getattr(config, name) for name in ("bits", "machines", "examples")},
    }
    with open_run(Path(out), described) as run, _threads(chosen.threads):
        say(f"digits: {config.model} on {config.data} into {run.path}")
        _stages.run_stages(run, _plan(), Work(run, config, chosen, data))
        if not run.file("report.html").exists():
            from lamina.reporting import report

            report(run.path)
        return Outcome(path=run.path, summary=files.read_json(run.file("summary.json")))


def _check(config: Config) -> None:
    from lamina.hw import registry

    for name in ("examples", "limit", "epochs", "clusters"):
        value = getattr(config, name)
        if value is not None and value < 1:
            raise BadInput(f"{name} is {value}: at least 1 is needed")
    if config.density is not None and not 0 < config.density <= 1:
        raise BadInput(f"density is {config.density}: a share of the weights in (0, 1] is needed")
    if not 2 <= config.bits <= 8:
        raise BadInput(f"bits is {config.bits}: 2 to 8 are allowed")
    for spec in registry.split_list(config.machines):
        registry.find(spec)  # a name that is wrong is better known before an hour of training


def _settings(config: Config, examples: int) -> Any:
    from lamina.recipes._settings import settings

    found = settings(config.model, examples)
    if config.epochs is not None:
        found = replace(
            found,
            train=replace(found.train, epochs=config.epochs),
            prune=replace(found.prune, epochs=config.epochs),
            share=replace(found.share, epochs=config.epochs),
        )
    given = {name: value for name in ("density", "clusters") if (value := getattr(config, name)) is not None}
    return replace(found, **given)


def _plan() -> list[Any]:
    """The stages in order, with the files that each reads."""
    from lamina.recipes import _chain, _emulated, _learning, _silicon, _summary
    from lamina.recipes._stages import Stage, marker_name

    trained, pruned, final, packed = _learning.TRAINED, _learning.PRUNED, _learning.FINAL, _learning.PACKED
    network = [_silicon.NETWORK, _silicon.WEIGHTS]
    markers = [marker_name(name) for name in _summary.STAGES]
    return [
        Stage(name="train", does="fit the float network", inputs=[], work=_learning.train),
        Stage(name="prune", does="remove the small weights, train the rest", inputs=[trained], work=_learning.prune),
        Stage(
            name="share",
            does="let the rest share a few values, train these, pack",
            inputs=[trained, pruned],
            work=_learning.share,
        ),
        Stage(name="lower", does="quantise, and lower to the graph", inputs=[final], work=_silicon.lower),
        Stage(name="cost", does="what it costs on each machine", inputs=network, work=_silicon.cost),
        Stage(name="emulate", does="compute as the machines do", inputs=network, work=_emulated.emulate),
        Stage(name="export", does="write C and ONNX", inputs=network, work=_chain.export),
        Stage(
            name="check",
            does="compare every link with the interpreter, read the test set",
            inputs=[trained, pruned, final, packed, *network, marker_name("export")],
            work=_chain.check,
        ),
        Stage(name="report", does="write the table and the page", inputs=markers, work=_summary.summarise),
    ]


class _threads:
    """torch on a number of threads, to which a run's bits belong; None leaves it alone."""

    def __init__(self, count: int | None) -> None:
        self.count, self.before = count, 0

    def __enter__(self) -> None:
        import torch

        self.before = torch.get_num_threads()
        if self.count is not None:
            torch.set_num_threads(self.count)

    def __exit__(self, *error: object) -> None:
        import torch

        torch.set_num_threads(self.before)
