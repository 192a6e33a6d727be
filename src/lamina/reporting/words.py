"""Numbers as people read them, and the marks that say where a number comes from."""

from typing import Any

from lamina.core.units import si
from lamina.reporting.markup import Markup, join, tag

MARKS = {
    "measured": "timed or counted here, on this computer",
    "modelled": "follows from a model by arithmetic",
    "published": "printed by the source named",
    "unverified": "of a source that could not be checked",
    "assumed": "a guess, said to be one",
}
DASH = "–"
SPACE = "\u00a0"  # keeps a number and its unit on one line


def mark(name: str | None) -> Markup:
    """A small badge; nothing where there is no mark."""
    if not name:
        return Markup("")
    kind = name if name in MARKS else "other"
    return tag("span", name, class_=f"mark {kind}", title=MARKS.get(name, ""))


def quantity(value: float | None, unit: str, marked: str | None = None) -> Markup:
    """`value` in SI with its unit and mark; a dash where it is not known."""
    if value is None:
        return tag("span", DASH, class_="none", title="this machine cannot tell")
    return join([tag("span", si(value, unit).replace(" ", SPACE), class_="number"), " ", mark(marked)])


def percent(share: float | None, digits: int = 1) -> str:
    """A share in [0, 1] as a percentage."""
    return DASH if share is None else f"{100 * share:.{digits}f}{SPACE}%"


def count(value: float | None) -> str:
    """A count with thin spaces between thousands."""
    return DASH if value is None else f"{value:,.0f}".replace(",", "\u202f")


def size(value: float | None) -> str:
    """Bytes in powers of ten, as file managers show them."""
    return DASH if value is None else si(value, "B").replace(" ", SPACE)


def machine_label(result: dict[str, Any]) -> str:
    """A machine with the fields that were set, such as `systolic 32×32`."""
    name, fields = str(result["machine"]), result.get("fields") or {}
    if "rows" in fields and "columns" in fields:
        return f"{name} {fields['rows']}×{fields['columns']}"
    return name
