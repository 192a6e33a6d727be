"""Published beside reproduced: figures of machines and claims on them, computed now, and what result files hold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lamina.core.errors import unknown
from lamina.recipes import _results
from lamina.recipes._reproduction import Reproduction, figures, geometric_mean
from lamina.recipes._verdicts import Verdict, verdicts

MISSES = "off by more than 15 % for no stated reason"


class Reproduced:
    """What was reproduced; `holds` where each figure of a machine is within 15 % or says why."""

    def __init__(
        self,
        machines: Sequence[Reproduction],
        measured: Sequence[_results.Figure],
        claims: Sequence[Verdict] = (),
    ) -> None:
        self.machines, self.measured, self.claims = machines, measured, claims

    @property
    def holds(self) -> bool:
        return all(f.within or f.reason for f in self.machines) and all(f.holds for f in self.measured)

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
                "source": f.source, "reason": "",
            }
            for f in self.measured
        ] + [
            {
                "row": c.claim, "machine": None, "name": None, "title": c.says, "unit": "x", "published": None,
                "ours": None, "ratio": None, "holds": c.holds == "holds", "mark": "modelled", "source": "the survey",
                "reason": c.why, "low": c.low, "high": c.high, "verdict": c.holds, "figures": dict(c.figures),
            }
            for c in self.claims
        ]  # fmt: skip

    def __str__(self) -> str:
        from lamina.api.listing import Listing

        rows = [
            {
                "row": f["row"],
                "machine": f["machine"],
                "what": f["title"],
                "published": _number(f["published"], f["unit"]),
                "ours": _number(f["ours"], f["unit"]),
                "ratio": None if f["ratio"] is None else f"{f['ratio']:.2f}",
                "verdict": ("holds; " if f["holds"] and f["reason"] else "holds" if f["holds"] else "") + f["reason"]
                or MISSES,
            }
            for f in self.to_json()
            if "verdict" not in f
        ]
        text = str(Listing(rows, ("row", "machine", "what", "published", "ours", "ratio", "verdict"))) if rows else ""
        if self.machines:
            within = sum(f.within for f in self.machines)
            mean = geometric_mean([f.ratio for f in self.machines])
            text += (
                f"\n{within} of {len(self.machines)} machine figures within 15 %, geometric mean of ratios {mean:.3f}"
            )
        if self.claims:
            told = [
                {
                    "claim": c.claim,
                    "the survey says": c.says,
                    "asked": f"{c.low:g} to {c.high:g}",
                    "here": f"{min(c.figures.values()):.2g} to {max(c.figures.values()):.3g}",
                    "verdict": c.holds,
                    "why": c.why,
                }
                for c in self.claims
            ]
            text += f"\n{Listing(told, tuple(told[0]))}"
        return text


def _number(value: float | None, unit: str) -> str | None:
    return None if value is None else f"{value:,.4g} {unit}".strip()


def reproduce(*rows: str, out: Path | str | None = None) -> Reproduced:
    """Published beside reproduced: all of it, or some rows ("H9"), machines ("shidiannao") or claims ("C28") of it.

    `out` is a folder for reproduced.json and a page with the ratios, and the price of FPGA and ASIC by volume.
    """
    found = _chosen(rows)
    if out is not None:
        _write(found, rows, Path(out))
    return found


def _chosen(rows: Sequence[str]) -> Reproduced:
    everything, claims = figures(), verdicts()
    stored = [f for result in _results.read_all() for f in result.figures]
    if not rows:
        return Reproduced(everything, stored, claims)
    known = {x for f in everything for x in (f.row, f.machine)} | {f.row for f in stored} | {c.claim for c in claims}
    for row in rows:
        if row not in known:
            raise unknown("row or machine with published figures", row, sorted(known))
    return Reproduced(
        [f for f in everything if f.row in rows or f.machine in rows],
        [f for f in stored if f.row in rows],
        [c for c in claims if c.claim in rows],
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
