"""The training curve: loss and accuracy over the epochs, stage after stage (train, prune, share weights)."""

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.reporting._section import Section, plot
from lamina.reporting.collect import Run
from lamina.reporting.figures import DASHES, GRID, MUTED, SERIES, SYMBOLS, Figure, axis, layout, nth, plain
from lamina.reporting.markup import join

LOSSES = {"train_loss": "training loss", "validation_loss": "validation loss"}
ACCURACIES = {"accuracy": "training accuracy", "validation_accuracy": "validation accuracy"}


def section(run: Run) -> Section | None:
    rows = [row for row in run.metrics if any(isinstance(row.get(key), int | float) for key in (*LOSSES, *ACCURACIES))]
    if not rows:
        return None
    drawn = figure(rows)
    stages = list(dict.fromkeys(str(row["stage"]) for row in rows if row.get("stage")))
    told = f" The stages in order: {', '.join(stages)}." if len(stages) > 1 else ""
    last = next((row["validation_accuracy"] for row in reversed(rows) if "validation_accuracy" in row), None)
    end = f" The validation accuracy ends at {100 * last:.2f} %." if last is not None else ""
    words = (
        f"{len(rows)} rows of metrics.jsonl; every choice is made on validation data, none on the test set.{told}{end}"
    )
    return Section(title="Training", body=join([plot("plot-training", drawn, words)]), figures={"plot-training": drawn})


def figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Accuracy above, loss below, over one axis; `rows` are those of metrics.jsonl."""
    x = list(range(1, len(rows) + 1))
    data: list[Figure] = []
    panels = ((ACCURACIES, "y", 100.0, "%{y:.2f} %"), (LOSSES, "y2", 1.0, "%{y:.4f}"))
    for panel, (names, y_axis, factor, shown) in enumerate(panels):
        for index, (key, label) in enumerate(names.items()):
            points = [(i, factor * row[key]) for i, row in zip(x, rows, strict=True) if row.get(key) is not None]
            if points:
                data.append(
                    {
                        "type": "scatter",
                        "mode": "lines+markers",
                        "name": label,
                        "x": [p[0] for p in points],
                        "y": [p[1] for p in points],
                        "yaxis": y_axis,
                        "line": {"color": nth(SERIES, index + 2 * panel), "dash": nth(DASHES, index), "width": 2},
                        "marker": {"symbol": nth(SYMBOLS, index + 2 * panel), "size": 7},
                        "hovertemplate": f"epoch %{{x}}<br>{label} {shown}<extra></extra>",
                    }
                )
    made = layout(
        "Training curve",
        axis("epoch, all stages counted on", anchor="y2"),
        axis("accuracy (%)", domain=[0.56, 1]),
        height=520,
        yaxis2=axis("loss (nats)", domain=[0, 0.44], type="log", tickformat="~g"),
        **_stages(rows),
    )
    made["legend"]["y"] = -0.16
    return {"data": data, "layout": made}


def _stages(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """A line where a stage begins, with its name beside it."""
    starts: list[tuple[int, str]] = []
    for index, row in enumerate(rows):
        name = str(row.get("stage") or "")
        if name and (not starts or starts[-1][1] != name):
            starts.append((index, name))
    if len(starts) < 2:
        return {}
    lines = [
        {
            "type": "line",
            "x0": i + 0.5,
            "x1": i + 0.5,
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "line": {"color": GRID, "width": 2},
        }
        for i, _ in starts[1:]
    ]
    names = [
        {
            "x": i + 0.6,
            "xanchor": "left",
            "y": 1,
            "yref": "paper",
            "yanchor": "bottom",
            "text": plain(name, 24),
            "showarrow": False,
            "font": {"size": 11, "color": MUTED},
        }
        for i, name in starts
    ]
    return {"shapes": lines, "annotations": names}
