"""How busy the multipliers are: a heat map of layers by machines, from idle (light) to all at work (dark)."""

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.reporting._section import Section, plot
from lamina.reporting.collect import Run
from lamina.reporting.figures import SEQUENTIAL, Figure, axis, layout, plain
from lamina.reporting.words import machine_label


def section(run: Run) -> Section | None:
    results = [r for r in run.cost.get("results", ()) if r["total"]["utilisation"] is not None]
    if not results:
        return None
    drawn = figure(results)
    words = (
        "The share of its multipliers that a layer keeps busy while it runs. A light row is a layer that fits no "
        "machine well, a light column a machine that is too wide for the network or waits for its memory."
    )
    return Section(title="Utilisation", body=plot("plot-busy", drawn, words), figures={"plot-busy": drawn})


def figure(results: Sequence[Mapping[str, Any]]) -> Figure:
    """Layers that multiply downwards, machines across; a cell is empty where a machine cannot tell."""
    names = list(dict.fromkeys(row["name"] for r in results for row in r["layers"] if row["utilisation"] is not None))
    shares = [{row["name"]: row["utilisation"] for row in r["layers"]} for r in results]
    data = [
        {
            "type": "heatmap",
            "x": [plain(machine_label(dict(r)), 24) for r in results],
            "y": [plain(name, 28) for name in names],
            "z": [[share.get(name) for share in shares] for name in names],
            "zmin": 0,
            "zmax": 1,
            "colorscale": [list(stop) for stop in SEQUENTIAL],
            "colorbar": {"title": {"text": "busy"}, "tickformat": ".0%"},
            "hovertemplate": "%{y} on %{x}: %{z:.1%}<extra></extra>",
            "hoverongaps": False,
            "xgap": 2,
            "ygap": 1,
        }
    ]
    if len(names) * len(results) <= 400:
        data[0] |= {"texttemplate": "%{z:.0%}", "textfont": {"size": 11}}
    x = axis("machine", type="category", showgrid=False, side="top")
    y = axis("layer", autorange="reversed", type="category", showgrid=False)
    made = layout("Utilisation by layer and machine", x, y, height=170 + 22 * max(len(names), 3))
    made["margin"] |= {"t": 110}
    return {"data": data, "layout": made}
