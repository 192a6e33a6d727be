"""What a study found: each figure with its interval beside what is asked, and the verdict that follows."""

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.reporting._section import Section, plot
from lamina.reporting.collect import Run
from lamina.reporting.figures import BLACK, GREEN, ORANGE, VERMILION, Figure, axis, layout, plain
from lamina.reporting.markup import Markup, join, table, tag

VERDICTS = {"holds": (GREEN, "circle"), "undecided": (ORANGE, "square"), "does not hold": (VERMILION, "x")}
ROW, HEAD = 50, 170  # pixels of a figure, and of title, axis and legend
COLUMNS = ("figure", "found", "asked", "verdict", "seeds", "decides", "asked by")


def section(run: Run) -> Section | None:
    shown = run.figures.get("shown")
    if not shown:
        return None
    held = sum(f["verdict"] == "holds" for f in shown)
    words = f"{held} of {len(shown)} figures hold. A figure with several seeds holds where its whole interval does."
    parts: list[Markup] = [tag("p", words)]
    drawn = {f"plot-found-{index}": (unit, rows) for index, (unit, rows) in enumerate(_units(shown).items())}
    for name, (unit, rows) in drawn.items():
        caption = "A point is the mean over the seeds, a bar its 95 % interval, a short vertical line what is asked."
        parts.append(plot(name, figure(unit, rows), caption))
    cells = [
        (
            f["title"],
            f["found"],
            f["asked"],
            _verdict(f["verdict"]),
            f["seeds"] or "–",
            f["claim"] or f["row"],
            f["source"],
        )
        for f in shown
    ]
    parts.append(table("Found beside asked", COLUMNS, cells))
    return Section(
        title="What was found", body=join(parts), figures={name: figure(*made) for name, made in drawn.items()}
    )


def _units(shown: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Figures with an interval by unit: those of one unit share an axis."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for f in shown:
        if f["seeds"] > 1:
            found.setdefault(f["unit"], []).append(f)
    return found


def figure(unit: str, rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Means and intervals along one axis, a figure a line, what is asked as a stroke."""
    data: list[Figure] = []
    for verdict, (colour, symbol) in VERDICTS.items():
        own = [f for f in rows if f["verdict"] == verdict]
        if not own:
            continue
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": verdict,
                "x": [f["measured"] for f in own],
                "y": [_label(rows, f) for f in own],
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [f["interval"][1] - f["measured"] for f in own],
                    "arrayminus": [f["measured"] - f["interval"][0] for f in own],
                    "color": colour,
                    "thickness": 2,
                    "width": 5,
                },
                "marker": {"color": colour, "symbol": symbol, "size": 10},
                "text": [f"{plain(f['found'], 80)}, asked {plain(f['asked'])}" for f in own],
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    data.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "asked",
            "x": [f["limit"] for f in rows],
            "y": [_label(rows, f) for f in rows],
            "marker": {"color": BLACK, "symbol": "line-ns", "size": 18, "line": {"width": 2, "color": BLACK}},
            "text": [plain(f["asked"]) for f in rows],
            "hovertemplate": "asked %{text}<extra></extra>",
        }
    )
    lines = [_label(rows, f) for f in rows]
    y = axis("", type="category", autorange="reversed", categoryorder="array", categoryarray=lines, showgrid=True)
    y["title"]["text"] = "figure"
    x = axis(plain(unit) or "value", zeroline=True, zerolinecolor="#b8c0c8")
    made = layout(f"Found and asked ({plain(unit) or 'no unit'})", x, y, height=HEAD + ROW * len(rows))
    made["legend"]["y"] = -70 / (ROW * len(rows) + 40)
    return {"data": data, "layout": made}


def _label(rows: Sequence[Mapping[str, Any]], f: Mapping[str, Any]) -> str:
    """The figure's title in a few lines; its number first, so that no two are the same."""
    number = next(i for i, other in enumerate(rows, start=1) if other is f)
    return f"{number}. {_folded(f['title'])}"


def _folded(title: str, letters: int = 34, most: int = 3) -> str:
    words, lines = title.split(), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) >= letters:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1]} …"]
    return "<br>".join(plain(line) for line in lines)


def _verdict(verdict: str) -> Markup:
    kind = {"holds": "good", "does not hold": "bad"}.get(verdict, "none")
    return tag("span", verdict, class_=kind)
