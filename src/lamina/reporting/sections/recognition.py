"""What the network reads and misreads: the confusion matrix with its counts, and every wrong digit as a picture."""

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from typing import Any

from lamina.reporting import pictures
from lamina.reporting._section import Section, plot
from lamina.reporting.collect import Run
from lamina.reporting.figures import SEQUENTIAL, Figure, axis, layout, plain
from lamina.reporting.markup import Markup, join, tag
from lamina.reporting.words import percent

MOST_PICTURES = 60


def section(run: Run) -> Section | None:
    found = run.evaluation
    if not found.get("confusion"):
        return None
    labels, counts = [str(name) for name in found["labels"]], found["confusion"]
    total = sum(map(sum, counts))
    right = sum(counts[i][i] for i in range(len(labels)))
    drawn = figure(labels, counts)
    words = (
        f"{right} of {total} test examples are read correctly ({percent(right / total, 2)}) by "
        f"{found.get('network', 'the network')}. Rows are what an example is, columns what it was taken for; the "
        "number in a cell is a count, the colour its logarithm."
    )
    return Section(
        title="What it reads, and what it misreads",
        body=join([plot("plot-confusion", drawn, words, width="40rem"), wrong(found.get("wrong", ()))]),
        figures={"plot-confusion": drawn},
    )


def figure(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Figure:
    """Heat map of counts (label, prediction); both axes in the order of `labels`, first label on top."""
    names = [plain(name, 20) for name in labels]
    most = max(max(row) for row in counts)
    ticks = [0, *(10**e for e in range(math.ceil(math.log10(most + 1)) + 1) if 10**e <= most)]
    trace = {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": [[math.log10(1 + n) for n in row] for row in counts],
        "text": [[str(n) if n else "" for n in row] for row in counts],
        "customdata": [list(row) for row in counts],
        "texttemplate": "%{text}",
        "colorscale": [list(stop) for stop in SEQUENTIAL],
        "xgap": 1,
        "ygap": 1,
        "hovertemplate": "is %{y}, taken for %{x}: %{customdata}<extra></extra>",
        "colorbar": {
            "title": {"text": "examples", "side": "right", "font": {"size": 13}},
            "tickvals": [math.log10(1 + t) for t in ticks],
            "ticktext": [str(t) for t in ticks],
            "thickness": 12,
        },
    }
    x = axis("taken for (predicted label)", type="category", showgrid=False, constrain="domain")
    y = axis(
        "is (true label)", type="category", showgrid=False, autorange="reversed", scaleanchor="x", constrain="domain"
    )
    return {"data": [trace], "layout": layout("Confusion matrix of the test set", x, y, height=520)}


def wrong(entries: Sequence[Mapping[str, Any]]) -> Markup:
    """Pictures of misread examples; an entry has index, label, predicted, shape and pixels (base64 of u8)."""
    if not entries:
        return Markup("")
    shown = [_card(entry) for entry in entries[:MOST_PICTURES]]
    left = len(entries) - len(shown)
    more = f" The other {left} are in evaluation.json." if left > 0 else ""
    words = f"All {len(entries)} misread examples" if left <= 0 else f"{len(shown)} of {len(entries)} misread examples"
    note = f"{words}: what each is → what it was taken for, with its number in the test set.{more}"
    return join([tag("h3", "Misread digits"), tag("ul", *shown, class_="digits"), tag("p", note, class_="note")])


def _card(entry: Mapping[str, Any]) -> Markup:
    height, width = (int(n) for n in entry["shape"])
    try:
        pixels = base64.b64decode(entry["pixels"], validate=True)
    except binascii.Error as e:
        raise ValueError(f"pixels are not base64: {e}") from e
    words = f"a {entry['label']} taken for a {entry['predicted']}"
    image = tag("img", src=pictures.data_uri(pixels, height, width), alt=words, width=56, height=56, loading="lazy")
    caption = tag("span", tag("b", entry["label"]), " → ", entry["predicted"])
    return tag("li", image, caption, tag("small", f"no. {entry['index']}"))
