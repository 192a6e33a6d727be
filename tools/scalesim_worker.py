"""Runs SCALE-Sim 3.0.0 itself; started with the Python of an environment that has it, knows nothing of Lamina.

Reads JSON on stdin: a list of [M, N, K, dataflow (os, ws, is), rows, columns], answered by a list of {cycles, seconds};
or {topology, dataflow, rows, columns}, answered by {cycles (of each row), seconds}. The simulator's code is used as it
is: compute only (CALC), in a folder that is deleted afterwards.
"""

import contextlib
import csv
import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path

CONFIG = """[general]
run_name = run

[architecture_presets]
ArrayHeight: {rows}
ArrayWidth: {columns}
IfmapSramSzkB: 64
FilterSramSzkB: 64
OfmapSramSzkB: 64
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Bandwidth: 10
Dataflow: {dataflow}
MemoryBanks: 1
ReadRequestBuffer: 64
WriteRequestBuffer: 64

[layout]
IfmapCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 10
IfmapSRAMBankPort: 2
FilterCustomLayout: False
FilterSRAMBankBandwidth: 10
FilterSRAMBankNum: 10
FilterSRAMBankPort: 2

[sparsity]
SparsitySupport: false
SparseRep: ellpack_block
OptimizedMapping: false
BlockSize: 8
RandomNumberGeneratorSeed: 40

[run_presets]
InterfaceBandwidth: CALC
UseRamulatorTrace: False
"""


def run(layers: str, dataflow: str, rows: int, columns: int, *, gemm: bool) -> list[int]:
    """`Total Cycles` of each row of a topology file."""
    from scalesim.scale_sim import scalesim

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "run.cfg").write_text(CONFIG.format(rows=rows, columns=columns, dataflow=dataflow))
        (folder / "topology.csv").write_text(layers)
        (folder / "layout.csv").write_text(layout(layers))
        before = os.getcwd()
        os.chdir(folder)
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                simulator = scalesim(
                    save_disk_space=True,
                    verbose=False,
                    config="run.cfg",
                    topology="topology.csv",
                    layout="layout.csv",
                    input_type_gemm=gemm,
                )
                simulator.run_scale(top_path=str(folder))
        finally:
            os.chdir(before)
        (report,) = folder.rglob("COMPUTE_REPORT.csv")
        lines = list(csv.reader(report.open()))
        column = next(i for i, name in enumerate(lines[0]) if name.strip() == "Total Cycles")
        return [round(float(line[column])) for line in lines[1:] if len(line) > column and line[column].strip()]


def layout(layers: str) -> str:
    """A layout file of the stock form, which the simulator opens even where layouts are off."""
    names = [line.split(",")[0] for line in layers.splitlines()[1:] if line.strip()]
    head = "Layer name," + ",".join(f"c{i}" for i in range(1, 25)) + ",\n"
    return head + "".join(f"{name}," + ",".join(["1"] * 24) + ",\n" for name in names)


def main() -> None:
    given = json.load(sys.stdin)
    results = []
    if isinstance(given, dict):
        start = time.perf_counter()
        cycles = run(given["topology"], given["dataflow"], given["rows"], given["columns"], gemm=False)
        results = {"cycles": cycles, "seconds": time.perf_counter() - start}
    else:
        for m, n, k, dataflow, rows, columns in given:
            start = time.perf_counter()
            (cycles,) = run(f"Layer,M,N,K,\nlayer,{m},{n},{k},\n", dataflow, rows, columns, gemm=True)
            results.append({"cycles": cycles, "seconds": time.perf_counter() - start})
    json.dump(results, sys.stdout)


main()
