"""Write docs/reproduced.md: each published figure of each machine, ours, the ratio, and why where it is far off.

python tools/reproduced.py          write it
python tools/reproduced.py --check  exit 1 where it differs (a test does the same)
"""

import sys
from itertools import groupby
from pathlib import Path

from lamina.core import files
from lamina.hw import registry
from lamina.recipes._reproduction import Reproduction, figures, geometric_mean, spread
from lamina.recipes._verdicts import verdicts

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reproduced.md"
HEAD = """# Published and reproduced

Written by `tools/reproduced.py`; `lamina reproduce [ROW or MACHINE ...]` prints the same, computed anew. A ratio is
*ours* over *published*; where it is more than 15 % off, the last column says why. *Published* figures were read in the
source named (often a transcription of the paper); *unverified* ones were recalled. No constant of a machine was tuned
to a figure on this page, but where the last column says *fitted*.
"""


def text() -> str:
    """The whole page."""
    everything = figures()
    parts = [HEAD, _families(everything)]
    for machine, group in groupby(everything, key=lambda f: f.machine):
        rows = list(group)
        parts.append(f"## {machine} ({', '.join(sorted({f.row for f in rows}))})\n\n{_table(rows)}")
    return "\n".join([*parts, _claims()])


def _claims() -> str:
    lines = [
        "## The survey's claims on machines\n",
        "| claim | the survey says | asked | here | verdict | why |",
        "|---|---|---|---|---|---|",
    ]
    for c in verdicts():
        here = f"{min(c.figures.values()):.2g} to {max(c.figures.values()):.3g}"
        lines.append(f"| {c.claim} | {c.says} | {c.low:g} to {c.high:g} | {here} | {c.holds} | {c.why} |")
    return "\n".join(lines) + "\n"


def _families(everything: list[Reproduction]) -> str:
    found: dict[str, list[float]] = {}
    for figure in everything:
        family = registry.find(figure.machine).family.__name__.rpartition(".")[2]
        found.setdefault(family, []).append(figure.ratio)
    lines = ["| family | figures | within 15 % | geometric mean of the ratios | spread |", "|---|---|---|---|---|"]
    for family, ratios in sorted(found.items()):
        within = sum(1 / 1.15 <= r <= 1.15 for r in ratios)
        lines.append(
            f"| {family} | {len(ratios)} | {within} | {geometric_mean(ratios):.3f} | x/÷ {spread(ratios):.2f} |"
        )
    return "\n".join(lines) + "\n"


def _table(rows: list[Reproduction]) -> str:
    lines = ["| what | unit | published | mark | ours | ratio | why |", "|---|---|---|---|---|---|---|"]
    lines += [
        f"| {f.title} | {f.unit} | {f.published:,.4g} | {f.mark} | {f.ours:,.4g} | {f.ratio:.3f} | {f.remark} |"
        for f in rows
    ]
    sources = sorted({f.source for f in rows})
    return "\n".join(lines) + "\n\n" + "\n".join(f"- {source}" for source in sources) + "\n"


def main() -> int:
    wanted = text()
    if "--check" in sys.argv[1:]:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != wanted:
            print(f"{TARGET} differs: python tools/reproduced.py", file=sys.stderr)
            return 1
        return 0
    files.write(TARGET, wanted.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
