"""A design space: fields of a machine with the values they may take, a row for each point, and the points worth having.

    rows=8..16          every integer from 8 to 16          rows=8,16,32        these
    rows=8..128*2       8, 16, 32, 64, 128                  rows=8..128+40      8, 48, 88, 128

A point is one value for each field; all combinations are tried, the last field running fastest. Where a machine refuses
its fields or a layer, the row says why and has no figures. A point is on the Pareto front if no other is at least as
good in every objective and better in one; all objectives are minimised.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import inf
from typing import Any

from lamina.core.errors import BadInput, Unsupported, unknown
from lamina.hw import registry, table
from lamina.hw.machine import Machine
from lamina.hw.table import Nests
from lamina.ir.layer import Layer

QUANTITIES = ("cycles", "latency_s", "energy_j", "area_m2", "dram_bytes", "utilisation")
OBJECTIVES = ("latency_s", "energy_j", "area_m2", "dram_bytes", "cycles")
MOST_VALUES = 1_000_000  # of one field
MOST_POINTS = 10_000_000
_RANGE = re.compile(r"(?P<first>-?[0-9.e+-]+?)\.\.(?P<last>-?[0-9.e]+)(?P<step>[+*][0-9.e]+)?")

Row = dict[str, Any]


def space(texts: Sequence[str]) -> dict[str, list[str]]:
    """Field to values from texts such as "rows=8..16" and "rows=8,16,columns=4"; raises `BadInput`."""
    found: dict[str, list[str]] = {}
    for text in texts:
        field = ""
        for part in text.split(","):
            name, equals, given = part.rpartition("=")
            if equals:
                field = name.strip()
                if not field.isidentifier() or field in found:
                    raise BadInput(f"--vary {text!r}: {field!r} is not the name of one field, or was there before")
            if not field or not given.strip():
                raise BadInput(f"--vary {text!r} is not FIELD=VALUES, such as rows=8..16, rows=8..128*2 or rows=8,16")
            found.setdefault(field, []).extend(_values(given.strip(), text))
    if not found:
        raise BadInput("a sweep needs a field to vary: --vary rows=8..64")
    if size(found) > MOST_POINTS:
        raise BadInput(f"{size(found):,} points: at most {MOST_POINTS:,} are allowed; take wider steps (8..128*2)")
    return found


def _values(given: str, text: str) -> list[str]:
    if ".." not in given:
        return [given]
    match = _RANGE.fullmatch(given)
    try:
        if match is None:
            raise ValueError
        first, last = _number(match["first"]), _number(match["last"])
        kind, step = (match["step"][0], _number(match["step"][1:])) if match["step"] else ("+", 1)
    except ValueError:
        raise BadInput(
            f"--vary {text!r}: {given!r} is not FIRST..LAST, FIRST..LAST+STEP or FIRST..LAST*FACTOR"
        ) from None
    if first > last or (kind == "+" and step <= 0) or (kind == "*" and (step <= 1 or first <= 0)):
        raise BadInput(f"--vary {text!r}: {given!r} never gets from {first} to {last}")
    values: list[float] = []
    value = first
    while value <= last * (1 + 1e-12):
        values.append(value)
        value = value + step if kind == "+" else value * step
        if len(values) > MOST_VALUES:
            raise BadInput(f"--vary {text!r}: more than {MOST_VALUES:,} values; take a wider step")
    return [str(v) for v in values]


def _number(text: str) -> float:
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)


def size(fields: Mapping[str, Sequence[str]]) -> int:
    """How many points there are."""
    count = 1
    for values in fields.values():
        count *= len(values)
    return count


def points(fields: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    """Every combination, the last field running fastest."""
    for values in product(*fields.values()):
        yield dict(zip(fields, values, strict=True))


def evaluate(layers: Sequence[Layer] | Nests, machine: Machine, point: Mapping[str, str]) -> Row:
    """One row: the point's fields, what the network costs there, and `refused`, the reason why it has no figures."""
    row: Row = {**point, **dict.fromkeys(QUANTITIES), "bound": None, "refused": None}
    try:
        changed = registry.with_fields(machine, point)
        result = table.on_machine(layers, changed)
    except (BadInput, Unsupported) as e:
        row["refused"] = str(e)
        return row
    total = result.total
    row.update(
        {name: getattr(result, name, None) if name == "area_m2" else getattr(total, name) for name in QUANTITIES}
    )
    row["bound"] = total.bound
    return row


def check_fields(machine: Machine, fields: Mapping[str, Sequence[str]]) -> None:
    """Raise `BadInput` for a field that `machine` has not, before the first of many points."""
    for name in fields:
        if name not in machine.fields:
            raise unknown(f"field of machine {machine.name}", name, machine.fields)


def pareto(rows: Sequence[Row], objectives: Sequence[str]) -> list[int]:
    """Indices of the rows on the Pareto front, in order; rows without figures for all objectives are left out.

    Of rows that are equal in all objectives the first stays.
    """
    told = [i for i, row in enumerate(rows) if row["refused"] is None and all(row[o] is not None for o in objectives)]
    best: list[tuple[float, ...]] = []
    front: list[int] = []
    for index in sorted(told, key=lambda i: tuple(rows[i][o] for o in objectives)):
        values = tuple(float(rows[index][o]) for o in objectives)
        if len(values) <= 2:  # in this order a point is on the front if its last objective is the least so far
            if values[-1] < min((b[-1] for b in best[-1:]), default=inf):
                best.append(values)
                front.append(index)
        elif not any(all(b <= v for b, v in zip(kept, values, strict=True)) for kept in best):
            best.append(values)
            front.append(index)
    return sorted(front)
