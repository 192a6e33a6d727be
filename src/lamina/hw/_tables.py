"""Tables of a machine file against dataclasses: what is wrong is one error with key and line, whatever its depth.

    [[level]]                      a field of type tuple[Level, ...] takes an array of tables, written either way
    name = "sram"
    level = [{ name = "sram" }]

Raises `BadInput` for a key that is unknown or lacks its unit, a value of the wrong type, a key that is missing, and
what the dataclass itself refuses.
"""

import dataclasses
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from lamina.core.configuration import convert
from lamina.core.errors import BadInput, one_line, unknown

Trail = tuple[tuple[str, int], ...]  # (table, its number from 0), outermost first


def read(path: Path, text: str, kind: type, values: Mapping[str, Any], special: Sequence[str] = ()) -> Any:
    """The dataclass `kind` with `values`; `special` are keys of the file that are no fields."""
    return _read(path, text, kind, values, tuple(special), ())


def _read(path: Path, text: str, kind: type, values: Mapping[str, Any], special: Sequence[str], trail: Trail) -> Any:
    hints = typing.get_type_hints(kind)
    known = {f.name: f for f in dataclasses.fields(kind)}
    converted: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise BadInput(f"{place(path, text, key, trail)}: {_unknown(key, [*known, *special])}")
        inner = _dataclass_of(hints[key])
        if inner is not None:
            converted[key] = _tables(path, text, inner, key, value, trail)
            continue
        try:
            converted[key] = convert(value, hints[key], key)
        except BadInput as e:
            raise BadInput(f"{place(path, text, key, trail)}: {e}") from e
    missing = [
        name
        for name, field in known.items()
        if field.default is MISSING and field.default_factory is MISSING and name not in converted
    ]
    if missing:
        where = place(path, text, trail[-1][0], trail) if trail else str(path)
        raise BadInput(f"{where}: the key {missing[0]} is missing: it has no default")
    try:
        return kind(**converted)
    except BadInput as e:
        raise BadInput(f"{_blamed(path, text, str(e), converted, trail)}: {e}") from e


def _tables(path: Path, text: str, kind: type, key: str, value: Any, trail: Trail) -> tuple[Any, ...]:
    where = place(path, text, key, trail)
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        raise BadInput(f"{where}: {key} is {one_line(value, 60)}: one [[{key}]] table or more is needed")
    return tuple(_read(path, text, kind, item, (), (*trail, (key, number))) for number, item in enumerate(value))


def _dataclass_of(hint: Any) -> type | None:
    """X, where `hint` is tuple[X, ...] and X a dataclass."""
    if typing.get_origin(hint) is not tuple:
        return None
    inner = typing.get_args(hint)[0]
    return inner if isinstance(inner, type) and dataclasses.is_dataclass(inner) else None


def _unknown(key: str, known: Sequence[str]) -> BadInput:
    units = [name for name in known if name.startswith(f"{key}_")]
    if units:
        return BadInput(f"the key {one_line(key, 60)} has no unit: {' or '.join(units)} is meant")
    return unknown("key", key, known)


def _blamed(path: Path, text: str, message: str, converted: Mapping[str, Any], trail: Trail) -> str:
    """The line of the key that `message` names, of the table whose name it names where it names one."""
    for key, value in converted.items():
        if isinstance(value, tuple):
            for number, item in enumerate(value):
                name = getattr(item, "name", None)
                if name is not None and dataclasses.is_dataclass(item) and re.search(rf"\b\w+ {name}:", message):
                    fields = [f.name for f in dataclasses.fields(item)]
                    field = next((f for f in fields if re.search(rf"\b{f}\b", message.partition(":")[2])), "name")
                    return place(path, text, field, (*trail, (key, number)))
    key = next((k for k in converted if re.search(rf"\b{k}\b", message)), trail[-1][0] if trail else "family")
    return place(path, text, key, trail)


def place(path: Path, text: str, key: str, trail: Trail = ()) -> str:
    """`path, line n` of the line that sets `key`, inside the tables of `trail`."""
    lines = text.splitlines()
    first, last = 0, len(lines)
    for table, number in trail:
        first, last = _span(lines, table, number, first, last)
    pattern = rf"(^|[{{,])\s*[\"']?{re.escape(key)}[\"']?\s*=" if trail else rf"^\s*[\"']?{re.escape(key)}[\"']?\s*="
    for number in range(first, last):
        if re.search(pattern, lines[number]) or re.match(rf"\s*\[+\s*{re.escape(key)}\b", lines[number]):
            return f"{path}, line {number + 1}"
    return f"{path}, line {first + 1}" if trail else str(path)


def _span(lines: Sequence[str], table: str, number: int, first: int, last: int) -> tuple[int, int]:
    """Lines of the table with that number: from its head to the next, or from its brace to the next table's."""
    heads = [i for i in range(first, last) if re.match(rf"\s*\[\[\s*{re.escape(table)}\s*\]\]", lines[i])]
    if number < len(heads):
        after = [i for i in range(heads[number] + 1, last) if re.match(r"\s*\[", lines[i])]
        return heads[number], after[0] if after else last
    start = next((i for i in range(first, last) if re.match(rf"\s*{re.escape(table)}\s*=", lines[i])), first)
    braces = [i for i in range(start, last) for _ in range(lines[i].count("{"))]
    if number < len(braces):
        ends = [i for i in braces[number + 1 :] if i > braces[number]]
        return braces[number], ends[0] if ends else last
    return start, last
