"""Echo state network beside reservoirpy: states of 10,000 steps of Mackey-Glass by 1,000 units, and the ridge read-out.

    make peers
    OMP_NUM_THREADS=2 python benchmarks/reservoir.py [PYTHON]
    writes benchmarks/results/reservoir_PROCESSOR_DATE.json and .md

Both with a tenth of the weights, one spectral radius, leak, input scaling and ridge; to tell the next value, the error
on 500 steps behind those that were learned from. Rounds alternate, each side in its own process; the ratio is the
median over the rounds. The making of a reservoir is told beside, not judged: it is done once.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from _record import record

from lamina.core.run_folder import versions
from lamina.models.echo_state_network import Config, EchoStateNetwork, echo_state_network
from lamina.tasks.mackey_glass import mackey_glass, nrmse

ROUNDS = 3
UNITS, STEPS, TOLD = 1000, 10_000, 500
SETTING = {"spectral_radius": 0.95, "leak": 1.0, "input_scaling": 1.0, "ridge": 1e-8}
LIMIT = 2.5
PEER = """
import json, sys, time
import numpy as np
import reservoirpy
from reservoirpy.nodes import Reservoir, Ridge
reservoirpy.verbosity(0) if hasattr(reservoirpy, "verbosity") else None
series = np.load(sys.argv[1]).reshape(-1, 1)
units, steps, setting = int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
for line in sys.stdin:
    seed, begun = int(line), time.perf_counter()
    nodes = Reservoir(units, sr=setting["spectral_radius"], lr=setting["leak"], rc_connectivity=0.1, seed=seed,
                      input_scaling=setting["input_scaling"], input_connectivity=1.0), Ridge(ridge=setting["ridge"])
    nodes[0].run(series[:1])
    nodes[0].reset()
    made = time.perf_counter()
    states = nodes[0].run(series[:steps])
    walked = time.perf_counter()
    nodes[1].fit(states, series[1 : steps + 1], warmup=100)
    solved = time.perf_counter()
    told = nodes[1].run(nodes[0].run(series[steps:-1]))
    wanted = series[steps + 1 :]
    error = float(np.sqrt(np.mean((told - wanted) ** 2)) / wanted.std())
    print(json.dumps([made - begun, walked - made, solved - walked, error]), flush=True)
"""


def ours(series: np.ndarray, seed: int) -> list[float]:
    """Seconds to make, to run, to solve; and the error told. `solve` runs too: its sum is counted, as ridge alone."""
    x = torch.from_numpy(series).float().reshape(1, -1, 1)
    begun = time.perf_counter()
    config = Config(hidden=UNITS, groups=10, bias_scaling=0.0, washout=100, **SETTING)
    model: EchoStateNetwork = echo_state_network(config, seed=seed)
    made = time.perf_counter()
    model.run(x[:, :STEPS])
    walked = time.perf_counter()
    model.solve([{"x": x[:, :STEPS], "y": x[:, 1 : STEPS + 1]}])  # runs once more: all that a user waits for
    solved = time.perf_counter()
    told = model(x[:, :-1])[0, STEPS:, 0].numpy()
    return [made - begun, walked - made, solved - walked, nrmse(told, series[STEPS + 1 :])]


def main() -> int:
    python = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parent.parent / ".venv-bench/bin/python")
    series = mackey_glass(STEPS + TOLD + 1, washout=500)[0]
    rows: dict[str, list[list[float]]] = {"lamina": [], "reservoirpy": []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "series.npy"
        np.save(path, series)
        peer = subprocess.Popen(
            [python, "-c", PEER, str(path), str(UNITS), str(STEPS), json.dumps(SETTING)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert peer.stdin is not None
        assert peer.stdout is not None
        for seed in range(ROUNDS + 1):
            print(seed, file=peer.stdin, flush=True)
            theirs = json.loads(peer.stdout.readline())
            mine = ours(series, seed)
            if seed:  # the first round warms up
                rows["reservoirpy"].append(theirs)
                rows["lamina"].append(mine)
        peer.stdin.close()
        peer.wait()
    # ours: solve alone runs the reservoir and solves; theirs: run and fit
    whole = {"lamina": [r[2] for r in rows["lamina"]], "reservoirpy": [r[1] + r[2] for r in rows["reservoirpy"]]}
    ratio = statistics.median(b / a for a, b in zip(whole["lamina"], whole["reservoirpy"], strict=True))
    value = {
        "subject": f"echo state network of {UNITS} units, {STEPS} steps of Mackey-Glass: run and ridge",
        "threads": torch.get_num_threads(),
        "rounds": ROUNDS,
        "load_average": os.getloadavg(),
        "versions": versions(),
        "setting": SETTING,
        "times_faster": ratio,
        "rows": {
            name: [statistics.median(column) for column in zip(*table, strict=True)] for name, table in rows.items()
        },
        "columns": ["make_s", "run_s", "solve_s", "nrmse"],
        "run_and_ridge_s": {name: statistics.median(times) for name, times in whole.items()},
    }
    head = "| | make s | run s | run and ridge s | NRMSE |\n|---|---|---|---|---|\n"
    lines = [
        f"| {name} | {row[0]:.2f} | {row[1]:.2f} | {statistics.median(whole[name]):.2f} | {row[3]:.2e} |"
        for name, row in value["rows"].items()
    ]
    print(record("reservoir", value, head, [*lines, "", f"Run and ridge: {ratio:.2f} times faster."]))
    return 0 if ratio >= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
