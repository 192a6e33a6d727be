"""Training speed of LeNet-5: `fit` beside the fastest plain loop known, Lightning and Keras 3, in one run.

    python3 -m venv .venv-bench && .venv-bench/bin/pip install 'torch==2.13.*' lightning 'keras>=3'
    python benchmarks/training.py [PYTHON [THREADS]]
    writes benchmarks/results/training_PROCESSOR_THREADS_DATE.json and .md

The real digits of the default data set, repeated to one epoch's length; Adam, one epoch a round, no validation. Rounds
go from one contender to the next, each round in another order, so that what else the machine does meets all of them.
A ratio is the median over the rounds of `fit`'s time over the other's in the same round; CPU time is told
beside it, since it does not count what other processes took. PYTHON is that of the environment with Lightning and Keras
(default .venv-bench); without one their rows are left out. In a run folder `fit` syncs files to
the disk: a tenth of the time of an epoch as short as these, nothing of one of half a minute.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from _record import record

import lamina
from lamina.core.run_folder import versions
from lamina.core.seeds import numpy_generator
from lamina.hw import measure

ROOT = Path(__file__).resolve().parent.parent
WORKER = Path(__file__).with_name("_training_worker.py")
ROUNDS = 15
REPEATS = 2  # of the 3,500 training digits in one epoch
BATCHES = (64, 256)
OURS = ("plain", "plain_contiguous", "fit", "fit_in_a_run_folder")
PEERS = ("lightning", "keras")
LIMIT = 1.03


class Worker:
    """A process that trains on request."""

    def __init__(self, python: str, arguments: list[str]) -> None:
        self.process = subprocess.Popen(
            [python, str(WORKER), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def seconds(self, contender: str, batch: int) -> list[float]:
        """Of one epoch: on the clock, and of CPU time."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(contender, batch, file=self.process.stdin, flush=True)
        return [float(word) for word in self.process.stdout.readline().split()]


def measured(batch: int, examples: int, workers: dict[str, Worker]) -> list[dict[str, Any]]:
    """One row a contender."""
    names = list(workers)
    clock: dict[str, list[float]] = {name: [] for name in names}
    cpu: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(ROUNDS):
        for name in numpy_generator(turn, "order").permutation(names).tolist():
            clock_s, cpu_s = workers[name].seconds(name, batch)
            clock[name].append(clock_s)
            cpu[name].append(cpu_s)
    return [
        {
            "contender": name,
            "batch": batch,
            "images_per_s": examples / statistics.median(clock[name]),
            "best_images_per_s": examples / min(clock[name]),
            "fit_over_it": median_ratio(clock["fit"], clock[name]),
            "fit_over_it_cpu": median_ratio(cpu["fit"], cpu[name]),
        }
        for name in names
    ]


def median_ratio(a: list[float], b: list[float]) -> float:
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def peer_versions(python: str) -> dict[str, str]:
    program = (
        "from importlib.metadata import version; print(*(version(p) for p in ('torch', 'lightning', 'keras')), sep=',')"
    )
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    return dict(zip(("peers_torch", "lightning", "keras"), done.stdout.strip().split(","), strict=True))


def main() -> int:
    python = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / ".venv-bench" / "bin" / "python")
    threads = sys.argv[2] if len(sys.argv) > 2 else str(os.cpu_count())
    train = lamina.data.digits().train
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        inputs, labels = Path(folder) / "inputs.npy", Path(folder) / "labels.npy"
        np.save(inputs, np.tile(train.inputs.numpy(), (REPEATS, 1, 1, 1)))
        np.save(labels, np.tile(train.labels.numpy(), REPEATS))
        arguments = [str(inputs), str(labels), threads]
        workers = dict.fromkeys(OURS, Worker(sys.executable, arguments))
        if Path(python).exists():
            workers |= dict.fromkeys(PEERS, Worker(python, arguments))
        else:
            print(f"{python} does not exist: Lightning and Keras are left out", file=sys.stderr)
        for batch in BATCHES:
            rows += measured(batch, REPEATS * len(train), workers)
        for worker in set(workers.values()):
            worker.process.kill()
    peers = peer_versions(python) if Path(python).exists() else {}
    return write(rows, int(threads), peers)


def line(row: dict[str, Any]) -> str:
    return (
        f"| {row['batch']} | {row['contender'].replace('_', ' ')} | {row['images_per_s']:,.0f} | "
        f"{row['best_images_per_s']:,.0f} | {row['fit_over_it']:.3f} | {row['fit_over_it_cpu']:.3f} |"
    )


def write(rows: list[dict[str, Any]], threads: int, peers: dict[str, str]) -> int:
    processor = measure.processor()
    value = {
        "subject": "one epoch of LeNet-5 by fit, a plain loop, Lightning and Keras 3 (torch backend)",
        "threads": threads,
        "rounds": ROUNDS,
        "load_average": os.getloadavg(),
        "versions": {**versions(), **peers},
        "rows": rows,
    }
    head = (
        f"{processor}, {threads} thread{'s' * (threads > 1)}, {ROUNDS} rounds, {date.today().isoformat()}. Below 1, "
        "`fit` takes less time.\n\n"
        "| batch | trained by | images/s, median | images/s, best | time of fit over it | CPU time |\n"
        "|---|---|---|---|---|---|\n"
    )
    print(record("training", value, head, [line(row) for row in rows], part=f"{threads}-thread"))
    plain = [row["fit_over_it"] for row in rows if row["contender"] == "plain"]
    return 0 if max(plain) <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
