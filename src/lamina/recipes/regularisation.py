"""Five helps of descent, each alone: dropout, DropConnect, momentum, weight decay, augmentation.

    gain = test error without - test error with the one thing, in points, seed by seed      p: Student's t, one-sided

plain, dropout, dropconnect, momentum, decay     MLP 784-800-800-10, stochastic gradient descent, one-cycle schedule
lenet, augmented                                 LeNet-5, Adam, one schedule for both

5,000 digits drawn by the seed, few enough to be learnt by heart; equal for the arms, as are the initial weights, order,
batches and updates. Each arm of the first line chooses its learning rate by the validation split, from one grid of
η / (1 - μ), since momentum μ makes steps that much longer in the long run; decay chooses its strength, at the rate that
was best without it. The test split is read by the chosen networks alone. DropConnect draws one mask for a batch.

Papers     Srivastava et al., JMLR 15, 2014, https://jmlr.org/papers/v15/srivastava14a.html (dropout); Wan et al., ICML
           2013, https://proceedings.mlr.press/v28/wan13.html (DropConnect errs less); Simard et al., ICDAR 2003,
           https://doi.org/10.1109/ICDAR.2003.1227801 (distortions)
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lamina.core.errors import BadInput
from lamina.recipes._interval import STUDENT, TAIL, p_value
from lamina.recipes._results import Figure, over_seeds
from lamina.recipes._study import Found, Study, Trial, differences, per_seed, seeds, study

ROWS = ("M26", "M27")
CLAIM = "C18"
TRIAL_S = 140.0  # from 15 (lenet) to 330 (dropconnect)
ARMS = ("plain", "dropout", "dropconnect", "momentum", "lenet", "augmented")  # plain goes on to decay
MOVED: Mapping[str, Any] = {"translate": 2.0, "rotate": 0.2, "scale": 0.1, "shear": 0.1, "elastic": 1.0}
_SRIVASTAVA = "Srivastava et al., JMLR 15, 2014, https://jmlr.org/papers/v15/srivastava14a.html"
_WAN = "Wan et al., ICML 2013, https://proceedings.mlr.press/v28/wan13.html"
_SIMARD = "Simard et al., ICDAR 2003, https://doi.org/10.1109/ICDAR.2003.1227801"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    seeds: int = 5
    examples: int = 5000  # training digits, drawn by the seed
    epochs: int = 60
    batch_size: int = 100
    hidden: tuple[int, ...] = (800, 800)
    share: float = 0.5  # of units or connections that are dropped, in (0, 1)
    momentum: float = 0.9
    rates: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)  # η / (1 - μ), the peak of the schedule
    decays: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    lenet_epochs: int = 15
    lenet_rate: float = 2e-3  # peak of Adam's

    def __post_init__(self) -> None:
        for name, least in (("seeds", 2), ("examples", 1), ("epochs", 1), ("batch_size", 1), ("lenet_epochs", 1)):
            if getattr(self, name) < least:
                raise BadInput(f"{name} is {getattr(self, name)}: at least {least} is needed")
        for name in ("share", "momentum"):
            if not 0 < getattr(self, name) < 1:
                raise BadInput(f"{name} is {getattr(self, name)}: (0, 1) is allowed, 0 is the baseline")
        for name in ("rates", "decays"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values) or min(values) <= 0:
                raise BadInput(f"{name} is {values}: positive numbers, one or more, each once, are needed")


def regularisation(out: Path | str, config: Config = Config()) -> Study:
    """Run the study into the folder `out`, or go on with it. `BadInput` for a folder of another run or absent data."""
    return study(__name__, out, config)


def plan(config: Config) -> list[Trial]:
    names = ("examples", "epochs", "batch_size", "hidden", "share", "momentum", "rates", "decays")
    shared = {name: getattr(config, name) for name in (*names, "lenet_epochs", "lenet_rate")}
    return [
        Trial(name=f"{arm}-{seed}", settings={"arm": arm, "seed": seed, **shared})
        for seed in seeds(config)
        for arm in ARMS
    ]


def trial(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Test errors in percent of the networks that were chosen, and what was chosen."""
    from lamina.recipes._drawn import drawn
    from lamina.recipes._work import data_set

    arm = settings["arm"]
    data = drawn(data_set("mnist", None), settings["examples"], settings["seed"])
    if arm in ("lenet", "augmented"):
        return {"error": _error(_lenet(settings, data), data.test)}
    momentum = settings["momentum"] if arm == "momentum" else 0.0
    effective, model = _best(settings, data, [(rate, 0.0) for rate in settings["rates"]])
    found = {"error": _error(model, data.test), "rate": effective[0] * (1 - momentum)}
    if arm == "dropconnect":
        model.config = replace(model.config, inference="mean")
        found["error_of_mean"] = _error(model, data.test)
    if arm == "plain":
        chosen, model = _best(settings, data, [(effective[0], decay) for decay in settings["decays"]])
        found |= {"decayed_error": _error(model, data.test), "decay": chosen[1]}
    return found


def _best(
    settings: Mapping[str, Any], data: Any, options: Sequence[tuple[float, float]]
) -> tuple[tuple[float, float], Any]:
    """Of (rate, decay) the one whose network errs least on the validation split, and that network."""
    tried = [(option, model) for option in options if (model := _mlp(settings, data, *option)) is not None]
    if not tried:
        raise BadInput(
            f"{settings['arm']}: no rate of {settings['rates']} keeps the loss finite: lower ones are needed"
        )
    return min(tried, key=lambda one: _error(one[1], data.validation))


def _mlp(settings: Mapping[str, Any], data: Any, effective: float, decay: float) -> Any:
    """The network of an arm, trained; None where the loss did not stay finite."""
    from lamina.recipes._work import model_module
    from lamina.training import FitConfig, fit

    arm, seed, hidden = settings["arm"], settings["seed"], tuple(settings["hidden"])
    dense, cut = model_module("mlp"), model_module("dropconnect_mlp")
    if arm == "dropconnect":
        model = cut.dropconnect_mlp(cut.Config(hidden=hidden, share=settings["share"], masks="batch"), seed=seed)
    else:
        model = dense.mlp(
            dense.Config(hidden=hidden, dropout=settings["share"] if arm == "dropout" else 0.0), seed=seed
        )
    momentum = settings["momentum"] if arm == "momentum" else 0.0
    schedule = FitConfig(
        epochs=settings["epochs"],
        batch_size=settings["batch_size"],
        optimiser="momentum",  # with μ = 0 plain descent
        momentum=momentum,
        learning_rate=effective * (1 - momentum),
        weight_decay=decay,
    )
    try:
        fit(model, _unwatched(data), config=schedule, seed=seed)
    except BadInput as e:
        if "loss is" not in str(e):
            raise
        return None
    return model


def _lenet(settings: Mapping[str, Any], data: Any) -> Any:
    from lamina.recipes._work import model_module
    from lamina.training import FitConfig, fit
    from lamina.training.augmentation import Augmentation

    model = model_module("lenet5").lenet5(seed=settings["seed"])
    schedule = FitConfig(
        epochs=settings["lenet_epochs"], batch_size=settings["batch_size"], learning_rate=settings["lenet_rate"]
    )
    augment = Augmentation(**MOVED) if settings["arm"] == "augmented" else None
    fit(model, _unwatched(data), config=schedule, seed=settings["seed"], augment=augment)
    return model


def _unwatched(data: Any) -> Any:
    """The data without a validation split: what is chosen by it is chosen behind the last epoch."""
    return replace(data, validation=data.validation.first(0))


def _error(model: Any, split: Any) -> float:
    """In percent."""
    from lamina.training.evaluation import evaluate

    return 100 * (1 - evaluate(model, split)["accuracy"])


def figures(config: Config, found: Found) -> list[Figure]:
    def of(arm: str, what: str = "error") -> tuple[float, ...]:
        return per_seed(config, found, arm, what)

    share = f"{config.share:.0%}"
    plain, dropped, cut = of("plain"), of("dropout"), of("dropconnect")
    return [
        *_gain(
            "M26", "dropout", plain, dropped, f"dropout of {share} of the hidden units", f"Dropout（隐藏单元 {share}）",
            _SRIVASTAVA,
        ),
        *_gain(
            "M26", "dropconnect", plain, cut, f"DropConnect of {share} of the connections",
            f"DropConnect（连接 {share}）", _WAN,
        ),
        *_pair(
            "M26", "dropout_less_dropconnect", dropped, cut, source=_WAN,
            title="test error with dropout less that with DropConnect",
            title_zh="Dropout 的测试错误率减去 DropConnect 的测试错误率",
        ),
        over_seeds(
            differences(of("dropconnect", "error_of_mean"), cut), row="M26", name="gaussian_inference_gain",
            title="test error of DropConnect by the mean network less that by Gaussian inference", unit="points",
            title_zh="DropConnect：均值推断的测试错误率减去高斯推断的测试错误率", source=_WAN,
            rule="at_least", limit=0.0,
        ),
        *_gain("M27", "momentum", plain, of("momentum"), "momentum", "动量", "the survey, section 2.4"),
        *_gain(
            "M27", "weight_decay", plain, of("plain", "decayed_error"), "weight decay", "权值衰减",
            "the survey, section 2.4",
        ),
        *_gain(
            "M27", "augmentation", of("lenet"), of("augmented"), "moved and bent examples (LeNet-5)",
            "数据增强（LeNet-5）", _SIMARD,
        ),
    ]  # fmt: skip


def _gain(
    row: str, name: str, without: Sequence[float], given: Sequence[float], what: str, what_zh: str, source: str
) -> Iterator[Figure]:
    return _pair(
        row, f"{name}_gain", without, given, source=source,
        title=f"test error without {what} less that with it",
        title_zh=f"无{what_zh}的测试错误率减去有{what_zh}的测试错误率",
    )  # fmt: skip


def _pair(
    row: str, name: str, one: Sequence[float], other: Sequence[float], *, title: str, title_zh: str, source: str
) -> Iterator[Figure]:
    """How much the errors `one` lie above the `other`, and how likely so much is by chance."""
    above = differences(one, other)
    yield over_seeds(
        above, row=row, name=name, title=title, title_zh=title_zh, unit="points", rule="at_least", limit=0.0,
        source=source, claim=CLAIM,
    )  # fmt: skip
    yield Figure(
        row=row, name=f"{name}_p", title=f"{title}: p-value", title_zh=f"{title_zh}：p 值", unit="",
        measured=round(p_value(above), 6), rule="at_most", limit=TAIL, source=STUDENT, claim=CLAIM,
    )  # fmt: skip
