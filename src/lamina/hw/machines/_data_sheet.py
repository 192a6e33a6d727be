"""Sources of a processor whose numbers stand on one data sheet."""

from dataclasses import fields

from lamina.hw.cost import Mark
from lamina.hw.families.processor import Processor

NO_FASTER_UNIT = "no faster unit for shorter words: they run at the rate of float32"


def sources(sheet: str, mark: Mark, **others: tuple[Mark, str]) -> dict[str, tuple[Mark, str]]:
    """Field -> mark and citation: `sheet` with `mark`, but for the fields in `others`."""
    told: dict[str, tuple[Mark, str]] = {field.name: (mark, sheet) for field in fields(Processor)}
    return told | others
