"""What the geometry of a picture is worth: convolutions against dense layers, on digits and on shuffled digits.

    lenet5, mlp_72  x  plain, shuffled  ▶  test error        mlp_24 .. mlp_2000  ▶  parameters at LeNet-5's error

The survey says that dense nets trail on images since geometry is lost, and that their parameters explode. If geometry
is the reason, then LeNet-5 has to lose its lead where one fixed permutation of the pixels takes geometry away, and the
dense net must not care. Arms of a seed have the same digits; 62,506 parameters of the MLP stand against 61,706. What
explodes is counted, not trained: 1,000 dense units on AlexNet's picture against its first convolution, and the share
of dense layers in its own parameters. Rates were tuned on the validation split, with seeds that no trial uses.

Errors     `BadInput` for settings out of range
Paper      LeCun et al., Proc. IEEE 86(11), 1998, section I (what fully connected nets lack on pictures),
           https://doi.org/10.1109/5.726791
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamina.core.errors import BadInput
from lamina.recipes import _digit_nets as nets
from lamina.recipes._results import Figure, over_seeds
from lamina.recipes._study import Curves, Found, Line, Study, Trial, differences, line, per_seed, seeds, study

ROWS = ("M23", "M28")
CLAIM = "C15"
TRIAL_S = 12.0
SOURCE = "LeCun et al., Proc. IEEE 86(11), 1998, section I"
UNITS = 1000  # of the dense layer that is counted
SIDES = (28, 56, 112, 224, 448)  # of its pictures of three colours, pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    seeds: int = 5
    digits: int = 5000  # to learn from, of each seed its own
    judged: int = 10_000  # of the test split
    epochs: int = 15
    widths: tuple[int, ...] = (24, 200, 500, 2000)  # of further MLPs, beside the one of LeNet-5's parameters

    def __post_init__(self) -> None:
        nets.check_training(self.digits, self.epochs, self.judged)
        if not self.widths or min(self.widths) < 1 or len(set(self.widths)) < len(self.widths) or EQUAL in self.widths:
            raise BadInput(f"widths is {self.widths}: positive numbers, each once, none of them {EQUAL}, are needed")


EQUAL = nets.equal_width(nets.LENET5)


def geometry(out: Path | str, config: Config = Config()) -> Study:
    """Run the study into the folder `out`, or go on with it; what it found."""
    return study(__name__, out, config)


def plan(config: Config) -> list[Trial]:
    """The counts, then for each seed the widest nets first: they take the longest."""
    shared = {"digits": config.digits, "judged": config.judged, "epochs": config.epochs}
    arms = [(f"mlp_{width}", "mlp", width, False) for width in sorted(_widths(config), reverse=True)]
    arms += [("lenet5", "lenet5", 0, False), ("lenet5_shuffled", "lenet5", 0, True)]
    arms += [(f"mlp_{EQUAL}_shuffled", "mlp", EQUAL, True)]
    return [Trial(name="counts", settings={"net": "alexnet"})] + [
        Trial(name=f"{arm}-{seed}", settings=shared | {"net": net, "width": width, "shuffled": moved, "seed": seed})
        for seed in seeds(config)
        for arm, net, width, moved in arms
    ]


def trial(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The test error in per cent of one net, or what AlexNet's layers count."""
    if settings["net"] == "alexnet":
        return _counts()
    x, y = nets.digits(settings["seed"], settings["digits"])
    test_x, test_y = nets.test_digits(settings["judged"])
    if settings["shuffled"]:
        x, test_x = nets.shuffled(x), nets.shuffled(test_x)
    model = nets.trained(
        settings["net"], settings["width"], x, y, epochs=settings["epochs"], seed=settings["seed"]
    )  # fmt: skip
    parameters = sum(p.numel() for p in model.parameters())
    return {"error": 100 - nets.accuracy(model, test_x, test_y), "parameters": parameters}


def figures(config: Config, found: Found) -> list[Figure]:
    """Errors are in per cent of the test digits, their differences in points."""
    mlp, mlp_shuffled, lenet, lenet_shuffled = (
        per_seed(config, found, arm, "error")
        for arm in (f"mlp_{EQUAL}", f"mlp_{EQUAL}_shuffled", "lenet5", "lenet5_shuffled")
    )
    widest = max(_widths(config))
    times = nets.dense_parameters(widest) / nets.LENET5
    plain, without = differences(mlp, lenet), differences(mlp_shuffled, lenet_shuffled)
    moved = tuple(map(abs, differences(mlp_shuffled, mlp)))
    trails: dict[str, Any] = {"unit": "points", "rule": "at_least", "limit": 0.0, "source": SOURCE, "claim": CLAIM}
    counts = found["counts"]
    dense = counts["dense_parameters"][SIDES.index(224)]
    return [
        over_seeds(
            plain, row="M23", name="mlp_over_lenet5", **trails,
            title="test error of a dense net over LeNet-5's, equal parameters",
            title_zh="参数量相等时，全连接网络的测试错误率减去 LeNet-5 的",
        ),
        over_seeds(
            differences(per_seed(config, found, f"mlp_{widest}", "error"), lenet), row="M23",
            name="widest_mlp_over_lenet5", **trails,
            title=f"the same with {times:.0f} times LeNet-5's parameters",
            title_zh=f"同上，但全连接网络的参数量为 LeNet-5 的 {times:.0f} 倍",
        ),
        over_seeds(
            [_needed(config, found, seed) for seed in seeds(config)], row="M28", name="parameters_at_equal_error",
            title="a dense net's parameters at LeNet-5's error, over LeNet-5's (none reaches: the most tried)",
            title_zh="达到 LeNet-5 错误率所需的全连接网络参数量与 LeNet-5 之比（均未达到时取所试最大值，即下界）",
            **trails | {"unit": "x", "limit": 1.0},
        ),
        over_seeds(
            differences(plain, without), row="M28", name="lead_lost_by_shuffling", **trails,
            title="LeNet-5's lead on digits less its lead on shuffled pixels",
            title_zh="LeNet-5 在原始像素上的领先幅度减去其在打乱像素上的领先幅度",
        ),
        over_seeds(
            differences(lenet_shuffled, lenet), row="M28", name="lenet5_hurt_by_shuffling", **trails,
            title="what shuffling the pixels adds to LeNet-5's error", title_zh="打乱像素使 LeNet-5 的错误率增加多少",
        ),
        over_seeds(
            moved, row="M28", name="mlp_moved_by_shuffling",
            title="how far shuffling moves the dense net's error, to either side",
            title_zh="打乱像素使全连接网络的错误率变化多少（绝对值）", **trails | {"rule": "at_most", "limit": 0.5},
        ),
        Figure(
            row="M23", name="dense_over_conv1", measured=round(dense / counts["conv1_parameters"], 1),
            title=f"parameters of {UNITS:,} dense units on 224 x 224 x 3 pixels, over those of AlexNet's conv1",
            title_zh=f"224 x 224 x 3 图像上 {UNITS:,} 个全连接单元的参数量与 AlexNet 第一卷积层参数量之比",
            **trails | {"unit": "x", "limit": 10.0},
        ),
        Figure(
            row="M23", name="alexnet_dense_share", measured=round(100 * counts["dense_share"], 3),
            title="share of AlexNet's parameters in its three dense layers",
            title_zh="AlexNet 的三个全连接层占其参数量的比例", **trails | {"unit": "%", "limit": 50.0},
        ),
    ]  # fmt: skip


def curves(config: Config, found: Found) -> list[Curves]:
    """Errors by parameters, and the parameters of a first layer by the size of the picture."""
    widths = sorted(_widths(config))
    errors = [per_seed(config, found, f"mlp_{width}", "error") for width in widths]
    lenet = per_seed(config, found, "lenet5", "error")
    counts = found["counts"]
    ends = [nets.dense_parameters(widths[0]), nets.dense_parameters(widths[-1])]
    return [
        Curves(
            title="Error of dense nets by their parameters",
            x="parameters",
            y="test error, %",
            lines=(
                line("MLP", [nets.dense_parameters(width) for width in widths], errors),
                line("LeNet-5 (61,706 parameters)", ends, [lenet, lenet]),
            ),
            log_x=True,
        ),
        Curves(
            title="Parameters of a first layer by the size of the picture",
            x="side of the picture, pixels",
            y="parameters",
            lines=(
                Line(name=f"dense, {UNITS:,} units", x=SIDES, y=counts["dense_parameters"]),
                Line(name="AlexNet's conv1", x=SIDES, y=[counts["conv1_parameters"]] * len(SIDES)),
            ),
            log_x=True,
            log_y=True,
        ),
    ]


def _widths(config: Config) -> tuple[int, ...]:
    return (EQUAL, *config.widths)


def _needed(config: Config, found: Found, seed: int) -> float:
    """Parameters at which a dense net of one seed reaches LeNet-5's error, over LeNet-5's.

    Between two widths the error is taken to be straight over the logarithm of the parameters. A bound where no width
    tried reaches (the most that was tried) or where the smallest does already.
    """
    aim = found[f"lenet5-{seed}"]["error"]
    tried = [(nets.dense_parameters(w), found[f"mlp_{w}-{seed}"]["error"]) for w in sorted(_widths(config))]
    before: tuple[int, float] | None = None
    for parameters, error in tried:
        if error <= aim:
            if before is None:
                return parameters / nets.LENET5
            share = (before[1] - aim) / (before[1] - error)
            return math.exp(math.log(before[0]) + share * math.log(parameters / before[0])) / nets.LENET5
        before = parameters, error
    return tried[-1][0] / nets.LENET5


def _counts() -> dict[str, Any]:
    """Exact counts of layers as they are built, without memory for their weights."""
    import torch

    from lamina.recipes._work import model_module

    def parameters(layer: Any) -> int:
        return sum(p.numel() for p in layer.parameters())

    with torch.device("meta"):
        model = model_module("alexnet").AlexNet()
        layers = [torch.nn.Linear(3 * side**2, UNITS) for side in SIDES]
    dense = sum(map(parameters, (model.fc6, model.fc7, model.fc8)))
    return {
        "conv1_parameters": parameters(model.conv1),
        "dense_share": dense / parameters(model),
        "dense_parameters": [parameters(layer) for layer in layers],
    }
