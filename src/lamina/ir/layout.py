"""Where the boxes of a drawing go: a directed graph in layers, edges from top to bottom (Sugiyama's method).

    rank        a node lies one row below the lowest of its sources
    dummies     an edge over several rows gets a narrow place in each row between, so that boxes leave room for it
    order       within a row by the mean place of the neighbours, a few sweeps down and up
    x           each box below the mean of its sources, pushed apart in left-to-right order; places for edges give way

Paper       Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures", 1981
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

Node = tuple[str, int]  # a box (name, -1), or the place of an edge (its number as text, row)
SWEEPS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    rows: list[list[Node]]
    x: dict[Node, float]  # centre of a box or of an edge's place
    routes: list[list[Node]]  # for each edge the boxes and places it goes through


def box(name: str) -> Node:
    """The node of the box `name`."""
    return (name, -1)


def lay_out(sources: Mapping[str, Sequence[str]], *, width: float, lane: float, gap: float) -> Layout:
    """Places for boxes `width` wide and edges `lane` wide, `gap` apart.

    `sources` maps every node to those it depends on, in topological order; an edge of the result belongs to each pair,
    in that order.
    """
    ranks: dict[str, int] = {}
    for name, above in sources.items():
        ranks[name] = 1 + max((ranks[source] for source in above), default=-1)
    rows: list[list[Node]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for name, rank in ranks.items():
        rows[rank].append(box(name))
    routes: list[list[Node]] = []
    for name, above in sources.items():
        for source in above:
            places = [(str(len(routes)), row) for row in range(ranks[source] + 1, ranks[name])]
            for place in places:
                rows[place[1]].append(place)
            routes.append([box(source), *places, box(name)])
    up: dict[Node, list[Node]] = {node: [] for row in rows for node in row}
    down: dict[Node, list[Node]] = {node: [] for row in rows for node in row}
    for route in routes:
        for a, b in pairwise(route):
            up[b].append(a)
            down[a].append(b)
    _order(rows, up, down)
    return Layout(rows=rows, x=_places(rows, up, width, lane, gap), routes=routes)


def _order(rows: list[list[Node]], up: Mapping[Node, list[Node]], down: Mapping[Node, list[Node]]) -> None:
    """Sort each row by the mean place of its neighbours, in place; boxes come before edges' places."""
    place = {node: i for row in rows for i, node in enumerate(row)}
    for sweep in range(SWEEPS):
        neighbours = up if sweep % 2 == 0 else down

        def key(node: Node, near: Mapping[Node, list[Node]] = neighbours) -> tuple[float, bool]:
            return fmean(place[m] for m in near[node]) if near[node] else place[node], node[1] >= 0

        for row in rows if sweep % 2 == 0 else reversed(rows):
            row.sort(key=key)
            place.update((node, i) for i, node in enumerate(row))


def _places(
    rows: Sequence[Sequence[Node]], up: Mapping[Node, list[Node]], width: float, lane: float, gap: float
) -> dict[Node, float]:
    x: dict[Node, float] = {}
    for row in rows:
        wanted = {}
        for node in row:
            boxes = [m for m in up[node] if m[1] < 0] or up[node]
            wanted[node] = fmean(x[m] for m in boxes) if boxes else 0.0
        edge = float("-inf")
        for node in row:
            half = (width if node[1] < 0 else lane) / 2
            x[node] = max(wanted[node], edge + half)
            edge = x[node] + half + gap
        boxes = [node for node in row if node[1] < 0]
        shift = fmean(wanted[node] - x[node] for node in boxes or row)
        for node in row:
            x[node] += shift
    return x
