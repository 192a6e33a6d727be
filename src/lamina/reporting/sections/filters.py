"""The first layer's filters side by side: what the network looks for in pixels."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.reporting._section import Section, plot
from lamina.reporting.collect import Run
from lamina.reporting.figures import DIVERGING, Figure, axis, layout, plain

MOST_FILTERS = 64


def section(run: Run) -> Section | None:
    if run.filters is None:
        return None
    name, weights = run.filters
    drawn = figure(name, weights)
    zeros = float((weights == 0).mean())
    pruned = f" {100 * zeros:.0f} % of them were pruned to exactly zero (white)." if zeros > 0 else ""
    words = (
        f"{len(weights)} filters of {weights.shape[2]} × {weights.shape[3]} weights from {name!r}; blue is negative, "
        f"orange positive.{pruned}"
    )
    return Section(
        title="First layer", body=plot("plot-filters", drawn, words, width="40rem"), figures={"plot-filters": drawn}
    )


def figure(name: str, weights: NDArray[Any]) -> Figure:
    """One heat map with the filters (k, c, r, s) in a grid, channel 0 of each, an empty line between them."""
    kernels = weights[:MOST_FILTERS, 0]
    count, height, width = kernels.shape
    columns = math.ceil(math.sqrt(1.5 * count))
    rows = math.ceil(count / columns)
    grid = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    label = np.full(grid.shape, -1)
    for k, kernel in enumerate(kernels):
        y, x = (k // columns) * (height + 1), (k % columns) * (width + 1)
        grid[y : y + height, x : x + width] = kernel
        label[y : y + height, x : x + width] = k
    most = float(np.nanmax(np.abs(grid))) or 1.0
    trace = {
        "type": "heatmap",
        "z": [[None if math.isnan(v) else float(f"{v:.6g}") for v in row] for row in grid.tolist()],
        "customdata": label.tolist(),
        "colorscale": [list(stop) for stop in DIVERGING],
        "zmin": -most,
        "zmax": most,
        "xgap": 1,
        "ygap": 1,
        "hoverongaps": False,
        "hovertemplate": "filter %{customdata}, weight %{z:.4f}<extra></extra>",
        "colorbar": {"title": {"text": "weight (no unit)", "side": "right", "font": {"size": 13}}, "thickness": 12},
    }
    middles = {
        "tickvals": [i * (width + 1) + (width - 1) / 2 for i in range(columns)],
        "ticktext": [str(i) for i in range(columns)],
    }
    x_axis = axis("filter, counted along the row", showgrid=False, constrain="domain", **middles)
    starts = {
        "tickvals": [i * (height + 1) + (height - 1) / 2 for i in range(rows)],
        "ticktext": [str(i * columns) for i in range(rows)],
    }
    y_axis = axis(
        "first filter of the row", showgrid=False, autorange="reversed", scaleanchor="x", constrain="domain", **starts
    )
    made = layout(f"Filters of {plain(name, 24)}", x_axis, y_axis, height=max(260, min(560, 150 + 90 * rows)))
    made["plot_bgcolor"] = "#c9ced6"
    return {"data": [trace], "layout": made}
