"""Write the generated blocks of both READMEs: the example's code, and the table of result files.

    python tools/readme.py          write them
    python tools/readme.py --check  exit 1 where a README differs (a test does the same)

The code is examples/01_data_to_silicon.py without its docstring; the table has one line a figure of
src/lamina/recipes/results/*.json that `titles.toml` names, in its order, with its 95 % interval where it has one. A
block stands between `<!-- name -->` and
`<!-- /name -->`.
"""

import ast
import sys
import tomllib
from pathlib import Path

from lamina.core import files
from lamina.core.errors import BadInput
from lamina.recipes import _results, _survey

ROOT = Path(__file__).resolve().parent.parent
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh-CN.md"}
EXAMPLE = ROOT / "examples" / "01_data_to_silicon.py"
WORDS = {
    "en": {
        "head": ("row", "what", "published", "asked", "here", ""),
        "holds": "holds",
        "undecided": "undecided",
        "does not hold": "**missed**",
    },
    "zh": {
        "head": ("行", "指标", "文献值", "要求", "本项目", ""),
        "holds": "达到",
        "undecided": "未定",
        "does not hold": "**未达到**",
    },
}
NAMED = ("points", "millionths of the spread")  # units that the title says
RULES = {"at_least": "≥ ", "at_most": "≤ ", "equal": ""}


def code() -> str:
    """The example without its docstring, as a fenced block."""
    source = EXAMPLE.read_text(encoding="utf-8")
    docstring = ast.parse(source).body[0]
    lines = source.splitlines()[docstring.end_lineno :]
    return "```python\n" + "\n".join(lines).strip() + "\n```"


def titles() -> dict[str, dict[str, str]]:
    """What the table shows, in its order: "ROW.NAME" to the words of each language."""
    return tomllib.loads((ROOT / "tools" / "titles.toml").read_text(encoding="utf-8"))


def table(language: str, results: Path = _results.FOLDER) -> str:
    """The table of result figures in `language`."""
    figures = {f"{f.row}.{f.name}": f for result in _results.read_all(results) for f in result.figures}
    words, units = WORDS[language], {**_survey.words(language)["units"], "x": "x"}
    lines = [words["head"], ("---",) * len(words["head"])]
    for key, title in titles().items():
        if figure := figures.get(key):
            unit = "" if figure.unit in NAMED else units.get(figure.unit, figure.unit)
            asked = RULES[figure.rule] + number(figure.limit, unit)
            published = "" if figure.published is None else number(figure.published, unit)
            here = number(figure.measured, unit)
            if figure.values:
                here += " [{}, {}]".format(*(number(end, "") for end in figure.interval))
            lines.append((figure.row, title[language], published, asked, here, words[figure.verdict]))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def number(value: float, unit: str) -> str:
    """`value` in at most four digits, with its unit.

    >>> number(39.0, "x"), number(1200000, ""), number(0.0312, "%")
    ('39x', '1,200,000', '0.0312 %')
    """
    text = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"
    return text + (unit if unit == "x" else f" {unit}" if unit else "")


def filled(text: str, blocks: dict[str, str]) -> str:
    """`text` with every block between its two markers replaced; raises `BadInput` where a marker is missing."""
    for name, content in blocks.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise BadInput(f"README: the markers {begin.strip()} and {end} are needed once each")
        text = f"{before}{begin}{content}\n{end}{after}"
    return text


def expected(language: str) -> str:
    """What the README in `language` should be."""
    text = READMES[language].read_text(encoding="utf-8")
    return filled(text, {"code": code(), "results": table(language)})


def main() -> int:
    stale = [language for language, path in READMES.items() if path.read_text(encoding="utf-8") != expected(language)]
    if "--check" in sys.argv:
        for language in stale:
            print(f"{READMES[language].name} is out of step: run tools/readme.py", file=sys.stderr)
        return bool(stale)
    for language in stale:
        files.write(READMES[language], expected(language).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
