"""The table of layers: layers.csv, one table a machine."""

from lamina.core.units import si
from lamina.reporting._section import Section
from lamina.reporting.collect import Run
from lamina.reporting.markup import join, table, tag
from lamina.reporting.words import DASH, SPACE, count, percent, size

_UNITS = {"latency_s": "s", "energy_j": "J", "dram_bytes": "B"}
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
    columns = [name for name in run.layers[0] if name != "machine"]
    machines = list(dict.fromkeys(row.get("machine", "") for row in run.layers))
    parts = []
    for machine in machines:
        rows = [[_cell(name, row[name]) for name in columns] for row in run.layers if row.get("machine", "") == machine]
        caption = f"Layers on {machine}" if machine else "Layers of the network"
        parts.append(table(caption, [_TITLES.get(name, name) for name in columns], rows))
    words = "The same numbers, unrounded and in SI units, are in layers.csv. A dash: the machine cannot tell."
    return Section(title="Layer by layer", body=join([tag("p", words), *parts]))


def _cell(name: str, written: str) -> str:
    if written == "":
        return DASH
    try:
        value = float(written)
    except ValueError:
        return written
    if name in _UNITS:
        return size(value) if name == "dram_bytes" else si(value, _UNITS[name]).replace(" ", SPACE)
    return percent(value) if name == "utilisation" else count(value) if value.is_integer() else written
