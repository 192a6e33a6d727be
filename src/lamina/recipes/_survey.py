"""The survey, checked: each statement with its verdict, figures, command and cost as one page, English or Chinese.

    result files + claims.toml ──▶ page("en"), page("zh")          docs/survey.md, docs/survey.zh-CN.md

A pure function of what it is given: no number on the page is typed, no statement is left out because it came out
badly. Statements on processors and chips are computed from the registered machines (`_verdicts.py`); they have no
seeds, so theirs are ranges over machines and networks instead of intervals. The page's words are in survey.toml.
"""

import functools
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from lamina.recipes import _rows
from lamina.recipes._claims import Deciding, Statement, counted, number, statements
from lamina.recipes._results import Figure, Result
from lamina.recipes._verdicts import Verdict

Language = Literal["en", "zh"]
ASKED = tuple(f"C{n}" for n in range(14, 23))  # shown with or without a result
BUDGET_S = 6 * 3600 * 2  # all studies together: six hours of two cores
_SIGNS = {"at_least": "≥", "at_most": "≤", "equal": "="}


@functools.cache
def words(language: Language) -> Mapping[str, Any]:
    """What the page says in `language`."""
    table = tomllib.loads((Path(__file__).parent / "survey.toml").read_text(encoding="utf-8"))
    found: Mapping[str, Any] = table[language]
    return found


def page(
    language: Language, results: Sequence[Result], deciding: Sequence[Deciding], machines: Sequence[Verdict]
) -> str:
    """The whole page in `language`."""
    say = words(language)
    found = statements(results, deciding, ASKED)
    computed = sorted(machines, key=lambda v: number(v.claim))
    parts = [say["head"], summary(language, found, computed), f"## {say['studies']}\n"]
    parts += [_statement(one, language) for one in found]
    if computed:
        claims = " ".join(dict.fromkeys(v.claim for v in computed))
        parts += [f"## {say['machines']}\n", say["machines_lead"].format(claims=claims) + "\n"]
        parts.append(_machines(computed, language))
    shown = {one.claim.id for one in found} | {v.claim for v in computed}
    rest = [claim.id for claim in _rows.claims() if claim.id not in shown]
    return "\n".join([*parts, say["rest"].format(claims=", ".join(rest)), ""])


def summary(language: Language, found: Sequence[Statement], computed: Sequence[Verdict]) -> str:
    """All verdicts as one table."""
    say, rows = words(language), []
    for one in found:
        figures = counted(one.figures)
        hold = f"{sum(f.holds for f in figures)} {say['of']} {len(figures)}" if figures else "–"
        seconds = sum(result.seconds for result in one.results)
        time = f"{seconds / 60:,.1f} min" if seconds else "–"
        name = f"[{one.claim.id}](#{one.claim.id.lower()})"
        rows.append([name, _says(one, language), say["verdicts"][one.verdict], hold, time])
    for v in computed:
        inside = sum(v.low <= value <= v.high for value in v.figures.values())
        hold = f"{inside} {say['of']} {len(v.figures)}"
        rows.append([v.claim, v.says_zh if language == "zh" else v.says, say["verdicts"][v.holds], hold, "–"])
    return _table(say["summary"], rows)


def _says(one: Statement, language: Language) -> str:
    return one.claim.says_zh or one.claim.says if language == "zh" else one.claim.says


def _statement(one: Statement, language: Language) -> str:
    """One statement: what is said, what was found, how to repeat it, what it took."""
    say, claim = words(language), one.claim
    check = claim.check_zh or claim.check if language == "zh" else claim.check
    lines = [
        f"### {claim.id}\n",
        say["statement"].format(section=claim.section, says=_says(one, language)) + "\n",
        say["verdict"].format(verdict=say["verdicts"][one.verdict], check=check, rows=", ".join(claim.rows)) + "\n",
    ]
    if one.figures:
        lines.append(_table(say["figures"], [_figure(f, language) for f in one.figures]))
    by_recipe = {result.recipe: result for result in one.results}
    lines += [f"- `lamina run {recipe}`{_cost(by_recipe.get(recipe), language)}" for recipe in one.recipes]
    return "\n".join(lines).rstrip() + "\n"


def _cost(result: Result | None, language: Language) -> str:
    """What a study took, and the sources that computed it."""
    say = words(language)
    if result is None:
        return say["colon"] + say["none"]
    told = []
    if result.seconds:
        minutes, share = f"{result.seconds / 60:,.1f}", f"{100 * result.seconds / BUDGET_S:.2g} %"
        told.append(say["time"].format(minutes=minutes, share=share))
    if result.commit:
        told.append(say["commit"].format(commit=result.commit[:12]))
    return say["colon"] + say["semicolon"].join(told) if told else ""


def _figure(figure: Figure, language: Language) -> list[str]:
    say = words(language)
    unit = say["units"].get(figure.unit, figure.unit)
    asked = f"{_SIGNS[figure.rule]} {plain(figure.limit)} {unit}".rstrip()
    title = figure.title_zh or figure.title if language == "zh" else figure.title
    return [
        title,
        found(figure, unit),
        asked,
        say["verdicts"][figure.verdict],
        str(len(figure.values) or "–"),
    ]


def found(figure: Figure, unit: str) -> str:
    """The number with its interval, where there are several values, and `unit`."""
    low, high = figure.interval
    interval = f" [{plain(low)}, {plain(high)}]" if figure.values else ""
    return f"{plain(figure.measured)}{interval} {unit}".rstrip()


def plain(number: float) -> str:
    """A number of four digits, or whole.

    >>> plain(0.012344), plain(61706.0), plain(-2.5), plain(4.0)
    ('0.01234', '61,706', '-2.5', '4')
    """
    return f"{number:,.0f}" if abs(number) >= 1e4 else f"{number:.4g}"


def _machines(machines: Sequence[Verdict], language: Language) -> str:
    say, rows = words(language), []
    for v in machines:
        says, why = (v.says_zh, v.why_zh) if language == "zh" else (v.says, v.why)
        asked = f"≥ {v.low:g}" if v.high >= 1e6 else f"{v.low:g} {say['to']} {v.high:,.0f}"
        found = f"{min(v.figures.values()):.2g} {say['to']} {max(v.figures.values()):.3g}"
        rows.append([v.claim, says, asked, found, say["verdicts"][v.holds], why])
    return _table(say["machine_table"], rows)


def _table(head: str, rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown; a bar in a cell is escaped."""
    line = "|" + "---|" * (head.count("|") - 1)
    body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([head, line, *body]) + "\n"
