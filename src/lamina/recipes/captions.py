"""Captions: a network says what is in a scene, ranks sentences for it, and draws scenes from sentences.

    captioner  beam search ▶ BLEU-4, CIDEr-D        ranker ▶ R@10 among all test captions
    drawer     sentence ▶ picture ▶ captioner ▶ the same words?        nearest neighbour: the caption of the training
                                                                       picture that is nearest in its pixels

Scenes are those of `composed_scenes`: no test caption and no test digit was in training, so a recalled caption is never
right and words have to be composed. The drawer is judged by the captioner, which it has never met, beside what the
captioner reads in real scenes. Each training is a stage of one run folder, which goes on where it was killed;
captions.json holds what was found.

Paper      Vinyals et al., CVPR 2015, https://arxiv.org/abs/1411.4555; Kiros et al., 2014,
           https://arxiv.org/abs/1411.2539; Sohn et al., NIPS 2015, https://papers.nips.cc/paper/5775
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lamina.core import files
from lamina.core.errors import BadInput
from lamina.core.progress import say
from lamina.core.run_folder import RunFolder, open_run
from lamina.core.seeds import derive

ROWS = ("M37", "M38")
FOUND = "captions.json"
MODELS = ("captioner", "picture_ranker", "text_to_image")
LEFT_OUT = ("a", "of")  # words that every caption has, or that follow from another


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    epochs: int = 20  # of each of the three trainings
    batch_size: int = 64
    learning_rate: float = 2e-3
    hidden: int = 128
    width: int = 4  # of the beam
    limit: int | None = None  # scenes of each split, none: all of them

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "hidden", "width", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadInput(f"{name} is {value}: at least 1 is needed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Figures by name, of the networks and of the nearest neighbour; prints as a table."""

    path: Path
    found: Mapping[str, Mapping[str, float]]

    def to_json(self) -> dict[str, Any]:
        return {"path": str(self.path), **self.found}

    def __str__(self) -> str:
        lines = [f"{'':<30} {'networks':>9} {'nearest':>9}"]
        for name, value in self.found["networks"].items():
            other = self.found["nearest"].get(name)
            lines.append(f"{name:<30} {value:>9.3f} {'' if other is None else f'{other:9.3f}'}".rstrip())
        return "\n".join(lines)


def captions(out: Path | str, config: Config = Config()) -> Outcome:
    """Run the recipe into the folder `out`, or go on with it; what it found. `BadInput` for a folder of another run."""
    described = {"verb": "run", "recipe": "captions", "seed": config.seed, "settings": asdict(config)}
    with open_run(Path(out), described) as run:
        path = run.file(FOUND)
        if not path.exists():
            say(f"captions: {len(MODELS)} trainings of {config.epochs} epochs each, into {run.path}")
            files.write_json(path, _judged(run, config))
        return Outcome(path=run.path, found=files.read_json(path))


def _judged(run: RunFolder, config: Config) -> dict[str, dict[str, float]]:
    import torch

    from lamina.recipes._work import data_set
    from lamina.tasks.bleu import bleu
    from lamina.tasks.cider import cider
    from lamina.tasks.retrieval import median_rank, recall_at
    from lamina.tasks.tokenising import vocabulary, words

    bleu([["a"]], [[["a"]]])  # an absent package is better known before the training
    scenes = data_set("composed_scenes", config.limit)
    sentences = [words(caption) for caption in scenes.classes]
    known = vocabulary(sentences)
    tokens = torch.from_numpy(known.encode_all(sentences, strict=True))
    data = _tokenised(scenes, tokens)
    captioner, ranker, drawer = (_trained(run, config, name, data, tokens.shape[1], len(known)) for name in MODELS)

    x, y = scenes.test.inputs, scenes.test.labels
    wanted = [sentences[caption] for caption in y.tolist()]
    references = [[sentence] for sentence in wanted]
    candidates = y.unique()
    right = (candidates == y[:, None]).numpy()
    nearest = scenes.train.labels[torch.cdist(x.flatten(1), scenes.train.inputs.flatten(1)).argmin(1)]
    recalled = [sentences[caption] for caption in nearest.tolist()]
    shared = torch.tensor([[_agreement(sentences[c], said) for c in candidates.tolist()] for said in recalled])
    said = _said(captioner, x, config.width, known)
    with torch.no_grad():
        scores = ranker(x, tokens[candidates])
        drawn = drawer.sample(tokens[y], generator=torch.Generator().manual_seed(derive(config.seed, "drawn")))
    read = _said(captioner, drawn, config.width, known)

    def figures(found: list[list[str]], ranking: torch.Tensor) -> dict[str, float]:
        return {
            "bleu_4": bleu(found, references),
            "cider_d": float(cider(found, references).mean()),
            "words_right": _mean(map(_agreement, wanted, found)),
            "recall_at_10": recall_at(ranking.numpy(), min(10, len(candidates)), right),
            "median_rank": median_rank(ranking.numpy(), right),
        }

    networks = figures(said, scores)
    networks["words_right_in_drawn"] = _mean(map(_agreement, wanted, read))
    networks["recall_at_10_of_chance"] = min(10, len(candidates)) / len(candidates)
    return {"networks": networks, "nearest": figures(recalled, shared)}


def _tokenised(scenes: Any, tokens: Any) -> Any:
    """The scenes with their captions' tokens in place of a label."""
    from lamina.data._dataset import Dataset, Split

    parts = {
        name: Split(tensors={"x": split.inputs, "tokens": tokens[split.labels]})
        for name in ("train", "validation", "test")
        for split in [getattr(scenes, name)]
    }
    return Dataset(name=scenes.name, classes=scenes.classes, checksum=scenes.checksum, **parts)


def _trained(run: RunFolder, config: Config, name: str, data: Any, steps: int, words: int) -> Any:
    from lamina.recipes._work import model_module
    from lamina.training import FitConfig, fit

    module = model_module(name)
    model = getattr(module, name)(module.Config(hidden=config.hidden, steps=steps, words=words), seed=config.seed)
    schedule = FitConfig(
        epochs=config.epochs, batch_size=config.batch_size, learning_rate=config.learning_rate, clip=5.0
    )
    say(f"{name}: {fit(model, data, out=run, config=schedule, seed=config.seed, stage=name)}")
    return model.eval()


def _said(captioner: Any, x: Any, width: int, known: Any) -> list[list[str]]:
    """The captions of pictures x, in batches."""
    return [known.decode(row) for part in x.split(200) for row in captioner.caption(part, width=width)[0].tolist()]


def _agreement(wanted: Sequence[str], found: Sequence[str]) -> float:
    """The share of a caption's telling words that another has in the same order."""
    one, other = ([word for word in sentence if word not in LEFT_OUT] for sentence in (wanted, found))
    return sum(a == b for a, b in zip(one, other, strict=False)) / len(one)


def _mean(values: Any) -> float:
    several = list(values)
    return sum(several) / len(several)
