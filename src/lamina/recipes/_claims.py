"""Which studies decide which statements of the survey, read from the sources: CLAIM = "C17", or ("C15", "C16").

    a recipe with CLAIM and TRIAL_S  ──▶  its name, its claims, seconds of a trial; nothing is imported

A statement's verdict follows from the figures that name it, in whatever result file they are:

    holds           all of them hold
    holds in part   some do
    does not hold   none does
    undecided       none does, and of none the whole interval is against it
    not yet run     there is none

A p-value (its name ends in `_p`) is shown and not counted: it tells how sure a difference is, not which way it goes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lamina.core.errors import BadInput
from lamina.recipes import _rows
from lamina.recipes._results import Figure, Result

Decided = Literal["holds", "holds in part", "does not hold", "undecided", "not yet run"]
_HERE = Path(__file__).parent
_PACKAGE = __package__ or ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deciding:
    """A study that decides statements."""

    module: str  # as it is imported
    claims: tuple[str, ...]
    trial_s: float  # processor seconds of one trial, as its file says

    @property
    def recipe(self) -> str:
        return self.module.rpartition(".")[2]


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """One statement of the survey with all that speaks for or against it here."""

    claim: _rows.Claim
    results: tuple[Result, ...]  # each with the figures that name this claim alone
    recipes: tuple[str, ...]  # those that decide it, run or not

    @property
    def figures(self) -> tuple[Figure, ...]:
        return tuple(figure for result in self.results for figure in result.figures)

    @property
    def verdict(self) -> Decided:
        return verdict(self.figures)


def studies(folder: Path = _HERE, package: str = _PACKAGE) -> list[Deciding]:
    """The studies in `folder` that decide statements, in the order of the first that each decides."""
    found = []
    for path in sorted(folder.glob("[!_]*.py")):
        claim, trial_s = _rows.constant(path, "CLAIM"), _rows.constant(path, "TRIAL_S")
        if claim is None:
            continue
        claims = (claim,) if isinstance(claim, str) else claim
        known = {c.id for c in _rows.claims()}
        if not isinstance(claims, tuple) or not claims or not known.issuperset(claims):
            raise BadInput(f'{path}: CLAIM {claim!r} is neither a claim such as "C17" nor a tuple of them')
        if not isinstance(trial_s, int | float):
            raise BadInput(f"{path}: TRIAL_S {trial_s!r}: a study says how many seconds a trial takes")
        found.append(Deciding(module=f"{package}.{path.stem}", claims=claims, trial_s=float(trial_s)))
    return sorted(found, key=lambda study: (number(study.claims[0]), study.module))


def number(claim: str) -> int:
    """What claims are sorted by: 17 of "C17"."""
    return int(claim[1:])


def counted(figures: Sequence[Figure]) -> Sequence[Figure]:
    """The figures that a verdict follows from: p-values are not among them, unless there is nothing else."""
    return [f for f in figures if not f.name.endswith("_p")] or figures


def verdict(figures: Sequence[Figure]) -> Decided:
    """What figures of one statement say of it together."""
    found = {f.verdict for f in counted(figures)}
    if found == {"holds"}:
        return "holds"
    if "holds" in found:
        return "holds in part"
    return "does not hold" if "does not hold" in found else "undecided" if found else "not yet run"


def statements(results: Iterable[Result], deciding: Iterable[Deciding], wanted: Iterable[str]) -> list[Statement]:
    """The statements of `wanted` and those that `results` name, in the survey's order."""
    own: dict[str, list[Result]] = {}
    for result in results:
        for claim in dict.fromkeys(f.claim for f in result.figures if f.claim):
            figures = tuple(f for f in result.figures if f.claim == claim)
            own.setdefault(claim, []).append(
                Result(
                    recipe=result.recipe, commit=result.commit, configuration=result.configuration, figures=figures,
                    seconds=result.seconds,
                )
            )  # fmt: skip
    named = {*own, *wanted}
    if strange := named - {c.id for c in _rows.claims()}:
        raise BadInput(f"figures name the claim {min(strange)!r}, which claims.toml does not have")
    by_claim = {claim: [d.recipe for d in deciding if claim in d.claims] for claim in named}
    return [
        Statement(
            claim=claim,
            results=tuple(own.get(claim.id, ())),
            recipes=tuple(dict.fromkeys([*(r.recipe for r in own.get(claim.id, ())), *by_claim[claim.id]])),
        )
        for claim in _rows.claims()
        if claim.id in named
    ]
