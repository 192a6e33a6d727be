"""Writes tests/golden/scalesim_stock.csv: cycles and seconds of SCALE-Sim 3.0.0 itself on its stock topologies.

    make scalesim && .venv/bin/python tools/scalesim_stock.py .venv-scalesim/bin/python [TOPOLOGY ...]

Five of its tables (tests/golden/scalesim_topologies), three dataflows, arrays of 128 x 128 and 32 x 32, compute only. A
case takes from a minute to an hour, so rows are appended as they come, those that are there are kept, and a row names
its date and the load that the machine had. Killed, it goes on where it was.
"""

import csv
import json
import os
import subprocess
import sys
from datetime import date
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "tests" / "golden" / "scalesim_stock.csv"
TOPOLOGIES = ROOT / "tests" / "golden" / "scalesim_topologies"
WORKER = Path(__file__).parent / "scalesim_worker.py"
COLUMNS = ("topology", "dataflow", "side", "seconds", "load", "date", "cycles")
NAMES = ("alexnet", "yolo_tiny", "resnet18", "mobilenet", "resnet50")
SIDES = (128, 32)
DATAFLOWS = ("os", "ws", "is")
LIMIT_S = 3600.0


def main() -> int:
    python, *chosen = sys.argv[1:]
    there = set()
    if TARGET.exists():
        with TARGET.open(newline="") as file:
            there = {(row["topology"], row["dataflow"], int(row["side"])) for row in csv.DictReader(file)}
    else:
        TARGET.write_text(",".join(COLUMNS) + "\n")
    for side, name, dataflow in product(SIDES, chosen or NAMES, DATAFLOWS):
        if (name, dataflow, side) in there:
            continue
        topology = (TOPOLOGIES / f"{name}.csv").read_text()
        given = {"topology": topology, "dataflow": dataflow, "rows": side, "columns": side}
        try:
            done = subprocess.run(
                [python, str(WORKER)], input=json.dumps(given), capture_output=True, text=True, timeout=LIMIT_S
            )
        except subprocess.TimeoutExpired:
            print(f"{name} {dataflow} {side}: not done in {LIMIT_S:.0f} s", file=sys.stderr)
            continue
        if done.returncode:
            print(f"{name} {dataflow} {side}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            continue
        found = json.loads(done.stdout)
        row = (name, dataflow, side, f"{found['seconds']:.1f}", f"{os.getloadavg()[0]:.1f}", date.today().isoformat())
        with TARGET.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow([*row, " ".join(map(str, found["cycles"]))])
        print(*row, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
