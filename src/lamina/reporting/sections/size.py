"""Bytes by stage of compression, beside what general-purpose compressors make of the pruned file."""

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.reporting._section import Section, plot
from lamina.reporting.collect import Run
from lamina.reporting.figures import BLUE, SKY, Figure, axis, layout, plain
from lamina.reporting.markup import Markup, join, table
from lamina.reporting.words import count, percent, size

OTHERS = ("pruned, gzip -9", "pruned, zstd -19")  # tools that a user has anyway


def section(run: Run) -> Section | None:
    stages = run.summary.get("stages")
    if not stages:
        return None
    drawn = figure(stages)
    words = (
        f"The packed file has {count(stages[-1]['bytes'])} bytes on disk, header, code tables and checksum included: "
        f"{stages[-1]['ratio']:.1f} times less than {count(stages[0]['bytes'])} bytes of float32. The lighter bars are "
        "what general-purpose tools make of the pruned file."
    )
    rows = [(s["name"], count(s["bytes"]), f"{s['ratio']:.1f} ×", percent(s.get("accuracy"), 2)) for s in stages]
    columns = ("stage", "bytes", "smaller than float32", "validation accuracy")
    parts = [plot("plot-bytes", drawn, words), table("Bytes by stage of compression", columns, rows)]
    if tensors := run.summary.get("packed"):
        parts.append(_tensors(tensors))
    return Section(title="Bytes by stage of compression", body=join(parts), figures={"plot-bytes": drawn})


def figure(stages: Sequence[Mapping[str, Any]]) -> Figure:
    """One bar a stage, its size and ratio written on it; what other tools make of the pruned file is lighter."""
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [s["bytes"] for s in stages],
        "y": [plain(s["name"]) for s in stages],
        "text": [f"{size(s['bytes'])} · {s['ratio']:.1f}×" for s in stages],
        "textposition": "auto",
        "insidetextanchor": "end",
        "textfont": {"size": 13},
        "cliponaxis": False,
        "marker": {"color": [SKY if s["name"] in OTHERS else BLUE for s in stages]},
        "hovertemplate": "%{y}: %{x:,} bytes<extra></extra>",
    }
    x = axis("size (bytes)", exponentformat="SI", rangemode="tozero")
    y = axis("stage", autorange="reversed", showgrid=False)
    return {"data": [trace], "layout": layout("Bytes by stage", x, y, height=120 + 52 * len(stages), showlegend=False)}


def _tensors(rows: Sequence[Mapping[str, Any]]) -> Markup:
    columns = ("tensor", "coding", "weights", "not zero", "codebook", "bytes", "bits per weight")
    cells = [
        (
            row["name"],
            row["coding"],
            count(row["weights"]),
            count(row["nonzeros"]),
            count(row["entries"]),
            count(row["bytes"]),
            f"{row['bits_per_weight']:.2f}" if row["weights"] else "–",
        )
        for row in rows
    ]
    return table("Where the bytes of the packed file are", columns, cells)
