"""Write docs/components.md: every component's constants with sources and marks, the SRAM fit with its residuals.

.venv/bin/python tools/components.py            writes the document
.venv/bin/python tools/components.py --print    prints it
"""

import importlib
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

import lamina.hw.components as package
from lamina.core import registry
from lamina.core.units import si
from lamina.hw.components import scaling, sram

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/components.md"
HEAD = """\
# Components

Energy, latency and area per action, each constant with its source and mark (*measured*, *modelled*, *published*,
*unverified*, *assumed*). `tools/components.py` writes this page from `hw/components/`; a test compares the two.
"""


def document() -> str:
    """The whole page."""
    modules = [importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__)]
    return "\n".join([HEAD, *map(constants, modules), fit(), nodes(), points()])


def constants(module: ModuleType) -> str:
    """One component: its first line, its constants, their sources."""
    name = module.__name__.rpartition(".")[2]
    lines = [f"## {name}", "", f"{registry.summary(module)}.", "", "| constant | value |", "|---|---|"]
    lines += [f"| `{key}` | {_value(getattr(module, key))} |" for key in module.CONSTANTS]
    lines += ["", "| source | mark | citation | of |", "|---|---|---|---|"]
    for source, (mark, citation) in module.SOURCES.items():
        of = ", ".join(f"`{key}`" for key, sources in module.CONSTANTS.items() if source in sources)
        lines.append(f"| {source} | {mark} | {citation} | {of or '–'} |")
    return "\n".join([*lines, ""])


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_value(entry)}" for key, entry in value.items())
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_value, value)) + ")"
    if hasattr(value, "bytes_per_s"):
        energy = "" if value.byte_j is None else f", {si(value.byte_j, 'J')} a byte"
        return f"{si(value.bytes_per_s, 'B/s')}, {si(value.latency_s, 's')}{energy}"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def fit() -> str:
    """Coefficients and residuals of the SRAM fit."""
    lines = [
        "## The fit of the SRAM",
        "",
        "log2 of the quantity in SI units is the sum of a(i, j) x^i y^j, x = log2(bytes / 1024), y = log2(bits / 32).",
        "Residual: fit / CACTI - 1, over all points.",
        "",
        "| kind | quantity | root mean square | least | largest |",
        "|---|---|---|---|---|",
    ]
    for kind in ("high_performance", "low_standby_power"):
        for quantity in ("read_j", "write_j", "leakage_w", "area_m2", "access_s"):
            left = sram.residuals(kind, quantity)
            rms = np.sqrt(np.mean(left**2))
            lines.append(f"| {kind} | {quantity} | {rms:.1%} | {left.min():+.0%} | {left.max():+.0%} |")
    powers = sram.exponents()
    lines += [
        "",
        "| kind | quantity | " + " | ".join(f"a{i}{j}" for i, j in powers) + " |",
        "|---" * (len(powers) + 2) + "|",
    ]
    for kind in ("high_performance", "low_standby_power"):
        for quantity in ("read_j", "write_j", "leakage_w", "area_m2", "access_s"):
            row = " | ".join(f"{a:.4g}" for a in sram.fit(kind, quantity))
            lines.append(f"| {kind} | {quantity} | {row} |")
    return "\n".join([*lines, ""])


def nodes() -> str:
    """Factors from 45 nm to every node of the table."""
    lines = ["## From 45 nm to other nodes", "", "| nm | energy | delay | area |", "|---|---|---|---|"]
    for node in scaling.NODES:
        factors = (f(45e-9, node * 1e-9) for f in (scaling.energy, scaling.delay, scaling.area))
        lines.append(f"| {node} | " + " | ".join(f"{factor:.3g}" for factor in factors) + " |")
    return "\n".join([*lines, ""])


def points() -> str:
    """Every point of CACTI with the fit beside it."""
    lines = [
        "## The points of CACTI",
        "",
        "Made by `tools/cacti_points.py`. Energies of one word; in brackets fit / CACTI - 1.",
    ]
    for kind in ("high_performance", "low_standby_power"):
        table = sram.points(kind)
        left = {q: sram.residuals(kind, q) for q in ("read_j", "write_j", "leakage_w", "area_m2", "access_s")}
        lines += ["", f"### {kind}", "", "| size | bits | read | write | leakage | area | access |", "|---" * 7 + "|"]
        for index, (capacity, bits) in enumerate(zip(table["capacity_bytes"], table["width_bits"], strict=True)):
            size = f"{capacity / 2**20:g} MiB" if capacity >= 2**20 else f"{capacity / 2**10:g} KiB"
            cells = [
                f"{si(table[q][index], unit)} ({left[q][index]:+.0%})"
                for q, unit in (
                    ("read_j", "J"),
                    ("write_j", "J"),
                    ("leakage_w", "W"),
                    ("area_m2", "m2"),
                    ("access_s", "s"),
                )
            ]
            lines.append(f"| {size} | {bits:g} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(document())
    else:
        DOCUMENT.write_text(document())
