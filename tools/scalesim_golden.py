"""Writes tests/golden/scalesim.csv: the cycles that SCALE-Sim 3.0.0 itself computes for 100 random shapes.

    make scalesim && .venv/bin/python tools/scalesim_golden.py .venv-scalesim/bin/python

100 shapes x 3 dataflows x 4 array sizes, compute only. The shapes follow from a fixed seed; half are smaller than the
array in one dimension or more, so that partly filled folds are among them.
"""

import csv
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

from lamina.core.seeds import numpy_generator

TARGET = Path(__file__).parent.parent / "tests" / "golden" / "scalesim.csv"
WORKER = Path(__file__).parent / "scalesim_worker.py"
DATAFLOWS = {"os": "output_stationary", "ws": "weight_stationary", "is": "input_stationary"}
ARRAYS = ((8, 8), (16, 4), (4, 32), (32, 32))
SHAPES = 100


def cases() -> list[list[object]]:
    """Every case as the worker wants it: [M, N, K, dataflow, rows, columns]."""
    generator = numpy_generator(0, "scalesim golden")
    shapes = [[int(v) for v in generator.integers(1, high, size=3)] for high in (16, 80) for _ in range(SHAPES // 2)]
    return [[*shape, dataflow, *array] for shape in shapes for dataflow in DATAFLOWS for array in ARRAYS]


def simulate(python: str, given: object) -> object:
    """What SCALE-Sim says of `given`, run by `python`."""
    done = subprocess.run([python, str(WORKER)], input=json.dumps(given), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    wanted = cases()
    found = simulate(sys.argv[1], wanted)
    TARGET.parent.mkdir(exist_ok=True)
    with TARGET.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["m", "n", "k", "dataflow", "rows", "columns", "cycles"])
        for (m, n, k, dataflow, rows, columns), result in zip(wanted, found, strict=True):
            writer.writerow([m, n, k, DATAFLOWS[dataflow], rows, columns, result["cycles"]])
    seconds = sum(result["seconds"] for result in found)
    print(f"{TARGET}: {len(found)} cases of SCALE-Sim 3.0.0 in {seconds:.0f} s, {date.today()}")


if __name__ == "__main__":
    main()
