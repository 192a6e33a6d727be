"""Adversarial nets on digits: how far what they make is from test digits, in the features of a frozen LeNet-5.

    gan, dcgan, conditional_gan, wgan_gp   ▶  Fréchet distance to the test digits; for the conditional one also the
    digits that a LeNet-5 reads in the pictures, of those that were ordered

The LeNet-5 learns from other digits than are judged, and no generator meets it; the features are the 84 before its
last layer. Equal numbers of pictures (the distance falls with them). Two bounds are judged beside: as many training
digits, the best that can be had, and pixels drawn from one Gaussian with the mean and the covariance of the training
digits, which is what a model without layers makes. Each pair has as many updates of its generator; the last weights
count.

Papers     Heusel et al., NIPS 2017, https://arxiv.org/abs/1706.08500 (the distance, there in Inception's features);
           Radford et al., ICLR 2016, https://arxiv.org/abs/1511.06434; Mirza and Osindero, 2014,
           https://arxiv.org/abs/1411.1784; Gulrajani et al., NIPS 2017, https://arxiv.org/abs/1704.00028
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lamina.core.errors import BadInput
from lamina.recipes._results import Figure
from lamina.recipes._study import Found, Study, Trial, study

ROWS = ("M40",)
TRIAL_S = 240.0
MODELS = ("gan", "conditional_gan", "wgan_gp", "dcgan")
# Adam's rate and its β1, β2: those of the papers of the last two, Radford's for the first two
ADAM = {"gan": (2e-4, 0.5, 0.999), "conditional_gan": (2e-4, 0.5, 0.999), "dcgan": (2e-4, 0.5, 0.999)}
ADAM |= {"wgan_gp": (1e-4, 0.5, 0.9)}
READ = 0.9  # of the digits that were ordered, at least


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    updates: int = 4_000  # of each generator
    batch_size: int = 64
    width: int = 32  # maps of dcgan at half size
    samples: int = 10_000  # pictures that are judged, as many of each kind
    judge_epochs: int = 6  # of the LeNet-5
    data: str = "mnist"
    limit: int | None = None  # examples of each split, none: all of them

    def __post_init__(self) -> None:
        for name in ("updates", "batch_size", "width", "samples", "judge_epochs", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadInput(f"{name} is {value}: at least 1 is needed")


def gan_digits(out: Path | str, config: Config = Config()) -> Study:
    """Run the study into the folder `out`, or go on with it; what it found."""
    return study(__name__, out, config)


def plan(config: Config) -> list[Trial]:
    return [Trial(name=model, settings={**asdict(config), "model": model}) for model in ("bounds", *MODELS)]


def trial(settings: Mapping[str, Any], folder: Path) -> dict[str, float]:
    """One pair's pictures judged; or, as the model `bounds`, training digits and a Gaussian's."""
    from lamina.recipes._work import data_set

    data = data_set(settings["data"], settings["limit"])
    judge = _judge(data, settings)
    test = data.test.first(settings["samples"])
    if settings["model"] == "bounds":
        kinds = {"training digits": data.train.inputs, "gaussian": _gaussian(data.train.inputs, settings)}
        read = {"read": _read(judge, test.inputs, test.labels)}
        return {name: _distance(judge, test.inputs, x[: len(test)]) for name, x in kinds.items()} | read
    made = _pictures(data, test.labels, folder, settings)
    read = {"read": _read(judge, made, test.labels)} if settings["model"] == "conditional_gan" else {}
    return {"distance": _distance(judge, test.inputs, made), **read}


def figures(config: Config, found: Found) -> list[Figure]:
    bounds = found["bounds"]
    best, simple = bounds["training digits"], bounds["gaussian"]
    rows = [
        Figure(
            row="M40",
            name=f"{model}_distance",
            title=f"{model}: distance of its digits to test digits over that of Gaussian pixels "
            f"(training digits: {best / simple:.4f})",
            unit="x",
            measured=round(found[model]["distance"] / simple, 6),
            rule="at_most",
            limit=1.0,
        )
        for model in MODELS
    ]
    title = f"digits that LeNet-5 reads as ordered from conditional_gan (real ones: {100 * bounds['read']:.2f} %)"
    read = round(100 * found["conditional_gan"]["read"], 4)
    name = "conditional_gan_read"
    rows.append(Figure(row="M40", name=name, title=title, unit="%", measured=read, rule="at_least", limit=100 * READ))
    return rows


def _judge(data: Any, settings: Mapping[str, Any]) -> Any:
    """A LeNet-5 that has learnt from the training digits; the same in every trial."""
    from lamina.core.seeds import derive
    from lamina.recipes._work import model_module
    from lamina.training import FitConfig, fit

    seed = derive(settings["seed"], "judge")
    model = model_module("lenet5").lenet5(seed=seed)
    fit(model, data, config=FitConfig(epochs=settings["judge_epochs"], batch_size=128), seed=seed)
    return model.eval()


def _pictures(data: Any, y: Any, folder: Path, settings: Mapping[str, Any]) -> Any:
    """Of a pair that is trained here, a picture for each label in y, whether it heeds them or not."""
    import torch

    from lamina.core.seeds import derive
    from lamina.recipes._made import made
    from lamina.recipes._work import model_module
    from lamina.training import FitConfig, fit

    name, seed = settings["model"], settings["seed"]
    module = model_module(name)
    fields: dict[str, dict[str, Any]] = {
        "dcgan": {"width": settings["width"]},
        "wgan_gp": {"shape": (1, 28, 28), "latent": 64, "output": "sigmoid", "hidden": (256, 256)},
    }
    model = getattr(module, name)(module.Config(**fields.get(name, {})), seed=seed)
    rate, beta1, beta2 = ADAM[name]
    schedule = FitConfig(
        steps=settings["updates"] * sum(steps for _, _, steps in model.players().values()),
        batch_size=settings["batch_size"],
        learning_rate=rate,
        schedule="constant",
        beta1=beta1,
        beta2=beta2,
    )
    nothing = data.validation.first(0).tensors
    fit(model, made(data.name, data.train.tensors, nothing), out=folder, config=schedule, seed=seed)
    drawn = torch.Generator().manual_seed(derive(seed, "judged"))
    with torch.no_grad():
        parts = [
            model.sample(part if name == "conditional_gan" else len(part), generator=drawn) for part in y.split(1000)
        ]
    return torch.cat(parts)


def _gaussian(x: Any, settings: Mapping[str, Any]) -> Any:
    """Pictures from one Gaussian with the mean and covariance of the pixels of x, cut to [0, 1]."""
    import torch

    from lamina.core.seeds import derive

    drawn = torch.Generator().manual_seed(derive(settings["seed"], "gaussian"))
    flat = x.flatten(1).double()
    values, vectors = torch.linalg.eigh(flat.T.cov())
    z = torch.randn(settings["samples"], flat.shape[1], generator=drawn, dtype=torch.float64)
    pixels = flat.mean(0) + (z * values.clamp(min=0).sqrt()) @ vectors.T
    return pixels.clamp(0, 1).float().view(-1, *x.shape[1:])


def _features(judge: Any, x: Any) -> Any:
    """What the last layer of `judge` sees [n, 84]."""
    import torch

    seen: list[Any] = []
    handle = judge.fc3.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        for part in x.split(1000):
            judge(part)
    handle.remove()
    return torch.cat(seen)


def _distance(judge: Any, real: Any, made: Any) -> float:
    from lamina.tasks.frechet import frechet_distance

    return frechet_distance(_features(judge, real), _features(judge, made))


def _read(judge: Any, x: Any, y: Any) -> float:
    """The share of the pictures x in which `judge` reads y."""
    from lamina.data._dataset import Split
    from lamina.training import evaluate

    return float(evaluate(judge, Split(tensors={"x": x, "y": y}))["accuracy"])
