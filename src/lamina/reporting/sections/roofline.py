"""The CPU's measured roofline with the network's layers as points.

    attainable = min(peak, bandwidth x intensity)        intensity = 2 MACs / bytes moved, 1 MAC = 2 operations
    attained   = 2 MACs / latency                        one point for each layer of layers.csv that multiplies

There is a slope for each memory that was measured; a small network lives under that of the last cache.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lamina.core.units import si
from lamina.reporting._section import Section, plot
from lamina.reporting.collect import Run
from lamina.reporting.figures import BLUE, DASHES, MUTED, SERIES, SYMBOLS, Figure, axis, layout, nth, plain

OPS_PER_MAC = 2


def section(run: Run) -> Section | None:
    roof = run.summary.get("roofline")
    if not roof:
        return None
    rows = [row for row in run.layers if row.get("machine") == roof["machine"] and float(row.get("macs") or 0) > 0]
    drawn = figure(roof, rows)
    slopes = ", ".join(f"{si(r['bytes_per_s'], 'B/s')} from {r['name']}" for r in roof["roofs"])
    words = (
        f"{si(roof['peak_ops_per_s'], 'op/s')} at most and {slopes}: {roof['mark']} on this computer ({roof['what']}). "
        f"Each point is one of the {len(rows)} layers that multiply, one example at a time; a point under a slope "
        "waits for memory, one under the flat roof for arithmetic, and one well below both for the program that calls "
        "it. The layers' speeds follow from the model's latency."
    )
    return Section(
        title="Roofline of this computer", body=plot("plot-roofline", drawn, words), figures={"plot-roofline": drawn}
    )


def figure(roof: Mapping[str, Any], rows: Sequence[Mapping[str, str]]) -> Figure:
    """Both axes logarithmic; `rows` are those of layers.csv on the measured machine."""
    peak = float(roof["peak_ops_per_s"])
    points = [_point(row, roof["moved"]) for row in rows]
    bends = [peak / float(slope["bytes_per_s"]) for slope in roof["roofs"]]
    left = min([*bends, *(p[0] for p in points)]) / 4
    right = max([*bends, *(p[0] for p in points)]) * 4
    data: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": f"roof, {plain(slope['name'], 24)}",
            "x": [left, bend, right],
            "y": [peak * left / bend, peak, peak],
            "line": {
                "color": BLUE if index == 0 else MUTED,
                "dash": nth(DASHES, index),
                "width": 3 if index == 0 else 2,
            },
            "hovertemplate": "%{y:.3s}op/s at %{x:.3g} op/B<extra>roof</extra>",
        }
        for index, (slope, bend) in enumerate(zip(roof["roofs"], bends, strict=True))
    ]
    for index, (row, (x, y)) in enumerate(zip(rows, points, strict=True)):
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": plain(row["name"], 24),
                "x": [x],
                "y": [y],
                "marker": {
                    "size": 12,
                    "color": nth(SERIES[1:], index),
                    "symbol": nth(SYMBOLS, index),
                    "line": {"color": MUTED, "width": 1},
                },
                "hovertemplate": f"{plain(row['name'], 24)}: %{{y:.3s}}op/s at %{{x:.3g}} op/B<extra></extra>",
            }
        )
    low = min([peak * left / max(bends), *(p[1] for p in points)])
    y_range = [math.log10(low) - 0.1, math.log10(peak) + 0.4]
    across = axis("arithmetic intensity (operations per byte moved)", type="log", dtick=1, tickformat="~g")
    up = axis("speed (operations per second)", type="log", dtick=1, exponentformat="SI", range=y_range)
    return {"data": data, "layout": layout(f"Roofline of {plain(roof['machine'], 24)}", across, up, height=480)}


def _point(row: Mapping[str, str], moved: str) -> tuple[float, float]:
    operations = OPS_PER_MAC * float(row["macs"])
    return operations / float(row[moved]), operations / float(row["latency_s"])
