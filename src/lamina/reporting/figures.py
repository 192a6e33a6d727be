"""What all plots share: Okabe-Ito colours, one layout, text that cannot become markup.

A figure is plain data in plotly's own form, {"data": [...], "layout": {...}}, so that making one needs no import.
Colour never carries a meaning alone: series differ in marker, dash or pattern too.

Palette    Okabe and Ito, "Color Universal Design", 2008, https://jfly.uni-koeln.de/color/
"""

from collections.abc import Sequence
from typing import Any

from lamina.core.errors import one_line

Figure = dict[str, Any]

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, BLACK = "#56B4E9", "#CC79A7", "#F0E442", "#1b1f24"
SERIES = (BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, YELLOW, BLACK)
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "triangle-down")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
PATTERNS = ("", "/", "x", ".", "-", "|", "+", "\\")
SEQUENTIAL = ((0.0, "#f4f6f8"), (0.25, "#a9d3ec"), (0.6, BLUE), (1.0, "#00263d"))
DIVERGING = ((0.0, BLUE), (0.5, "#ffffff"), (1.0, VERMILION))
GRID, INK, MUTED = "#e3e7ec", "#1b1f24", "#57606a"


def plain(value: object, limit: int = 60) -> str:
    """`value` as text in a plot: plotly reads a little HTML in labels, and names from files are not to be trusted."""
    text = one_line(value, limit)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def nth(choices: Sequence[str], index: int) -> str:
    """Entry `index` of `choices`, round and round."""
    return choices[index % len(choices)]


def bar_marker(colours: str | Sequence[str], patterns: str | Sequence[str]) -> Figure:
    """Bars told apart by colour and by a white pattern over it."""
    shape = patterns if isinstance(patterns, str) else list(patterns)
    pattern = {
        "shape": shape,
        "fillmode": "overlay",
        "fgcolor": "#ffffff",
        "fgopacity": 0.6,
        "size": 7,
        "solidity": 0.25,
    }
    return {"color": colours if isinstance(colours, str) else list(colours), "pattern": pattern}


def axis(title: str, **more: Any) -> Figure:
    """One axis with its title (quantity and unit)."""
    base = {
        "title": {"text": title, "font": {"size": 13}, "standoff": 8},
        "gridcolor": GRID,
        "linecolor": MUTED,
        "zeroline": False,
        "automargin": True,
        "ticks": "outside",
        "tickcolor": GRID,
    }
    return base | more


def layout(title: str, x: Figure, y: Figure, *, height: int = 380, **more: Any) -> Figure:
    """The layout of one plot; width follows the window."""
    base = {
        "title": {
            "text": title,
            "x": 0,
            "xanchor": "left",
            "xref": "container",
            "pad": {"l": 12},
            "font": {"size": 15},
        },
        "font": {"family": "system-ui, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif", "size": 13, "color": INK},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "height": height,
        "autosize": True,
        "margin": {"l": 56, "r": 16, "t": 48, "b": 56},
        "xaxis": x,
        "yaxis": y,
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.22, "yanchor": "top"},
        "hoverlabel": {"font": {"size": 13}},
        "hovermode": "closest",
    }
    return base | more
