"""Label efficiency: what features that were learned without labels are worth where labels are few.

    all      digits ─patches 7x7─▶ RBM ─its filters, sigmoid, max 4─▶ 7x7 maps ─▶ RBM ─▶ p(h | x)        no label seen
    n of them with a label:    softmax on p(h | x)    softmax on pixels    LeNet-5    CNN + RBM, trained as one

Two restricted Boltzmann machines, both by contrastive divergence, make convolutional features under an RBM; the lower
one is kept sparse, else its filters answer to blank paper. The softmax on them is the same as that on pixels, brought
to its optimum. LeNet-5 and the joint network see the labelled digits alone, for equal updates. n runs from 10 to 1,000,
as many of each class, the smaller sets within the larger ones. Rates, updates and decay were chosen on validation
digits, but for the joint network, whose rate is LeNet-5's; accuracy is that on the test set of MNIST.

Papers     Lee, Grosse, Ranganath and Ng, ICML 2009, https://doi.org/10.1145/1553374.1553453 (belief nets of
           convolutions, few labels); Sun, Wang and Tang, ICCV 2013, https://doi.org/10.1109/ICCV.2013.188
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.core.errors import BadInput
from lamina.core.seeds import derive
from lamina.recipes._results import Figure, over_seeds
from lamina.recipes._study import Curves, Found, Study, Trial, differences, line, seeds, study

if TYPE_CHECKING:
    from torch import Tensor

ROWS = ("M39",)
TRIAL_S = 60.0
ARMS = {
    "features": "RBM on convolutions, no labels, then softmax",
    "pixels": "softmax on pixels",
    "lenet5": "LeNet-5",
    "cnn_rbm": "CNN + RBM in one, labels alone",
}
SIDE, POOL = 7, 4  # of a filter, of a pooling window
SPARSE = 0.05  # activity that a filter's mean is drawn towards
RATES = {"lower": 0.02, "upper": 0.05}
DECAY = 0.01  # λ of λ / 2 |W|² beside the mean cross-entropy
LEE = "Lee et al., ICML 2009, gain of features that no label taught"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    seeds: int = 5
    labels: tuple[int, ...] = (10, 30, 100, 300, 1000)
    unlabelled: int = 20_000  # training digits that the machines see
    filters: int = 16
    hidden: int = 400  # units of the upper machine
    learning: int = 2000  # updates of each machine, 100 digits or pieces of them
    updates: int = 400  # of the networks that see labels alone, 50 digits
    limit: int = 10_000  # test digits

    def __post_init__(self) -> None:
        for name, least in (
            ("seeds", 2), ("filters", 1), ("hidden", 1), ("learning", 1), ("updates", 1), ("limit", 1)
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise BadInput(f"{name} is {getattr(self, name)}: at least {least} is needed")
        if not {10, 100} <= set(self.labels) or any(n < 10 or n % 10 for n in self.labels):
            raise BadInput(f"labels is {self.labels}: multiples of 10, with 10 and 100, are needed")
        if not max(self.labels) <= self.unlabelled <= 55_000:
            raise BadInput(f"unlabelled is {self.unlabelled}: {max(self.labels)} (the labels) to 55,000 is allowed")


def label_efficiency(out: Path | str, config: Config = Config()) -> Study:
    """Run the study into the folder `out`, or go on with it; what it found. `BadInput` for a folder of another run."""
    return study(__name__, out, config)


def plan(config: Config) -> list[Trial]:
    given = asdict(config) | {"labels": list(config.labels)}
    return [Trial(name=f"seed-{seed}", settings=given | {"seed": seed}) for seed in seeds(config)]


def trial(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Accuracy in % by arm and number of labels."""
    from lamina.recipes._work import data_set

    digits, seed = data_set("mnist", None), settings["seed"]
    test = digits.test.first(settings["limit"])
    features = without_labels(digits.train.inputs[: settings["unlabelled"]], settings)
    chosen = labelled(digits.train.labels[: settings["unlabelled"]], max(settings["labels"]), seed)
    x, y = digits.train.inputs[chosen], digits.train.labels[chosen]
    views = {"features": (features(x), features(test.inputs)), "pixels": (x.flatten(1), test.inputs.flatten(1))}
    found: dict[str, Any] = {}
    for n in settings["labels"]:
        scores = {name: softmax(known[:n], y[:n], asked) for name, (known, asked) in views.items()}
        scores |= {name: _network(name, x[:n], y[:n], test, settings) for name in ("lenet5", "cnn_rbm")}
        for name, logits in scores.items():
            right = (logits.argmax(1) == test.labels).double().mean()
            found.setdefault(name, {})[str(n)] = 100 * float(right)
    return found


def figures(config: Config, found: Found) -> list[Figure]:
    def gain(arm: str, n: int) -> tuple[float, ...]:
        return differences(_accuracies(config, found, "features", n), _accuracies(config, found, arm, n))

    rows = (
        ("gain_over_pixels_at_100", "RBM on convolutions over the same softmax on pixels, 100 labels", "pixels", 100),
        ("gain_over_lenet5_at_10", "RBM on convolutions over LeNet-5, 10 labels", "lenet5", 10),
        ("gain_over_lenet5_at_100", "RBM on convolutions over LeNet-5, 100 labels", "lenet5", 100),
    )
    return [
        over_seeds(gain(arm, n), row="M39", name=name, title=title, unit="points", rule="at_least", limit=0, source=LEE)
        for name, title, arm, n in rows
    ]


def curves(config: Config, found: Found) -> list[Curves]:
    return [
        Curves(
            title="Accuracy by labels", x="labels", y="MNIST test accuracy, %", log_x=True,
            lines=tuple(
                line(title, config.labels, (_accuracies(config, found, arm, n) for n in config.labels))
                for arm, title in ARMS.items()
            ),
        )
    ]  # fmt: skip


def _accuracies(config: Config, found: Found, arm: str, labels: int) -> tuple[float, ...]:
    return tuple(float(found[f"seed-{seed}"][arm][str(labels)]) for seed in seeds(config))


def labelled(y: "Tensor", count: int, seed: int) -> "Tensor":
    """`count` places of y: of each class in turn one, drawn by `seed`, so that the first n are n / 10 of each."""
    import torch

    generator = torch.Generator().manual_seed(derive(seed, "labelled"))
    order = torch.randperm(len(y), generator=generator)
    by_class = [order[y[order] == digit][: count // 10] for digit in range(10)]
    return torch.stack(by_class, dim=1).flatten()


def without_labels(x: "Tensor", settings: Mapping[str, Any]) -> Any:
    """A function from digits to features in [0, 1], learned from the digits x."""
    import torch

    filters = settings["filters"]
    lower = _machine("lower", _patches(x, settings["seed"]), filters, settings, sparse=SPARSE)
    kernels = lower.weight.detach().view(filters, 1, SIDE, SIDE)

    def maps(pictures: "Tensor") -> "Tensor":
        with torch.no_grad():
            parts = [
                torch.nn.functional.max_pool2d(
                    torch.nn.functional.conv2d(part, kernels, lower.hidden_bias, padding=SIDE // 2), POOL
                ).sigmoid().flatten(1)
                for part in pictures.split(1000)
            ]  # fmt: skip
        return torch.cat(parts)

    upper = _machine("upper", maps(x), settings["hidden"], settings)

    def features(pictures: "Tensor") -> "Tensor":
        with torch.no_grad():
            return upper.hidden_given(maps(pictures))

    return features


def _patches(x: "Tensor", seed: int) -> "Tensor":
    """Two 7 x 7 pieces of each digit where there is ink, [2 n, 49]."""
    import torch

    generator = torch.Generator().manual_seed(derive(seed, "patches"))
    places = x.shape[-1] - SIDE + 1
    rows, columns = torch.randint(0, places, (2, 4 * len(x)), generator=generator)
    whose = torch.arange(4 * len(x)) % len(x)
    steps = torch.arange(SIDE)
    found = x[whose[:, None, None], 0, (rows[:, None] + steps)[:, :, None], (columns[:, None] + steps)[:, None]]
    inked = found.flatten(1)
    return inked[inked.mean(1) > 0.1][: 2 * len(x)]


def _machine(name: str, v: "Tensor", hidden: int, settings: Mapping[str, Any], *, sparse: float | None = None) -> Any:
    """A restricted Boltzmann machine trained on v; `sparse` is what its units' mean is drawn towards."""
    import torch

    from lamina.models.rbm import Config as RbmConfig
    from lamina.models.rbm import rbm
    from lamina.recipes._made import made
    from lamina.training import FitConfig, fit

    model, some = rbm(RbmConfig(visible=v.shape[1], hidden=hidden), seed=settings["seed"]), v[:500]

    @torch.no_grad()
    def lead(_: float) -> None:
        model.hidden_bias += RATES[name] * (sparse - model.hidden_given(some).mean(0))

    with torch.no_grad():  # Hinton's guide: biases that give each unit its mean by themselves
        model.visible_bias.copy_(torch.logit(v.mean(0), eps=0.01))
    schedule = FitConfig(
        steps=settings["learning"],
        batch_size=100,
        optimiser="momentum",
        learning_rate=RATES[name],
        schedule="cosine",
    )
    data = made("digits without labels", {"x": v}, {"x": v[:0]})
    fit(model, data, config=schedule, seed=settings["seed"], after_update=None if sparse is None else lead)
    return model.eval()


def softmax(x: "Tensor", y: "Tensor", asked: "Tensor") -> "Tensor":
    """Logits for `asked` of the softmax that is best on (x, y): convex with its decay, so no seed and no rate."""
    import torch

    weight, bias = torch.zeros(10, x.shape[1], requires_grad=True), torch.zeros(10, requires_grad=True)
    descent = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def cost() -> "Tensor":
        descent.zero_grad()
        error = torch.nn.functional.cross_entropy(torch.nn.functional.linear(x, weight, bias), y)
        total = error + DECAY / 2 * weight.square().sum()
        total.backward()
        return total

    descent.step(cost)
    return torch.nn.functional.linear(asked, weight, bias).detach()


def _network(name: str, x: "Tensor", y: "Tensor", test: Any, settings: Mapping[str, Any]) -> "Tensor":
    """Logits for the test digits of a network that has seen (x, y) alone."""
    from lamina.recipes._made import made
    from lamina.recipes._work import model_module
    from lamina.training import FitConfig, fit
    from lamina.training.evaluation import predictions

    module = model_module(name)
    settled = module.Config(widths=(8, 16)) if name == "cnn_rbm" else module.Config()
    model = getattr(module, name)(settled, seed=settings["seed"])
    data = made("labelled digits", {"x": x, "y": y}, {"x": x[:0], "y": y[:0]})
    schedule = FitConfig(steps=settings["updates"], batch_size=min(50, len(x)), learning_rate=1e-3)
    fit(model, data, config=schedule, seed=settings["seed"])
    return predictions(model, test)
