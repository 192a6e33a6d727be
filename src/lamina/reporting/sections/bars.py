"""Latency layer by layer, a bar for each machine; and one run of the network beside one step of its training."""

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.core.units import si
from lamina.reporting._section import Section, plot
from lamina.reporting.collect import Run
from lamina.reporting.figures import PATTERNS, SERIES, Figure, axis, bar_marker, layout, nth, plain
from lamina.reporting.markup import Markup, join, table
from lamina.reporting.words import DASH, SPACE, machine_label

MOST_LAYERS = 80  # bars that one plot can hold


def section(run: Run) -> Section | None:
    results = [r for r in run.cost.get("results", ()) if r["total"]["latency_s"] is not None]
    if not results:
        return None
    drawn = figure(results)
    words = "Layers without a bar act on results as they leave, or take too little time to be seen."
    if max(len(r["layers"]) for r in results) > MOST_LAYERS:
        words = f"The {MOST_LAYERS} slowest layers of each machine. {words}"
    parts: list[Markup] = [plot("plot-bars", drawn, words)]
    training = run.training_cost.get("results", ())
    if training:
        parts.append(_beside(results, training))
    return Section(title="Latency by layer", body=join(parts), figures={"plot-bars": drawn})


def figure(results: Sequence[Mapping[str, Any]]) -> Figure:
    """Grouped bars, time on a logarithmic axis; layers in the network's order."""
    slowest: dict[str, float] = {}
    for result in results:
        for row in result["layers"]:
            slowest[row["name"]] = max(slowest.get(row["name"], 0.0), row["latency_s"])
    kept = set(sorted(slowest, key=lambda name: -slowest[name])[:MOST_LAYERS])
    names = [name for name in slowest if name in kept]
    data = []
    for index, result in enumerate(results):
        seconds = {row["name"]: row["latency_s"] for row in result["layers"]}
        label = plain(machine_label(dict(result)), 24)
        data.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": label,
                "y": [plain(name, 28) for name in names],
                "x": [seconds.get(name) or None for name in names],
                "marker": bar_marker(nth(SERIES, index), nth(PATTERNS, index)),
                "hovertemplate": f"%{{y}} on {label}: %{{x:.3s}}s<extra></extra>",
            }
        )
    x = axis("latency (s)", type="log", exponentformat="SI", dtick=1)
    y = axis("layer", autorange="reversed", type="category", showgrid=False)
    height = 170 + (8 + 10 * len(results)) * max(len(names), 3)
    made = layout("Latency by layer and machine", x, y, height=height, barmode="group")
    made["legend"] |= {"y": 1.0, "yanchor": "bottom"}
    made["margin"] |= {"t": 84}
    return {"data": data, "layout": made}


def _beside(results: Sequence[Mapping[str, Any]], training: Sequence[Mapping[str, Any]]) -> Markup:
    """One line a machine: a run of the network, a step of its training, and how many times more that is."""
    steps = {r["machine"]: r["total"] for r in training}
    rows = []
    for result in results:
        once, step = result["total"], steps.get(result["machine"])
        if step is None:
            continue
        rows.append(
            [
                machine_label(dict(result)),
                *(_si(once[key], unit) for key, unit in (("latency_s", "s"), ("energy_j", "J"))),
                *(_si(step[key], unit) for key, unit in (("latency_s", "s"), ("energy_j", "J"))),
                *(_times(step[key], once[key]) for key in ("latency_s", "energy_j", "dram_bytes")),
            ]
        )
    columns = (
        "machine",
        "a run",
        "its energy",
        "a step",
        "its energy",
        "times the time",
        "the energy",
        "the DRAM bytes",
    )
    note = "A step is forward, backward and the update by plain gradient descent, at the same batch."
    return table("A run of the network beside a step of its training", columns, rows, note=note)


def _si(value: float | None, unit: str) -> str:
    return si(value, unit).replace(" ", SPACE)


def _times(step: float | None, once: float | None) -> str:
    return f"{step / once:.2f}" if step and once else DASH
