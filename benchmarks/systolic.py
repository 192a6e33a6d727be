"""Costing a network on a systolic array beside SCALE-Sim 3.0.0: its stock topologies, the same cycles, the times.

    python benchmarks/systolic.py
    writes benchmarks/results/systolic_PROCESSOR_DATE.json and .md

SCALE-Sim takes minutes to hours a network, so its side is a dated file, tests/golden/scalesim_stock.csv, written by
`tools/scalesim_stock.py` (one command; each row names the load that the machine had). Lamina reads the same table and
evaluates closed forms: cycles, traffic, energy and latency of each layer; the median of many rounds, reading included.
A row counts only if the cycles of all layers are equal; the ratio is SCALE-Sim's time over ours.
"""

import csv
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from _record import record

from lamina.core.run_folder import versions
from lamina.hw.cost import settled, total
from lamina.hw.families import systolic
from lamina.lowering import scalesim

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"
ROUNDS = 51
WANTED = 10_000  # times faster, on every network
DATAFLOWS = {"os": "output_stationary", "ws": "weight_stationary", "is": "input_stationary"}


def ours(topology: str, machine: systolic.Systolic) -> tuple[list[int], float]:
    """Cycles of each layer, and the median time of reading the table and costing it."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        rows = settled(systolic.cost(scalesim.parse(topology).layers(), machine))
        total(rows)
        times.append(time.perf_counter() - start)
    return [row.cycles or 0 for row in rows], statistics.median(times)


def main() -> int:
    with (GOLDEN / "scalesim_stock.csv").open(newline="") as file:
        stock = list(csv.DictReader(file))
    rows: list[dict[str, Any]] = []
    for theirs in stock:
        side, dataflow = int(theirs["side"]), DATAFLOWS[theirs["dataflow"]]
        machine = systolic.Systolic(rows=side, columns=side, dataflow=dataflow)
        topology = (GOLDEN / "scalesim_topologies" / f"{theirs['topology']}.csv").read_text()
        cycles, seconds = ours(topology, machine)
        rows.append(
            {
                "network": theirs["topology"],
                "layers": len(cycles),
                "dataflow": dataflow,
                "side": side,
                "cycles": sum(cycles),
                "cycles_equal": cycles == [int(c) for c in theirs["cycles"].split()],
                "lamina_s": seconds,
                "scalesim_s": float(theirs["seconds"]),
                "scalesim_load": float(theirs["load"]),
                "scalesim_date": theirs["date"],
                "ratio": float(theirs["seconds"]) / seconds,
            }
        )
        print(line(rows[-1]), file=sys.stderr)
    value = {
        "subject": "cost on a systolic array beside SCALE-Sim 3.0.0",
        "versions": {**versions(), "scalesim": "3.0.0"},
        "load_average": os.getloadavg()[1],
        "rows": rows,
    }
    titles = "| network | dataflow | array | cycles | beside SCALE-Sim's | SCALE-Sim 3.0.0 | Lamina | ratio |\n"
    record("systolic", value, titles + "|---|---|---|---|---|---|---|---|\n", [line(row) for row in rows])
    return 0 if all(row["cycles_equal"] and row["ratio"] >= WANTED for row in rows) else 1


def line(row: dict[str, Any]) -> str:
    equal = "equal" if row["cycles_equal"] else "DIFFERENT"
    return (
        f"| {row['network']} | {row['dataflow']} | {row['side']} x {row['side']} | {row['cycles']:,} | {equal} | "
        f"{row['scalesim_s']:.1f} s | {row['lamina_s'] * 1e3:.2f} ms | {row['ratio']:,.0f} |"
    )


if __name__ == "__main__":
    sys.exit(main())
