"""Write docs/reproduced.md: each published figure of each machine, ours, the ratio, and why where it is far off.

python tools/reproduced.py          write it
python tools/reproduced.py --check  exit 1 where it differs (a test does the same)
"""

import math
import random
import sys
from itertools import groupby, product
from pathlib import Path

from lamina.core import files
from lamina.hw import registry
from lamina.hw.offload import ACCELERATOR, HOST, Link, Step, best_cut
from lamina.recipes._predictions import predictions
from lamina.recipes._reproduction import Reproduction, figures, geometric_mean, spread
from lamina.recipes._results import Figure, Result, configuration_hash, current_commit, write
from lamina.recipes._verdicts import verdicts

GRAPHS = 2000  # of the cut between host and accelerator
TARGET = Path(__file__).resolve().parent.parent / "docs" / "reproduced.md"
HEAD = """# Published and reproduced

Written by `tools/reproduced.py`; `lamina reproduce [ROW or MACHINE ...]` prints the same, computed anew. A ratio is
*ours* over *published*; where it is more than 15 % off, the last column says why. *Published* figures were read in the
source named (often a transcription of the paper); *unverified* ones were recalled. No constant of a machine was tuned
to a figure on this page, but where the last column says *fitted*.
"""


PREDICTED = """## Predictions

What the models say where no published figure stands on this page. Some of the papers' figures were remembered by those
who wrote the models; no constant or rule was chosen by them (docs/log.md).
"""


def text() -> str:
    """The whole page."""
    everything = figures()
    parts = [HEAD, _families(everything)]
    for machine, group in groupby(everything, key=lambda f: f.machine):
        rows = list(group)
        parts.append(f"## {machine} ({', '.join(sorted({f.row for f in rows}))})\n\n{_table(rows)}")
    return "\n".join([*parts, _claims(), _predictions()])


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


def _predictions() -> str:
    parts = [PREDICTED]
    for table in predictions():
        lines = [f"| {' | '.join(cells)} |" for cells in (table.columns, ["---"] * len(table.columns), *table.rows)]
        parts.append(f"### {table.title}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _families(everything: list[Reproduction]) -> str:
    found: dict[str, list[Reproduction]] = {}
    for figure in everything:
        found.setdefault(registry.find(figure.machine).family.__name__.rpartition(".")[2], []).append(figure)
    lines = ["| family | figures | within 15 % | geometric mean of the ratios | spread |", "|---|---|---|---|---|"]
    for family, own in sorted(found.items()):
        ratios, within = [f.ratio for f in own], sum(f.within for f in own)
        lines.append(f"| {family} | {len(own)} | {within} | {geometric_mean(ratios):.3f} | x/÷ {spread(ratios):.2f} |")
    return "\n".join(lines) + "\n"


def _table(rows: list[Reproduction]) -> str:
    lines = ["| what | unit | published | mark | ours | ratio | why |", "|---|---|---|---|---|---|---|"]
    lines += [
        f"| {f.title} | {f.unit} | {f.published:,.4g} | {f.mark} | {f.ours:,.4g} | {f.ratio:.3f} | {f.remark} |"
        for f in rows
    ]
    sources = sorted({f.source for f in rows})
    return "\n".join(lines) + "\n\n" + "\n".join(f"- {source}" for source in sources) + "\n"


def results(commit: str) -> Result:
    """Of each row, how many figures are within 15 %; and how many best cuts differ from brute force."""
    rows: dict[str, list[Reproduction]] = {}
    for figure in figures():
        rows.setdefault(figure.row, []).append(figure)
    found = [
        Figure(
            row=row,
            name="within_15_percent",
            title="published figures within 15 %",
            unit="",
            measured=sum(f.within for f in own),
            rule="at_least",
            limit=len(own),
            source="docs/reproduced.md",
        )
        for row, own in rows.items()
        if row != "H20"  # Eyeriss, which has no row of its own
    ]
    found.append(
        Figure(
            row="H21",
            name="cuts_differing",
            title=f"cuts of {GRAPHS} random graphs that brute force beats",
            unit="",
            measured=cuts_differing(),
            rule="equal",
            limit=0,
            source="tools/reproduced.py",
        )
    )
    return Result(
        recipe="machines", commit=commit, configuration=configuration_hash({"graphs": GRAPHS}), figures=tuple(found)
    )


def cuts_differing() -> int:
    """Random graphs of up to eight steps whose best cut is not the best of all assignments."""
    generator = random.Random(0)
    return sum(not _best(generator) for _ in range(GRAPHS))


def _best(generator: random.Random) -> bool:
    values, steps = ["in"], []
    for index in range(generator.randint(1, 8)):
        reads = tuple(generator.choices(values, k=generator.randint(1, 3)))
        seconds = tuple(generator.choice((None, generator.random(), generator.random())) for _ in range(2))
        if seconds == (None, None):
            seconds = (1.0, None)
        steps.append(Step(name=f"s{index}", inputs=reads, outputs=(f"v{index}",), seconds=seconds))
        values.append(f"v{index}")
    sizes = {value: generator.random() for value in values}
    link = Link(bytes_per_s=generator.choice((0.3, 1.0, 3.0)), latency_s=generator.choice((0.0, 0.1)))
    outputs = generator.choices(values, k=2)
    cut = best_cut(steps, sizes, ["in"], outputs, link)
    every = []
    for sides in product((HOST, ACCELERATOR), repeat=len(steps)):
        made = {"in": HOST} | {step.outputs[0]: side for step, side in zip(steps, sides, strict=True)}
        wanted = {(v, side) for step, side in zip(steps, sides, strict=True) for v in step.inputs}
        wanted |= {(v, HOST) for v in outputs}
        run = [step.seconds[side] for step, side in zip(steps, sides, strict=True)]
        if None not in run:
            every.append(sum(run) + sum(link.seconds(sizes[v]) for v, side in wanted if made[v] != side))
    return math.isclose(cut.seconds, min(every), rel_tol=1e-9)


def main() -> int:
    wanted = text()
    if "--check" in sys.argv[1:]:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != wanted:
            print(f"{TARGET} differs: python tools/reproduced.py", file=sys.stderr)
            return 1
        return 0
    files.write(TARGET, wanted.encode())
    if "--results" in sys.argv[1:]:
        write(results(current_commit(TARGET.parent.parent)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
