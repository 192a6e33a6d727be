"""What one piece of a design costs as FPGA and as ASIC, by the number of pieces, and where the two cross."""

from collections.abc import Mapping, Sequence

from lamina.reporting._section import Section, plot
from lamina.reporting.collect import Run
from lamina.reporting.figures import DASHES, SERIES, Figure, axis, layout, nth


def section(run: Run) -> Section | None:
    points = run.reproduced.get("prices")
    if not points:
        return None
    drawn = figure(points)
    cheaper = next((p["volume"] for p in points if p["asic"] <= p["fpga"]), None)
    words = "The ASIC's one-time cost is spread over the pieces; prices are assumed (hw/components/silicon_price.py). "
    words += "It is never cheaper here." if cheaper is None else f"From about {cheaper:,.0f} pieces on it is cheaper."
    return Section(
        title="FPGA or ASIC, by volume", body=plot("plot-prices", drawn, words), figures={"plot-prices": drawn}
    )


def figure(points: Sequence[Mapping[str, float]]) -> Figure:
    """Two curves, both axes logarithmic."""
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": [p["volume"] for p in points],
            "y": [p[key] for p in points],
            "line": {"color": nth(SERIES, index), "dash": nth(DASHES, index), "width": 3},
            "hovertemplate": "%{y:$.4s} a piece for %{x:.3s}<extra>" + name + "</extra>",
        }
        for index, (key, name) in enumerate((("fpga", "FPGA"), ("asic", "ASIC")))
    ]
    x = axis("pieces", type="log", exponentformat="SI")
    y = axis("dollars a piece", type="log", exponentformat="SI")
    return {"data": data, "layout": layout("Zhang's engine as FPGA and as ASIC", x, y)}
