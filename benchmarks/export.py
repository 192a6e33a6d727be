"""Latency of exported C beside ONNX Runtime: batch 1, one thread, ratios from one run.

    python benchmarks/export.py        writes benchmarks/results/export.json

LeNet-5 (ReLU, maximum pooling; and 1998's tanh and averages) in float32 and int8, LeNet-300-100 too, weights random:
time does not depend on them. Rounds alternate between the two, so that what else the machine does meets both; medians
and best rounds are told. The ratio is ONNX Runtime's time over ours. C is built for this processor, as the runtime
chooses its kernels for it. The row `call` is a network of one number: what a call from Python costs either.
"""

import ctypes
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import lamina.export
from lamina.core import files
from lamina.core.run_folder import versions
from lamina.core.seeds import numpy_generator
from lamina.ir import Network, Operation, Type
from lamina.ir.transform import integer_core

RESULTS = Path(__file__).parent / "results" / "export.json"
FLAGS = ("-std=c99", "-O3", "-march=native", "-ffp-contract=fast")
ROUNDS = 301
CALLS = 20  # in one round: shorter than a slice of the scheduler, so that most rounds run undisturbed


def networks() -> dict[str, Network]:
    import torch

    from lamina import lowering
    from lamina.compression.quantise import quantise
    from lamina.models.lenet5 import INPUT_SHAPE, Config, lenet5
    from lamina.models.lenet_300_100 import lenet_300_100

    old = Config(activation="tanh", pooling="average")
    plain = lenet_300_100()
    calibration = torch.rand((64, *INPUT_SHAPE[1:]), generator=torch.Generator().manual_seed(0))
    found = {
        "lenet5_float": lenet5(),
        "lenet5_1998_float": lenet5(old),
        "lenet_300_100_float": plain,
        "lenet5_int8": quantise(lenet5(), calibration)[0],
        "lenet_300_100_int8": quantise(plain, calibration)[0],
    }
    lowered = {name: lowering.lower(model, input_shape=INPUT_SHAPE) for name, model in found.items()}
    return {name: network.replaced(name=name) for name, network in {**lowered, "call": one_number()}.items()}


def one_number() -> Network:
    one = Type(shape=(1, 1))
    relu = Operation(operator="relu", inputs=("x",), outputs={"y": one})
    return Network(name="call", inputs={"x": one}, constants={}, operations=(relu,), outputs={"y": "y"})


def compiled(network: Network, folder: Path, compiler: str) -> tuple[Callable[[], Any], np.ndarray, np.ndarray]:
    """A call of the exported network, its input and its output."""
    report = lamina.export.c(network, folder)
    core = integer_core(network)
    library = folder / f"{report.name}.so"
    source = folder / f"{report.name}.c"
    subprocess.run([compiler, *FLAGS, "-shared", "-fPIC", "-o", str(library), str(source), "-lm"], check=True)
    function = ctypes.CDLL(str(library))[f"{report.name}_run"]
    (x,), (y,) = core.inputs.values(), (core.types[v] for v in core.outputs.values())
    given, got = np.zeros(x.shape, x.element.storage), np.zeros(y.shape, y.element.storage)
    state = np.zeros(report.arena_bytes + 64, np.uint8)
    arguments = [np.ctypeslib.as_ctypes(a.reshape(-1)) for a in (state, given, got)]  # which keep the arrays alive
    return lambda: function(*arguments), given, got


def measured(name: str, network: Network, folder: Path, compiler: str) -> dict[str, Any]:
    core = integer_core(network)
    ours, given, got = compiled(network, folder, compiler)
    rng = numpy_generator(0, name)
    x = rng.integers(0, 256, given.shape) if given.dtype.kind in "iu" else rng.random(given.shape)
    given[...] = x
    session = lamina.export.session(lamina.export.onnx(core, folder / f"{name}.onnx"))
    feed = {next(iter(core.inputs)): given}
    theirs = lambda: session.run(None, feed)  # noqa: E731
    ours()
    (wanted,) = theirs()
    differing = int((got != wanted).sum()) if got.dtype.kind in "iu" else 0
    error = float(np.abs(got.astype(np.float64) - wanted).max() / np.abs(wanted).max())
    times: dict[str, list[float]] = {"c": [], "onnxruntime": []}
    for _ in range(ROUNDS):
        for who, call in (("c", ours), ("onnxruntime", theirs)):
            start = time.perf_counter()
            for _ in range(CALLS):
                call()
            times[who].append((time.perf_counter() - start) / CALLS)
    c_s, peer_s = (statistics.median(times[who]) for who in ("c", "onnxruntime"))
    best = {who: min(rounds) for who, rounds in times.items()}
    return {
        "network": name,
        "macs": network.macs,
        "c_latency_s": c_s,
        "onnxruntime_latency_s": peer_s,
        "ratio": peer_s / c_s,
        "c_best_s": best["c"],
        "onnxruntime_best_s": best["onnxruntime"],
        "best_ratio": best["onnxruntime"] / best["c"],
        "macs_per_s": network.macs / c_s,
        "differing_integers": differing,
        "largest_error": error,
    }


def main() -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        sys.exit("no C compiler: apt-get install gcc")
    with tempfile.TemporaryDirectory() as folder:
        rows = [measured(name, network, Path(folder), compiler) for name, network in networks().items()]
    for row in rows:
        print(
            f"{row['network']:22} C {row['c_latency_s'] * 1e6:6.1f} us, "
            f"onnxruntime {row['onnxruntime_latency_s'] * 1e6:6.1f} us, "
            f"ratio {row['ratio']:.2f}; best rounds {row['c_best_s'] * 1e6:.1f} and "
            f"{row['onnxruntime_best_s'] * 1e6:.1f} us, ratio {row['best_ratio']:.2f}"
        )
    release = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    processor = next(
        (line.partition(":")[2].strip() for line in cpu_lines() if line.startswith("model name")), "unknown"
    )
    files.write_json(
        RESULTS,
        {
            "subject": "exported C against onnxruntime, batch 1, one thread",
            "date": time.strftime("%Y-%m-%d"),
            "processor": processor,
            "compiler": release,
            "flags": list(FLAGS),
            "versions": versions(),
            "rows": rows,
        },
    )


def cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    main()
