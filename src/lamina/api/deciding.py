"""`lamina reproduce claims`: every study that decides a statement of the survey, and the page of what they found.

    recipes with CLAIM, in the order of claims ──▶ DIR/RECIPE, a run folder each ──▶ DIR/survey.md, survey.zh-CN.md

What it will cost is said before the first trial: trials left, minutes, and each study's share, by what it took when its
result file was written or, without one, by the seconds that its file states. Killed, the same command goes on. A
statement that does not hold is a result like any other, not a failure.
"""

import importlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lamina.core import files
from lamina.core.progress import say
from lamina.recipes import _claims, _results, _survey
from lamina.recipes._claims import Deciding, Statement
from lamina.recipes._results import Result
from lamina.recipes._study import Study
from lamina.recipes._verdicts import Verdict, verdicts

PAGES: dict[_survey.Language, str] = {"en": "survey.md", "zh": "survey.zh-CN.md"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """What the studies found of the survey's statements; prints as a table."""

    path: Path
    results: tuple[Result, ...]
    statements: tuple[Statement, ...]
    machines: tuple[Verdict, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "pages": [str(self.path / name) for name in PAGES.values()],
            "seconds": round(sum(result.seconds for result in self.results), 1),
            "claims": [told(one) for one in self.statements],
            "machines": [{"claim": v.claim, "says": v.says, "verdict": v.holds} for v in self.machines],
        }

    def __str__(self) -> str:
        from lamina.api.listing import Listing

        rows: list[dict[str, Any]] = [
            {
                "claim": one.claim.id,
                "the survey says": one.claim.says,
                "here": one.verdict,
                "figures that hold": f"{sum(f.holds for f in _claims.counted(one.figures))} of "
                f"{len(_claims.counted(one.figures))}",
                "minutes": f"{sum(r.seconds for r in one.results) / 60:,.1f}",
            }
            for one in self.statements
        ]
        rows += [{"claim": v.claim, "the survey says": v.says, "here": v.holds} for v in self.machines]
        columns = ("claim", "the survey says", "here", "figures that hold", "minutes")
        return f"{Listing(rows, columns)}\n{' and '.join(str(self.path / name) for name in PAGES.values())}"


def told(one: Statement) -> dict[str, Any]:
    """A statement as plain values."""
    figures = [
        asdict(f) | {"asked": f.asked, "interval": list(f.interval), "verdict": f.verdict, "values": list(f.values)}
        for f in one.figures
    ]
    found = {"claim": one.claim.id, "says": one.claim.says, "verdict": one.verdict, "recipes": list(one.recipes)}
    return found | {"seconds": sum(result.seconds for result in one.results), "figures": figures}


def decide(out: Path | str) -> Decided:
    """Run every study that decides a statement into `out`, or go on with them; what they found."""
    folder, deciding = Path(out), _claims.studies()
    _forecast(folder, deciding)
    results = tuple(_result(_run(one, folder)) for one in deciding)
    machines = tuple(verdicts())
    for language, name in PAGES.items():
        files.write(folder / name, _survey.page(language, results, deciding, machines).encode())
    statements = tuple(_claims.statements(results, deciding, _survey.ASKED))
    return Decided(path=folder, results=results, statements=statements, machines=machines)


def _forecast(folder: Path, deciding: Sequence[Deciding]) -> None:
    """Say how many trials are left, how long they take, and what share of all each study is."""
    stored = {result.recipe: result.seconds for result in _results.read_all() if result.seconds}
    whole: dict[str, float] = {}
    left: dict[str, tuple[int, float]] = {}
    for one in deciding:
        file = importlib.import_module(one.module)
        plan = file.plan(file.Config())
        done = sum((folder / one.recipe / "trials" / f"{trial.name}.json").exists() for trial in plan)
        whole[one.recipe] = stored.get(one.recipe, one.trial_s * len(plan))
        at_once = max(1, len(os.sched_getaffinity(0)) // getattr(file, "THREADS", 1))
        trials = len(plan) - done
        left[one.recipe] = trials, whole[one.recipe] * trials / len(plan) / min(at_once, max(trials, 1))
    trials, seconds = sum(n for n, _ in left.values()), sum(s for _, s in left.values())
    say(f"claims: {len(deciding)} studies, {trials} trials to do, about {seconds / 60:,.0f} min, into {folder}")
    for one in deciding:
        trials, seconds = left[one.recipe]
        share = whole[one.recipe] / sum(whole.values())
        source = "by its stored result" if one.recipe in stored else "by its own estimate"
        say(
            f"  {'+'.join(one.claims)} {one.recipe}: {trials} trials, about {seconds / 60:,.1f} min, "
            f"{share:.0%} of all processor time ({source})"
        )


def _run(one: Deciding, folder: Path) -> Study:
    file = importlib.import_module(one.module)
    found: Study = getattr(file, one.recipe)(folder / one.recipe, file.Config())
    return found


def _result(study: Study) -> Result:
    """What a study found, as a result without a commit: what ran is the package that is installed."""
    return Result(recipe=study.recipe, commit="", configuration="", figures=study.figures, seconds=study.seconds)
