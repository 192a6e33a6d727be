"""How to repeat the run: its settings, the versions that decide bits, the time of each stage."""

from collections.abc import Iterator, Mapping
from typing import Any

from lamina.reporting._section import Section
from lamina.reporting.collect import Run
from lamina.reporting.markup import join, table


def section(run: Run) -> Section | None:
    parts = [table("Settings (run.toml)", ("setting", "value"), list(_flat(run.settings["configuration"])))]
    if times := run.summary.get("times"):
        rows = [(entry["stage"], f"{entry['seconds']:.1f} s") for entry in times]
        rows.append(("all stages", f"{sum(entry['seconds'] for entry in times):.1f} s"))
        parts.append(table("Time of each stage", ("stage", "time"), rows))
    if versions := run.settings.get("versions"):
        parts.append(table("Versions", ("what", "version"), list(_flat(versions))))
    return Section(title="To repeat this run", body=join(parts))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)
