"""Result files: what a recipe measured, beside what was published, with the rule that judges it.

    recipes/results/RECIPE.json   {"schema": 1, "recipe", "commit", "configuration", "seconds", "figures": [...]}

A figure names its row, so one recipe may speak for several; one that decides a statement of the survey names the claim
and has a value for each seed. Its verdict is never stored: it follows from `measured` or the values, `rule` and
`limit`, so that editing a number changes the verdict and editing the verdict is impossible. Of several values the whole
95 % interval has to keep the rule. A file names the commit that computed it and the hash of the configuration it ran
with; one without them is refused.
"""

import hashlib
import json
import math
import re
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from lamina.core import files
from lamina.core.errors import BadInput
from lamina.recipes._interval import interval

SCHEMA = 1
FOLDER = Path(__file__).parent / "results"
Verdict = Literal["holds", "undecided", "does not hold"]
_SIGNS = {"at_least": ">=", "at_most": "<=", "equal": "="}
_RULES: dict[str, Callable[[float, float], bool]] = {
    "at_least": lambda measured, limit: measured >= limit,
    "at_most": lambda measured, limit: measured <= limit,
    "equal": lambda measured, limit: measured == limit,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One number of one row; in `unit`, which is free text such as "x", "%" or "cycles"."""

    row: str  # as in rows.toml: "O6"
    name: str  # one word in snake_case, unique in its row: rows.toml lists those that the row needs
    title: str  # what a person reads
    unit: str
    measured: float
    rule: str  # "at_least", "at_most" or "equal": how `measured` must stand to `limit`
    limit: float
    published: float | None = None  # what the source prints, where there is one
    source: str = ""  # of `published`, or of the limit
    claim: str = ""  # the statement of claims.toml that it decides: "C17"
    title_zh: str = ""  # the title in Chinese, of a figure that decides a claim
    values: tuple[float, ...] = ()  # one a seed; `measured` is their mean

    @property
    def holds(self) -> bool:
        """Whether the measured number keeps its rule, or the whole interval of its values."""
        return self.verdict == "holds"

    @property
    def verdict(self) -> Verdict:
        """ "holds", "does not hold", or "undecided" where the limit lies within the interval."""
        kept = [_RULES[self.rule](value, self.limit) for value in self.interval]
        return "holds" if all(kept) else "undecided" if any(kept) else "does not hold"

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the values' mean; of one number, the number twice."""
        return interval(self.values) if self.values else (self.measured, self.measured)

    @property
    def asked(self) -> str:
        """The rule in signs: ">= 0 points"."""
        return f"{_SIGNS[self.rule]} {self.limit:g} {self.unit}".strip()


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What one recipe measured in one run."""

    recipe: str
    commit: str  # 40 hexadecimal digits: the sources that computed it
    configuration: str  # 64 hexadecimal digits: `configuration_hash` of what it ran with
    figures: tuple[Figure, ...]
    seconds: float = 0.0  # of processor time, where the recipe counts it


def told(figure: Figure) -> str:
    """The number with its unit, and with its interval where there are several values."""
    if not figure.values:
        return f"{figure.measured:.4g} {figure.unit}".strip()
    low, high = figure.interval
    return f"{figure.measured:.4g} [{low:.4g}, {high:.4g}] {figure.unit}".strip()


def over_seeds(values: Sequence[float], **fields: Any) -> Figure:
    """A figure of one value a seed: `measured` is the mean, both rounded to 6 digits behind the point."""
    rounded = tuple(round(float(value), 6) for value in values)
    return Figure(measured=round(statistics.fmean(rounded), 6), values=rounded, **fields)


def configuration_hash(configuration: Mapping[str, Any]) -> str:
    """SHA-256 of a configuration of plain values; the order of its keys does not matter."""
    return hashlib.sha256(json.dumps(configuration, sort_keys=True, default=str).encode()).hexdigest()


def current_commit(root: Path) -> str:
    """The commit of the checkout at `root`; raises `BadInput` where its sources differ from it, or there is none."""
    git = ["git", "-C", str(root)]
    try:
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--", "src", ":!**/results/*.json"],
            check=True,
            capture_output=True,
            text=True,
        )
        head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as e:
        raise BadInput(f"{root}: not a git checkout: a result names the commit that computed it") from e
    if changed.stdout:
        raise BadInput(f"{root}: src/ holds changes that are in no commit: commit them, then write the result")
    return head.stdout.strip()


def write(result: Result, folder: Path = FOLDER) -> Path:
    """Write `result` as FOLDER/RECIPE.json and return that path."""
    value = {"schema": SCHEMA, **asdict(result)}
    _result(value, result.recipe)
    path = folder / f"{result.recipe}.json"
    files.write_json(path, value)
    return path


def read(path: Path) -> Result:
    """The result in `path`; anything missing, unknown or out of place is a `BadInput` that names it."""
    return _result(files.read_json(path), str(path))


def read_all(folder: Path = FOLDER) -> list[Result]:
    """Every result file of `folder`, by name; an absent folder holds none."""
    return [read(path) for path in sorted(folder.glob("*.json"))]


def _result(value: Any, where: str) -> Result:
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise BadInput(f"{where}: not a result file of schema {SCHEMA}: write it again with `lamina reproduce`")
    optional = {"seconds"}
    _keys(value, {"schema", *(f.name for f in fields(Result))} - optional, optional, where)
    for key, digits in (("commit", 40), ("configuration", 64)):
        if not re.fullmatch(f"[0-9a-f]{{{digits}}}", str(value[key])):
            raise BadInput(f"{where}: {key} {value[key]!r} is not {digits} hexadecimal digits")
    if not isinstance(value["figures"], Sequence) or isinstance(value["figures"], str):
        raise BadInput(f"{where}: figures is not a list")
    figures = tuple(_figure(f, f"{where}, figure {n}") for n, f in enumerate(value["figures"], start=1))
    return Result(
        recipe=str(value["recipe"]),
        commit=value["commit"],
        configuration=value["configuration"],
        figures=figures,
        seconds=value.get("seconds", 0.0),
    )


def _figure(value: Any, where: str) -> Figure:
    if not isinstance(value, dict):
        raise BadInput(f"{where}: not a table")
    optional = {"published", "source", "claim", "title_zh", "values"}
    _keys(value, {f.name for f in fields(Figure)} - optional, optional, where)
    if value["rule"] not in _RULES:
        raise BadInput(f"{where}: rule {value['rule']!r} is not one of {', '.join(_RULES)}")
    values = value.get("values", ())
    if not isinstance(values, list | tuple) or len(values) == 1:
        raise BadInput(f"{where}: values is not a list of none or of two and more numbers")
    numbers = [(key, value.get(key)) for key in ("measured", "limit", "published")] + [("values", v) for v in values]
    for key, number in numbers:
        if number is None and key == "published":
            continue
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise BadInput(f"{where}: {key} {number!r} is not a finite number")
    if values and abs(statistics.fmean(values) - value["measured"]) > 1e-5 * max(1.0, abs(value["measured"])):
        raise BadInput(f"{where}: measured {value['measured']} is not the mean of the values")
    return Figure(**value | {"values": tuple(values)})


def _keys(value: Mapping[str, Any], needed: set[str], optional: set[str], where: str) -> None:
    if missing := sorted(needed - value.keys()):
        raise BadInput(f"{where}: {missing[0]!r} is missing")
    if strange := sorted(value.keys() - needed - optional):
        raise BadInput(f"{where}: {strange[0]!r} is not a field of it: {', '.join(sorted(needed | optional))}")
