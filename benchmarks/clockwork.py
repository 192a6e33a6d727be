"""Clockwork RNN beside torch.nn.RNN of equal hidden size: forward alone, and a training step without the update.

    OMP_NUM_THREADS=2 python benchmarks/clockwork.py
    writes benchmarks/results/clockwork_PROCESSOR_DATE.json and .md

Eight modules with periods 1, 2, 4, ..., 128; a batch of 32 sequences of 256 steps with 16 inputs. Rounds alternate; the
ratio is the median over the rounds of torch's time over ours.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable

import torch
from _record import record
from torch import Tensor, nn

from lamina.core.run_folder import versions
from lamina.models.clockwork_rnn import Config, clockwork_rnn

ROUNDS = 7
BATCH, STEPS, INPUTS = 32, 256, 16
HIDDEN = (256, 512)
LIMIT = 2.0


def seconds(run: Callable[[Tensor], Tensor], x: Tensor, *, back: bool) -> float:
    begun = time.perf_counter()
    if back:
        run(x).sum().backward()
    else:
        with torch.no_grad():
            run(x)
    return time.perf_counter() - begun


def main() -> int:
    rows = []
    for hidden in HIDDEN:
        model = clockwork_rnn(Config(inputs=INPUTS, hidden=hidden))
        plain = nn.RNN(INPUTS, hidden, batch_first=True)
        sides = {"lamina": lambda x, m=model: m.run(x)[0], "torch": lambda x, m=plain: m(x)[0]}
        x = torch.randn(BATCH, STEPS, INPUTS, generator=torch.Generator().manual_seed(0))
        for back in (False, True):
            times: dict[str, list[float]] = {name: [] for name in sides}
            for turn in range(ROUNDS + 1):
                for name, run in sides.items():
                    found = seconds(run, x, back=back)
                    if turn:
                        times[name].append(found)
            rows.append(
                {
                    "hidden": hidden,
                    "part": "forward and backward" if back else "forward",
                    **{f"{name}_s": statistics.median(found) for name, found in times.items()},
                    "times_faster": statistics.median(
                        b / a for a, b in zip(times["lamina"], times["torch"], strict=True)
                    ),
                }
            )
    value = {
        "subject": "Clockwork RNN beside torch.nn.RNN of equal hidden size",
        "threads": torch.get_num_threads(),
        "rounds": ROUNDS,
        "load_average": os.getloadavg(),
        "versions": versions(),
        "rows": rows,
    }
    head = "| hidden | part | Clockwork RNN ms | torch.nn.RNN ms | times faster |\n|---|---|---|---|---|\n"
    lines = [
        f"| {r['hidden']} | {r['part']} | {r['lamina_s'] * 1e3:.1f} | {r['torch_s'] * 1e3:.1f} | "
        f"{r['times_faster']:.2f} |"
        for r in rows
    ]
    print(record("clockwork", value, head, lines))
    return 0 if min(r["times_faster"] for r in rows) >= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
