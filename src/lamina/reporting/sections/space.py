"""The points of a sweep, and the Pareto front through them."""

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.core.units import si
from lamina.reporting._section import Section, plot
from lamina.reporting.collect import Run
from lamina.reporting.figures import BLUE, MUTED, VERMILION, Figure, axis, layout, plain
from lamina.reporting.markup import join, table, tag
from lamina.reporting.words import DASH, SPACE

UNITS = {"cycles": "", "latency_s": "s", "energy_j": "J", "area_m2": "m2", "dram_bytes": "B"}
WORDS = {
    "cycles": "cycles",
    "latency_s": "latency",
    "energy_j": "energy",
    "area_m2": "area",
    "dram_bytes": "DRAM bytes",
}
MOST_POINTS = 5_000  # that a browser draws at ease
MOST_ROWS = 200


def section(run: Run) -> Section | None:
    configuration = run.settings["configuration"]
    if configuration.get("recipe") != "sweep" or not run.summary.get("front"):
        return None
    front, objectives = run.summary["front"], run.summary["objectives"]
    fields = list(configuration["vary"])
    refused = run.summary["refused"]
    lead = f"{len(run.metrics):,} points, {refused:,} of them refused by the machine; {len(front):,} on the front."
    columns = [*fields, *(WORDS[o] for o in objectives), "bound by"]
    rows = [
        [
            *(row[f] for f in fields),
            *(si(row[o], UNITS[o]).replace(" ", SPACE) for o in objectives),
            row["bound"] or DASH,
        ]
        for row in front[:MOST_ROWS]
    ]
    note = (
        "All points are in points.csv." if len(front) <= MOST_ROWS else f"The first {MOST_ROWS}; all are in points.csv."
    )
    parts = [tag("p", lead)]
    figures: dict[str, Figure] = {}
    if len(objectives) > 1:
        figures["plot-space"] = figure(run.metrics, front, objectives, fields)
        caption = "Each grey point is one machine; nothing is better than the joined ones in both quantities."
        parts.append(plot("plot-space", figures["plot-space"], caption))
    parts.append(table("The Pareto front", columns, rows, note=note))
    return Section(title="The design space", body=join(parts), figures=figures)


def figure(
    rows: Sequence[Mapping[str, Any]],
    front: Sequence[Mapping[str, Any]],
    objectives: Sequence[str],
    fields: Sequence[str],
) -> Figure:
    """The first two objectives against one another, both logarithmic."""
    across, up = objectives[:2]
    told = [r for r in rows if r["refused"] is None and r[across] and r[up]]
    shown = told[:: max(1, len(told) // MOST_POINTS)]
    joined = sorted((r for r in front if r[across] and r[up]), key=lambda r: r[across])

    def label(row: Mapping[str, Any]) -> str:
        return plain(", ".join(f"{f}={row[f]}" for f in fields))

    data = [
        {
            "type": "scatter", "mode": "markers", "name": "points", "x": [r[across] for r in shown],
            "y": [r[up] for r in shown], "text": [label(r) for r in shown],
            "marker": {"color": MUTED, "size": 5, "opacity": 0.5},
            "hovertemplate": "%{text}<br>%{x:.3s}, %{y:.3s}<extra></extra>",
        },
        {
            "type": "scatter", "mode": "lines+markers", "name": "Pareto front", "x": [r[across] for r in joined],
            "y": [r[up] for r in joined], "text": [label(r) for r in joined],
            "line": {"color": BLUE, "shape": "hv", "width": 2},
            "marker": {"color": VERMILION, "size": 9, "symbol": "diamond"},
            "hovertemplate": "%{text}<br>%{x:.3s}, %{y:.3s}<extra>front</extra>",
        },
    ]  # fmt: skip
    x = axis(f"{WORDS[across]} ({UNITS[across]})", type="log", exponentformat="SI")
    y = axis(f"{WORDS[up]} ({UNITS[up]})", type="log", exponentformat="SI")
    return {"data": data, "layout": layout(f"{WORDS[up]} against {WORDS[across]}", x, y, height=480)}
