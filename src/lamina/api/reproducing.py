"""Published beside reproduced: figures of machines and claims on them, computed now, and what result files hold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lamina.core.errors import BadInput, unknown
from lamina.recipes import _results, _rows
from lamina.recipes._claims import Statement, statements, studies
from lamina.recipes._reproduction import Reproduction, figures, geometric_mean
from lamina.recipes._results import Figure
from lamina.recipes._survey import ASKED
from lamina.recipes._survey import found as told
from lamina.recipes._verdicts import Verdict, verdicts

MISSES = "off by more than 15 % for no stated reason"


class Reproduced:
    """What was reproduced.

    `holds` where each figure of a machine is within 15 % or says why, and every figure that decides no statement is as
    asked: a statement of the survey that does not hold is a finding.
    """

    def __init__(
        self,
        machines: Sequence[Reproduction],
        measured: Sequence[Figure],
        claims: Sequence[Verdict] = (),
        statements: Sequence[Statement] = (),
    ) -> None:
        self.machines, self.measured, self.claims, self.statements = machines, measured, claims, statements

    @property
    def holds(self) -> bool:
        return all(f.within or f.reason for f in self.machines) and all(f.holds for f in self.measured if not f.claim)

    def to_json(self) -> list[dict[str, Any]]:
        return [
            {
                "row": f.row, "machine": f.machine, "name": f.name, "title": f.title, "unit": f.unit,
                "published": f.published, "ours": f.ours, "ratio": f.ratio, "holds": f.within, "mark": f.mark,
                "source": f.source, "reason": f.remark,
            }
            for f in self.machines
        ] + [
            {
                "row": f.row, "machine": None, "name": f.name, "title": f.title, "unit": f.unit,
                "published": f.published, "ours": f.measured, "ratio": None, "holds": f.holds, "mark": "measured",
                "source": f.source, "reason": "", "claim": f.claim, "asked": f.asked, "interval": list(f.interval),
                "seeds": len(f.values), "verdict": f.verdict,
            }
            for f in self.measured
        ] + [
            {
                "row": s.claim.id, "machine": None, "name": None, "title": s.claim.says, "unit": "", "published": None,
                "ours": None, "ratio": None, "holds": s.verdict == "holds", "mark": "measured", "source": "the survey",
                "reason": "", "verdict": s.verdict, "recipes": list(s.recipes),
            }
            for s in self.statements
        ] + [
            {
                "row": c.claim, "machine": None, "name": None, "title": c.says, "unit": "x", "published": None,
                "ours": None, "ratio": None, "holds": c.holds == "holds", "mark": "modelled", "source": "the survey",
                "reason": c.why, "low": c.low, "high": c.high, "verdict": c.holds, "figures": dict(c.figures),
            }
            for c in self.claims
        ]  # fmt: skip

    def __str__(self) -> str:
        told = (_machines(self.machines), _measured(self.measured), _statements(self.statements), _claims(self.claims))
        return "\n".join(text for text in told if text)


def _machines(figures: Sequence[Reproduction]) -> str:
    if not figures:
        return ""
    rows = [
        {
            "row": f.row,
            "machine": f.machine,
            "what": f.title,
            "published": _number(f.published, f.unit),
            "ours": _number(f.ours, f.unit),
            "ratio": f"{f.ratio:.2f}",
            "verdict": ("holds; " if f.within and f.remark else "holds" if f.within else "") + f.remark or MISSES,
        }
        for f in figures
    ]
    within, mean = sum(f.within for f in figures), geometric_mean([f.ratio for f in figures])
    ends = f"{within} of {len(figures)} machine figures within 15 %, geometric mean of ratios {mean:.3f}"
    return f"{_table(rows)}\n{ends}"


def _measured(figures: Sequence[Figure]) -> str:
    """What result files hold, with its interval where there are several seeds."""
    return _table(
        [
            {
                "row": f.row,
                "claim": f.claim or None,
                "what": f.title,
                "published": _number(f.published, f.unit),
                "asked": f.asked,
                "here": told(f, f.unit),
                "verdict": f.verdict,
            }
            for f in figures
        ]
    )


def _statements(statements: Sequence[Statement]) -> str:
    return _table(
        [
            {
                "claim": s.claim.id,
                "the survey says": s.claim.says,
                "here": s.verdict,
                "by": ", ".join(f"lamina run {recipe}" for recipe in s.recipes) or None,
            }
            for s in statements
        ]
    )


def _claims(claims: Sequence[Verdict]) -> str:
    return _table(
        [
            {
                "claim": c.claim,
                "the survey says": c.says,
                "asked": f"{c.low:g} to {c.high:g}",
                "here": f"{min(c.figures.values()):.2g} to {max(c.figures.values()):.3g}",
                "verdict": c.holds,
                "why": c.why,
            }
            for c in claims
        ]
    )


def _table(rows: list[dict[str, Any]]) -> str:
    from lamina.api.listing import Listing

    return str(Listing(rows, tuple(rows[0]))) if rows else ""


def _number(value: float | None, unit: str) -> str | None:
    return None if value is None else f"{value:,.4g} {unit}".strip()


def reproduce(*rows: str, out: Path | str | None = None) -> Any:
    """Published beside reproduced: all of it, or some rows ("H9", "M25"), machines ("shidiannao") or claims ("C17").

    `out` is a folder for reproduced.json and a page with the ratios, and the price of FPGA and ASIC by volume. The one
    word "claims" runs every study that decides a statement of the survey instead, into `out` (default runs/claims), and
    writes survey.md there, in English and Chinese.
    """
    if "claims" in rows:
        from lamina.api.deciding import decide

        if len(rows) > 1:
            raise BadInput("claims runs every study and stands alone: name rows and claims without it")
        return decide("runs/claims" if out is None else out)
    found = _chosen(rows)
    if out is not None:
        _write(found, rows, Path(out))
    return found


def _chosen(rows: Sequence[str]) -> Reproduced:
    claims, results = verdicts(), _results.read_all()
    stored = [f for result in results for f in result.figures]
    said = statements(results, studies(), ASKED)
    known = {f.row for f in stored} | {c.claim for c in claims} | {s.claim.id for s in said}
    # the machines' figures take seconds to compute, and only rows of hardware have any
    machines = figures() if not rows or any(row not in known or row.startswith("H") for row in rows) else []
    if not rows:
        return Reproduced(machines, stored, claims, said)
    known |= {x for f in machines for x in (f.row, f.machine)}
    for row in rows:
        if row not in known and row in _rows.known():
            raise BadInput(f"{row}: no result file speaks for it yet: lamina list rows {row} tells how far it is")
        if row not in known:
            raise unknown("row, claim or machine with figures", row, sorted(known))
    return Reproduced(
        [f for f in machines if f.row in rows or f.machine in rows],
        [f for f in stored if f.row in rows or f.claim in rows],
        [c for c in claims if c.claim in rows],
        [s for s in said if s.claim.id in rows],
    )


def _write(found: Reproduced, rows: Sequence[str], folder: Path) -> None:
    """reproduced.json and report.html."""
    from lamina.core import files
    from lamina.core.run_folder import open_run
    from lamina.reporting import report

    configuration = {"recipe": "reproduce", "rows": list(rows) or ["all"]}
    with open_run(folder, configuration) as run:
        value = {"schema": 1, "figures": found.to_json(), "prices": prices()}
        files.write_json(run.file("reproduced.json"), value)
        report(folder)


def prices() -> list[dict[str, float]]:
    """Dollars a piece of Zhang's engine as FPGA and as ASIC, by volume."""
    from dataclasses import asdict

    from lamina.recipes._verdicts import engine_prices

    return [asdict(point) for point in engine_prices()]
