"""Captions: networks say what is in a picture, rank sentences and pictures for each other, draw scenes from sentences.

    soft, none   captioner with attention and without: beam search ▶ BLEU-4, CIDEr-D        ranker ▶ R@10, both ways
    drawer       a sentence ▶ a scene ▶ what a LeNet-5 reads that has met neither drawer nor scenes (_scene_judge.py)
    nearest      the baseline: the caption of the training picture that is nearest in its pixels; it ranks sentences by
                 what they share with that caption: the words in one place (scenes), the set of words (stamps, where
                 that served it better on the validation split)

No caption of the test split was in training, so a recalled one is never right: words have to be composed. In scenes the
captions are all combinations of 15 words; stamps are 400 drawings with captions by people, which is little. All
networks learn from their first weights on, the picture's layers too (the papers take those of ImageNet): pixels are
brought to mean 0 and variance 1. Of a captioner's epochs the one with the best validation loss counts.

Papers     Vinyals et al., CVPR 2015, https://arxiv.org/abs/1411.4555; Xu et al., ICML 2015,
           https://arxiv.org/abs/1502.03044; Kiros et al., 2014, https://arxiv.org/abs/1411.2539; Sohn et al., NIPS
           2015, https://papers.nips.cc/paper/5775
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import comb
from pathlib import Path
from typing import Any

from lamina.core.errors import BadInput
from lamina.recipes._results import Figure, over_seeds
from lamina.recipes._study import Found, Study, Trial, differences, per_seed, seeds, study

ROWS = ("M37", "M38")
CLAIM = "C22"
TRIAL_S = 60.0
SETS = ("composed_scenes", "stamps")
ARMS = ("soft", "none", "ranker", "drawer")
LEFT_OUT = ("a", "of")  # words that every caption of a scene has, or that follow from another
FIRST = 10  # the sentences of R@10
RATES = {"captioner": 3e-3, "picture_ranker": 2e-3, "text_to_image": 2e-3}  # peaks of Adam's
UPDATES = 16  # of an epoch, at least: batches of few pictures are smaller


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    seed: int = 0
    seeds: int = 5
    data: tuple[str, ...] = SETS  # "stamps" has to be fetched
    epochs: int = 20  # of each training
    batch_size: int = 64
    hidden: int = 128
    width: int = 4  # of the beam
    judge_digits: int = 20_000  # of MNIST
    judge_epochs: int = 4
    limit: int | None = None  # pictures of each split, none: all of them

    def __post_init__(self) -> None:
        for name in ("seeds", "epochs", "batch_size", "hidden", "width", "judge_digits", "judge_epochs", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadInput(f"{name} is {value}: at least 1 is needed")
        if not self.data or len({*self.data}) < len(self.data) or {*self.data} - {*SETS}:
            raise BadInput(f"data is {', '.join(self.data) or 'nothing'}: one or more of {', '.join(SETS)}, each once")


def captions(out: Path | str, config: Config = Config()) -> Study:
    """Run the study into the folder `out`, or go on with it; what it found."""
    return study(__name__, out, config)


def plan(config: Config) -> list[Trial]:
    given = asdict(config) | {"data": None}
    return [
        Trial(name=f"{data}_{arm}-{seed}", settings={**given, "data": data, "arm": arm, "seed": seed})
        for seed in seeds(config)
        for data in config.data
        for arm in ARMS
        if arm != "drawer" or data == "composed_scenes"
    ] + [Trial(name=f"{data}_nearest", settings={**given, "data": data, "arm": "nearest"}) for data in config.data]


def trial(settings: Mapping[str, Any], folder: Path) -> dict[str, float]:
    """What one network finds of the test split, or the nearest neighbour."""
    pictures = _captioned(settings)
    arms: dict[str, Callable[..., dict[str, float]]] = {
        "nearest": _nearest, "ranker": _ranked, "drawer": _drawn, "soft": _written, "none": _written
    }  # fmt: skip
    return arms[settings["arm"]](pictures, settings, folder)


def figures(config: Config, found: Found) -> list[Figure]:
    rows = [figure for data in config.data for figure in _of_captions(config, found, data)]
    return rows + (_of_drawings(config, found) if "composed_scenes" in config.data else [])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Captioned:
    """Pictures with tokens in place of labels; `said` are the words of each class, `raw` pixels in [0, 1]."""

    raw: Any
    data: Any  # splits of x, standardised, and tokens
    said: Sequence[Sequence[str]]
    known: Any  # the vocabulary of the training captions
    tokens: Any  # of each class

    @property
    def wanted(self) -> list[Sequence[str]]:
        return [self.said[caption] for caption in self.raw.test.labels.tolist()]


def _captioned(settings: Mapping[str, Any]) -> _Captioned:
    import torch

    from lamina.data._dataset import Dataset, Split
    from lamina.recipes._work import data_set
    from lamina.tasks.tokenising import vocabulary, words

    raw = data_set(settings["data"], settings["limit"])
    said = [words(caption) for caption in raw.classes]
    known = vocabulary(said[caption] for caption in raw.train.labels.tolist())
    tokens = torch.from_numpy(known.encode_all(said))
    variance, mean = torch.var_mean(raw.train.inputs)
    parts = {
        name: Split(tensors={"x": (split.inputs - mean) / variance.sqrt(), "tokens": tokens[split.labels]})
        for name in ("train", "validation", "test")
        for split in [getattr(raw, name)]
    }
    data = Dataset(name=raw.name, classes=raw.classes, checksum=raw.checksum, **parts)
    return _Captioned(raw=raw, data=data, said=said, known=known, tokens=tokens)


def _fitted(pictures: _Captioned, settings: Mapping[str, Any], folder: Path, name: str, **fields: Any) -> Any:
    """Model `name`, trained on `pictures`."""
    from dataclasses import replace

    from lamina.data._dataset import Split
    from lamina.recipes._work import model_module
    from lamina.training import FitConfig, fit

    module, data = model_module(name), pictures.data
    if name == "text_to_image":  # pixels are what it learns
        data = replace(
            data,
            **{
                part: Split(tensors={**getattr(data, part).tensors, "x": getattr(pictures.raw, part).inputs})
                for part in ("train", "validation", "test")
            },
        )
    shape, steps = tuple(data.train.inputs.shape[1:]), pictures.tokens.shape[1]
    built = module.Config(shape=shape, hidden=settings["hidden"], steps=steps, words=len(pictures.known), **fields)
    model = getattr(module, name)(built, seed=settings["seed"])
    schedule = FitConfig(
        epochs=settings["epochs"],
        batch_size=max(1, min(settings["batch_size"], len(data.train) // UPDATES)),
        learning_rate=RATES[name],
        clip=5.0,
        patience=settings["epochs"] if name == "captioner" else None,
    )
    fit(model, data, out=folder, config=schedule, seed=settings["seed"])
    return model.eval()


def _written(pictures: _Captioned, settings: Mapping[str, Any], folder: Path) -> dict[str, float]:
    model = _fitted(pictures, settings, folder, "captioner", attention=settings["arm"])
    found = [
        pictures.known.decode(row)
        for part in pictures.data.test.inputs.split(200)
        for row in model.caption(part, width=settings["width"])[0].tolist()
    ]
    return _judged(pictures, found)


def _judged(pictures: _Captioned, found: Sequence[Sequence[str]]) -> dict[str, float]:
    """Sentences beside those that were wanted."""
    from lamina.tasks.bleu import bleu
    from lamina.tasks.cider import cider

    references = [[sentence] for sentence in pictures.wanted]
    same = [list(a) == list(b) for a, b in zip(found, pictures.wanted, strict=True)]
    return {"bleu_4": bleu(found, references), "cider_d": float(cider(found, references).mean()), "exact": _mean(same)}


def _ranked(pictures: _Captioned, settings: Mapping[str, Any], folder: Path) -> dict[str, float]:
    import torch

    model = _fitted(pictures, settings, folder, "picture_ranker")
    with torch.no_grad():
        return _recalls(pictures, model(pictures.data.test.inputs, pictures.tokens[_candidates(pictures)]))


def _recalls(pictures: _Captioned, scores: Any) -> dict[str, float]:
    """R@10 of sentences for pictures, of pictures for sentences, and what chance gives of each."""
    from lamina.tasks.retrieval import recall_at

    right = (_candidates(pictures) == pictures.raw.test.labels[:, None]).numpy()
    found = {}
    for name, ranking, mask in (("recall", scores, right), ("pictures_recall", scores.T, right.T)):
        first = min(FIRST, mask.shape[1])
        missed = [comb(mask.shape[1] - int(n), first) / comb(mask.shape[1], first) for n in mask.sum(1)]
        found[name] = recall_at(ranking.numpy(), first, mask)
        found[f"{name}_of_chance"] = 1 - _mean(missed)
    return found


def _nearest(pictures: _Captioned, settings: Mapping[str, Any], folder: Path) -> dict[str, float]:
    import torch

    raw = pictures.raw
    nearest = raw.train.labels[torch.cdist(raw.test.inputs.flatten(1), raw.train.inputs.flatten(1)).argmin(1)]
    recalled = [pictures.said[caption] for caption in nearest.tolist()]
    shared = _places_shared if settings["data"] == "composed_scenes" else _words_shared
    names = [pictures.said[caption] for caption in _candidates(pictures).tolist()]
    scores = torch.tensor([[shared(sentence, name) for name in names] for sentence in recalled])
    return _judged(pictures, recalled) | _recalls(pictures, scores)


def _drawn(pictures: _Captioned, settings: Mapping[str, Any], folder: Path) -> dict[str, float]:
    import torch

    from lamina.core.seeds import derive
    from lamina.recipes._scene_judge import judge, read, shares, strangers
    from lamina.recipes._work import data_set

    model = _fitted(pictures, settings, folder, "text_to_image")
    x, y = strangers(data_set("mnist", None), data_set("digits", None), settings["judge_digits"])
    reader = judge(x, y, epochs=settings["judge_epochs"], seed=derive(settings["seed"], "judge"))
    drawn = torch.Generator().manual_seed(derive(settings["seed"], "drawn"))
    test = pictures.raw.test
    kinds = {"drawn": model.sample(pictures.tokens[test.labels], generator=drawn), "real": test.inputs}
    wanted = [_telling(sentence) for sentence in pictures.wanted]
    return {
        f"{kind}_{name}": share
        for kind, scenes in kinds.items()
        for name, share in shares(wanted, read(reader, scenes)).items()
    }


def _candidates(pictures: _Captioned) -> Any:
    """The captions of the test split."""
    return pictures.raw.test.labels.unique()


def _telling(sentence: Sequence[str]) -> list[str]:
    return [word for word in sentence if word not in LEFT_OUT]


def _places_shared(one: Sequence[str], other: Sequence[str]) -> float:
    return float(sum(a == b for a, b in zip(_telling(one), _telling(other), strict=False)))


def _words_shared(one: Sequence[str], other: Sequence[str]) -> float:
    return len({*one} & {*other}) / len({*one} | {*other})


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _of_captions(config: Config, found: Found, data: str) -> list[Figure]:
    """Against the nearest neighbour and chance, seed by seed."""
    nearest = found[f"{data}_nearest"]
    what, what_zh = ("scenes", "场景") if data == "composed_scenes" else ("stamps", "图章")
    prefix = "" if data == "composed_scenes" else "stamps_"

    def values(arm: str, name: str, times: float) -> tuple[float, ...]:
        return tuple(times * value for value in per_seed(config, found, f"{data}_{arm}", name))

    def over(arm: str, score: str, times: float, limit: float, **fields: Any) -> Figure:
        of = values(arm, score, times)
        fields["title"] += f" ({statistics.fmean(of):.3g} less {times * limit:.3g})"
        return over_seeds([value - times * limit for value in of], row="M37", rule="at_least", limit=0.0, **fields)

    with_, without = ("with attention", "带注意力"), ("without attention", "不带注意力")
    rows = [
        over(
            arm, score, 1.0, nearest[score], name=f"{prefix}{short}_over_nearest{ending}", claim=CLAIM, unit="points",
            title=f"{what}: {name} of captions {how} over the nearest neighbour's",
            title_zh=f"{what_zh}：{how_zh}的描述的 {name} 减去最近邻的",
        )
        for arm, ending, (how, how_zh) in (("soft", "", with_), ("none", "_without_attention", without))
        for score, short, name in (("bleu_4", "bleu", "BLEU-4"), ("cider_d", "cider", "CIDEr-D"))
    ]  # fmt: skip
    for score, (of, of_zh) in (
        ("recall", ("sentences for a picture", "由图找句")),
        ("pictures_recall", ("pictures for a sentence", "由句找图")),
    ):
        for against, (over_en, over_zh), limit in (
            ("nearest", ("over the nearest neighbour's", "减去最近邻的"), nearest[score]),
            ("chance", ("over chance", "减去随机水平"), nearest[f"{score}_of_chance"]),
        ):
            rows.append(
                over(
                    "ranker", score, 100.0, limit, name=f"{prefix}{score}_over_{against}", claim=CLAIM, unit="points",
                    title=f"{what}: R@10 of {of} {over_en}", title_zh=f"{what_zh}：{of_zh}的 R@10 {over_zh}",
                )
            )  # fmt: skip
    gained = differences(values("soft", "bleu_4", 1.0), values("none", "bleu_4", 1.0))
    title = f"{what}: BLEU-4 with attention over that without"
    name = f"{prefix}bleu_by_attention"
    return [*rows, over_seeds(gained, row="M37", name=name, title=title, unit="points", rule="at_least", limit=0.0)]


def _of_drawings(config: Config, found: Found) -> list[Figure]:
    """What is found in drawn scenes, against guessing, beside what the same judge finds in real ones."""

    def values(name: str) -> tuple[float, ...]:
        return tuple(100 * value for value in per_seed(config, found, "composed_scenes_drawer", name))

    asked = (
        ("digits", "digits that a LeNet-5 reads as asked for", "LeNet-5 读出的数字与要求相符的比例", 10.0),
        ("shades", "digits as bright or dark as asked for", "明暗与要求相符的比例", 50.0),
        ("relations", "scenes with the digits placed as asked for", "位置关系与要求相符的比例", 50.0),
        ("scenes", "scenes with all of it as asked for", "全部内容与要求相符的场景的比例", 0.125),
    )
    rows = [
        over_seeds(
            values(f"drawn_{name}"), row="M38", name=f"drawn_{name}", unit="%", rule="at_least", limit=chance,
            claim=CLAIM, source="guessing", title_zh=f"由文字画出的场景：{title_zh}",
            title=f"drawn scenes: {title} (real scenes: {statistics.fmean(values(f'real_{name}')):.1f} %)",
        )
        for name, title, title_zh, chance in asked
    ]  # fmt: skip
    title = "real scenes: digits that the LeNet-5 reads right, which judges the judge"
    real = over_seeds(
        values("real_digits"), row="M38", name="real_digits", title=title, unit="%", rule="at_least", limit=90.0
    )
    return [*rows, real]
