"""The READMEs: their generated blocks are those of the sources, and both languages say the same."""

import re

import pytest

from lamina.core.errors import BadInput
from lamina.recipes import _results
from lamina.recipes._results import Figure, Result, over_seeds
from tests.house.tool import ROOT, load

readme = load("readme")
TEXTS = {language: path.read_text(encoding="utf-8") for language, path in readme.READMES.items()}


def fences(text):
    """Every fenced block; comments are prose and may differ."""
    return [re.sub(r" *#.*", "", block) for block in re.findall(r"```.*?```", text, flags=re.DOTALL)]


def first_cells(text):
    """The first cell of every line of every table but the generated one."""
    hand_written = text.partition("<!-- /results -->")[2]
    return re.findall(r"^\| (`[^|]*(?:\\\|[^|]*)*?) \|", hand_written, flags=re.MULTILINE)


@pytest.mark.parametrize("language", TEXTS)
def test_generated_blocks_are_up_to_date(language):
    assert TEXTS[language] == readme.expected(language), "run .venv/bin/python tools/readme.py"


def test_both_languages_show_the_same_code():
    assert fences(TEXTS["en"]) == fences(TEXTS["zh"])
    assert len(fences(TEXTS["en"])) >= 3


def test_both_languages_list_the_same_verbs_and_links():
    assert [c.replace("、", ", ") for c in first_cells(TEXTS["zh"])] == first_cells(TEXTS["en"])
    links = {language: re.findall(r"\]\(([^)]+)\)", text) for language, text in TEXTS.items()}
    same = [{link.replace(".zh-CN.md", ".md") for link in found} for found in links.values()]  # a page in two languages
    assert same[0] == same[1]
    for link in {*links["en"], *links["zh"]}:
        assert (ROOT / link).exists(), link


def test_every_figure_has_a_title_in_both_languages():
    for key, title in readme.titles().items():
        assert re.fullmatch(r"[A-Z]\d+b?\.\w+", key)
        assert set(title) == {"en", "zh"}
        assert re.search(r"[\u4e00-\u9fff]", title["zh"]), key


@pytest.fixture
def results(tmp_path):
    shared = {"row": "H19", "name": "cycles_differing", "title": "", "unit": "", "rule": "equal"}
    figure = Figure(**shared, measured=0, limit=0, published=0)
    result = Result(recipe="made_up", commit="a" * 40, configuration="b" * 64, figures=(figure,))
    return _results.write(result, tmp_path).parent


def test_the_table_follows_the_result_files(results):
    (line,) = readme.table("en", results).splitlines()[2:]
    assert line.startswith("| H19 | ")
    assert line.endswith("| 0 | 0 | 0 | holds |")
    path = results / "made_up.json"
    path.write_text(path.read_text().replace('"measured": 0', '"measured": 1'))
    assert readme.table("en", results).endswith("| 0 | 0 | 1 | **missed** |")
    assert readme.table("zh", results).endswith("| 0 | 0 | 1 | **未达到** |")


def test_a_figure_of_several_seeds_is_shown_with_its_interval(tmp_path):
    shared = {"row": "M24", "name": "fashion_accuracy", "title": "", "unit": "%", "rule": "at_least", "limit": 93.5}
    figures = (over_seeds((93.0, 94.0), **shared),)
    folder = _results.write(
        Result(recipe="made_up", commit="a" * 40, configuration="b" * 64, figures=figures), tmp_path
    ).parent
    assert readme.table("en", folder).endswith("| ≥ 93.5 % | 93.5 % [87.15, 99.85] | undecided |")
    assert readme.table("zh", folder).endswith("| 未定 |")


def test_a_block_without_its_marker_is_refused():
    with pytest.raises(BadInput, match="<!-- code -->"):
        readme.filled("no markers here", {"code": "x"})


def test_a_filled_block_stays_as_it_is():
    text = readme.filled("<!-- code -->\nold\n<!-- /code -->\n", {"code": "new"})
    assert text == "<!-- code -->\nnew\n<!-- /code -->\n"
    assert readme.filled(text, {"code": "new"}) == text
