"""Augmentation of whole batches beside albumentations: affine and elastic, 1,000 pictures of 28 x 28.

    make peers
    OMP_NUM_THREADS=2 python benchmarks/augmentation.py [PYTHON]
    writes benchmarks/results/augmentation_PROCESSOR_DATE.json and .md

Both get pictures in memory in the layout that they take (ours [n, 1, 28, 28], theirs [28, 28] each) and float32; both
are bilinear and draw anew for each picture; ours come in batches of 128, as in training. Rounds alternate; the ratio is
the median over the rounds.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from _record import record

from lamina.core.run_folder import versions
from lamina.training.augmentation import Augmentation

ROUNDS = 9
COUNT, SIDE, BATCH = 1000, 28, 128
LIMIT = 10.0
KINDS = {
    "affine": Augmentation(translate=2.8, rotate=0.26, scale=0.1, shear=0.17),
    "elastic": Augmentation(elastic=1.0, smoothness=4.0),
}
PEER = """
import json, os, sys, time
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
import albumentations as A, numpy as np
count, side = int(sys.argv[1]), int(sys.argv[2])
x = np.random.default_rng(0).random((count, side, side), dtype=np.float32)
kinds = {
    "affine": A.Affine(translate_percent=(-0.1, 0.1), rotate=(-15, 15), scale=(0.9, 1.1), shear=(-10, 10), p=1.0),
    "elastic": A.ElasticTransform(alpha=6.0, sigma=4.0, p=1.0),
}
for line in sys.stdin:
    change = kinds[line.strip()]
    begun = time.perf_counter()
    for picture in x:
        change(image=picture)
    print(time.perf_counter() - begun, A.__version__, flush=True)
"""


def main() -> int:
    python = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parent.parent / ".venv-bench/bin/python")
    peer = subprocess.Popen(
        [python, "-c", PEER, str(COUNT), str(SIDE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert peer.stdin is not None
    assert peer.stdout is not None
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(COUNT, 1, SIDE, SIDE, generator=generator)
    rows, version = [], ""
    for kind, augment in KINDS.items():
        times: dict[str, list[float]] = {"lamina": [], "albumentations": []}
        for turn in range(ROUNDS + 1):
            print(kind, file=peer.stdin, flush=True)
            theirs, version = peer.stdout.readline().split()
            begun = time.perf_counter()
            for batch in x.split(BATCH):
                augment({"x": batch}, generator=generator)
            mine = time.perf_counter() - begun
            if turn:  # the first round warms up
                times["albumentations"].append(float(theirs))
                times["lamina"].append(mine)
        rows.append(
            {
                "kind": kind,
                **{f"{name}_s_per_picture": statistics.median(found) / COUNT for name, found in times.items()},
                "times_faster": statistics.median(
                    b / a for a, b in zip(times["lamina"], times["albumentations"], strict=True)
                ),
            }
        )
    peer.stdin.close()
    peer.wait()
    value = {
        "subject": f"augmentation of {COUNT} pictures of {SIDE} x {SIDE}",
        "threads": torch.get_num_threads(),
        "rounds": ROUNDS,
        "load_average": os.getloadavg(),
        "versions": {**versions(), "albumentations": version},
        "rows": rows,
    }
    print(json.dumps(value["load_average"]))
    head = "| kind | lamina µs a picture | albumentations µs | times faster |\n|---|---|---|---|\n"
    lines = [
        f"| {r['kind']} | {r['lamina_s_per_picture'] * 1e6:.1f} | {r['albumentations_s_per_picture'] * 1e6:.1f} | "
        f"{r['times_faster']:.1f} |"
        for r in rows
    ]
    print(record("augmentation", value, head, lines))
    return 0 if min(r["times_faster"] for r in rows) >= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
