"""The survey row by row: what each system is, and how far it has come here.

rows.toml says what a row is and which evidence counts; it never says whether the evidence is there. That is computed:

    absent       no file of the package names the row
    runs         a file names it, and no result speaks for it yet
    partly       its figures so far hold, and some of those that rows.toml asks for are missing
    reproduced   every figure that rows.toml asks for is in a result file, and holds
    missed       a figure is in a result file and does not hold

A file names its rows by a module constant, `ROWS = ("M24", "A2")`, which is read from the source text: nothing is
imported, so listing costs no torch.
"""

import ast
import functools
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamina.core import files
from lamina.core.errors import BadInput, unknown
from lamina.recipes import _results
from lamina.recipes._results import Figure, Result

PACKAGE = Path(__file__).parent.parent
_HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One system of the survey; `beyond` marks the few that users need and the survey lacks."""

    id: str
    section: str  # applications, models, parallel, tools, hardware, outlook
    name: str
    summary: str  # what it is, one line
    evidence: str  # what has to be shown, one line
    beyond: bool
    state: str
    file: str | None  # the file that implements it (a recipe before a member), relative to the package
    figures: tuple[Figure, ...]  # those that result files give


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One statement of the survey that an experiment decides."""

    id: str
    section: str  # of the survey
    says: str
    rows: tuple[str, ...]
    check: str  # the experiment
    says_zh: str = ""  # both in Chinese, of the claims that docs/survey.zh-CN.md shows
    check_zh: str = ""


def rows(*, package: Path = PACKAGE, results: Path = _results.FOLDER) -> list[Row]:
    """Every row in the survey's order, its state computed from the sources in `package` and the files in `results`."""
    described = _described()
    files_of = _implementations(package, described)
    figures_of = _figures(_results.read_all(results), described)
    found = []
    for name, (section, row) in described.items():
        implemented, figures = files_of.get(name, []), figures_of.get(name, ())
        found.append(
            Row(
                id=name,
                section=section,
                name=row["name"],
                summary=row["what"],
                evidence=row["evidence"],
                beyond=row.get("beyond", False),
                state=_state(implemented, figures, row.get("figures", ())),
                file=implemented[0] if implemented else None,
                figures=figures,
            )
        )
    return found


def known() -> tuple[str, ...]:
    """The rows' identifiers, in the survey's order."""
    return tuple(_described())


def needed(row: str) -> tuple[str, ...]:
    """The figures that `row` needs before it counts as reproduced; none where rows.toml has yet to say which."""
    return tuple(_described()[row][1].get("figures", ()))


@functools.cache
def claims() -> tuple[Claim, ...]:
    """The survey's statements C1 to C43."""
    table = tomllib.loads((_HERE / "claims.toml").read_text(encoding="utf-8"))["claims"]
    return tuple(Claim(id=name, **c | {"rows": tuple(c["rows"])}) for name, c in table.items())


@functools.cache
def _described() -> dict[str, tuple[str, Mapping[str, Any]]]:
    table = tomllib.loads((_HERE / "rows.toml").read_text(encoding="utf-8"))
    return {name: (section, row) for section, members in table.items() for name, row in members.items()}


def _state(implemented: Sequence[str], figures: Sequence[Figure], needed: Iterable[str]) -> str:
    if any(not f.holds for f in figures):
        return "missed"
    wanted, there = set(needed), {f.name for f in figures}
    if wanted and wanted <= there:
        return "reproduced"
    if figures:
        return "partly"
    return "runs" if implemented else "absent"


def _implementations(package: Path, known: Mapping[str, object]) -> dict[str, list[str]]:
    """Row to the files that name it: recipes first, then by path."""
    found: dict[str, list[str]] = {}
    paths = sorted(package.rglob("*.py"), key=lambda p: (p.parent.name != "recipes", p.as_posix()))
    for path in paths:
        for name in declared(path):
            if name not in known:
                raise BadInput(f"{path}: ROWS: {unknown('row', name, known)}")
            found.setdefault(name, []).append(path.relative_to(package).as_posix())
    return found


def declared(path: Path) -> tuple[str, ...]:
    """The rows that the source file `path` names in its constant ROWS; `BadInput` where it is no tuple of texts."""
    value = constant(path, "ROWS")
    if value is None:
        return ()
    if not isinstance(value, tuple) or not all(isinstance(name, str) for name in value):
        raise BadInput(f'{path}: ROWS is not a literal tuple of row names such as ("M24", "A2")')
    return value


def constant(path: Path, name: str) -> Any:
    """The literal that the source file `path` gives its constant `name`; None without it, "" where it is computed."""
    source = files.read(path).decode()
    if f"\n{name}" not in source:
        return None
    for statement in ast.parse(source).body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        if isinstance(target, ast.Name) and target.id == name and isinstance(statement, ast.Assign | ast.AnnAssign):
            try:
                return ast.literal_eval(statement.value) if statement.value else ""
            except ValueError:
                return ""
    return None


def _figures(results: Iterable[Result], known: Mapping[str, object]) -> dict[str, tuple[Figure, ...]]:
    found: dict[str, tuple[Figure, ...]] = {}
    for result in results:
        for figure in result.figures:
            if figure.row not in known:
                raise BadInput(f"result of {result.recipe!r}: {unknown('row', figure.row, known)}")
            found[figure.row] = (*found.get(figure.row, ()), figure)
    return found
