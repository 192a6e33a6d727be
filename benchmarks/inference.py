"""Latency of exported C beside what a user would run instead: batch 1, one thread, ratios from one run.

    python tools/environment.py bench; python tools/environment.py tensorflow
    python benchmarks/inference.py [CASE ...]        writes benchmarks/results/inference_PROCESSOR_DATE.json and .md

Peers: PyTorch eager, ONNX Runtime, OpenVINO and LiteRT, of the same network in the same number format; for the sparse
dense layer also SciPy's and torch's CSR product. Each runs in a process of its own and answers on request; rounds go
from one to the next in another order each time, so that what else the machine does meets all. A ratio is the median
over rounds of the peer's time over ours. A peer whose environment is missing is left out.

Limits    arithmetic: multiply-accumulates that are not by zero, at this processor's measured float32 peak (an integer
          of 8 bits counts as a float); bytes: the weights as C stores them, from the last cache's measured bandwidth
          (from DRAM's where they do not fit). `distance` is our time over the larger of the two.
"""

import ctypes
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from _inference_networks import networks
from _record import record

import lamina.export
from lamina.core.run_folder import versions
from lamina.core.seeds import numpy_generator
from lamina.hw import measure
from lamina.ir import Network
from lamina.ir.transform import integer_core

ROOT = Path(__file__).resolve().parent.parent
WORKER = Path(__file__).with_name("_inference_worker.py")
BENCH, TENSORFLOW = (ROOT / name / "bin" / "python" for name in (".venv-bench", ".venv-tensorflow"))
FLAGS = ("-std=c99", "-O3", "-march=native", "-ffp-contract=fast")
ROUNDS, ROUND_S = 21, 0.02


class Ours:
    """The exported C, called through ctypes."""

    def __init__(self, network: Network, folder: Path, compiler: str) -> None:
        report = lamina.export.c(network, folder)
        core = integer_core(network)
        library, source = folder / f"{report.name}.so", folder / f"{report.name}.c"
        subprocess.run([compiler, *FLAGS, "-shared", "-fPIC", "-o", str(library), str(source), "-lm"], check=True)
        loaded = ctypes.CDLL(str(library))
        ends = [*core.inputs.values(), *(core.types[v] for v in core.outputs.values())]
        self.arrays = [np.zeros(max(t.size, 1), t.element.storage) for t in ends]
        rng = numpy_generator(0, network.name)
        for array, type_ in zip(self.arrays, core.inputs.values(), strict=False):
            whole = array.dtype.kind in "iu"
            array[:] = rng.integers(0, 100, type_.size) if whole else rng.standard_normal(type_.size)
        blob = folder / f"{report.name}_weights.bin"
        if blob.exists():
            self.weights = np.fromfile(blob, np.uint8)
            pointer, size = ctypes.c_void_p(self.weights.ctypes.data), ctypes.c_size_t(self.weights.size)
            assert loaded[f"{report.name}_set_weights"](pointer, size) == 0
        self.state = np.zeros(report.arena_bytes + 64, np.uint8)
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (self.state, *self.arrays)]
        function = loaded[f"{report.name}_run"]
        self.call: Callable[[], Any] = lambda: function(*pointers)
        self.stored_bytes = report.flash_bytes
        assert self.call() == 0
        self.version = "C"

    def seconds(self, calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            self.call()
        return (time.perf_counter() - start) / calls


class Peer:
    """A worker process."""

    def __init__(self, python: Path, contender: str, path: str) -> None:
        self.process = subprocess.Popen(
            [str(python), str(WORKER), contender, path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.version = self.process.stdout.readline().strip()

    def seconds(self, calls: int) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(calls, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


def peers(case: str, network: Network, folder: Path, tflite: Path) -> dict[str, Peer]:
    """The contenders of `case` that are installed and take it."""
    model = next(m for m in ("lenet5", "lenet_300_100", "lstm", "dense") if case.startswith(m))
    integer = "int8" in case and model != "lstm"
    found: dict[str, str] = {}
    dense = networks()[f"{model}_{'int8' if integer else 'float'}"]()
    onnx = lamina.export.onnx(integer_core(dense), folder / f"{model}.onnx")
    found["onnxruntime"] = found["openvino"] = str(onnx)
    file = tflite / f"{model}_{'int8' if integer else 'float'}.tflite"
    if file.exists():
        found["litert"] = str(file)
    if not integer:
        found["torch"] = model
    if case == "dense_9_percent":
        np.savez(folder / "dense.npz", weights=network.data("weights"))
        found["scipy_csr"] = found["torch_csr"] = str(folder / "dense.npz")
    started = {name: Peer(BENCH, name, path) for name, path in found.items()} if BENCH.exists() else {}
    return {name: peer for name, peer in started.items() if peer.version}


def measured(case: str, folder: Path, compiler: str, tflite: Path, machine: Any) -> dict[str, Any]:
    network = networks()[case]()
    contenders: dict[str, Any] = {"c": Ours(network, folder, compiler), **peers(case, network, folder, tflite)}
    ours = contenders["c"]
    calls = {name: max(1, int(ROUND_S / max(who.seconds(1), who.seconds(1)))) for name, who in contenders.items()}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(ROUNDS):
        for name in numpy_generator(turn, "order").permutation([*contenders]).tolist():
            times[name].append(contenders[name].seconds(calls[name]))
    for peer in contenders.values():
        if isinstance(peer, Peer):
            peer.process.kill()
    macs = sum(round(layer.macs * layer.density) for layer in network.layers())
    repeats = max(layer.repeats for layer in network.layers())
    stored = ours.stored_bytes
    cached = stored <= machine["cache_bytes"]
    bytes_s = stored * repeats / machine["cache_bytes_per_s" if cached else "dram_bytes_per_s"]
    arithmetic_s = 2 * macs / machine["peak_ops_per_s"]
    own = statistics.median(times["c"])
    return {
        "case": case,
        "macs": macs,
        "stored_bytes": stored,
        "seconds": {name: statistics.median(rounds) for name, rounds in times.items()},
        "best_seconds": {name: min(rounds) for name, rounds in times.items()},
        "ratio": {
            name: statistics.median(t / c for t, c in zip(rounds, times["c"], strict=True))
            for name, rounds in times.items()
            if name != "c"
        },
        "arithmetic_limit_s": arithmetic_s,
        "bytes_limit_s": bytes_s,
        "distance": own / max(arithmetic_s, bytes_s),
        "versions": {name: who.version for name, who in contenders.items() if name != "c"},
    }


def line(row: dict[str, Any]) -> str:
    limit = max(row["arithmetic_limit_s"], row["bytes_limit_s"])
    which = "arithmetic" if row["arithmetic_limit_s"] >= row["bytes_limit_s"] else "bytes"
    others = ", ".join(f"{name.replace('_', ' ')} {ratio:.2f}" for name, ratio in row["ratio"].items())
    return (
        f"| {row['case'].replace('_', ' ')} | {row['seconds']['c'] * 1e6:,.1f} | {others} | "
        f"{limit * 1e6:,.1f} ({which}) | {row['distance']:.2f} |"
    )


def main(chosen: Sequence[str]) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        sys.exit("no C compiler: apt-get install gcc")
    parameters = measure.measured().parameters
    rows = []
    with tempfile.TemporaryDirectory() as name:
        tflite = Path(name) / "tflite"
        tflite.mkdir()
        if TENSORFLOW.exists():
            script = WORKER.with_name("_inference_tflite.py")
            subprocess.run([str(TENSORFLOW), str(script), str(tflite)], check=True, capture_output=True)
        for case in chosen or networks():
            folder = Path(name) / case
            folder.mkdir()
            rows.append(measured(case, folder, compiler, tflite, parameters))
            print(line(rows[-1]), flush=True)
    release = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    processor = measure.processor()
    value = {
        "subject": "exported C beside its peers, batch 1, one thread",
        "compiler": release,
        "flags": list(FLAGS),
        "load_average": os.getloadavg(),
        "roofline": dict(parameters),
        "versions": versions(),
        "rows": rows,
    }
    head = (
        f"{processor}, {release}, one thread, batch 1, {date.today().isoformat()}. A ratio is the peer's time over "
        "ours: above 1 the C is faster.\n\n"
        "| network | C, us | peers' time over ours | limit, us | our time over the limit |\n"
        "|---|---|---|---|---|\n"
    )
    record("inference", value, head, [line(row) for row in rows])


if __name__ == "__main__":
    main(sys.argv[1:])
