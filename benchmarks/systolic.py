"""Costing a network on a systolic array beside SCALE-Sim 3.0.0: the same topology, the same cycles, times of one run.

    make scalesim && python benchmarks/systolic.py [PYTHON]
    writes benchmarks/results/systolic_PROCESSOR_DATE.json and .md

AlexNet's convolutions (SCALE-Sim's stock table) and ResNet-18's, output stationary on 128 x 128, where SCALE-Sim takes
minutes and not hours. It runs in its own environment, once, as it is: it simulates addresses cycle by cycle, compute
only, and writes its reports. Lamina reads the same table and evaluates closed forms: cycles, traffic, energy and
latency of each layer; the median of many rounds, reading included. A row counts only if the cycles of all layers are
equal; the ratio is SCALE-Sim's time over ours.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from _record import record

from lamina.core.run_folder import versions
from lamina.hw.cost import settled, total
from lamina.hw.families import systolic
from lamina.lowering import scalesim

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 51
ARRAY = 128
DATAFLOW, SHORT = "output_stationary", "os"
TITLES = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"


def resnet18() -> str:
    """ResNet-18's convolutions as a topology: inputs with their padding, cut to what the windows touch."""

    def row(name: str, out: int, kernel: int, channels: int, filters: int, stride: int) -> str:
        touched = (out - 1) * stride + kernel
        return f"{name}, {touched}, {touched}, {kernel}, {kernel}, {channels}, {filters}, {stride},\n"

    rows = [row("conv1", 112, 7, 3, 64, 2)]
    for stage, (out, width) in enumerate(((56, 64), (28, 128), (14, 256), (7, 512)), start=1):
        for block in (0, 1):
            first = stage > 1 and block == 0
            before = width // 2 if first else width
            rows.append(row(f"layer{stage}.{block}.conv1", out, 3, before, width, 2 if first else 1))
            rows.append(row(f"layer{stage}.{block}.conv2", out, 3, width, width, 1))
            if first:
                rows.append(row(f"layer{stage}.{block}.downsample", out, 1, before, width, 2))
    return TITLES + "".join(rows)


def ours(topology: str, dataflow: str) -> tuple[list[int], float]:
    """Cycles of each layer, and the median time of reading the table and costing it."""
    machine = systolic.Systolic(rows=ARRAY, columns=ARRAY, dataflow=dataflow)
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        rows = settled(systolic.cost(scalesim.parse(topology).layers(), machine))
        total(rows)
        times.append(time.perf_counter() - start)
    return [row.cycles for row in rows], statistics.median(times)


def theirs(python: str, topology: str, short: str) -> tuple[list[int], float]:
    """The same of SCALE-Sim; its start and imports are not counted."""
    given = {"topology": topology, "dataflow": short, "rows": ARRAY, "columns": ARRAY}
    worker = ROOT / "tools" / "scalesim_worker.py"
    done = subprocess.run([python, str(worker)], input=json.dumps(given), capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return found["cycles"], found["seconds"]


def main() -> int:
    python = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / ".venv-scalesim" / "bin" / "python")
    if not Path(python).exists():
        sys.exit(f"{python} does not exist: make scalesim")
    alexnet = (ROOT / "tests" / "golden" / "scalesim_topologies" / "alexnet.csv").read_text()
    rows: list[dict[str, Any]] = []
    for name, topology in (("AlexNet", alexnet), ("ResNet-18", resnet18())):
        cycles, ours_s = ours(topology, DATAFLOW)
        expected, theirs_s = theirs(python, topology, SHORT)
        rows.append(
            {
                "network": name,
                "layers": len(cycles),
                "dataflow": DATAFLOW,
                "rows": ARRAY,
                "columns": ARRAY,
                "cycles": sum(cycles),
                "cycles_equal": cycles == expected,
                "lamina_s": ours_s,
                "scalesim_s": theirs_s,
                "ratio": theirs_s / ours_s,
            }
        )
        print(line(rows[-1]), file=sys.stderr)
    return write(rows)


def line(row: dict[str, Any]) -> str:
    equal = "equal" if row["cycles_equal"] else "DIFFERENT"
    return (
        f"| {row['network']} | {row['dataflow']} | {row['cycles']:,} | {equal} | {row['scalesim_s']:.2f} s | "
        f"{row['lamina_s'] * 1e3:.2f} ms | {row['ratio']:,.0f} |"
    )


def write(rows: list[dict[str, Any]]) -> int:
    value = {
        "subject": "cost on a systolic array beside SCALE-Sim 3.0.0",
        "versions": {**versions(), "scalesim": "3.0.0"},
        "load_average": os.getloadavg()[1],  # both sides of a ratio meet it, seconds alone mean less where it is high
        "rows": rows,
    }
    titles = "| network | dataflow | cycles | beside SCALE-Sim's | SCALE-Sim 3.0.0 | Lamina | ratio |\n"
    head = titles + "|---|---|---|---|---|---|---|\n"
    record("systolic", value, head, [line(row) for row in rows])
    held = all(row["cycles_equal"] and row["ratio"] >= 1000 for row in rows)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
