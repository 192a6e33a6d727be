"""The first screen: four figures, and the table accuracy x bytes x latency x energy x area with its marks."""

from collections.abc import Mapping
from typing import Any

from lamina.reporting._section import Section
from lamina.reporting.collect import Run
from lamina.reporting.markup import Markup, join, table, tag
from lamina.reporting.words import count, machine_label, mark, percent, quantity, size


def section(run: Run) -> Section | None:
    summary = run.summary
    parts: list[Markup] = []
    if tiles := _tiles(summary):
        parts.append(tag("ul", *tiles, class_="tiles"))
    if rows := summary.get("headline"):
        parts.append(_machines(rows))
    if published := summary.get("published"):
        parts.append(_published(published))
    if accuracies := summary.get("accuracies"):
        parts.append(_accuracies(accuracies))
    return Section(title="In one table", body=join(parts)) if parts else None


def _tile(figure: str, words: str) -> Markup:
    return tag("li", tag("b", figure), tag("span", words))


def _tiles(summary: Mapping[str, Any]) -> list[Markup]:
    found = []
    if (accuracy := summary.get("test_accuracy")) is not None:
        found.append(_tile(percent(accuracy, 2), "of the test set right, by the final network"))
    if stages := summary.get("stages"):
        whole = f"smaller on disk: {size(stages[0]['bytes'])} → {size(stages[-1]['bytes'])}"
        found.append(_tile(f"{stages[-1]['ratio']:.1f} ×", whole))
    if links := [link for link in summary.get("chain", ()) if link.get("differing") is not None]:
        found.append(
            _tile(count(sum(link["differing"] for link in links)), f"differing integers over {len(links)} links")
        )
    if network := summary.get("network"):
        found.append(_tile(count(network["macs"]), f"multiply-accumulates, {count(network['parameters'])} parameters"))
    return found


def _machines(rows: list[Mapping[str, Any]]) -> Markup:
    columns = (
        "machine",
        "accuracy",
        "file",
        "latency",
        "energy",
        "area",
        "DRAM traffic",
        "busy",
        "bound by",
        "coverage",
    )
    cells = []
    for row in rows:
        marks = row.get("marks") or {}
        cells.append(
            (
                machine_label(dict(row)),
                join([percent(row.get("accuracy"), 2), " ", mark(marks.get("accuracy"))]),
                join([size(row.get("bytes")), " ", mark(marks.get("bytes"))]),
                quantity(row.get("latency_s"), "s", marks.get("latency_s")),
                quantity(row.get("energy_j"), "J", marks.get("energy_j")),
                quantity(row.get("area_m2"), "m2", marks.get("area_m2")),
                quantity(row.get("dram_bytes"), "B", marks.get("dram_bytes")),
                percent(row.get("utilisation"), 1),
                row.get("bound") or "–",
                percent(row.get("coverage"), 0),
            )
        )
    note = (
        "One run of the network on one example. Busy: share of the multipliers' time that is used. Coverage: share "
        "of the work that was modelled. A dash: the machine cannot tell. The marks are explained under Sources."
    )
    return table("Accuracy × bytes × latency × energy × area", columns, cells, note=note)


def _published(rows: list[Mapping[str, Any]]) -> Markup:
    cells = [
        (row["what"], _in(row["published"], row["unit"]), _in(row["here"], row["unit"]), row["note"], row["source"])
        for row in rows
    ]
    return table("Published beside reproduced", ("what", "published", "here", "difference", "source"), cells)


def _in(value: float, unit: str) -> str:
    return percent(value, 2) if unit == "%" else f"{value:.1f} ×"


def _accuracies(rows: list[Mapping[str, Any]]) -> Markup:
    cells = [
        (
            row["network"],
            percent(row["correct"] / row["examples"], 2),
            f"{count(row['correct'])} of {count(row['examples'])}",
            row["split"],
        )
        for row in rows
    ]
    return table("Accuracy along the way", ("network", "accuracy", "right", "data"), cells)
