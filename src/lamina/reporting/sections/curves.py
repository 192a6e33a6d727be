"""The curves of a study: one plot each, a line an arm, the band around it the 95 % interval over the seeds."""

from collections.abc import Mapping
from typing import Any

from lamina.reporting._section import Section, plot
from lamina.reporting.collect import Run
from lamina.reporting.figures import DASHES, SERIES, SYMBOLS, Figure, axis, layout, nth, plain
from lamina.reporting.markup import join

BAND = 0.16  # opacity


def section(run: Run) -> Section | None:
    curves = run.curves.get("curves")
    if not curves:
        return None
    drawn = {f"plot-curves-{index}": figure(curve) for index, curve in enumerate(curves)}
    parts = []
    for (name, made), curve in zip(drawn.items(), curves, strict=True):
        banded = any(line["low"] for line in curve["lines"])
        band = " Bands are 95 % intervals over the seeds." if banded else ""
        arms = ", ".join(line["name"] for line in curve["lines"][:12])
        parts.append(plot(name, made, f"{curve['title']}: {arms}.{band}"))
    return Section(title="Curves", body=join(parts), figures=drawn)


def figure(curve: Mapping[str, Any]) -> Figure:
    """Lines with markers over one axis; a line's band is drawn below all lines and shares its legend entry."""
    bands: list[Figure] = []
    lines: list[Figure] = []
    for index, line in enumerate(curve["lines"]):
        colour, name, x = nth(SERIES, index), plain(line["name"], 40), list(line["x"])
        if line["low"]:
            bands.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": [*x, *reversed(x)],
                    "y": [*line["high"], *reversed(line["low"])],
                    "fill": "toself",
                    "fillcolor": _transparent(colour),
                    "line": {"width": 0, "color": colour},
                    "legendgroup": name,
                    "showlegend": False,
                    "hoverinfo": "skip",
                }
            )
        shown = len(x) <= 40
        lines.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if shown else "lines",
                "name": name,
                "legendgroup": name,
                "x": x,
                "y": list(line["y"]),
                "line": {"color": colour, "dash": nth(DASHES, index), "width": 2},
                "marker": {"color": colour, "symbol": nth(SYMBOLS, index), "size": 7},
                "text": _ranges(line),
                "hovertemplate": "%{x:.4g}: %{y:.4g}%{text}<extra>" + name + "</extra>",
            }
        )
    title = plain(curve["title"], 90)
    x_axis = axis(plain(curve["x"]), **_scale(curve.get("log_x")))
    y_axis = axis(plain(curve["y"]), **_scale(curve.get("log_y")))
    return {"data": [*bands, *lines], "layout": layout(title, x_axis, y_axis, height=420)}


def _scale(logarithmic: object) -> Figure:
    return {"type": "log", "tickformat": "~g"} if logarithmic else {}


def _ranges(line: Mapping[str, Any]) -> list[str]:
    if not line["low"]:
        return ["" for _ in line["x"]]
    return [f" [{low:.4g}, {high:.4g}]" for low, high in zip(line["low"], line["high"], strict=True)]


def _transparent(colour: str) -> str:
    """A palette colour as a band's: CSS's rgba."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{BAND})"
