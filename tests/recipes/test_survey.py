"""The survey, checked: verdicts follow from figures, pages from result files, and both languages say the same."""

import re
import subprocess
import sys

import pytest

from lamina.core import files
from lamina.core.errors import BadInput
from lamina.recipes import _claims, _results, _rows
from lamina.recipes._claims import Deciding, statements, verdict
from lamina.recipes._results import Figure, Result, over_seeds
from lamina.recipes._survey import ASKED, page
from lamina.recipes._verdicts import Verdict
from tests.house.tool import load

FOR, AGAINST, WIDE = (1.0, 1.1, 0.9), (-1.0, -1.1, -0.9), (1.0, -1.2, 0.4)


def figure(values=FOR, name="difference", **changed):
    shared = {"row": "M25", "title": "maximum less average", "title_zh": "最大减平均", "unit": "points"}
    return over_seeds(values, **shared | {"rule": "at_least", "limit": 0.0, "claim": "C17", "name": name} | changed)


def chance(measured):
    shared = {"row": "M25", "title": "p", "title_zh": "p", "unit": "", "rule": "at_most", "limit": 0.05}
    return Figure(**shared, name="difference_p", claim="C17", measured=measured)


def result(*figures, recipe="pooling", seconds=864.0):
    return Result(recipe=recipe, commit="a1" * 20, configuration="b" * 64, figures=figures, seconds=seconds)


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ([], "not yet run"),
        ([figure()], "holds"),
        ([figure(), figure(AGAINST)], "holds in part"),
        ([figure(), figure(WIDE)], "holds in part"),
        ([figure(AGAINST), figure(WIDE)], "does not hold"),
        ([figure(WIDE)], "undecided"),
        ([figure(AGAINST), chance(0.001)], "does not hold"),  # sure, and the other way
        ([figure(WIDE), chance(0.4)], "undecided"),
        ([chance(0.001)], "holds"),
    ],
)
def test_the_verdict_follows_from_the_figures(figures, said):
    assert verdict(figures) == said


def test_figures_of_several_results_speak_for_one_claim():
    other = result(figure(AGAINST, claim="C17"), figure(claim="C16"), recipe="invariance", seconds=60.0)
    deciding = [Deciding(module="x.invariance", claims=("C16", "C17"), trial_s=1.0)]
    found = {one.claim.id: one for one in statements([result(figure()), other], deciding, ["C18"])}
    assert list(found) == ["C16", "C17", "C18"]
    assert (found["C17"].verdict, found["C16"].verdict, found["C18"].verdict) == (
        "holds in part",
        "holds",
        "not yet run",
    )
    assert (found["C17"].recipes, found["C18"].recipes) == (("pooling", "invariance"), ())
    with pytest.raises(BadInput, match="'C99'"):
        statements([result(figure(claim="C99"))], [], [])


MACHINES = [Verdict(claim="C30", says="fast", says_zh="快", low=5, high=10, figures={"a": 4.0, "b": 7.5}, why_zh="因")]
DECIDING = [Deciding(module="lamina.recipes.pooling", claims=("C17",), trial_s=1.0)]


def test_a_page_tells_numbers_intervals_verdicts_and_cost():
    text = page("en", [result(figure(), figure(AGAINST, "other", title="a | b"), chance(0.02))], DECIDING, MACHINES)
    assert "| [C17](#c17) | maximum pooling beats average; pooling brings invariance and fewer parameters |" in text
    assert "| holds in part | 1 of 2 | 14.4 min |" in text
    assert "| maximum less average | 1 [0.7516, 1.248] points | ≥ 0 points | holds | 3 |" in text
    assert "| a \\| b | -1 [-1.248, -0.7516] points | ≥ 0 points | **does not hold** | 3 |" in text
    assert "| p | 0.02 | ≤ 0.05 | holds | – |" in text
    assert "`lamina run pooling`: 14.4 min of processor time, 2 % of what all" in text
    assert "sources a1a1a1a1a1a1" in text
    assert "| C30 | fast | 5 to 10 | 4 to 7.5 | holds in part |" in text
    assert all(f"### {claim}\n" in text for claim in ASKED)
    assert "C13, C23" in text.splitlines()[-1]


def test_a_page_in_chinese_says_the_same():
    given = [result(figure(WIDE), figure(AGAINST, "other"))], DECIDING, MACHINES
    english, chinese = page("en", *given), page("zh", *given)
    assert "**不成立**" in chinese
    assert "| 最大减平均 | 0.06667 [-2.758, 2.892] 个百分点 | ≥ 0 个百分点 | 未定 | 3 |" in chinese
    tables = [[line for line in text.splitlines() if line.startswith("| ")] for text in (english, chinese)]
    assert len(tables[0]) == len(tables[1]) > 10
    for lines in zip(*tables, strict=True):
        one, other = ([re.findall(r"\d[\d.,]*", cell) for cell in line.split("|")[3:]] for line in lines)
        assert one == other


def test_every_statement_that_is_shown_is_said_in_chinese():
    shown = {*ASKED, "C26", "C28", "C30"}
    for claim in _rows.claims():
        assert bool(claim.says_zh) == bool(claim.check_zh) == (claim.id in shown), claim.id
    for one in load("survey").verdicts():
        assert re.search(r"[\u4e00-\u9fff]", one.says_zh), one.says
        assert re.search(r"[\u4e00-\u9fff]", one.why_zh), one.says


def test_every_figure_that_decides_a_claim_has_a_title_in_chinese():
    for stored in _results.read_all():
        for one in stored.figures:
            assert not one.claim or re.search(r"[\u4e00-\u9fff]", one.title_zh), (stored.recipe, one.name)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_pages_are_what_the_result_files_say(language):
    tool = load("survey")
    assert tool.TARGETS[language].read_text(encoding="utf-8") == tool.texts()[language], "python tools/survey.py"


def test_studies_are_found_by_their_constants(tmp_path):
    files.write(tmp_path / "later.py", b'"""x"""\n\nCLAIM = "C20"\nTRIAL_S = 3\n')
    files.write(tmp_path / "first.py", b'"""x"""\n\nTRIAL_S = 1.5\nCLAIM = ("C15", "C16")\n')
    files.write(tmp_path / "silent.py", b'"""x"""\n\nTRIAL_S = 1.5\n')
    found = _claims.studies(tmp_path, "p")
    assert [(d.module, d.claims, d.trial_s) for d in found] == [
        ("p.first", ("C15", "C16"), 1.5),
        ("p.later", ("C20",), 3.0),
    ]
    files.write(tmp_path / "silent.py", b'"""x"""\n\nCLAIM = "17"\nTRIAL_S = 1.5\n')
    with pytest.raises(BadInput, match="CLAIM '17'"):
        _claims.studies(tmp_path, "p")
    files.write(tmp_path / "silent.py", b'"""x"""\n\nCLAIM = "C17"\n')
    with pytest.raises(BadInput, match="TRIAL_S"):
        _claims.studies(tmp_path, "p")


def test_finding_studies_loads_no_torch():
    code = "import sys; from lamina.recipes._claims import studies; studies(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"
