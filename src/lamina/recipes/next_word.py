"""The next word of a sentence: recurrent nets that are deep in one way or another, at equal parameters.

    rnn               one layer
    stacked           layers upon layers                        transition    layers within a step
    output            layers behind the state                   transition_output    both
    gru, clockwork    gates; modules with clocks

Each reads sentences of the Brown corpus and gives at every word a probability to each of 1,000 that may follow; judged
is the perplexity on texts that it has not seen, beside that of the words' frequencies. The units are as many as bring
a network's parameters nearest to those of the one layer; sentences, order, updates, learning rate and the clipped
gradient are equal.

Papers     Pascanu et al., "How to construct deep recurrent neural networks", ICLR 2014,
           https://arxiv.org/abs/1312.6026 (deep forms had lower perplexity on words than one layer of more units);
           Chung et al., 2014, https://arxiv.org/abs/1412.3555 (gates did better than a plain net)
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.core.errors import BadInput
from lamina.recipes._results import Figure, over_seeds
from lamina.recipes._sentences import SPECIAL, sentences
from lamina.recipes._study import Found, Study, Trial, per_seed, seeds, study

if TYPE_CHECKING:
    from torch import Tensor

ROWS = ("M33", "M35", "M36")
TRIAL_S = 45.0
CHUNG = "Chung et al., 2014, https://arxiv.org/abs/1412.3555"
PASCANU = "Pascanu et al., ICLR 2014, https://arxiv.org/abs/1312.6026"
# arm -> row, registered model, its settings beside the sizes
ARMS: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "rnn": ("M33", "rnn", {}),
    "stacked": ("M33", "deep_rnn", {"form": "stacked"}),
    "transition": ("M33", "deep_rnn", {"form": "transition", "shortcut": True}),
    "output": ("M33", "deep_rnn", {"form": "output", "depth": 1}),
    "transition_output": ("M33", "deep_rnn", {"form": "transition_output", "shortcut": True}),
    "gru": ("M35", "gru", {}),
    "clockwork": ("M36", "clockwork_rnn", {"periods": (1, 2, 4, 8)}),
}
TITLES = {
    "rnn": ("one layer", "单层"),
    "stacked": ("two stacked layers", "两层堆叠"),
    "transition": ("deep transition with a shortcut", "带捷径的深转移"),
    "output": ("deep output", "深输出"),
    "transition_output": ("deep transition and output", "深转移与深输出"),
    "gru": ("GRU", "GRU"),
    "clockwork": ("Clockwork RNN", "Clockwork RNN"),
}
# whose paper says that it does better than one layer
BETTER = {"stacked": PASCANU, "transition": PASCANU, "output": PASCANU, "transition_output": PASCANU, "gru": CHUNG}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    seeds: int = 5
    words: int = 1000  # the most frequent ones are known
    longest: int = 16  # words of a sentence at most
    hidden: int = 128  # units of the one layer
    embedding: int = 64
    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 4e-3  # Adam's, at the peak; as for the missing word
    sentences: int = 40_000  # to learn from, at most: all there are

    def __post_init__(self) -> None:
        for name, least in (
            ("seeds", 2), ("hidden", 8), ("embedding", 1), ("epochs", 1), ("batch_size", 1), ("sentences", 1),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise BadInput(f"{name} is {getattr(self, name)}: at least {least} is needed")
        for name, least, most in (("words", 1, 8000), ("longest", 4, 30)):
            if not least <= getattr(self, name) <= most:
                raise BadInput(f"{name} is {getattr(self, name)}: {least} to {most:,} is allowed")
        if not 0 < self.learning_rate < 1:
            raise BadInput(f"learning_rate is {self.learning_rate}: more than 0 and less than 1 is allowed")


def next_word(out: Path | str, config: Config = Config()) -> Study:
    """Run the study into the folder `out`, or go on with it; what it found. `BadInput` for a folder of another run."""
    return study(__name__, out, config)


def plan(config: Config) -> list[Trial]:
    return [
        Trial(name=f"{arm}-{seed}", settings=asdict(config) | {"arm": arm, "seed": seed})
        for seed in seeds(config)
        for arm in ARMS
    ]


def trial(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Test perplexity of the network and of the words' frequencies."""
    given, model = sentences(settings), network(settings)
    _fit(model, given["train"], settings)
    return {
        "perplexity": _perplexity(model, given["test"]),
        "by_frequency": _by_frequency(given["train"], given["test"], settings["words"]),
        "parameters": _parameters(model),
        "units": model.config.hidden,
    }


def network(settings: Mapping[str, Any]) -> Any:
    """The arm's network, with the units that bring its parameters nearest to those of the one layer."""
    wanted, modules = _parameters(_sized("rnn", settings["hidden"], settings)), _modules(settings["arm"])
    near = range(modules, 2 * settings["hidden"], modules)
    units = min(near, key=lambda n: abs(_parameters(_sized(settings["arm"], n, settings)) - wanted))
    return _sized(settings["arm"], units, settings)


def _modules(arm: str) -> int:
    """Of how many modules the units are, equally many in each."""
    return len(ARMS[arm][2].get("periods", (1,)))


def _sized(arm: str, units: int, settings: Mapping[str, Any]) -> Any:
    from lamina.recipes._work import model_module

    _, name, shape = ARMS[arm]
    module, known = model_module(name), SPECIAL + settings["words"]
    sizes = {"tokens": known, "inputs": settings["embedding"], "hidden": units, "outputs": known}
    config = module.Config(**sizes, reads="each", target="class", steps=settings["longest"] + 2, **shape)
    return getattr(module, name)(config, seed=settings["seed"])


def _parameters(model: Any) -> int:
    return sum(p.numel() for p in model.parameters())


def _fit(model: Any, x: "Tensor", settings: Mapping[str, Any]) -> None:
    from lamina.recipes._made import made
    from lamina.training import FitConfig, fit

    def loss(model: Any, batch: Mapping[str, "Tensor"], *, generator: Any = None) -> "Tensor":
        from torch.nn.functional import cross_entropy

        return cross_entropy(*_answers(model, batch["x"]))

    schedule = FitConfig(
        epochs=settings["epochs"], batch_size=settings["batch_size"], learning_rate=settings["learning_rate"], clip=1.0
    )
    fit(model, made("sentences", {"x": x}, {"x": x[:0]}), config=schedule, loss=loss, seed=settings["seed"])


def _answers(model: Any, x: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Logits [m, words] and the words that came, where those are known: padding and rare words are no answers."""
    wanted = x[:, 1:]
    known = wanted >= SPECIAL
    return model(x)[:, :-1][known], wanted[known]


def _perplexity(model: Any, x: "Tensor") -> float:
    import torch

    from lamina.tasks.perplexity import perplexity

    with torch.no_grad():
        logits, wanted = zip(*(_answers(model, part) for part in x.split(500)), strict=True)
    return perplexity(torch.cat(logits), torch.cat(wanted))


def _by_frequency(learned: "Tensor", held: "Tensor", words: int) -> float:
    """Perplexity of the words' frequencies, each counted once more than it was seen."""
    import torch

    from lamina.tasks.perplexity import perplexity

    counts = torch.bincount(learned[learned >= SPECIAL], minlength=SPECIAL + words) + 1
    wanted = held[:, 1:][held[:, 1:] >= SPECIAL]
    return perplexity(counts[SPECIAL:].double().log().expand(len(wanted), -1), wanted - SPECIAL)


def figures(config: Config, found: Found) -> list[Figure]:
    one = per_seed(config, found, "rnn", "perplexity")
    rows = []
    for arm, (row, _, _) in ARMS.items():
        perplexities = per_seed(config, found, arm, "perplexity")
        title, title_zh = TITLES[arm]
        rows.append(
            over_seeds(
                perplexities, row=row, name=f"{arm}_perplexity", title=f"Next word, {title}: perplexity", unit="",
                title_zh=f"下一个词，{title_zh}：困惑度", rule="at_most",
                limit=round(min(per_seed(config, found, arm, "by_frequency")), 6), source="the words' frequencies",
            )
        )  # fmt: skip
        if arm in BETTER:
            rows.append(
                over_seeds(
                    [a / b for a, b in zip(one, perplexities, strict=True)], row=row, name=f"{arm}_gain",
                    title=f"Next word, equal parameters: perplexity of one layer over that of {title}", unit="x",
                    title_zh=f"下一个词，参数量相同：单层的困惑度与{title_zh}之比", rule="at_least", limit=1.0,
                    source=BETTER[arm],
                )
            )  # fmt: skip
    return rows
