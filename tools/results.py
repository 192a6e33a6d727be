"""Run what the result files report, and write them: src/lamina/recipes/results/*.json, then the READMEs' table.

    python tools/results.py [digits counts systolic recurrent] [--seeds 3]

Each model is trained, compressed and carried down the chain on the whole MNIST, once a seed, in
runs/results/COMMIT/MODEL-SEED; the worst seed is what is reported. Killed, the same command goes on. The folder is
named after the commit, so that no number of an older source slips in. Parameters and multiply-accumulates are counted,
recurrent layers compared with torch's (exact.py).
"""

import argparse
import csv
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import exact
import readme
import studies

from lamina.api import sources
from lamina.core import files
from lamina.core.run_folder import read_settings
from lamina.hw.families import systolic
from lamina.hw.families.systolic import Systolic
from lamina.ir.layer import dense
from lamina.recipes import _results
from lamina.recipes._results import Figure

ROOT = Path(__file__).resolve().parent.parent
LAMINA = Path(sys.executable).parent / "lamina"
HAN = "Han et al., ICLR 2016, table 1, https://arxiv.org/abs/1510.00149"
LECUN = "LeCun et al., Proc. IEEE 86(11), 1998, https://doi.org/10.1109/5.726791"
# model: (smallest accuracy asked, ratio published), both of the whole MNIST; the ratio asked is 35 for both
MODELS = {"lenet5_caffe": (99.0, 39.0), "lenet_300_100": (98.2, 40.0)}
RATIO, DROP = 35.0, 0.1
# model: what it is called, source, then (exact count asked, what the paper prints) of parameters and of MACs. Papers
# print two digits; the exact counts are those of the definitions that their authors or Caffe and torchvision published.
CLASSIC: dict[str, tuple[str, str, tuple[int, float | None], tuple[int, float | None]]] = {
    "lenet5": ("LeNet-5", LECUN, (61_706, None), (416_520, None)),
    "alexnet": (
        "AlexNet in two towers",
        "Krizhevsky et al., NIPS 2012, section 1, https://doi.org/10.1145/3065386; exact: Caffe's bvlc_alexnet",
        (60_965_224, 60e6),
        (724_406_816, None),
    ),
    "vgg16": (
        "VGG-16",
        "Simonyan and Zisserman, ICLR 2015, table 2, https://arxiv.org/abs/1409.1556; exact: the authors' Caffe file",
        (138_357_544, 138e6),
        (15_470_264_320, None),
    ),
    "googlenet": (
        "GoogLeNet at inference",
        "Szegedy et al., CVPR 2015, sections 1 and 5, https://arxiv.org/abs/1409.4842; exact: bvlc_googlenet",
        (6_998_552, 6.8e6),
        (1_582_671_872, 1.5e9),
    ),
    "resnet18": (
        "ResNet-18",
        "He et al., CVPR 2016, table 1, https://arxiv.org/abs/1512.03385; exact: torchvision's resnet18",
        (11_689_512, None),
        (1_814_073_344, 1.8e9),
    ),
    "resnet50": (
        "ResNet-50",
        "He et al., CVPR 2016, table 1, https://arxiv.org/abs/1512.03385; exact: the authors' Caffe file",
        (25_557_032, None),
        (3_857_973_248, 3.8e9),
    ),
}
Found = tuple[Mapping[str, Any], list[Figure]]  # the configuration, and what was measured with it
GOLDEN = ROOT / "tests" / "golden" / "scalesim.csv"


def main() -> int:
    tasks = {"digits": chains, "counts": counts, "systolic": cycles, "recurrent": recurrent}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recipe", nargs="*", help=f"which of {', '.join(tasks)} (default: all)")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each model (default 3)")
    words = parser.parse_args()
    if strange := set(words.recipe) - set(tasks):
        parser.error(f"{strange.pop()!r} is not one of {', '.join(tasks)}")
    commit = _results.current_commit(ROOT)
    for recipe in words.recipe or tasks:
        configuration, figures = tasks[recipe](commit, range(words.seeds))
        studies.write(recipe, commit, configuration, figures)
    return readme.main()


def chains(commit: str, seeds: Iterable[int]) -> Found:
    """Every model's chain, every seed."""
    runs = {(model, seed): run(commit, model, seed) for model in MODELS for seed in seeds}
    configuration = {f"{model} {seed}": read_settings(path)["configuration"] for (model, seed), path in runs.items()}
    summaries = {key: files.read_json(path / "summary.json") for key, path in runs.items()}
    figures = [f for model in MODELS for f in compression(model, [summaries[model, seed] for seed in seeds])]
    return configuration, [*figures, differing(summaries.values())]


def run(commit: str, model: str, seed: int) -> Path:
    """The finished run of `model` with `seed`."""
    out = ROOT / "runs" / "results" / commit[:12] / f"{model}-{seed}"
    print(f"== {model}, seed {seed}", file=sys.stderr, flush=True)
    command = [LAMINA, "run", "digits", "--data", "mnist", "--model", model, "--seed", str(seed), "--out", out]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out


def compression(model: str, summaries: list[Mapping[str, Any]]) -> list[Figure]:
    """Accuracy, what compression costs of it, and how small the file is: the worst seed of each."""
    accuracy, ratio = MODELS[model]
    before = [percent(s, "trained, float32") for s in summaries]
    lost = [b - percent(s, "pruned and shared, float32") for b, s in zip(before, summaries, strict=True)]
    seeds = f"worst of {len(summaries)} seeds"
    figure = figures_of("O6", HAN)
    return [
        figure(f"{model}_accuracy", f"test accuracy, {seeds}", "%", min(before), "at_least", accuracy, None),
        figure(f"{model}_drop", f"accuracy lost by compressing, {seeds}", "points", max(lost), "at_most", DROP, 0.0),
        figure(
            f"{model}_ratio", f"float32 over packed bytes, {seeds}", "x", min(s["ratio"] for s in summaries),
            "at_least", RATIO, ratio,
        ),
    ]  # fmt: skip


def differing(summaries: Iterable[Mapping[str, Any]]) -> Figure:
    """Integers that differ anywhere in the chains of all runs."""
    links = [link for summary in summaries for link in summary["chain"] if link["differing"] is not None]
    figure = figures_of("O4", "")
    title = "integers that differ along the chain"
    return figure("integers_differing", title, "", sum(link["differing"] for link in links), "equal", 0, None)


def counts(commit: str, seeds: Iterable[int]) -> Found:
    """Parameters and multiply-accumulates of the classic networks, counted in their graphs at the published input."""
    figures, inputs = [], {}
    for name, (title, source, *limits) in CLASSIC.items():
        network = sources.model_network(name)
        inputs[name] = [list(type_.shape) for type_ in network.inputs.values()]
        figure = figures_of("M24", source)
        found = {"parameters": network.parameters, "macs": network.macs}
        for (what, measured), (limit, published) in zip(found.items(), limits, strict=True):
            words = f"{'multiply-accumulates' if what == 'macs' else what} of {title}"
            figures.append(figure(f"{name}_{what}", words, "", measured, "equal", limit, published))
    return {"inputs": inputs}, figures


def cycles(commit: str, seeds: Iterable[int]) -> Found:
    """Cycle counts of SCALE-Sim 3.0.0 that the systolic array's closed form does not give."""
    wrong = 0
    with GOLDEN.open() as file:
        for row in csv.DictReader(file):
            machine = Systolic(rows=int(row["rows"]), columns=int(row["columns"]), dataflow=row["dataflow"])
            layer = dense(int(row["k"]), int(row["n"]), batch=int(row["m"]))
            wrong += systolic.cycles(layer, machine) != int(row["cycles"])
    source = "SCALE-Sim 3.0.0 itself, run by tools/scalesim_golden.py"
    figure = figures_of("H19", source)("cycles_differing", "differing cycle counts", "", wrong, "equal", 0, None)
    return {"golden": files.sha256(GOLDEN)}, [figure]


def recurrent(commit: str, seeds: Iterable[int]) -> Found:
    """How far recurrent layers are from torch's, and what a Clockwork RNN saves, as its benchmark recorded it."""
    found = [
        ("M29", "rnn_difference", "plain RNN less torch.nn.RNN, forward and gradients", exact.layer("rnn")),
        ("M31", "lstm_difference", "LSTM less torch.nn.LSTM, forward and gradients", exact.layer("lstm")),
        ("M35", "gru_difference", "GRU less torch.nn.GRU, forward and gradients", exact.layer("gru")),
        ("M33", "stacked_difference", "three stacked layers less torch.nn.RNN's, forward", exact.stacked()),
        (
            "M36",
            "clockwork_difference",
            "Clockwork RNN less its masked dense form, forward and gradients",
            exact.clockwork(),
        ),
    ]
    figures = [
        Figure(
            row=row, name=name, title=f"{title}: largest relative difference", unit="",
            measured=float(f"{difference:.3g}"), rule="at_most", limit=exact.MOST,
            source="computed by both on the same weights and sequences in float32 (tools/exact.py)",
        )
        for row, name, title, difference in found
    ]  # fmt: skip
    records = sorted((ROOT / "benchmarks" / "results").glob("clockwork_*.json"))
    ratios = [row["times_faster"] for row in files.read_json(records[-1])["rows"]]
    least = figures_of("M36", f"benchmarks/clockwork.py, recorded in {records[-1].name}")
    title = "Clockwork RNN: times as fast as torch.nn.RNN of equal size, the least of its benchmark"
    figures.append(least("clockwork_times_faster", title, "x", min(ratios), "at_least", 2.0, None))
    return {"seeds": list(exact.SEEDS), "benchmark": files.sha256(records[-1])}, figures


def percent(summary: Mapping[str, Any], network: str) -> float:
    """Test accuracy of one network of the chain in %, exact to the example."""
    found = next(a for a in summary["accuracies"] if a["network"] == network)
    return round(100 * found["correct"] / found["examples"], 6)


def figures_of(row: str, source: str) -> Callable[..., Figure]:
    """A maker of figures of one row and source."""

    def figure(
        name: str, title: str, unit: str, measured: float, rule: str, limit: float, published: float | None
    ) -> Figure:
        return Figure(
            row=row,
            name=name,
            title=title,
            unit=unit,
            measured=round(measured, 6),
            rule=rule,
            limit=limit,
            published=published,
            source=source,
        )

    return figure


if __name__ == "__main__":
    sys.exit(main())
