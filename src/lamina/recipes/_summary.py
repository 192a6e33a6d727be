"""The last stage: what the others left, as one table, and the page.

cost.json       INTERFACE section 2, each machine's accuracy filled in from its emulation
summary.json    the final table, bytes by stage, the chain, exported files, times, sources
report.html
"""

from collections.abc import Mapping
from typing import Any

from lamina.core import files
from lamina.core.progress import as_text
from lamina.core.units import si
from lamina.recipes import _stages
from lamina.recipes._published import PUBLISHED
from lamina.recipes._stages import Done
from lamina.recipes._work import Work

COST, SUMMARY, REPORT = "cost.json", "summary.json", "report.html"
STAGES = ("train", "prune", "share", "lower", "cost", "emulate", "export", "check")
QUANTITIES = ("latency_s", "energy_j", "dram_bytes", "cycles", "utilisation", "bound")


def summarise(work: Work) -> Done:
    """Write cost.json, summary.json and the page."""
    from lamina.reporting import report

    results = {name: _stages.result(work.run, name) for name in STAGES}
    table = _with_accuracies(results["cost"]["cost"], results["emulate"], results["check"])
    files.write_json(work.run.file(COST), table)
    files.write_json(work.run.file(SUMMARY), summary(work, results, table))
    report(work.run.path)
    # the page is no output: `lamina report` may write it again
    return Done(outputs=[COST, SUMMARY], says=f"{REPORT}", result={})


def _with_accuracies(
    cost: Mapping[str, Any], emulated: Mapping[str, Any], checked: Mapping[str, Any]
) -> dict[str, Any]:
    """Each machine has the accuracy of its own arithmetic.

    Where its integers were found to be the interpreter's, or it is not emulated, that is the accuracy of the whole test
    split; else it is that of the examples emulated.
    """
    integers = checked["accuracies"][-1]
    own = {m["machine"]: m for m in emulated["machines"] if m["correct"] is not None and not m["is_integer"]}
    found = [own.get(row["machine"], integers) for row in cost["results"]]
    rows = [row | {"accuracy": m["correct"] / m["examples"]} for row, m in zip(cost["results"], found, strict=True)]
    return {**cost, "results": rows}


def summary(work: Work, results: Mapping[str, Mapping[str, Any]], table: Mapping[str, Any]) -> dict[str, Any]:
    """The contents of summary.json."""
    stages = results["share"]["stages"]
    size = stages[-1]["bytes"]
    accuracies = results["check"]["accuracies"]
    emulated = [
        {"network": m["arithmetic"], "correct": m["correct"], "examples": m["examples"], "split": "test"}
        for m in results["emulate"]["machines"]
        if m.get("correct") is not None
    ]
    headline = [
        {
            "machine": row["machine"],
            "fields": row["fields"],
            "accuracy": row["accuracy"],
            "bytes": size,
            "area_m2": row["area_m2"],
            "coverage": row["coverage"],
            "marks": {**row["marks"], "accuracy": "measured", "bytes": "measured"},
            **{name: row["total"][name] for name in QUANTITIES},
        }
        for row in table["results"]
    ]
    return {
        "schema": 1,
        "recipe": "digits",
        "model": work.config.model,
        "data": work.config.data,
        "seed": work.config.seed,
        "validation_accuracy": results["lower"]["validation_accuracy"],
        "test_accuracy": accuracies[-1]["correct"] / accuracies[-1]["examples"],
        "packed_bytes": size,
        "ratio": stages[-1]["ratio"],
        "network": table["network"],
        "published": _published(work, accuracies[-1], stages[-1]["ratio"]),
        "headline": headline,
        "accuracies": [*accuracies, *emulated],
        "stages": stages,
        "packed": results["share"]["packed"],
        "chain": [*results["check"]["links"], *results["emulate"]["links"]],
        "exports": results["export"]["exports"],
        "roofline": results["cost"]["roofline"],
        "sources": results["cost"]["sources"],
        "times": [{"stage": name, "seconds": _stages.seconds(work.run, name)} for name in STAGES],
    }


def _published(work: Work, final: Mapping[str, Any], ratio: float) -> list[dict[str, Any]]:
    """What papers print of this model beside what came out; another data set than theirs is said."""
    here = {"test_accuracy": final["correct"] / final["examples"], "ratio": ratio}
    whole = work.config.data == "mnist" and work.config.limit is None
    note = "" if whole else f"the paper's is of the whole MNIST, this of {len(work.data.train):,} training digits"
    return [
        {
            "what": p.what,
            "published": p.value,
            "here": here[p.quantity],
            "unit": p.unit,
            "source": p.source,
            "note": note if p.quantity == "test_accuracy" else "",
        }
        for p in PUBLISHED
        if p.model == work.config.model
    ]


def table_text(summary: Mapping[str, Any]) -> str:
    """The final table for people: what `lamina run` prints at its end."""
    from rich import box
    from rich.table import Table

    stages, network = summary["stages"], summary["network"]
    title = f"{summary['model']} on {summary['data']}: {network['macs']:,} MACs, {network['parameters']:,} parameters, "
    title += f"{si(stages[0]['bytes'], 'B')} packed into {si(summary['packed_bytes'], 'B')} ({summary['ratio']:.1f}x)"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    columns = ("machine", "accuracy", "file", "latency", "energy", "area", "DRAM", "busy", "bound", "cover")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in summary["headline"]:
        marks = row["marks"]
        table.add_row(
            row["machine"],
            f"{row['accuracy']:.2%} measured",
            f"{si(row['bytes'], 'B')} measured",
            _marked(si(row["latency_s"], "s"), marks.get("latency_s")),
            _marked(si(row["energy_j"], "J"), marks.get("energy_j")),
            _marked(si(row["area_m2"], "m2"), marks.get("area_m2")),
            _marked(si(row["dram_bytes"], "B"), marks.get("dram_bytes")),
            "–" if row["utilisation"] is None else f"{row['utilisation']:.0%}",
            row["bound"] or "–",
            f"{row['coverage']:.0%}",
        )
    links = [link for link in summary["chain"] if link["differing"] is not None]
    wrong = sum(link["differing"] for link in links)
    chain = f"{len(links)} links compared, {wrong} differing integers: {', '.join(link['link'] for link in links)}"
    return f"{as_text(table)}\n{chain}"


def _marked(written: str, mark: str | None) -> str:
    return f"{written} {mark}" if mark and written != "–" else written
