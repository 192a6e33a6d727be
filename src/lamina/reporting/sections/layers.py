"""The table of layers: layers.csv, one table a machine."""

from lamina.core.units import si
from lamina.reporting._section import Section
from lamina.reporting.collect import Run
from lamina.reporting.markup import join, table, tag
from lamina.reporting.words import DASH, SPACE, count, percent, size

_BYTES = "_bytes"
_UNITS = {"latency_s": "s", "energy_j": "J"}
_TITLES = {
    "name": "layer",
    "op": "operation",
    "macs": "MACs",
    "cycles": "cycles",
    "latency_s": "latency",
    "energy_j": "energy",
    "dram_bytes": "DRAM traffic",
    "utilisation": "utilisation",
    "bound": "bound by",
}


def section(run: Run) -> Section | None:
    if not run.layers:
        return None
    machines = list(dict.fromkeys(row.get("machine", "") for row in run.layers))
    parts = []
    for machine in machines:
        own = [row for row in run.layers if row.get("machine", "") == machine]
        # bytes at a level that only other machines have
        columns = [
            name
            for name in run.layers[0]
            if name != "machine" and (name in _TITLES or any(row[name] != "" for row in own))
        ]
        rows = [[_cell(name, row[name]) for name in columns] for row in own]
        caption = f"Layers on {machine}" if machine else "Layers of the network"
        parts.append(table(caption, [_title(name) for name in columns], rows))
    words = "The same numbers, unrounded and in SI units, are in layers.csv. A dash: the machine cannot tell."
    return Section(title="Layer by layer", body=join([tag("p", words), *parts]))


def _title(name: str) -> str:
    return _TITLES.get(name, f"{name.removesuffix(_BYTES)} traffic" if name.endswith(_BYTES) else name)


def _cell(name: str, written: str) -> str:
    if written == "":
        return DASH
    try:
        value = float(written)
    except ValueError:
        return written
    if name.endswith(_BYTES):
        return size(value)
    if name in _UNITS:
        return si(value, _UNITS[name]).replace(" ", SPACE)
    return percent(value) if name == "utilisation" else count(value) if value.is_integer() else written
