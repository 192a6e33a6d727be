"""What convolution resists: LeNet-5 and a dense net of as many parameters on digits shifted, rotated and scaled.

    trained on digits as they are  ▶  accuracy on the test digits moved by 0 .. 8 pixels, 0 .. 90°, x 0.5 .. 1.5
    kept = accuracy moved / accuracy unmoved        conv(shift x) = shift(conv x), conv(turn x) ≠ turn(conv x)

The survey says that convolution finds local structure, shares its weights and resists shift, rotation and scale. For
each of the three moves there are two questions: does LeNet-5 keep more than the dense net, and does it keep nine tenths
of its accuracy. Nothing was trained on moved digits. Shifts go to the four sides, turns to both; bilinear look-up, with
0 outside the picture. Digits have a margin of 4 pixels: shifts beyond cut off some. Local structure is the
correlation of neighbouring weights in the trained filters of conv1, less that of the same weights in any other order.

Errors     `BadInput` for settings out of range
Papers     LeCun et al., Proc. IEEE 86(11), 1998, section II (local fields, shared weights, subsampling),
           https://doi.org/10.1109/5.726791; Cohen and Welling, "Group Equivariant Convolutional Networks", ICML 2016,
           https://arxiv.org/abs/1602.07576 (section 4: a convolution commutes with shifts, not with turns)
"""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamina.recipes import _digit_nets as nets
from lamina.recipes._results import Figure, over_seeds
from lamina.recipes._study import Curves, Found, Study, Trial, differences, line, seeds, study

ROWS = ("M28",)
CLAIM = "C16"
TRIAL_S = 40.0
LECUN = "LeCun et al., Proc. IEEE 86(11), 1998, section II"
COHEN = "Cohen and Welling, ICML 2016, section 4"
MOVES: dict[str, tuple[float, ...]] = {
    "shift": (0, 1, 2, 3, 4, 6, 8),  # pixels
    "rotation": (0, 15, 30, 45, 60, 90),  # degrees
    "scale": (0.5, 0.65, 0.8, 1, 1.25, 1.5),  # of both sides
}
STILL = {"shift": 0, "rotation": 0, "scale": 1}
COMPARED = {"shift": (2, 3, 4), "rotation": (30, 45, 60), "scale": (0.65, 0.8, 1.25, 1.5)}
KEPT = (("shift", 2), ("shift", 4), ("rotation", 30), ("rotation", 45), ("scale", 0.8), ("scale", 1.25))
WORDS = {  # of the titles
    "shift": ("a shift of {} pixels", "平移 {} 像素"),
    "rotation": ("a rotation by {}°", "旋转 {} 度"),
    "scale": ("a scale of {}", "缩放到 {} 倍"),
}
NETS = {"lenet5": "LeNet-5", "mlp": "MLP"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    seeds: int = 5
    digits: int = 5000  # to learn from, of each seed its own
    judged: int = 10_000  # of the test split, each of them in every position
    epochs: int = 15

    def __post_init__(self) -> None:
        nets.check_training(self.digits, self.epochs, self.judged)


def invariance(out: Path | str, config: Config = Config()) -> Study:
    """Run the study into the folder `out`, or go on with it; what it found."""
    return study(__name__, out, config)


def plan(config: Config) -> list[Trial]:
    """One trial a seed: both nets are judged on the same moved digits."""
    sizes = {"digits": config.digits, "judged": config.judged, "epochs": config.epochs}
    return [Trial(name=f"nets-{seed}", settings=sizes | {"seed": seed}) for seed in seeds(config)]


def trial(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Accuracies in per cent by net, move and size; what conv1 looks like and what it commutes with."""
    x, y = nets.digits(settings["seed"], settings["digits"])
    widths = {"lenet5": 0, "mlp": nets.equal_width(nets.LENET5)}
    models = {
        net: nets.trained(net, width, x, y, epochs=settings["epochs"], seed=settings["seed"])
        for net, width in widths.items()
    }
    test_x, test_y = nets.test_digits(settings["judged"])
    found: dict[str, Any] = {net: {move: [] for move in MOVES} for net in NETS}
    for move, sizes in MOVES.items():
        for size in sizes:
            moved = [warped(test_x, way) for way in maps(move, size)]
            for net, model in models.items():
                found[net][move].append(statistics.fmean(nets.accuracy(model, pictures, test_y) for pictures in moved))
    conv = models["lenet5"].conv1
    found |= {"neighbours": neighbours(conv.weight), "shared": shared(models["lenet5"], test_x)}
    return found | commutes(conv, test_x[:100])


def maps(move: str, size: float) -> Iterator[list[list[float]]]:
    """From a place of the moved picture to the place of the picture: to each of four sides, to both, or once."""
    if size == STILL[move]:
        yield [[1, 0, 0], [0, 1, 0]]
    elif move == "shift":
        for across, down in ((size, 0), (-size, 0), (0, size), (0, -size)):
            yield [[1, 0, -across], [0, 1, -down]]
    elif move == "rotation":
        for angle in (math.radians(size), -math.radians(size)):
            yield [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0]]
    else:
        yield [[1 / size, 0, 0], [0, 1 / size, 0]]


def warped(x: Any, way: Sequence[Sequence[float]]) -> Any:
    """Pictures, all under the one map."""
    from lamina.training.augmentation import warp

    if way == [[1, 0, 0], [0, 1, 0]]:
        return x
    return warp(x, x.new_tensor(way).expand(len(x), 2, 3))


def neighbours(weight: Any) -> float:
    """How alike neighbouring weights of filters [n, c, h, w] are, over what chance gives.

    The correlation of the pairs side by side and one above the other, of each filter less its mean over its variance.
    Of the same weights in a random order each pair has -1 / (h w - 1) in the mean.
    """
    w = weight.detach().double()
    w = w - w.mean(dim=(2, 3), keepdim=True)
    across = (w[..., 1:] * w[..., :-1]).flatten(2)
    down = (w[:, :, 1:] * w[:, :, :-1]).flatten(2)
    pairs = (across.sum(2) + down.sum(2)) / (across.shape[2] + down.shape[2])
    size = w.shape[2] * w.shape[3]
    return float((pairs / w.square().mean(dim=(2, 3))).mean()) + 1 / (size - 1)


def commutes(conv: Any, x: Any) -> dict[str, float]:
    """|conv(move x) - move(conv x)| over |conv(move x)|, in doubles, inside of what padding and the edge touch.

    The shift is by 3 pixels, the turn a quarter: exact without interpolation.
    """
    import torch
    from torch.nn import functional as F

    weight, x = conv.weight.detach().double(), x.double()

    def apart(move: Callable[[Any], Any]) -> float:
        one = F.conv2d(move(x), weight, padding=conv.padding)
        other = move(F.conv2d(x, weight, padding=conv.padding))
        return float((one - other)[..., 6:-6, 6:-6].norm() / one[..., 6:-6, 6:-6].norm())

    return {
        "shift_apart": apart(lambda pictures: pictures.roll((3, 3), (2, 3))),
        "turn_apart": apart(lambda pictures: torch.rot90(pictures, 1, (2, 3))),
    }


def shared(model: Any, x: Any) -> dict[str, int]:
    """Parameters of LeNet-5, and what they were if no convolution shared its weights among its places."""
    first = model.conv1(x[:1])
    second = model.conv2(first[..., ::2, ::2])
    sizes = [sum(p.numel() for p in layer.parameters()) for layer in (model.conv1, model.conv2)]
    untied = [size * out[0, 0].numel() for size, out in zip(sizes, (first, second), strict=True)]
    whole = sum(p.numel() for p in model.parameters())
    return {
        "conv1": sizes[0],
        "conv1_untied": untied[0],
        "whole": whole,
        "whole_untied": whole + sum(untied) - sum(sizes),
    }


def figures(config: Config, found: Found) -> list[Figure]:
    """Shares kept are in per cent of the accuracy on unmoved digits, their differences in points."""
    ruled: dict[str, Any] = {"row": "M28", "rule": "at_least", "source": LECUN, "claim": CLAIM}
    compared = [
        over_seeds(
            differences(*(_mean_kept(config, found, net, move) for net in NETS)), name=f"{move}_kept_over_mlp",
            title=f"share of its accuracy that LeNet-5 keeps over the dense net's, {_sizes(move, 0)}",
            title_zh=f"LeNet-5 保持的准确率比例减去全连接网络的：{_sizes(move, 1)}",
            unit="points", limit=0.0, **ruled,
        )
        for move in MOVES
    ]  # fmt: skip
    nine_tenths = [
        over_seeds(
            _kept(config, found, "lenet5", move, size), name=f"{move}_{size:g}_kept".replace(".", "_"),
            title=f"share of its accuracy that LeNet-5 keeps under {WORDS[move][0].format(f'{size:g}')}",
            title_zh=f"{WORDS[move][1].format(f'{size:g}')}后 LeNet-5 保持的准确率比例",
            unit="%", limit=90.0, **ruled,
        )
        for move, size in KEPT
    ]  # fmt: skip
    commuting: dict[str, Any] = ruled | {"rule": "at_most", "limit": 0.01, "source": COHEN, "unit": ""}
    counts = found[f"nets-{config.seed}"]["shared"]
    return [
        *compared,
        *nine_tenths,
        over_seeds(
            _found(config, found, "neighbours"), name="neighbours_alike", unit="", limit=0.0, **ruled,
            title="correlation of neighbouring weights in conv1's filters, over chance",
            title_zh="第一卷积层滤波器中相邻权重的相关系数（减去随机排列时的值）",
        ),
        over_seeds(
            _found(config, found, "shift_apart"), name="shift_commutes", **commuting,
            title="conv1 of a shifted digit against shifted conv1 of the digit, relative",
            title_zh="先平移后卷积与先卷积后平移的相对差异",
        ),
        over_seeds(
            _found(config, found, "turn_apart"), name="turn_commutes", **commuting,
            title="conv1 of a digit turned by 90° against turned conv1 of the digit, relative",
            title_zh="先旋转 90 度后卷积与先卷积后旋转的相对差异",
        ),
        Figure(
            name="conv1_uses", measured=counts["conv1_untied"] / counts["conv1"], published=122_304 / 156,
            title="uses of a weight in LeNet-5's conv1: connections over parameters",
            title_zh="LeNet-5 第一卷积层中每个权重的使用次数（连接数与参数量之比）", unit="x", limit=1.0, **ruled,
        ),
        Figure(
            name="sharing_saves", measured=round(counts["whole_untied"] / counts["whole"], 6),
            title="parameters of LeNet-5 without shared weights, over LeNet-5's",
            title_zh="不共享权重时 LeNet-5 的参数量与原参数量之比", unit="x", limit=1.0, **ruled,
        ),
    ]  # fmt: skip


def curves(config: Config, found: Found) -> list[Curves]:
    """Accuracy of both nets by the size of each move."""
    titles = {"shift": "shift, pixels", "rotation": "rotation, degrees", "scale": "scale of both sides"}
    return [
        Curves(
            title=f"Accuracy by {move}",
            x=titles[move],
            y="accuracy, %",
            lines=tuple(
                line(
                    name,
                    sizes,
                    [[found[f"nets-{seed}"][net][move][n] for seed in seeds(config)] for n in range(len(sizes))],
                )
                for net, name in NETS.items()
            ),
        )
        for move, sizes in MOVES.items()
    ]


def _found(config: Config, found: Found, figure: str) -> list[float]:
    return [found[f"nets-{seed}"][figure] for seed in seeds(config)]


def _kept(config: Config, found: Found, net: str, move: str, size: float) -> list[float]:
    """Accuracy under the move over that without it, in per cent, seed by seed."""
    moved, still = MOVES[move].index(size), MOVES[move].index(STILL[move])
    return [100 * one[moved] / one[still] for one in (found[f"nets-{seed}"][net][move] for seed in seeds(config))]


def _mean_kept(config: Config, found: Found, net: str, move: str) -> list[float]:
    """The mean over the sizes by which the nets are compared."""
    return [
        statistics.fmean(one) for one in zip(*(_kept(config, found, net, move, s) for s in COMPARED[move]), strict=True)
    ]


def _sizes(move: str, language: int) -> str:
    return WORDS[move][language].format(", ".join(f"{size:g}" for size in COMPARED[move]))
