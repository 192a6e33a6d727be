"""Random graphs over every operator with an integer meaning: the interpreter, exported C, ONNX Runtime give one answer.

    power_of_two   no integer differs, in any link
    float          none differs between the interpreter and C; those of ONNX Runtime are counted and printed

Graphs of up to 8 bits reach every link; one in four has up to 16, which ONNX has no words for: C alone. The long run
counts in how many graphs that every link computed each operator was (`-s` prints it).
"""

from collections import Counter
from pathlib import Path

import pytest

from tests.chain.graph_links import LINKS, interpreted
from tests.chain.random_graphs import OPERATORS, Made, differing, graph

LEAST = 20  # graphs of the long run that each operator is in
BATCH = 50  # graphs compiled together
MANY = 2000  # graphs of the long run that every link computes
MOST = 4000  # seeds that are tried


def graphs(form: str, seeds: range) -> list[Made]:
    return [graph(seed, form=form, bits=(2, 8) if seed % 4 else (2, 16)) for seed in seeds]


class Counts:
    """What a run of graphs found, by link."""

    def __init__(self) -> None:
        self.operators: Counter[str] = Counter()  # in graphs that every link computed
        self.graphs = 0
        self.whole = 0  # graphs that every link computed
        self.compared: Counter[str] = Counter()
        self.differing: Counter[str] = Counter()
        self.unequal: dict[str, list[str]] = {name: [] for name in LINKS}
        self.refused: dict[str, Counter[str]] = {name: Counter() for name in LINKS}

    def add(self, made: list[Made], folder: Path) -> None:
        wanted = [interpreted(m) for m in made]
        self.graphs += len(made)
        refused: set[str] = set()
        for name, link in LINKS.items():
            for m, want, found in zip(made, wanted, link(made, folder), strict=True):
                if isinstance(found, str):
                    self.refused[name][found.split(":", 1)[-1].strip()] += 1
                    refused.add(m.network.name)
                    continue
                for one, other in zip(found, want, strict=True):
                    differ, count = differing(one, other)
                    self.differing[name] += differ
                    self.compared[name] += count
                    if differ and m.network.name not in self.unequal[name]:
                        self.unequal[name].append(m.network.name)

        for m in made:
            if m.network.name not in refused:
                self.whole += 1
                self.operators.update(set(m.used))

    def __str__(self) -> str:
        lines = [f"{self.graphs} graphs, {self.whole} of them computed by every link"]
        for name in LINKS:
            lines.append(
                f"{name}: {self.differing[name]} of {self.compared[name]:,} differ"
                f"{' in ' + ', '.join(self.unequal[name][:20]) if self.unequal[name] else ''}"
            )
            lines += [f"  refused {count}: {reason}" for reason, count in self.refused[name].most_common(20)]
        lines.append(", ".join(f"{name} {self.operators[name]}" for name in OPERATORS))
        return "\n".join(lines)


def counted(form: str, seeds: range, folder: Path, *, enough: int | None = None) -> Counts:
    """All of `seeds`, or as many as it takes for `enough` graphs that every link computes."""
    counts = Counts()
    for start in range(seeds.start, seeds.stop, BATCH):
        here = folder / f"{form}{start}"
        here.mkdir()
        counts.add(graphs(form, range(start, min(start + BATCH, seeds.stop))), here)
        if enough is not None and counts.whole >= enough:
            break
    return counts


def holds(form: str, counts: Counts) -> None:
    print(counts)
    assert counts.compared["c"] > 0
    assert counts.compared["onnxruntime"] > 0
    assert counts.compared["torch"] > 0
    assert counts.differing["c"] == counts.differing["torch"] == 0, str(counts)
    if form == "power_of_two":
        assert not any(counts.differing.values()), str(counts)


@pytest.mark.parametrize("form", ["power_of_two", "float"])
def test_links_agree(form: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    holds(form, counted(form, range(30), tmp_path))


def test_two_roundings_stay_two(tmp_path: Path) -> None:
    """A convolution, dequantised and quantised again: ONNX Runtime would take the middle pair away."""
    pytest.importorskip("onnxruntime")
    holds("power_of_two", counted("power_of_two", range(1507, 1508), tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("form", ["power_of_two", "float"])
def test_links_agree_on_many(form: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    counts = counted(form, range(1000, 1000 + MOST), tmp_path, enough=MANY)
    holds(form, counts)
    assert counts.whole >= MANY
    assert {name: n for name in OPERATORS if (n := counts.operators[name]) < LEAST} == {}
