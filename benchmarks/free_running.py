"""Free-running Mackey-Glass beside reservoirpy: each network goes on from its own answers, 84 steps, from 50 starts.

    OMP_NUM_THREADS=1 python benchmarks/free_running.py [PYTHON]
    writes benchmarks/results/free_running_PROCESSOR_DATE.json and .md

Both learn 3,000 steps with a tenth of the weights, one spectral radius, leak, input scaling and ridge: those of
`lamina.recipes.chaos`, whose limit this is. The root of the mean squared error at step 84, as a share of the spread of
what was wanted (Jaeger's NRMSE_84). Errors only, nothing is timed.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from _record import record

from lamina.core.run_folder import versions
from lamina.recipes import chaos

SEEDS = 5
PEER = """
import json, sys
import numpy as np
import reservoirpy
from reservoirpy.nodes import Reservoir, Ridge
told = json.loads(sys.argv[2])
series = np.load(sys.argv[1]).reshape(-1, 1)
for seed in range(told["seeds"]):
    reservoir = Reservoir(told["hidden"], sr=told["spectral_radius"], lr=told["leak"], rc_connectivity=0.1, seed=seed,
                          input_scaling=told["input_scaling"], input_connectivity=1.0)
    read_out = Ridge(ridge=told["ridge"])
    learned = told["learned"]
    read_out.fit(reservoir.run(series[:learned]), series[1 : learned + 1], warmup=100)
    found = []
    for start in told["starts"]:
        reservoir.reset()
        answer = read_out.run(reservoir.run(series[start - told["context"] : start]))[-1:]
        for _ in range(told["ahead"] - 1):
            answer = read_out.run(reservoir.run(answer))
        found.append(float(answer[0, 0]))
    wanted = series[np.array(told["starts"]) + told["ahead"] - 1, 0]
    print(json.dumps(float(np.sqrt(np.mean((np.array(found) - wanted) ** 2)) / wanted.std())), flush=True)
"""


def main() -> int:
    python = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parent.parent / ".venv-bench/bin/python")
    setting = {**chaos.FREE, "ridge": chaos.RIDGE}
    hidden = chaos.Config().hidden
    asked = {
        **setting, "hidden": hidden, "seeds": SEEDS, "learned": chaos.FREE_LEARNED,
        "starts": chaos.starts(chaos.FREE_TEST), "context": chaos.CONTEXT, "ahead": chaos.AHEAD,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "series.npy"
        np.save(path, chaos.series())
        said = subprocess.run(
            [python, "-c", PEER, str(path), json.dumps(asked)], check=True, capture_output=True, text=True
        ).stdout
    theirs = [float(line) for line in said.splitlines()]
    ours = [chaos.free_running(chaos.series(), seed, hidden, chaos.RIDGE)[-1] for seed in range(SEEDS)]
    rows = {"lamina": ours, "reservoirpy": theirs}
    means = {name: statistics.fmean(errors) for name, errors in rows.items()}
    value = {
        "subject": f"echo state network of {hidden} units, {chaos.AHEAD} steps of Mackey-Glass by itself",
        "versions": versions(),
        "setting": setting,
        "nrmse": rows,
        "nrmse_mean": means,
    }
    lines = [f"| {name} | {means[name]:.2e} | " + ", ".join(f"{e:.2e}" for e in rows[name]) + " |" for name in rows]
    print(record("free_running", value, "| | NRMSE_84, mean | by seed |\n|---|---|---|\n", lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
