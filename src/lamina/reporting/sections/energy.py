"""Energy by layer and component, one plot a machine; a machine that cannot tell its energy is said so."""

from collections.abc import Mapping
from typing import Any

from lamina.core.units import si
from lamina.reporting._section import Section, plot
from lamina.reporting.collect import Run
from lamina.reporting.figures import PATTERNS, SERIES, Figure, axis, bar_marker, layout, nth, plain
from lamina.reporting.markup import Markup, join, tag
from lamina.reporting.words import machine_label, mark

_PREFIXES = ((1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"), (1e-9, "nJ"), (1e-12, "pJ"))


def section(run: Run) -> Section | None:
    results = run.cost.get("results")
    if not results:
        return None
    figures: dict[str, Figure] = {}
    parts: list[Markup] = []
    for index, result in enumerate(results):
        label = machine_label(result)
        if not result["total"].get("energy_by_component_j"):
            silent = f"{label} cannot tell its energy by component: "
            known = result["total"].get("energy_j")
            rest = (
                f"in total {si(known, 'J')}." if known is not None else "nothing is known of it, so nothing is shown."
            )
            parts.append(tag("p", silent, rest, class_="note silent"))
            continue
        name = f"plot-energy-{index}"
        figures[name] = figure(label, result)
        marked = mark((result.get("marks") or {}).get("energy_j"))
        total = si(result["total"]["energy_j"], "J")
        parts.append(plot(name, figures[name], join([f"{label}: {total} for one run of the network, ", marked, "."])))
    return Section(title="Energy by layer and component", body=join(parts), figures=figures)


def figure(label: str, result: Mapping[str, Any]) -> Figure:
    """Stacked bars, a layer each, a component a colour and pattern; the unit follows the largest bar."""
    layers = [row for row in result["layers"] if row.get("energy_by_component_j")]
    names = list(dict.fromkeys(c for row in layers for c in row["energy_by_component_j"]))
    most = max((sum(row["energy_by_component_j"].values()) for row in layers), default=0.0)
    factor, unit = next(((f, u) for f, u in _PREFIXES if most >= f), _PREFIXES[-1])
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": plain(component, 24),
            "y": [plain(row["name"], 28) for row in layers],
            "x": [row["energy_by_component_j"].get(component, 0.0) / factor for row in layers],
            "marker": bar_marker(nth(SERIES, i), nth(PATTERNS, i)),
            "hovertemplate": f"%{{y}}, {plain(component, 24)}: %{{x:.4g}} {unit}<extra></extra>",
        }
        for i, component in enumerate(names)
    ]
    x, y = axis(f"energy ({unit})"), axis("layer", autorange="reversed", type="category", showgrid=False)
    made = layout(f"Energy on {plain(label, 32)}", x, y, height=170 + 26 * max(len(layers), 3), barmode="stack")
    made["legend"] |= {"y": 1.0, "yanchor": "bottom", "traceorder": "normal"}
    made["margin"] |= {"t": 84}
    return {"data": data, "layout": made}
