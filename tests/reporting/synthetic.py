"""A run folder made by hand, with everything a page can show: numbers chosen so that a test can count them again."""

import base64
import csv
import json

import numpy as np
from safetensors.numpy import save

from lamina.core.files import write
from lamina.core.run_folder import open_run

LAYERS = (  # name, operator, macs, DRAM bytes on the CPU
    ("conv1", "conv2d", 117_600, 1_100),
    ("pool1", "max_pool2d", 0, 0),
    ("conv2", "conv2d", 240_000, 4_700),
    ("pool2", "max_pool2d", 0, 0),
    ("fc1", "linear", 48_000, 48_600),
    ("fc2", "linear", 10_080, 10_400),
    ("fc3", "linear", 840, 1_000),
)
MACHINES = ("cpu", "systolic", "diannao")
COMPONENTS = {"systolic": ("mac", "sram", "dram"), "diannao": ("nfu", "sb", "nbin", "nbout")}


def make(path, *, labels=tuple("0123456789"), layer_suffix="", model="lenet5"):
    """Write the run folder `path`."""
    rng = np.random.default_rng(0)
    with open_run(path, {"recipe": "digits", "model": model, "data": "digits", "seed": 0}) as run:
        for row in metrics():
            run.append_metrics(row)
    weights = rng.normal(size=(6, 1, 5, 5)).astype(np.float32)
    weights[np.abs(weights) < 0.5] = 0
    write(path / "weights.safetensors", save({"conv1.weight": weights, "fc1.weight": np.ones((4, 4), np.float32)}))
    cost = {"schema": 1, "network": {"name": model}, "results": [result(m, layer_suffix) for m in MACHINES]}
    dump(path / "cost.json", cost)
    layers_csv(path / "layers.csv", cost["results"])
    dump(path / "summary.json", summary(cost))
    dump(path / "evaluation.json", evaluation(rng, labels))
    return path


def make_study(path, *, name="an arm"):
    """A study's folder as `_study.study` leaves it: figures of two units, one of them without seeds, and a plot."""
    with open_run(path, {"verb": "run", "recipe": "pooling", "seed": 0, "settings": {}}):
        pass

    def shown(title, unit, found, limit, seeds, verdict):
        told = {"title": title, "unit": unit, "row": "M25", "claim": "C17", "source": "a paper", "found": "x"}
        told |= {"measured": sum(found) / len(found), "interval": [min(found), max(found)], "limit": limit}
        return told | {"asked": f">= {limit} {unit}", "verdict": verdict, "seeds": seeds}

    rows = [
        shown("maximum less average", "points", (0.5, 1.5), 0, 5, "holds"),
        shown("maximum less average", "points", (-0.5, 1.5), 0, 5, "undecided"),
        shown(f"rotated {name}", "points", (-2, -1), 0, 5, "does not hold"),
        shown("accuracy", "%", (97, 98), 97, 5, "holds"),
        shown("parameters", "", (10, 10), 10, 0, "holds"),
    ]
    dump(path / "figures.json", {"schema": 1, "title": "Pooling", "seconds": 90.0, "figures": [], "shown": rows})
    line = {"name": name, "x": [0, 1], "y": [1.0, 2.0], "low": [0.5, 1.5], "high": [1.5, 2.5]}
    plain = {"name": "other", "x": [0, 1], "y": [1.0, 2.0], "low": [], "high": []}
    curve = {
        "title": "by shift",
        "x": "shift (pixels)",
        "y": "%",
        "lines": [line, plain],
        "log_x": False,
        "log_y": True,
    }
    dump(path / "curves.json", {"schema": 1, "curves": [curve]})
    return path


def dump(path, value):
    write(path, json.dumps(value).encode())


def metrics():
    for stage, epochs in (("train", 12), ("prune", 6), ("share", 3)):
        for epoch in range(1, epochs + 1):
            loss = 0.5 / epoch if stage == "train" else 0.06 / epoch
            yield {
                "stage": stage,
                "epoch": epoch,
                "train_loss": loss,
                "validation_loss": loss * 1.2 + 0.02,
                "validation_accuracy": 0.985 - 0.1 * loss,
            }


def result(machine, suffix):
    layers = [layer(machine, name + suffix, op, macs, dram) for name, op, macs, dram in LAYERS]
    total = {
        k: None if layers[0][k] is None else sum(r[k] for r in layers) for k in ("cycles", "energy_j", "dram_bytes")
    }
    total |= {"latency_s": sum(r["latency_s"] for r in layers), "utilisation": 0.41, "bound": "memory"}
    total["energy_by_component_j"] = None
    if machine in COMPONENTS:
        total["energy_by_component_j"] = {
            c: sum(r["energy_by_component_j"][c] for r in layers) for c in COMPONENTS[machine]
        }
    return {
        "machine": machine,
        "fields": {"rows": 32, "columns": 32} if machine == "systolic" else {},
        "marks": {"cycles": "modelled", "latency_s": "modelled", "energy_j": "unverified", "area_m2": "published"},
        "coverage": 1.0,
        "area_m2": None if machine == "cpu" else 1.2e-6,
        "total": total,
        "layers": layers,
    }


def layer(machine, name, op, macs, dram):
    components = COMPONENTS.get(machine)
    parts = {c: (macs + 100) * (i + 1) * 1e-13 for i, c in enumerate(components)} if components else None
    return {
        "name": name,
        "op": op,
        "macs": macs,
        "cycles": None if machine == "cpu" else macs // 256 + 10,
        "latency_s": max(2 * macs / 40e9, dram / 8e9) + 1e-8,
        "energy_j": sum(parts.values()) if parts else None,
        "dram_bytes": dram,
        "cache_bytes": dram if machine == "cpu" else None,
        "utilisation": 0.3 if macs else 0.0,
        "bound": "memory",
        "energy_by_component_j": parts,
    }


def layers_csv(path, results):
    columns = ("machine", "name", "op", "macs", "cycles", "latency_s", "energy_j", "dram_bytes", "utilisation", "bound")
    columns += ("cache_bytes",)
    with path.open("w", newline="") as file:
        rows = csv.DictWriter(file, columns, extrasaction="ignore")
        rows.writeheader()
        for one in results:
            rows.writerows({"machine": one["machine"], **row} for row in one["layers"])


def summary(cost):
    headline = [
        {
            **{k: r[k] for k in ("machine", "fields", "marks", "coverage", "area_m2")},
            **{k: r["total"][k] for k in ("latency_s", "energy_j", "dram_bytes", "utilisation", "bound", "cycles")},
            "accuracy": 0.984,
            "bytes": 8_123,
        }
        for r in cost["results"]
    ]
    for row in headline:
        row["marks"] = row["marks"] | {"accuracy": "measured", "bytes": "measured"}
    sizes = (
        ("float32", 246_824, 0.986),
        ("pruned, as float32 file", 247_500, 0.985),
        ("pruned, gzip -9", 21_000, None),
    )
    sizes += (("pruned, zstd -19", 19_500, None), ("shared, packed (.lmn)", 8_123, 0.984))
    return {
        "schema": 1,
        "test_accuracy": 0.984,
        "network": {"name": "lenet5", "macs": 416_520, "parameters": 61_706},
        "published": [
            {"what": "times smaller", "published": 39.0, "here": 30.4, "unit": "x", "source": "Han et al.", "note": ""}
        ],
        "headline": headline,
        "accuracies": [
            {"network": "as trained (float32)", "correct": 986, "examples": 1000, "split": "test"},
            {"network": "pruned and shared, 8-bit integers", "correct": 984, "examples": 1000, "split": "test"},
        ],
        "stages": [{"name": n, "bytes": b, "ratio": 246_824 / b, "accuracy": a} for n, b, a in sizes],
        "chain": [
            {
                "link": "fake-quantised torch",
                "against": "interpreter",
                "examples": 1000,
                "compared": 10_000,
                "differing": 0,
            },
            {
                "link": "C (gcc)",
                "against": "interpreter",
                "examples": 1000,
                "compared": 10_000,
                "differing": 2,
                "note": "-O2",
            },
            {"link": "onnxruntime", "against": "interpreter", "differing": None, "note": "it is not installed"},
        ],
        "exports": [
            {"format": "C99", "file": "export/c/lenet5.c", "bytes": 91_000, "flash_bytes": 62_000, "ram_bytes": 5_900},
            {"format": "ONNX (QDQ)", "file": "export/onnx/lenet5.onnx", "bytes": 70_000, "note": "not run"},
        ],
        "roofline": {
            "machine": "cpu",
            "peak_ops_per_s": 40e9,
            "roofs": [{"name": "last cache", "bytes_per_s": 32e9}, {"name": "DRAM", "bytes_per_s": 8e9}],
            "moved": "cache_bytes",
            "mark": "measured",
            "what": "one thread, float32 matrix product and memory copy",
        },
        "times": [{"stage": "train", "seconds": 20.5}, {"stage": "compress", "seconds": 30.0}],
        "sources": [
            {
                "of": "diannao",
                "quantity": "area_m2",
                "mark": "published",
                "citation": "Chen et al., ASPLOS 2014, https://doi.org/10.1145/2654822.2541967, table 6",
            },
            {"of": "systolic", "quantity": "energy_j", "mark": "unverified", "citation": "Horowitz, ISSCC 2014"},
        ],
    }


def evaluation(rng, labels):
    confusion = np.diag([95 + i % 3 for i in range(len(labels))])
    confusion[4, 9], confusion[3, 5], confusion[7, 1] = 5, 3, 1
    wrong = [
        {
            "index": 17 * i,
            "label": labels[4],
            "predicted": labels[9],
            "shape": [28, 28],
            "pixels": base64.b64encode(rng.integers(0, 256, (28, 28), dtype=np.uint8).tobytes()).decode(),
        }
        for i in range(9)
    ]
    return {
        "schema": 1,
        "network": "the integer network",
        "labels": labels,
        "confusion": confusion.tolist(),
        "wrong": wrong,
    }
