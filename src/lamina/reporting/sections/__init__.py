"""The page's sections, one file each: `section(run)` gives a `Section`, or None where the run has nothing for it."""

from collections.abc import Callable
from importlib import import_module

from lamina.reporting._section import Section
from lamina.reporting.collect import Run

# in the page's order
NAMES = (
    "headline",
    "found",
    "curves",
    "training",
    "recognition",
    "filters",
    "size",
    "space",
    "reproduced",
    "prices",
    "roofline",
    "machine_roofs",
    "bars",
    "busy",
    "energy",
    "chain",
    "exports",
    "layers",
    "sources",
    "repeat",
)


def builders() -> list[tuple[str, Callable[[Run], Section | None]]]:
    """Name and function of every section, in order."""
    return [(name, import_module(f"{__name__}.{name}").section) for name in NAMES]
