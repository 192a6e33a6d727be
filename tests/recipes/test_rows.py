"""Rows: all there, and a state that follows from code and result files and from nothing else."""

import subprocess
import sys

import pytest

from lamina.core import files
from lamina.core.errors import BadInput
from lamina.recipes import _results, _rows
from lamina.recipes._results import Figure, Result

_CLAIMED = {row for claim in _rows.claims() for row in claim.rows}
_NUMBERED = {
    "A": range(1, 20),
    "M": range(1, 42),
    "P": range(1, 9),
    "T": range(6),
    "H": range(1, 23),
    "O": range(1, 10),
}
_EXPECTED = [f"{letter}{n}" for letter, numbers in _NUMBERED.items() for n in numbers]
for _before, _also in (("A10", "A10b"), ("A15", "A15b")):
    _EXPECTED.insert(_EXPECTED.index(_before) + 1, _also)


def figure(**changed):
    value = {"row": "H19", "name": "cycles_differing", "title": "differing cycle counts", "unit": "", "measured": 0}
    return Figure(**{**value, "rule": "equal", "limit": 0, **changed})


@pytest.fixture
def results(tmp_path):
    """Write figures as one result; returns the folder that holds it."""

    def write(*figures):
        result = Result(recipe="made_up", commit="a" * 40, configuration="b" * 64, figures=figures)
        return _results.write(result, tmp_path / "results").parent

    return write


def state(row, **folders):
    return next(r.state for r in _rows.rows(**folders) if r.id == row)


def test_every_row_is_there_once_and_in_order():
    assert [r.id for r in _rows.rows()] == _EXPECTED
    assert len(_EXPECTED) == 107
    assert {r.id for r in _rows.rows() if r.beyond} == {"H5", "H19", "H20"}


def test_every_row_says_what_it_is_in_one_line():
    for row in _rows.rows():
        for text in (row.name, row.summary, row.evidence):
            assert text.strip() == text, row.id
            assert text, row.id
            assert "\n" not in text, row.id


def test_every_claim_is_there_once_and_names_rows_that_exist():
    assert [c.id for c in _rows.claims()] == [f"C{n}" for n in range(1, 44)]
    assert set(_EXPECTED) >= _CLAIMED


def test_state_follows_from_sources(tmp_path):
    package, nothing = tmp_path / "package", tmp_path / "nothing"
    files.write(package / "hw" / "array.py", b'"""An array."""\n\nROWS = ("H19", "H20")\n')
    files.write(package / "recipes" / "run.py", b'"""A run."""\n\nROWS: tuple[str, ...] = ("H19",)\n')
    found = {r.id: r for r in _rows.rows(package=package, results=nothing)}
    assert (found["H19"].state, found["H19"].file) == ("runs", "recipes/run.py")
    assert (found["H20"].state, found["H20"].file) == ("runs", "hw/array.py")
    assert (found["H18"].state, found["H18"].file) == ("absent", None)
    (package / "hw" / "array.py").unlink()
    assert state("H20", package=package, results=nothing) == "absent"


def test_state_follows_from_results(results):
    assert state("H19", results=results(figure())) == "reproduced"
    assert state("H19", results=results(figure(measured=1))) == "missed"
    assert state("H19", results=results(figure(name="something_else"))) == "partly"
    assert state("H19", results=results(figure(), figure(name="another", rule="at_least", limit=1))) == "missed"


def test_a_row_that_does_not_say_what_it_needs_is_never_reproduced(results):
    assert state("H18", results=results(figure(row="H18"))) == "partly"


@pytest.mark.parametrize(
    ("rule", "measured", "limit", "holds"),
    [
        ("at_least", 35, 35, True),
        ("at_least", 34.9, 35, False),
        ("at_most", 0.1, 0.1, True),
        ("at_most", 0.2, 0.1, False),
    ],
)
def test_rules(rule, measured, limit, holds):
    assert figure(rule=rule, measured=measured, limit=limit).holds is holds


def test_a_result_survives_writing(results):
    figures = (figure(published=1.5, source="a paper, table 1"), figure(name="b"))
    (result,) = _results.read_all(results(*figures))
    assert result.figures == figures


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["commit"], "unknown", "40 hexadecimal digits"),
        (["configuration"], None, "64 hexadecimal digits"),
        (["schema"], 2, "schema 1"),
        (["state"], "reproduced", "'state' is not a field"),
        (["figures"], "none", "not a list"),
        (["figures", 0, "holds"], True, "'holds' is not a field"),
        (["figures", 0, "rule"], "about", "at_least, at_most, equal"),
        (["figures", 0, "measured"], "39", "not a finite number"),
        (["figures", 0, "row"], "H99", "unknown row 'H99'"),
    ],
)
def test_a_result_that_cannot_be_trusted_is_refused(results, path, value, said):
    folder = results(figure())
    content = files.read_json(folder / "made_up.json")
    target = content
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    files.write_json(folder / "made_up.json", content)
    with pytest.raises(BadInput, match=said):
        _rows.rows(results=folder)


@pytest.mark.parametrize("value", ['"H19"', "[x for x in ()]", "(1, 2)", "()[0]"])
def test_rows_that_are_no_literal_tuple_are_refused(tmp_path, value):
    files.write(tmp_path / "member.py", f'"""A member."""\n\nROWS = {value}\n'.encode())
    with pytest.raises(BadInput, match="literal tuple"):
        _rows.declared(tmp_path / "member.py")


def test_a_row_that_does_not_exist_is_refused(tmp_path):
    files.write(tmp_path / "member.py", b'"""A member."""\n\nROWS = ("H91",)\n')
    with pytest.raises(BadInput, match="unknown row 'H91'"):
        _rows.rows(package=tmp_path)


def test_listing_rows_loads_no_torch():
    code = "import sys; from lamina.recipes._rows import rows; rows(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"


def git(folder, *words):
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    subprocess.run(["git", "-C", folder, *identity, *words], check=True, capture_output=True)


def test_the_commit_of_a_result_is_that_of_sources_without_changes(tmp_path):
    with pytest.raises(BadInput, match="not a git checkout"):
        _results.current_commit(tmp_path)
    files.write(tmp_path / "src" / "member.py", b"")
    files.write(tmp_path / "src" / "results" / "old.json", b"{}")
    for words in (["init"], ["add", "."], ["commit", "-m", "begin"]):
        git(tmp_path, *words)
    commit = _results.current_commit(tmp_path)
    assert len(commit) == 40
    files.write(tmp_path / "src" / "results" / "old.json", b"{} ")
    files.write(tmp_path / "src" / "results" / "new.json", b"{}")
    assert _results.current_commit(tmp_path) == commit
    files.write(tmp_path / "src" / "member.py", b"x = 1\n")
    with pytest.raises(BadInput, match="commit them"):
        _results.current_commit(tmp_path)
