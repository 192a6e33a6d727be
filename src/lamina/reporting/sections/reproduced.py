"""Published figures beside ours: the ratio of each by machine, and in a table those that miss, with the reason."""

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.reporting._section import Section, plot
from lamina.reporting.collect import Run
from lamina.reporting.figures import MUTED, SERIES, SYMBOLS, Figure, axis, layout, nth, plain
from lamina.reporting.markup import join, table, tag

TOLERANCE = 1.15


def section(run: Run) -> Section | None:
    told = [f for f in run.reproduced.get("figures", ()) if f["ratio"]]
    if not told:
        return None
    drawn = figure(told)
    within = sum(f["holds"] for f in told)
    words = f"{within} of {len(told)} figures are within 15 % of what was published (the band); a point is one figure."
    rows = [
        [
            f["machine"],
            f["title"],
            f"{f['published']:,.4g} {f['unit']}",
            f"{f['ours']:,.4g}",
            f"{f['ratio']:.2f}",
            f["reason"],
        ]
        for f in told
        if not f["holds"]
    ]
    parts = [plot("plot-reproduced", drawn, words)]
    if rows:
        columns = ("machine", "what", "published", "ours", "ratio", "why")
        parts.append(table("What misses", columns, rows, note="Sources of all figures are in reproduced.json."))
    else:
        parts.append(tag("p", "None misses."))
    return Section(title="Published and reproduced", body=join(parts), figures={"plot-reproduced": drawn})


def figure(told: Sequence[Mapping[str, Any]]) -> Figure:
    """Ratios on a logarithmic axis, a machine a line."""
    machines = list(dict.fromkeys(f["machine"] for f in told))
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": plain(machine, 24),
            "x": [f["ratio"] for f in told if f["machine"] == machine],
            "y": [plain(machine, 24) for f in told if f["machine"] == machine],
            "text": [plain(f["title"]) for f in told if f["machine"] == machine],
            "marker": {"color": nth(SERIES, index), "symbol": nth(SYMBOLS, index), "size": 9, "opacity": 0.8},
            "hovertemplate": "%{text}: %{x:.3g}<extra>" + plain(machine, 24) + "</extra>",
            "showlegend": False,
        }
        for index, machine in enumerate(machines)
    ]
    band = {
        "type": "rect", "xref": "x", "yref": "paper", "x0": 1 / TOLERANCE, "x1": TOLERANCE, "y0": 0, "y1": 1,
        "fillcolor": MUTED, "opacity": 0.15, "line": {"width": 0},
    }  # fmt: skip
    x = axis("ours over published", type="log", tickformat="~g")
    y = axis("machine", type="category", autorange="reversed", showgrid=False)
    height = 150 + 28 * max(len(machines), 3)
    return {"data": data, "layout": layout("Ours over published", x, y, height=height, shapes=[band])}
