"""The study of captions: tiny trials of every arm, figures from numbers that are known, a judge that can read."""

import functools

import pytest
import torch

from lamina.core.errors import BadInput
from lamina.data.composed_scenes import DIGITS
from lamina.recipes import _scene_judge, _work, captions
from lamina.recipes.captions import Config

TINY = Config(epochs=1, seeds=2, limit=120, hidden=8, width=2, judge_digits=200, judge_epochs=1)


@pytest.fixture(scope="module", autouse=True)
def pictures():
    """Composing takes seconds; MNIST need not be in the cache, made-up digits do for a judge that may be wrong."""
    found = functools.cache(_work.data_set)

    def data_set(name, limit):
        if name == "mnist":
            digits = found("digits", None)
            return digits.__class__(**{
                **{part: getattr(digits, part) for part in ("name", "classes", "checksum", "validation", "test")},
                "train": digits.train.__class__(tensors={**digits.train.tensors, "x": digits.train.inputs.flip(3)}),
            })  # fmt: skip
        return found(name, limit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_work, "data_set", data_set)
        yield


def one(arm, folder, **changed):
    plan = captions.plan(TINY)
    settings = next(dict(t.settings) for t in plan if t.settings["arm"] == arm)
    return captions.trial({**settings, **changed}, folder)


@pytest.mark.parametrize("arm", ["soft", "none", "ranker", "drawer"])
def test_each_arm_finds_shares_in_their_range_and_the_same_again(arm, tmp_path):
    pytest.importorskip("sacrebleu")
    first = one(arm, tmp_path / "one")
    assert all(0 <= value <= 1 for name, value in first.items() if name not in ("bleu_4", "cider_d"))
    assert one(arm, tmp_path / "one") == first  # from the checkpoints


def test_the_neighbour_recalls_and_is_never_wholly_right(tmp_path):
    pytest.importorskip("sacrebleu")
    found = one("nearest", tmp_path)
    assert found["exact"] == 0
    assert 10 < found["bleu_4"] < 90
    assert found["recall"] > found["recall_of_chance"]


def test_recall_at_ten_by_chance_is_that_of_drawing_ten():
    pictures = type("Pictures", (), {"raw": type("Raw", (), {"test": type("Test", (), {"labels": None})})})
    pictures.raw.test.labels = torch.arange(20).repeat(2)
    found = captions._recalls(pictures, torch.eye(20).repeat(2, 1))
    assert found["recall"] == found["pictures_recall"] == 1
    assert found["recall_of_chance"] == pytest.approx(0.5)
    assert found["pictures_recall_of_chance"] == pytest.approx(1 - 30 / 40 * 29 / 39)


def test_figures_are_differences_seed_by_seed():
    found = {}
    for data in TINY.data:
        found[f"{data}_nearest"] = {
            "bleu_4": 40.0, "cider_d": 3.0, "recall": 0.5, "recall_of_chance": 0.125,
            "pictures_recall": 0.4, "pictures_recall_of_chance": 0.1,
        }  # fmt: skip
        for seed in range(2):
            found[f"{data}_soft-{seed}"] = {"bleu_4": 60.0 + seed, "cider_d": 4.0}
            found[f"{data}_none-{seed}"] = {"bleu_4": 30.0, "cider_d": 2.0}
            found[f"{data}_ranker-{seed}"] = {"recall": 0.75, "pictures_recall": 0.3}
    for seed in range(2):
        shares = {"digits": 0.5, "shades": 0.9, "relations": 1.0, "scenes": 0.25}
        found[f"composed_scenes_drawer-{seed}"] = {f"{k}_{n}": v for k in ("drawn", "real") for n, v in shares.items()}
    assert {trial.name for trial in captions.plan(TINY)} == set(found)
    figures = {figure.name: figure for figure in captions.figures(TINY, found)}
    assert len(figures) == len(captions.figures(TINY, found))
    assert figures["bleu_over_nearest"].values == (20.0, 21.0)
    assert figures["bleu_by_attention"].values == (30.0, 31.0)
    assert figures["stamps_cider_over_nearest_without_attention"].measured == -1.0
    assert figures["recall_over_chance"].measured == 62.5
    assert figures["pictures_recall_over_nearest"].verdict == "does not hold"
    assert figures["drawn_digits"].measured == 50.0
    assert figures["drawn_digits"].holds
    assert "(60.5 less 40)" in figures["bleu_over_nearest"].title
    assert all(figure.title_zh for figure in figures.values() if figure.claim)
    scenes = Config(seeds=2, data=("composed_scenes",))
    assert not any("stamps" in figure.name for figure in captions.figures(scenes, found))


def test_the_judge_reads_scenes_that_it_has_not_seen():
    from lamina.recipes._work import data_set

    digits, scenes = data_set("digits", None), data_set("composed_scenes", 120)
    judge = _scene_judge.judge(digits.train.inputs, digits.train.labels, epochs=4, seed=0)
    wanted = [captions._telling(scenes.classes[y].split()) for y in scenes.test.labels.tolist()]
    found = _scene_judge.shares(wanted, _scene_judge.read(judge, scenes.test.inputs))
    assert found["digits"] > 0.6
    assert found["shades"] > 0.99
    assert found["relations"] == 1
    assert set(DIGITS) > {w for w in wanted[0] if w in DIGITS}


def test_a_judge_s_digits_are_in_no_scene():
    from lamina.recipes._work import data_set

    digits = data_set("digits", None)
    assert len(_scene_judge.strangers(digits, digits, 10)[0]) == 0
    x, y = _scene_judge.strangers(data_set("mnist", None), digits, 10)
    assert x.shape == (10, 1, 28, 28)
    assert y.shape == (10,)


def test_shares_count_what_is_asked():
    wanted = [("dark", "one", "left", "bright", "two"), ("dark", "one", "above", "dark", "two")]
    found = [wanted[0], ("dark", "one", "neither", "bright", "three")]
    assert _scene_judge.shares(wanted, found) == {"digits": 0.75, "shades": 0.75, "relations": 0.5, "scenes": 0.5}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"width": 0}, "width is 0: at least 1"),
        ({"seeds": 0}, "seeds is 0"),
        ({"data": ()}, "data is nothing: one or more of composed_scenes, stamps"),
        ({"data": ("stamps", "stamps")}, "each once"),
        ({"data": ("photos",)}, "data is photos"),
    ],
)
def test_bad_settings_are_one_clear_error(changed, message):
    with pytest.raises(BadInput, match=message):
        Config(**changed)
