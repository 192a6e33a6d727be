"""A missing word: what reading from both sides tells about it, beside reading up to it.

    forward      the cat ▢                   h[t-1] of one layer                  ▶  which of 1,000 words
    both ways    the cat ▢ on the mat        [h[t-1] forwards; h[t+1] backwards]  ▶  which of 1,000 words

Plain recurrent networks of equal parameters (the one layer is as much larger as the second one costs), equal sentences
of the Brown corpus, equal order, updates and rate; both learn every known word of a sentence as a gap. Judged on texts
that neither has seen, some words of each sentence hidden. Three answers without training are told beside: the most
frequent word, and that which was most often seen behind the two words before, or between the two beside (where that
was never seen, behind the word before). Rate and epochs were chosen on validation texts.

Paper      Schuster and Paliwal, IEEE Trans. Signal Processing 45(11), 1997, https://doi.org/10.1109/78.650093
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.core.errors import BadInput
from lamina.core.seeds import derive
from lamina.recipes._interval import STUDENT, TAIL, p_value
from lamina.recipes._results import Figure, over_seeds
from lamina.recipes._sentences import SPECIAL, UNKNOWN, sentences
from lamina.recipes._study import Found, Study, Trial, differences, per_seed, seeds, study

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

ROWS = ("M32",)
CLAIM = "C21"
TRIAL_S = 25.0
ARMS = ("forward", "both", "counts")
SCHUSTER = "Schuster and Paliwal, IEEE Trans. Signal Processing 45(11), 1997"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    seeds: int = 5
    words: int = 1000  # the most frequent ones are known
    longest: int = 16  # words of a sentence at most
    hidden: int = 64  # units a direction of the network that reads both ways
    embedding: int = 64
    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 4e-3
    gaps: int = 4  # of each test sentence, one at a time
    sentences: int = 40_000  # to learn from, at most: all there are

    def __post_init__(self) -> None:
        for name, least in (
            ("seeds", 2), ("hidden", 2), ("embedding", 1), ("epochs", 1), ("batch_size", 1), ("gaps", 1),
            ("sentences", 1),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise BadInput(f"{name} is {getattr(self, name)}: at least {least} is needed")
        for name, least, most in (("words", 1, 8000), ("longest", 4, 30)):
            if not least <= getattr(self, name) <= most:
                raise BadInput(f"{name} is {getattr(self, name)}: {least} to {most:,} is allowed")
        if not 0 < self.learning_rate < 1:
            raise BadInput(f"learning_rate is {self.learning_rate}: more than 0 and less than 1 is allowed")


def missing_word(out: Path | str, config: Config = Config()) -> Study:
    """Run the study into the folder `out`, or go on with it; what it found. `BadInput` for a folder of another run."""
    return study(__name__, out, config)


def plan(config: Config) -> list[Trial]:
    given = asdict(config)
    return [
        Trial(name=f"{arm}-{seed}", settings=given | {"arm": arm, "seed": seed})
        for seed in seeds(config)
        for arm in ARMS
    ]


def trial(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    learned, held = sentences(settings)["train"], sentences(settings)["test"]
    if settings["arm"] == "counts":
        return counted(learned.numpy(), gaps(held.numpy(), settings))
    model = network(settings)
    _fit(model, learned, settings)
    return judged(model, settings["arm"], gaps(held.numpy(), settings))


def network(settings: Mapping[str, Any]) -> Any:
    """The arm's network."""
    from lamina.recipes._work import model_module

    both = settings["arm"] == "both"
    name = "bidirectional_rnn" if both else "rnn"
    known = SPECIAL + settings["words"]
    module, hidden = model_module(name), settings["hidden"] if both else equal_units(settings)
    shape = {"tokens": known, "inputs": settings["embedding"], "hidden": hidden, "outputs": known, "target": "class"}
    reads = "around" if both else "each"
    return getattr(module, name)(
        module.Config(**shape, reads=reads, steps=settings["longest"] + 2), seed=settings["seed"]
    )


def equal_units(settings: Mapping[str, Any]) -> int:
    """Units of the one layer whose network has about the parameters of that with two; the embeddings are alike."""
    units, inputs, outputs = settings["hidden"], settings["embedding"], SPECIAL + settings["words"]
    wanted = 2 * units * (inputs + units + 2) + outputs * (2 * units + 1)
    return min(range(1, 4 * units), key=lambda h: abs(h * (inputs + h + 2) + outputs * (h + 1) - wanted))


def guesses(model: Any, arm: str, x: "Tensor") -> "Tensor":
    """Logits [n, t - 2, words] for every place of x but the first and last: of a word that the network cannot see."""
    logits: Tensor = model(x)
    # a forward network says at a step what comes next; the other leaves its own step out
    return logits[:, 1:-1] if arm == "both" else logits[:, :-2]


def gaps(x: "np.ndarray", settings: Mapping[str, Any]) -> list[Any]:
    """Rounds of gaps, one word of each sentence hidden in each round."""
    from lamina.tasks.cloze import hide

    seed = settings["seed"]
    return [
        hide(x, mask=UNKNOWN, special=SPECIAL, seed=derive(seed, "gap", r)) for r in range(settings["gaps"])
    ]  # fmt: skip


def judged(model: Any, arm: str, rounds: Iterable[Any]) -> dict[str, Any]:
    """Accuracy in %, perplexity, and the network's parameters."""
    import numpy as np
    import torch

    from lamina.tasks.cloze import accuracy
    from lamina.tasks.perplexity import perplexity

    logits, answers = [], []
    with torch.no_grad():
        for round_ in rounds:
            found = torch.cat([guesses(model, arm, part) for part in torch.from_numpy(round_.tokens).split(500)])
            logits.append(found[torch.arange(len(found)), torch.from_numpy(round_.places) - 1])
            answers.append(round_.answers)
    scores, right = torch.cat(logits), np.concatenate(answers)
    return {
        "accuracy": 100 * accuracy(scores.numpy(), right),
        "perplexity": perplexity(scores, torch.from_numpy(right)),
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def counted(learned: "np.ndarray", rounds: Iterable[Any]) -> dict[str, Any]:
    """Accuracy in % of three answers that are looked up: always the same word, by two words before, by both sides."""
    alone: Counter[int] = Counter()
    before: dict[Any, Counter[int]] = defaultdict(Counter)
    for row in learned.tolist():
        for t in range(1, len(row) - 1):
            word = row[t]
            if word >= SPECIAL:
                alone[word] += 1
                for beside in (row[t - 1], ("two before", *row[max(t - 2, 0) : t]), ("beside", row[t - 1], row[t + 1])):
                    before[beside][word] += 1
    likeliest = {beside: _first(counts) for beside, counts in before.items()}
    common = _first(alone)
    right, count = {"frequent": 0, "trigram": 0, "beside": 0}, 0
    for round_ in rounds:
        for row, t, answer in zip(round_.tokens.tolist(), round_.places.tolist(), round_.answers.tolist(), strict=True):
            behind = likeliest.get(row[t - 1], common)
            right["frequent"] += common == answer
            right["trigram"] += likeliest.get(("two before", *row[max(t - 2, 0) : t]), behind) == answer
            right["beside"] += likeliest.get(("beside", row[t - 1], row[t + 1]), behind) == answer
            count += 1
    return {name: 100 * number / count for name, number in right.items()}


def figures(config: Config, found: Found) -> list[Figure]:
    both, forward = (per_seed(config, found, arm, "accuracy") for arm in ("both", "forward"))
    gain = differences(both, forward)
    frequent, trigram, beside = (
        per_seed(config, found, "counts", name) for name in ("frequent", "trigram", "beside")
    )  # fmt: skip
    more = per_seed(config, found, "forward", "perplexity"), per_seed(config, found, "both", "perplexity")
    return [
        over_seeds(
            gain, row="M32", name="cloze_gain", title="Missing words right: both ways over forward only",
            title_zh="补全缺词的正确率：双向网络比仅前向网络高出", unit="points", rule="at_least", limit=0,
            claim=CLAIM, source=SCHUSTER,
        ),
        Figure(
            row="M32", name="cloze_gain_p", title="The same: how likely by chance",
            title_zh="同上：纯属偶然的概率", unit="", measured=float(f"{p_value(gain):.3g}"), rule="at_most",
            limit=TAIL, claim=CLAIM, source=STUDENT,
        ),
        over_seeds(
            [a / b for a, b in zip(*more, strict=True)], row="M32", name="perplexity_ratio",
            title="Perplexity of the gap: forward only over both ways",
            title_zh="缺词困惑度之比：仅前向比双向", unit="x", rule="at_least", limit=1, claim=CLAIM, source=SCHUSTER,
        ),
        over_seeds(
            both, row="M32", name="cloze_accuracy", title="Missing words right, both ways", unit="%",
            title_zh="双向网络补全缺词的正确率", rule="at_least", limit=round(max(frequent), 6), claim=CLAIM,
            source="always saying the most frequent word",
        ),
        over_seeds(
            differences(both, beside), row="M32", name="over_neighbours",
            title="Missing words right: both ways over counts of the two neighbours", unit="points",
            title_zh="补全缺词的正确率：双向网络比左右邻词计数高出", rule="at_least", limit=0, claim=CLAIM,
            source="a table of counts, which needs no network",
        ),
        over_seeds(
            differences(forward, trigram), row="M32", name="forward_over_trigram",
            title="Missing words right: forward only over counts of the two words before", unit="points",
            rule="at_least", limit=0, source="a table of counts, which needs no network",
        ),
    ]  # fmt: skip


def _first(counts: Counter[int]) -> int:
    """The most frequent word; of equals the one that is more frequent in the corpus, which has the smaller number."""
    return min(counts, key=lambda word: (-counts[word], word))


def _fit(model: Any, x: "Tensor", settings: Mapping[str, Any]) -> None:
    from lamina.recipes._made import made
    from lamina.training import FitConfig, fit

    def every_word(model: Any, batch: Mapping[str, "Tensor"], *, generator: Any = None) -> "Tensor":
        from torch.nn.functional import cross_entropy

        wanted = batch["x"][:, 1:-1]
        known = wanted >= SPECIAL  # padding and unknown words are no answers
        return cross_entropy(guesses(model, settings["arm"], batch["x"])[known], wanted[known])

    schedule = FitConfig(
        epochs=settings["epochs"], batch_size=settings["batch_size"], learning_rate=settings["learning_rate"], clip=1.0
    )
    data = made("sentences", {"x": x}, {"x": x[:0]})
    fit(model, data, config=schedule, loss=every_word, seed=settings["seed"])
