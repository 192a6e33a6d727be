"""Pooling: which kind errs least, what it keeps of a moved picture, and whose parameters it saves.

    max | average | overlapping | stochastic | stride | none   x MNIST, Fashion-MNIST x seeds
    error = wrong / all test pictures        kept = accuracy on moved pictures / accuracy on the same, unmoved

One network (`pooling_cnn`), its pooling alone exchanged; equal pictures drawn by the seed, order, updates, schedule and
initial convolutions. `stride` keeps every second place, so its layers equal those with pooling; `none` keeps the map
as it is, and its classifier sees 16 times as many inputs. A picture is moved by 1 to 4 pixels to four sides, turned by
15 degrees either way, made larger and smaller by 15 %; what leaves the frame is lost, for every arm alike. Whoever
errs more has less to lose, hence the ratio. Nothing is tuned: there is one schedule for all.

Papers     Zeiler and Fergus, ICLR 2013, https://arxiv.org/abs/1301.3557 (stochastic errs less than maximum, maximum
           less than average); Krizhevsky et al., NIPS 2012, https://papers.nips.cc/paper/4824 (overlapping, 0.4 points)
"""

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lamina.core.errors import BadInput
from lamina.recipes._results import Figure, over_seeds
from lamina.recipes._study import Curves, Found, Line, Study, Trial, differences, line, per_seed, seeds, study

ROWS = ("M25", "M28")
CLAIM = "C17"
TRIAL_S = 12.0  # from 7 (max) to 22 (none)
KINDS = ("max", "average", "overlapping", "stochastic", "stride", "none")
SETS = {"mnist": ("MNIST", "MNIST"), "fashion_mnist": ("Fashion-MNIST", "Fashion-MNIST")}
SHIFTS = (1, 2, 3, 4)  # pixels
SHIFT = 2  # the one that is judged
ANGLE = math.radians(15)
GROWTH = 0.15
_ZEILER = "Zeiler and Fergus, ICLR 2013, https://arxiv.org/abs/1301.3557"
_ALEXNET = "Krizhevsky et al., NIPS 2012, section 3.4, https://papers.nips.cc/paper/4824"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    seeds: int = 5
    data: tuple[str, ...] = ("mnist", "fashion_mnist")
    examples: int = 5000  # training pictures, drawn by the seed
    epochs: int = 6
    batch_size: int = 64
    learning_rate: float = 2e-3  # peak of Adam's
    widths: tuple[int, int] = (8, 16)  # maps of the convolutions
    hidden: int = 64
    moved: int = 1000  # test pictures, drawn by the seed, that are moved

    def __post_init__(self) -> None:
        least = {"seeds": 2, "examples": 1, "epochs": 1, "batch_size": 1, "hidden": 1, "moved": 1}
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise BadInput(f"{name} is {getattr(self, name)}: at least {smallest} is needed")
        if len(self.widths) != 2 or min(self.widths) < 1:
            raise BadInput(f"widths are {self.widths}: two numbers of maps, each at least 1, are needed")
        if not self.data or len(set(self.data)) < len(self.data) or not set(self.data) <= SETS.keys():
            raise BadInput(f"data is {self.data}: one or both of {', '.join(SETS)} are needed")


def pooling(out: Path | str, config: Config = Config()) -> Study:
    """Run the study into the folder `out`, or go on with it. `BadInput` for a folder of another run or absent data."""
    return study(__name__, out, config)


def plan(config: Config) -> list[Trial]:
    shared = {
        name: getattr(config, name)
        for name in ("examples", "epochs", "batch_size", "learning_rate", "widths", "hidden", "moved")
    }
    return [
        Trial(name=f"{data}.{kind}-{seed}", settings={"data": data, "kind": kind, "seed": seed, **shared})
        for seed in seeds(config)
        for data in config.data
        for kind in KINDS
    ]


def trial(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The error in percent, the kept share in percent by movement, and the numbers of parameters."""
    from lamina.core.seeds import derive
    from lamina.recipes._drawn import drawn, some
    from lamina.recipes._work import data_set, model_module
    from lamina.training import FitConfig, fit
    from lamina.training.evaluation import evaluate

    seed = settings["seed"]
    data = drawn(data_set(settings["data"], None), settings["examples"], seed)
    data = replace(data, validation=data.validation.first(0))  # there is nothing to choose
    module = model_module("pooling_cnn")
    described = module.Config(
        pooling=settings["kind"], widths=tuple(settings["widths"]), hidden=settings["hidden"], classes=len(data.classes)
    )
    model = module.pooling_cnn(described, seed=seed)
    schedule = FitConfig(
        epochs=settings["epochs"], batch_size=settings["batch_size"], learning_rate=settings["learning_rate"]
    )
    fit(model, data, config=schedule, seed=seed)
    counts = {name: parameter.numel() for name, parameter in model.named_parameters()}
    return {
        "error": 100 * (1 - evaluate(model, data.test)["accuracy"]),
        "parameters": sum(counts.values()),
        "convolution_parameters": sum(n for name, n in counts.items() if name.startswith("conv")),
        **kept(model, some(data.test, settings["moved"], derive(seed, "moved pictures"))),
    }


def kept(model: Any, split: Any) -> dict[str, float]:
    """The accuracy on the moved pictures of `split`, in percent of that on the unmoved, by the name of the movement."""
    import torch

    from lamina.training.augmentation import warp
    from lamina.training.evaluation import evaluate

    def right(x: Any) -> int:
        moved = type(split)(tensors={"x": x, "y": split.labels})
        return int(evaluate(model, moved)["correct"])

    found: dict[str, list[int]] = {}
    for name, matrix in movements():
        maps = torch.tensor(matrix, dtype=torch.float32).expand(len(split), 2, 3)
        found.setdefault(name, []).append(right(warp(split.inputs, maps)))
    unmoved = max(right(split.inputs), 1)  # a network that is never right has nothing to keep
    return {name: 100 * statistics.fmean(counts) / unmoved for name, counts in found.items()}


def movements() -> Iterator[tuple[str, list[list[float]]]]:
    """Each movement by the name it is averaged under: a map from places of the new picture to those of the old."""
    for pixels in SHIFTS:
        for across, down in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            yield f"shift_{pixels}", [[1, 0, across * pixels], [0, 1, down * pixels]]
    for angle in (ANGLE, -ANGLE):
        cos, sin = math.cos(angle), math.sin(angle)
        yield "rotation", [[cos, -sin, 0], [sin, cos, 0]]
    for factor in (1 + GROWTH, 1 - GROWTH):
        yield "scale", [[factor, 0, 0], [0, factor, 0]]


def figures(config: Config, found: Found) -> list[Figure]:
    rows = [figure for data in config.data for figure in _of(config, found, data)]
    counts = {kind: found[f"{config.data[0]}.{kind}-{config.seed}"] for kind in KINDS}
    convolutions = counts["max"]["convolution_parameters"] / counts["none"]["convolution_parameters"]
    whole = counts["none"]["parameters"] / counts["max"]["parameters"]
    return [
        *rows,
        Figure(
            row="M28", name="convolution_parameters", unit="x", measured=convolutions, rule="equal", limit=1.0,
            title="parameters of the convolutions with pooling, of those without", claim=CLAIM,
            title_zh="有池化时卷积层自身的参数量与无池化时之比", source="counted",
        ),
        Figure(
            row="M28", name="network_parameters", unit="x", measured=round(whole, 6), rule="at_least", limit=1.0,
            title="parameters of the whole network without pooling, of those with it", claim=CLAIM,
            title_zh="无池化时整个网络的参数量与有池化时之比", source="counted; the classifier sees fewer inputs",
        ),
    ]  # fmt: skip


def _of(config: Config, found: Found, data: str) -> Iterator[Figure]:
    """The figures of one data set."""
    english, chinese = SETS[data]
    short = data.removesuffix("_mnist")

    def of(kind: str, what: str = "error") -> tuple[float, ...]:
        return per_seed(config, found, f"{data}.{kind}", what)

    def points(row: str, name: str, one: tuple[float, ...], other: tuple[float, ...], **fields: Any) -> Figure:
        return over_seeds(
            differences(one, other),
            row=row,
            name=f"{name}_{short}",
            unit="points",
            rule="at_least",
            limit=0.0,
            **fields,
        )

    yield points(
        "M25", "average_less_max", of("average"), of("max"), claim=CLAIM, source=_ZEILER,
        title=f"{english}: test error with average pooling less that with maximum",
        title_zh=f"{chinese}：平均池化的测试错误率减去最大池化的测试错误率",
    )  # fmt: skip
    yield points(
        "M25", "max_less_overlapping", of("max"), of("overlapping"), source=_ALEXNET,
        title=f"{english}: test error with maximum pooling less that with overlapping windows",
        title_zh=f"{chinese}：最大池化的测试错误率减去重叠池化的测试错误率",
    )  # fmt: skip
    yield points(
        "M25", "max_less_stochastic", of("max"), of("stochastic"), source=_ZEILER,
        title=f"{english}: test error with maximum pooling less that with stochastic",
        title_zh=f"{chinese}：最大池化的测试错误率减去随机池化的测试错误率",
    )  # fmt: skip
    for name, what, move, move_zh in (
        ("shift", f"shift_{SHIFT}", f"a shift of {SHIFT} pixels", f"平移 {SHIFT} 像素"),
        ("rotation", "rotation", "a rotation of 15 degrees", "旋转 15 度"),
        ("scale", "scale", "a change of size by 15 %", "缩放 15 %"),
    ):
        yield points(
            "M28", f"{name}_kept", of("max", what), of("none", what), claim=CLAIM,
            title=f"{english}: accuracy kept under {move}, maximum pooling less none",
            title_zh=f"{chinese}：{move_zh}后保留的准确率，最大池化减去无池化",
        )  # fmt: skip
    shift = f"shift_{SHIFT}"
    yield points(
        "M28", "shift_kept_over_stride", of("max", shift), of("stride", shift), claim=CLAIM,
        title=f"{english}: accuracy kept under a shift of {SHIFT} pixels, maximum pooling less every second place",
        title_zh=f"{chinese}：平移 {SHIFT} 像素后保留的准确率，最大池化减去隔点采样",
    )  # fmt: skip


def curves(config: Config, found: Found) -> list[Curves]:
    return [
        Curves(
            title=f"{SETS[data][0]}: accuracy kept under a shift",
            x="shift, pixels",
            y="accuracy kept, %",
            lines=tuple(_kept(config, found, data, kind) for kind in KINDS),
        )
        for data in config.data
    ]


def _kept(config: Config, found: Found, data: str, kind: str) -> Line:
    shifted = [per_seed(config, found, f"{data}.{kind}", f"shift_{pixels}") for pixels in SHIFTS]
    return line(kind, [0, *SHIFTS], [(100.0,) * config.seeds, *shifted])
