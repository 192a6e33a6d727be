"""ResNet-50 from torch to every machine: lowering it, reading its nests, costing it everywhere, sweeping an array.

    python benchmarks/machines.py
    writes benchmarks/results/machines_PROCESSOR_DATE.json and .md

Lowering is CPU time of this process, once cold and once warm; nests and costs are medians of rounds, each machine once
before the clock starts (a mapper then has its mappings). Costing is all that `lamina cost` does between the network
and the table's totals. The sweep is `lamina sweep` of a systolic array, 100 x 100 shapes, as many processes as cores,
its folder and page written.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _record import record

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import lamina
from lamina.core.run_folder import versions
from lamina.hw import registry, table
from lamina.ir import store
from lamina.lowering import lower
from tests.lowering.test_networks import ENTRIES, built

ROUNDS = 21
LIMITS_S = {"lowered warm": 5.0, "nests": 0.010, "costed on all machines": 0.050, "10,000 points swept": 60.0}


def main() -> int:
    module = built(ENTRIES["resnet50"].full)
    found: dict[str, float] = {}
    for name in ("lowered cold", "lowered warm"):
        start = time.process_time()
        network = lower(module, input_shape=(1, 3, 224, 224))
        found[name] = time.process_time() - start
    found["nests"] = median(network.layers)
    widen, _, _ = table.words(network, None)
    machines = [registry.registered(name) for name in registry.names()]

    def costed() -> None:
        shared = table.nests([widen(layer) for layer in network.layers()])
        for machine in machines:
            _ = table.on_machine(shared, machine, allow_partial=True).total

    costed()
    found["costed on all machines"] = median(costed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "resnet50.lamina"
        store.save([network], path)
        start = time.perf_counter()
        swept = lamina.sweep(path, "systolic", ["rows=4..202+2,columns=4..202+2"], out=Path(folder) / "sweep")
        found["10,000 points swept"] = time.perf_counter() - start
        assert len(swept.rows) == 10_000
    value: dict[str, Any] = {
        "subject": "ResNet-50 from torch to every machine",
        "versions": versions(),
        "load_average": os.getloadavg()[1],
        "cores": os.cpu_count(),
        "machines": [machine.name for machine in machines],
        "seconds": found,
        "limits_s": LIMITS_S,
    }
    lines = [
        f"| {name} | {seconds * 1e3:,.1f} ms | {LIMITS_S[name] * 1e3:,.0f} ms |" if name in LIMITS_S else
        f"| {name} | {seconds * 1e3:,.1f} ms | |"
        for name, seconds in found.items()
    ]  # fmt: skip
    head = f"ResNet-50, {len(machines)} machines, {os.cpu_count()} cores\n\n| what | here | asked |\n|---|---|---|\n"
    record("machines", value, head, lines)
    print("\n".join(lines), file=sys.stderr)
    return 0 if all(found[name] <= limit for name, limit in LIMITS_S.items()) else 1


def median(function: Callable[[], object]) -> float:
    """Seconds of `function`, the median of rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main())
