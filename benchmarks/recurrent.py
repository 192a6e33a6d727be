"""Training speed of recurrent layers: a step of ours beside torch.nn's, in one process, in turn.

    python benchmarks/recurrent.py [THREADS]
    writes benchmarks/results/recurrent_PROCESSOR_THREADS_DATE.json and .md

A step is forward and backward of one layer and of its summed output, without an optimiser: batch 32, 100 steps, 128
inputs, 512 units. Both have the same weights. Rounds go from one to the other in an order that changes; a ratio is the
median over the rounds of our time over torch's in the same round. The form through `scan` is shown beside it: it is
what is exported, and what an LSTM with peepholes trains by. Judged are LSTM and GRU (1.05) and the plain network (1.0,
met up to the spread of the rounds since both call one kernel, so 1.05 is asked of it too).
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import torch
from _record import record
from torch import nn

from lamina.core.run_folder import versions
from lamina.core.seeds import numpy_generator
from lamina.hw import measure
from lamina.nn.recurrent import Recurrent

BATCH, STEPS, INPUTS, HIDDEN = 32, 100, 128, 512
ROUNDS = 11
LIMIT = 1.05
THEIRS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def contenders(kind: str, x: torch.Tensor) -> dict[str, tuple[nn.Module, Callable[[], torch.Tensor]]]:
    """What has the gradients, and what gives the output."""
    ours = Recurrent(kind, INPUTS, HIDDEN)
    theirs = THEIRS[kind](INPUTS, HIDDEN, batch_first=True)
    theirs.load_state_dict({f"{name}_l0": value for name, value in ours.state_dict().items()})
    found: dict[str, tuple[nn.Module, Callable[[], torch.Tensor]]] = {
        "lamina": (ours, lambda: ours(x)[0]),
        "torch.nn": (theirs, lambda: theirs(x)[0]),
        "lamina, by scan": (ours, lambda: ours.observe(x)["h"]),
    }
    if kind == "lstm":
        peeping = Recurrent(kind, INPUTS, HIDDEN, peepholes=True)
        found["lamina, with peepholes"] = (peeping, lambda: peeping(x)[0])
    return found


def seconds(module: nn.Module, output: Callable[[], torch.Tensor]) -> float:
    """Of one step."""
    module.zero_grad()
    start = time.perf_counter()
    output().sum().backward()
    return time.perf_counter() - start


def measured(kind: str) -> list[dict[str, Any]]:
    x = torch.rand(BATCH, STEPS, INPUTS, generator=torch.Generator().manual_seed(0))
    made = contenders(kind, x)
    times: dict[str, list[float]] = {name: [] for name in made}
    for turn in range(-1, ROUNDS):  # the first round is thrown away: allocations and kernel choices are in it
        for name in numpy_generator(turn + 1, "order").permutation(list(made)).tolist():
            spent = seconds(*made[name])
            if turn >= 0:
                times[name].append(spent)
    theirs = times["torch.nn"]
    return [
        {
            "cell": kind,
            "contender": name,
            "step_s": statistics.median(own),
            "best_step_s": min(own),
            "over_torch": statistics.median(a / b for a, b in zip(own, theirs, strict=True)),
        }
        for name, own in times.items()
    ]


def main() -> int:
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count() or 1
    torch.set_num_threads(threads)
    rows = [row for kind in THEIRS for row in measured(kind)]
    value = {
        "subject": f"forward and backward of a recurrent layer: batch {BATCH}, {STEPS} steps, {INPUTS} to {HIDDEN}",
        "threads": threads,
        "rounds": ROUNDS,
        "load_average": os.getloadavg(),
        "versions": versions(),
        "rows": rows,
    }
    head = (
        f"{measure.processor()}, {threads} thread{'s' * (threads > 1)}, {ROUNDS} rounds, {date.today().isoformat()}; "
        f"batch {BATCH}, {STEPS} steps, {INPUTS} inputs, {HIDDEN} units. Below 1 takes less time than torch.nn.\n\n"
        "| cell | layer | step, median | step, best | time over torch.nn |\n|---|---|---|---|---|\n"
    )
    lines = [
        f"| {row['cell']} | {row['contender']} | {1e3 * row['step_s']:.1f} ms | {1e3 * row['best_step_s']:.1f} ms | "
        f"{row['over_torch']:.3f} |"
        for row in rows
    ]
    print(record("recurrent", value, head, lines, part=f"{threads}-thread"))
    return 0 if max(row["over_torch"] for row in rows if row["contender"] == "lamina") <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
