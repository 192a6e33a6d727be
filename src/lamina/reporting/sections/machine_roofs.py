"""The rooflines of the machines of a table, with each layer as a point.

    peak       2 MACs / (utilisation x latency) of a layer that waits for no memory: what all multipliers would do
    roof       min(peak, DRAM bandwidth x intensity)     intensity = 2 MACs / DRAM bytes
    attained   2 MACs / latency

A machine that tells no DRAM bytes or no bandwidth has no roof here; a run of the recipe has its own section for the
processor that was measured.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.core.units import si
from lamina.reporting._section import Section, plot
from lamina.reporting.collect import Run
from lamina.reporting.figures import DASHES, SERIES, SYMBOLS, Figure, axis, layout, nth, plain
from lamina.reporting.markup import Markup, join, tag
from lamina.reporting.words import machine_label


def section(run: Run) -> Section | None:
    if run.settings["configuration"].get("recipe") != "cost" or not run.cost.get("results"):
        return None
    roofs = [(r, *_roof(r)) for r in run.cost["results"]]
    told = [(r, peak, rate) for r, peak, rate in roofs if peak and rate and _points(r)]
    if not told:
        return None
    drawn = figure(told)
    lines = [
        f"{machine_label(dict(r))}: {si(peak, 'op/s')} at most, {si(rate, 'B/s')} from DRAM, so {peak / rate:.3g} "
        "operations a byte keep it busy"
        for r, peak, rate in told
    ]
    words: list[Markup] = [plot("plot-roofs", drawn, "; ".join(lines) + ".")]
    silent = [machine_label(dict(r)) for r, peak, rate in roofs if not (peak and rate and _points(r))]
    if silent:
        words.append(
            tag("p", f"No roof is drawn for {', '.join(silent)}: nothing crosses its pins, or it tells no rate.")
        )
    return Section(title="Rooflines", body=join(words), figures={"plot-roofs": drawn})


def _roof(result: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """(operations a second of all multipliers, DRAM bytes a second) of a costed machine, where they can be told."""
    rows = [row for row in result["layers"] if row["utilisation"] and row["macs"] and row["latency_s"]]
    # a layer that waits for no memory tells the peak exactly, whether utilisation is of its cycles or of its latency
    rows = [row for row in rows if row["bound"] == "compute"] or rows
    peak = max((2 * row["macs"] / (row["utilisation"] * row["latency_s"]) for row in rows), default=None)
    return peak, result["fields"].get("dram_bytes_per_s")


def _points(result: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """(layer, operations a byte, operations a second) of the layers that multiply and cross the pins."""
    return [
        (row["name"], 2 * row["macs"] / row["dram_bytes"], 2 * row["macs"] / row["latency_s"])
        for row in result["layers"]
        if row["macs"] and row["dram_bytes"] and row["latency_s"]
    ]


def figure(told: Sequence[tuple[Mapping[str, Any], float, float]]) -> Figure:
    """Both axes logarithmic; a machine a colour, its roof a line, its layers points."""
    bends = [peak / rate for _, peak, rate in told]
    across = [x for r, *_ in told for _, x, _ in _points(r)]
    left, right = min([*bends, *across]) / 3, max([*bends, *across]) * 3
    data: list[Figure] = []
    for index, (result, peak, rate) in enumerate(told):
        colour, label, bend = nth(SERIES, index), plain(machine_label(dict(result)), 24), peak / rate
        points = _points(result)
        data += [
            {
                "type": "scatter", "mode": "lines", "name": f"{label}, roof", "legendgroup": label,
                "x": [left, bend, right], "y": [left * rate, peak, peak],
                "line": {"color": colour, "dash": nth(DASHES, index), "width": 2},
                "hovertemplate": "%{y:.3s}op/s at %{x:.3g} op/B<extra>" + label + "</extra>",
            },
            {
                "type": "scatter", "mode": "markers", "name": f"{label}, layers", "legendgroup": label,
                "x": [p[1] for p in points], "y": [p[2] for p in points], "text": [plain(p[0], 28) for p in points],
                "marker": {"color": colour, "symbol": nth(SYMBOLS, index), "size": 10},
                "hovertemplate": "%{text}: %{y:.3s}op/s at %{x:.3g} op/B<extra>" + label + "</extra>",
            },
        ]  # fmt: skip
    x = axis("arithmetic intensity (operations per DRAM byte)", type="log", dtick=1, tickformat="~g")
    y = axis("speed (operations per second)", type="log", dtick=1, exponentformat="SI")
    return {"data": data, "layout": layout("Rooflines and layers", x, y, height=520)}
