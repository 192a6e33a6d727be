"""From what a person types to a machine: a registered name, a TOML file, fields after a colon.

    diannao        systolic:rows=32,columns=32,dataflow=output_stationary        mine.toml:clock_hz=5e8

A machine file says `family = "systolic"` and then the family's fields, which carry their units in their names (a list
of parts is an array of tables, such as `[[level]]`); those it leaves out keep the family's defaults. Unknown keys,
wrong types and values out of range are one `BadInput` with key and line. A field that a person sets is marked assumed,
unless the file's table `[sources]` says where it is from:

    [sources]
    clock_hz = "published: Chen et al., ASPLOS 2014, table 3"
"""

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import lamina.hw.families as families_package
import lamina.hw.machines as machines_package
from lamina.core import files, registry
from lamina.core.configuration import replace
from lamina.core.errors import BadInput, one_line, unknown
from lamina.core.units import MiB
from lamina.hw import _tables
from lamina.hw.cost import MARKS, Mark
from lamina.hw.machine import Machine

ROWS = ("H20",)

SPECIAL = ("family", "name", "sources")


def names() -> list[str]:
    """The registered machines."""
    return registry.names(machines_package)


def split_list(text: str) -> list[str]:
    """The machines in a comma-separated list; a segment with `=` belongs to the machine before it."""
    found: list[str] = []
    for part in text.split(","):
        part = part.strip()
        if "=" in part.partition(":")[0] and found:
            found[-1] += f",{part}"
        elif part:
            found.append(part)
    if not found:
        raise BadInput(f"{text!r} names no machine: known: {', '.join(names())}")
    return found


def find(spec: str) -> Machine:
    """The machine that `spec` names, its fields changed as it says."""
    name, colon, changes = spec.strip().partition(":")
    machine = from_file(Path(name)) if name.endswith(".toml") else registered(name)
    if not colon:
        return machine
    changed: dict[str, str] = {}
    for part in changes.split(","):
        key, equals, value = (p.strip() for p in part.partition("="))
        if not equals or not key or not value:
            raise BadInput(f"machine {spec!r}: {part!r} is not FIELD=VALUE, such as rows=32")
        if key in changed:
            raise BadInput(f"machine {spec!r}: {key} is set twice")
        changed[key] = value
    return with_fields(machine, changed)


def registered(name: str) -> Machine:
    """The registered machine `name`; an unknown one raises with the nearest."""
    module = registry.member(machines_package, name, "machine")
    return Machine(
        name=name,
        parameters=module.PARAMETERS,
        sources=module.SOURCES,
        paper=module.PAPER,
        published=module.PUBLISHED,
    )


def with_fields(machine: Machine, changes: Mapping[str, Any]) -> Machine:
    """`machine` with fields set by a person (numbers or text), marked assumed; design choices stay as they are."""
    parameters = replace(machine.parameters, changes, f"field of machine {machine.name}")
    note: tuple[Mark, str] = ("assumed", "set by the user")
    sources = {
        name: note if name in changes and mark[0] != "modelled" else mark for name, mark in machine.sources.items()
    }
    return Machine(
        name=machine.name,
        parameters=parameters,
        sources=sources,
        paper=machine.paper,
        published=machine.published if not changes else {},
    )


def from_file(path: Path) -> Machine:
    """A user's machine from a TOML file, read strictly."""
    text = files.read(path, limit=MiB).decode(errors="replace")
    try:
        given = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        raise BadInput(f"{path}: not valid TOML: {one_line(e)}") from e
    known = registry.names(families_package)
    if "family" not in given:
        raise BadInput(f"{path}: the key family is missing: one of {', '.join(known)}")
    if given["family"] not in known:
        raise BadInput(f"{_tables.place(path, text, 'family')}: {unknown('family', str(given['family']), known)}")
    kind = _dataclass(registry.member(families_package, given["family"], "family"))
    values = {key: value for key, value in given.items() if key not in SPECIAL}
    parameters = _tables.read(path, text, kind, values, SPECIAL)
    note: tuple[Mark, str] = ("assumed", f"{path.name}, set by the user")
    default: tuple[Mark, str] = ("assumed", "the family's default")
    sources = {f.name: note if f.name in values else default for f in fields(kind)}
    sources |= _sources(path, text, given.get("sources", {}), sources)
    name = given.get("name", path.stem)
    if not isinstance(name, str):
        raise BadInput(f"{_tables.place(path, text, 'name')}: a name is text")
    return Machine(name=name, parameters=parameters, sources=sources, paper=f"user's file {path.name}")


def _sources(path: Path, text: str, given: Any, known: Mapping[str, Any]) -> dict[str, tuple[Mark, str]]:
    """The table `[sources]`: field -> "mark: citation"."""
    if not isinstance(given, dict):
        raise BadInput(f'{_tables.place(path, text, "sources")}: [sources] is a table of FIELD = "MARK: CITATION"')
    found: dict[str, tuple[Mark, str]] = {}
    place = _tables.place(path, text, "sources")
    for key, value in given.items():
        if key not in known:
            raise BadInput(f"{place}: {unknown('field', key, known)}")
        mark, colon, citation = str(value).partition(":")
        if mark not in MARKS or not colon or not citation.strip():
            raise BadInput(
                f"{place}: the source of {key} is {one_line(value, 60)!r}: MARK: CITATION is needed, "
                f"MARK one of {', '.join(MARKS)}"
            )
        found[key] = (mark, one_line(citation))
    return found


def _dataclass(module: ModuleType) -> type:
    """The dataclass of a family's machines: the one that its file defines with the file's name."""
    name = "".join(part.capitalize() for part in module.__name__.rpartition(".")[2].split("_"))
    return cast(type, getattr(module, name))
