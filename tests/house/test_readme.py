"""The READMEs: their generated blocks are those of the sources, and both languages say the same."""

import re

import pytest

from lamina.core.errors import BadInput
from lamina.recipes import _results
from lamina.recipes._results import Figure, Result
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
    assert set(links["en"]) - {"README.zh-CN.md"} == set(links["zh"]) - {"README.md"}
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


def test_a_block_without_its_marker_is_refused():
    with pytest.raises(BadInput, match="<!-- code -->"):
        readme.filled("no markers here", {"code": "x"})


def test_a_filled_block_stays_as_it_is():
    text = readme.filled("<!-- code -->\nold\n<!-- /code -->\n", {"code": "new"})
    assert text == "<!-- code -->\nnew\n<!-- /code -->\n"
    assert readme.filled(text, {"code": "new"}) == text
