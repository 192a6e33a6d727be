"""The story of XOR: no line has more than three of its four points right, one hidden layer has all four.

    lines        every line with small whole weights: 14 dichotomies of the 4 corners, as many as Cover counts, so all
    perceptron   Rosenblatt's rule on XOR, one corner an update: the most ever right, passes with mistakes
    mlp          one hidden layer, plain SGD: XOR, and its gradients beside finite differences in float64
    bound        Rosenblatt's rule on random separable sets: mistakes beside (R / margin)^2

A seed draws the order of the corners, the weights of the MLP and the separable sets. The perceptron is judged after
every update, by the best that it ever was; a rule that once went through a pass without a mistake would have solved it.
The bound is that of the line by which the set was drawn, not of the best one, which would be smaller.

Papers     Minsky and Papert, "Perceptrons", 1969; Novikoff, "On convergence proofs on perceptrons", 1962; Cover, IEEE
           Trans. Electronic Computers EC-14(3), 1965, https://doi.org/10.1109/PGEC.1965.264137 (how many dichotomies)
"""

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.core.errors import BadInput
from lamina.core.seeds import derive
from lamina.recipes._results import Figure, over_seeds
from lamina.recipes._study import Found, Study, Trial, per_seed, seeds, study

if TYPE_CHECKING:
    from torch import Tensor

ROWS = ("M22", "M23")
CLAIM = "C14"
TRIAL_S = 1.0  # of processor time
ARMS = ("perceptron", "mlp", "bound")
CORNERS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
XOR = (0, 1, 1, 0)
COVER = 14  # 2 (1 + 3 + 3): of four points in the plane, no three of them on a line
APART = 0.1  # the least distance of a random example from the line that separates them
MINSKY = "Minsky and Papert, Perceptrons, 1969"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    seeds: int = 5
    passes: int = 500  # of the perceptron through the four corners
    hidden: int = 4  # units of the MLP
    updates: int = 2000  # of the MLP, all four corners each
    learning_rate: float = 0.5
    sets: int = 200  # separable ones, of 2 to 100 examples of 1 to 10 inputs

    def __post_init__(self) -> None:
        for name, least in (("seeds", 2), ("passes", 1), ("hidden", 1), ("updates", 1), ("sets", 1)):
            if getattr(self, name) < least:
                raise BadInput(f"{name} is {getattr(self, name)}: at least {least} is needed")


def xor(out: Path | str, config: Config = Config()) -> Study:
    """Run the study into the folder `out`, or go on with it. `BadInput` for a folder of another run."""
    return study(__name__, out, config)


def plan(config: Config) -> list[Trial]:
    given = asdict(config)
    several = [(arm, seed) for seed in seeds(config) for arm in ARMS]
    return [Trial(name="lines", settings=given | {"arm": "lines"})] + [
        Trial(name=f"{arm}-{seed}", settings=given | {"arm": arm, "seed": seed}) for arm, seed in several
    ]


def trial(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    arms = {"lines": _lines, "perceptron": _perceptron, "mlp": _mlp, "bound": _bound}
    return arms[settings["arm"]](settings)


def figures(config: Config, found: Found) -> list[Figure]:
    lines, bound = found["lines"], per_seed(config, found, "bound", "share")
    novikoff = "Novikoff, Symposium on the Mathematical Theory of Automata, 1962"
    return [
        Figure(
            row="M22", name="dichotomies", title="Ways in which a line divides the four corners", unit="",
            measured=lines["dichotomies"], rule="equal", limit=COVER, published=COVER,
            source="Cover, IEEE Trans. Electronic Computers EC-14(3), 1965",
        ),
        Figure(
            row="M22", name="line_right", title="Corners of XOR that the best line has right", unit="of 4",
            title_zh="最佳直线在异或四点中分对的点数", measured=lines["right"], rule="equal", limit=3, source=MINSKY,
            claim=CLAIM,
        ),
        over_seeds(
            per_seed(config, found, "perceptron", "right"),
            row="M22", name="perceptron_right", title="Corners of XOR that a perceptron ever has right", unit="of 4",
            title_zh="感知机训练中在异或四点中最多分对的点数", rule="at_most", limit=3, source=MINSKY, claim=CLAIM,
        ),
        over_seeds(
            per_seed(config, found, "perceptron", "mistakes"),
            row="M22", name="perceptron_mistakes", title="Passes through XOR in which a perceptron errs",
            title_zh="感知机学习异或时仍犯错的遍数比例", unit="%", rule="equal", limit=100, source=MINSKY, claim=CLAIM,
        ),
        over_seeds(
            per_seed(config, found, "mlp", "right"),
            row="M22", name="mlp_right", title="Corners of XOR that an MLP with one hidden layer has right",
            title_zh="单隐层感知机在异或四点中分对的点数", unit="of 4", rule="equal", limit=4, claim=CLAIM,
            source="Rumelhart, Hinton and Williams, Nature 323, 1986",
        ),
        Figure(
            row="M22", name="mistakes_over_bound", title="Most mistakes on a separable set, of those Novikoff allows",
            unit="x", measured=round(max(bound), 6), rule="at_most", limit=1, source=novikoff,
        ),
        Figure(
            row="M23", name="gradient_error", title="Back-propagation against finite differences, largest difference",
            unit="of the largest gradient",
            measured=float(f"{max(per_seed(config, found, 'mlp', 'gradient_error')):.3g}"), rule="at_most", limit=1e-6,
            source="central differences in float64, sigmoid, tanh and ReLU",
        ),
    ]  # fmt: skip


def _lines(settings: Mapping[str, Any]) -> dict[str, Any]:
    """All dichotomies that a line with weights of -1, 0, 1 and a threshold between whole numbers makes."""
    weights = itertools.product((-1, 0, 1), (-1, 0, 1), (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5))
    made = {tuple(int(a * x + b * y + c > 0) for x, y in CORNERS) for a, b, c in weights}
    right = max(sum(one == other for one, other in zip(labels, XOR, strict=True)) for labels in made)
    return {"dichotomies": len(made), "right": right}


def _perceptron(settings: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    from lamina.models.perceptron import perceptron
    from lamina.training import FitConfig, fit

    model = perceptron()
    corners, labels = torch.tensor(CORNERS), torch.tensor(XOR)
    right: list[int] = []
    mistakes = [0] * settings["passes"]
    before = [0.0, 0.0, 0.0]

    def watch(share: float) -> None:
        now = [*model.unit.weight[0].tolist(), model.unit.bias.item()]
        mistakes[len(right) // len(XOR)] += now != before
        before[:] = now
        right.append(int(((model(corners)[:, 0] > 0) == labels).sum()))

    rule = FitConfig(
        epochs=settings["passes"], batch_size=1, optimiser="sgd", learning_rate=1.0, schedule="constant"
    )  # with which the model's own gradients are Rosenblatt's steps
    fit(model, _data(corners, labels), config=rule, seed=settings["seed"], after_update=watch)
    return {"right": max(right), "mistakes": 100 * sum(count > 0 for count in mistakes) / len(mistakes)}


def _mlp(settings: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    from lamina.models.mlp import ACTIVATIONS, mlp
    from lamina.models.mlp import Config as MlpConfig
    from lamina.training import FitConfig, evaluate, fit

    def model(activation: Any) -> Any:
        config = MlpConfig(shape=(2,), hidden=(settings["hidden"],), classes=2, activation=activation)
        return mlp(config, seed=settings["seed"])

    network, data = model("tanh"), _data(torch.tensor(CORNERS), torch.tensor(XOR))
    descent = FitConfig(
        steps=settings["updates"], batch_size=len(XOR), optimiser="sgd", learning_rate=settings["learning_rate"],
        schedule="constant",
    )  # fmt: skip
    fit(network, data, config=descent, seed=settings["seed"])
    generator = torch.Generator().manual_seed(derive(settings["seed"], "xor", "gradients"))
    batch = {
        "x": torch.randn(8, 2, generator=generator, dtype=torch.float64),
        "y": torch.randint(0, 2, (8,), generator=generator),
    }
    errors = [_gradient_error(model(activation).double(), batch) for activation in ACTIVATIONS]
    return {"right": evaluate(network, data.train)["correct"], "gradient_error": max(errors)}


def _gradient_error(model: Any, batch: Mapping[str, "Tensor"], step: float = 1e-6) -> float:
    """The largest difference of a weight's gradient from a central one, in parts of the largest gradient."""
    import torch

    model.loss(batch).backward()
    largest, scale = 0.0, max(float(weight.grad.abs().max()) for weight in model.parameters())
    with torch.no_grad():
        for weight in model.parameters():
            for index in range(weight.numel()):
                place = weight.view(-1)
                at = float(place[index])
                values = []
                for moved in (at + step, at - step):
                    place[index] = moved
                    values.append(float(model.loss(batch)))
                place[index] = at
                central = (values[0] - values[1]) / (2 * step)
                largest = max(largest, abs(central - float(weight.grad.view(-1)[index])))
    return largest / scale


def _bound(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The largest share that the mistakes of one set are of its bound."""
    import torch

    from lamina.models.perceptron import learn, mistake_bound

    shares = []
    for number in range(settings["sets"]):
        generator = torch.Generator().manual_seed(derive(settings["seed"], "xor", "separable", number))
        inputs, count = (
            int(torch.randint(low, high + 1, (), generator=generator)) for low, high in ((1, 10), (2, 100))
        )
        weight = torch.randn(inputs, generator=generator, dtype=torch.float64)
        bias = float(torch.randn((), generator=generator)) * float(weight.norm())
        x = torch.randn(count, inputs, generator=generator, dtype=torch.float64)
        distance = ((x @ weight + bias) / weight.norm()).abs()
        x = x[(distance > APART) | (distance == distance.max())]  # the farthest stays, so that no set is empty
        y = (x @ weight + bias > 0).long()
        shares.append(learn(x, y, passes=100_000).mistakes / mistake_bound(x, y, weight, bias))
    return {"share": max(shares)}


def _data(x: "Tensor", y: "Tensor") -> Any:
    """The four corners as a data set whose validation split is empty: what is learnt is what is judged."""
    from lamina.recipes._made import made

    given = {"x": x, "y": y}
    return made("XOR", given, {name: tensor[:0] for name, tensor in given.items()})
