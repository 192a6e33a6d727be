"""The operator table, assembled from the files of this folder: each defines `OPERATORS`, a tuple of entries."""

import importlib
import pkgutil

from lamina.core.errors import unknown
from lamina.ir.operators._table import Operator


def _assemble() -> dict[str, Operator]:
    table: dict[str, Operator] = {}
    for found in pkgutil.iter_modules(__path__):
        if not found.name.startswith("_"):
            for entry in importlib.import_module(f"{__name__}.{found.name}").OPERATORS:
                if entry.name in table:
                    raise AssertionError(f"two operators are named {entry.name}")
                table[entry.name] = entry
    return table


TABLE = _assemble()


def operator(name: str) -> Operator:
    """The entry of operator `name`; raises `BadInput` with the nearest names."""
    if name not in TABLE:
        raise unknown("operator", name, TABLE)
    return TABLE[name]
