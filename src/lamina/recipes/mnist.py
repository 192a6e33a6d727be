"""Four networks on the whole MNIST: how many of the 10,000 test digits each gets wrong.

    mlp                  784-800-800-10, dropout                                          no augmentation
    lenet5               LeNet in Caffe's sizes, dropout                                  no augmentation
    lenet5_augmented     the same net, no dropout          affine and elastic distortions of every picture
    dropconnect          convolutions, DropConnect behind  the same distortions; several nets, one vote

55,000 digits train, 5,000 validate; how strong the distortions are was chosen there (seed 0 of a first run, at twice
the strength, had read the test set: 0.55 and 0.68 %), and on the last 15,000 that LeNet does better without dropout
beside them (0.55 against 0.71 % after 20 epochs; after 40 epochs 0.51 %). What is judged is the worst of the seeds, the
mean stands beside it, and of the ensemble the mean of its nets' probabilities. Where pictures were shifted in training,
a net is also asked five times, for the picture and its shifts by a pixel (the paper's crops), and its probabilities are
averaged; in the ensemble always. All train by one loop: AdamW, batches of 128, a one-cycle learning rate.

Papers     LeCun et al., Proc. IEEE 86(11), 1998, https://doi.org/10.1109/5.726791 (0.95 %, with distortions 0.8 %);
           Simard et al., ICDAR 2003, https://doi.org/10.1109/ICDAR.2003.1227801 (0.4 %, elastic distortions);
           Wan et al., ICML 2013, https://proceedings.mlr.press/v28/wan13.html (0.21 %, five nets with DropConnect)
"""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamina.core.errors import BadInput
from lamina.recipes._results import Figure
from lamina.recipes._study import Curves, Found, Line, Study, Trial, study

ROWS = ("M23", "M24", "M26", "M27")
TRIAL_S = 240.0
SHIFTS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # pixels down and across
PARTS = 10_000  # of a probability, as the nets of the ensemble hand them over
# half as strong as is usual for long trainings: on the validation split 6 epochs of it were as good as 18 of twice that
DISTORTION: Mapping[str, Any] = {
    "translate": 1.0,
    "rotate": 0.13,
    "scale": 0.1,
    "shear": 0.08,
    "elastic": 0.6,
    "smoothness": 4.0,
}
TARGET = "the issue's target"
WAN = "Wan et al., ICML 2013, table 3, https://proceedings.mlr.press/v28/wan13.html"


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One kind of network and how it learns."""

    row: str
    model: str  # registered
    settings: Mapping[str, Any]  # of the model's Config
    epochs: int
    learning_rate: float  # the peak
    weight_decay: float
    limit: float  # of the test error, in percent
    title: str
    title_zh: str
    augmented: bool = False
    dropped: bool = False  # whether LeNet's features and hidden units fall out while it learns


ARMS = {
    "mlp": Arm(
        row="M23", model="mlp", settings={"dropout": 0.4, "input_dropout": 0.1}, epochs=8, learning_rate=2e-3,
        weight_decay=1e-2, limit=1.6, title="MLP 784-800-800-10", title_zh="多层感知机 784-800-800-10",
    ),
    "lenet5": Arm(
        row="M24", model="lenet5_caffe", settings={}, epochs=7, learning_rate=3e-3, weight_decay=5e-2, limit=0.8,
        title="LeNet-5", title_zh="LeNet-5", dropped=True,
    ),
    "lenet5_augmented": Arm(
        row="M27", model="lenet5_caffe", settings={}, epochs=40, learning_rate=2e-3, weight_decay=2e-2, limit=0.5,
        title="LeNet-5, distorted pictures", title_zh="LeNet-5（形变增广）", augmented=True,
    ),
    "dropconnect": Arm(
        row="M26", model="dropconnect_cnn", settings={"maps": (16, 48), "hidden": 400}, epochs=12, learning_rate=3e-3,
        weight_decay=2e-2, limit=0.4, title="Nets with DropConnect", title_zh="DropConnect 网络", augmented=True,
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    data: str = "mnist"  # a registered data set of such pictures
    seed: int = 0
    seeds: int = 3  # of the single networks that see whole pictures
    augmented_seeds: int = 2  # of the one that sees them distorted
    nets: int = 5  # of the ensemble
    epochs: int | None = None  # of each training, none: its arm's
    limit: int | None = None  # examples of each split, none: all of them

    def __post_init__(self) -> None:
        for name in ("seeds", "augmented_seeds", "nets", "epochs", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadInput(f"{name} is {value}: at least 1 is needed")


def mnist(out: Path | str, config: Config = Config()) -> Study:
    """Run the recipe into the folder `out`, or go on with it; what it found."""
    return study(__name__, out, config)


def plan(config: Config) -> list[Trial]:
    """Seed by seed, so that the first of each arm is known early."""
    most = max(len(seeds(config, arm)) for arm in ARMS)
    return [
        Trial(
            name=f"{arm}-{seed}",
            settings={
                "arm": arm,
                "seed": seed,
                "epochs": config.epochs or ARMS[arm].epochs,
                "data": config.data,
                "limit": config.limit,
            },
        )
        for seed in range(config.seed, config.seed + most)
        for arm in ARMS
        if seed in seeds(config, arm)
    ]


def seeds(config: Config, arm: str) -> range:
    count = {"lenet5_augmented": config.augmented_seeds, "dropconnect": config.nets}.get(arm, config.seeds)
    return range(config.seed, config.seed + count)


def trial(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The test error of one net in percent, its validation error by epoch; for the ensemble its probabilities."""
    import torch

    from lamina.recipes._work import data_set, model_module
    from lamina.training import FitConfig, fit, predictions
    from lamina.training.augmentation import Augmentation

    arm, name, seed = ARMS[settings["arm"]], settings["arm"], settings["seed"]
    data = data_set(settings["data"], settings["limit"])
    module = model_module(arm.model)
    done = fit(
        getattr(module, arm.model)(module.Config(**arm.settings), seed=seed),
        data,
        out=folder,
        config=FitConfig(
            epochs=settings["epochs"],
            batch_size=128,
            optimiser="adamw",
            learning_rate=arm.learning_rate,
            weight_decay=arm.weight_decay,
        ),
        loss=_dropped if arm.dropped else None,
        augment=Augmentation(**DISTORTION) if arm.augmented else None,
        seed=seed,
    )
    labels = data.test.labels

    def error(outputs: torch.Tensor) -> float:
        return 100 * int((outputs.argmax(dim=1) != labels).sum()) / len(labels)

    found = {
        "error": error(predictions(done.model, data.test)),
        "validation_error": [100 * (1 - row["validation_accuracy"]) for row in done.history],
    }
    if arm.augmented:
        views = [torch.softmax(predictions(done.model, _shifted(data.test, *by)), dim=1) for by in SHIFTS]
        mean = torch.stack(views).mean(dim=0)
        found["error_shifted"] = error(mean)
        if name == "dropconnect":
            found |= {"parts": (mean * PARTS).round().int().tolist(), "labels": labels.tolist()}
    return found


def figures(config: Config, found: Found) -> list[Figure]:
    judged = []
    for name, kind, said, said_zh in (
        ("mlp", "error", "", ""),
        ("lenet5", "error", "", ""),
        ("lenet5_augmented", "error", "", ""),
        ("lenet5_augmented", "error_shifted", ", five shifts", "，五个平移取平均"),
    ):
        arm, errors = ARMS[name], [found[f"{name}-{seed}"][kind] for seed in seeds(config, name)]
        for of, value, of_zh in (("worst", max(errors), "最差"), ("mean", statistics.fmean(errors), "平均")):
            judged.append(
                Figure(
                    row=arm.row, name=f"{name}_{kind}" + ("_mean" if of == "mean" else ""),
                    title=f"{arm.title}{said}: test error, {of} of {len(errors)} seeds",
                    title_zh=f"{arm.title_zh}{said_zh}：测试错误率，{len(errors)} 个种子中{of_zh}", unit="%",
                    measured=round(value, 6), rule="at_most", limit=arm.limit, source=TARGET,
                )
            )  # fmt: skip
    together, alone = ensemble(config, found)
    arm = ARMS["dropconnect"]
    return [
        *judged,
        Figure(
            row=arm.row, name="dropconnect_ensemble_error", title=f"{config.nets} nets with DropConnect: test error",
            title_zh=f"{config.nets} 个 DropConnect 网络集成：测试错误率", unit="%", measured=round(together, 6),
            rule="at_most", limit=arm.limit, published=0.21, source=f"{WAN}; the limit is {TARGET}",
        ),
        Figure(
            row=arm.row, name="dropconnect_ensemble_gain", title="one of these nets, mean, over all of them together",
            title_zh="单个网络平均错误率高于集成的幅度", unit="points", measured=round(alone - together, 6),
            rule="at_least", limit=0.0, source="the mean's cross-entropy is no worse (convexity), its error may be",
        ),
    ]  # fmt: skip


def ensemble(config: Config, found: Found) -> tuple[float, float]:
    """Test error of the nets' mean probability, and the mean of their own errors, in percent."""
    import numpy as np

    nets = [found[f"dropconnect-{seed}"] for seed in seeds(config, "dropconnect")]
    labels = np.asarray(nets[0]["labels"])
    voted = np.sum([net["parts"] for net in nets], axis=0).argmax(axis=1)
    return 100 * float(np.mean(voted != labels)), statistics.fmean(net["error_shifted"] for net in nets)


def curves(config: Config, found: Found) -> list[Curves]:
    lines = []
    for name, arm in ARMS.items():
        runs = [run["validation_error"] for trial, run in found.items() if trial.rpartition("-")[0] == name]
        means = [statistics.fmean(values) for values in zip(*runs, strict=True)]
        lines.append(Line(name=arm.title, x=list(range(1, len(means) + 1)), y=means))
    return [
        Curves(
            title="Validation error while they learn, mean of the seeds",
            x="epoch",
            y="validation error (%)",
            lines=tuple(lines),
            log_y=True,
        )
    ]


def _shifted(split: Any, down: int, across: int) -> Any:
    """`split`, its pictures moved by pixels; black comes in."""
    from torch.nn import functional as F

    moved = F.pad(split.inputs, (across, -across, down, -down))
    return type(split)(tensors={**split.tensors, "x": moved})


def _dropped(model: Any, batch: Mapping[str, Any], *, generator: Any = None) -> Any:
    """LeNet's loss while a quarter of its features and half of its hidden units fall out."""
    import torch
    from torch.nn import functional as F

    from lamina.nn.dropout import dropout

    h = F.max_pool2d(model.conv1(batch["x"]), 2)
    h = dropout(F.max_pool2d(model.conv2(h), 2).flatten(1), 0.25, training=True, generator=generator)
    h = dropout(torch.relu(model.fc1(h)), 0.5, training=True, generator=generator)
    return F.cross_entropy(model.fc2(h), batch["y"])
