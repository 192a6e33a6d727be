"""The processor this runs on with all its cores at once: a roofline measured here, kept in the cache."""

from typing import Any

from lamina.hw import measure
from lamina.hw.cost import Mark
from lamina.hw.families.roofline import Roofline

ROWS = ("H1",)
PAPER = "Williams et al., CACM 52(4), 2009, https://doi.org/10.1145/1498765.1498785"
PUBLISHED: dict[str, tuple[float, float]] = {}


def __getattr__(name: str) -> Any:
    """PARAMETERS and SOURCES come from the measurement, which is made when it is first asked for."""
    if name in ("PARAMETERS", "SOURCES"):
        found = measure.measured(measure.all_threads())
        if name == "PARAMETERS":
            return Roofline(**found.parameters)
        note: tuple[Mark, str] = ("measured", f"{found.processor}, {found.date}, {measure.said(found.threads)}")
        return dict.fromkeys(found.parameters, note)
    raise AttributeError(name)
