"""Branches and loops whose course is known when the file is read.

    If      its condition is known: the branch in its place
    Loop    a known number of turns: a scan, its states those of the loop; turns that change a shape are written one by
            one. Where the condition is computed, it is followed turn by turn to find the number.
    Scan    a scan; sequences with their axis in front, those walked backward turned around

Anything that depends on what the network is given is refused.
"""

from collections.abc import Sequence

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.ir.build import Builder, Value
from lamina.ir.operators.loop import MOST_STEPS
from lamina.lowering._onnx_node import INT64, Node, Tensor, known, place
from lamina.lowering.onnx_rules._rule import Results, rule

MOST_TURNS = 1024  # that are followed to find where a loop ends
MOST_WRITTEN = 256  # that are written one by one


@rule("If")
def branch(node: Node) -> Results:
    chosen = node.array(0, "the condition of an If").reshape(-1)
    if chosen.size != 1:
        raise BadInput(f"a condition of {chosen.size} entries")
    graph = node.attribute("then_branch" if chosen[0] else "else_branch", "g", None)
    if graph is None:
        raise BadInput("a branch is missing")
    return [*node.graph.inner(graph, node.builder, {})]


class _Loop:
    """A Loop node's body and what it starts from."""

    def __init__(self, node: Node) -> None:
        body = node.attribute("body", "g", None)
        if body is None:
            raise BadInput("the body is missing")
        self.node, self.body = node, body
        self.states = [node.x(at) for at in range(2, len(node.inputs))]
        self.count = len(self.states)
        if len(body.input) != self.count + 2 or len(body.output) < self.count + 1:
            raise BadInput(f"a body of {len(body.input)} inputs and {len(body.output)} results for {self.count} states")

    def turn(self, builder: Builder, at: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """One turn: the condition, the next states, the results to stack."""
        names = [i.name for i in self.body.input]
        given = dict(zip(names, (at, known(names[1], np.asarray(True)), *states), strict=True))
        made = self.node.graph.inner(self.body, builder, given)
        return made[0], made[1 : self.count + 1], made[self.count + 1 :]


@rule("Loop")
def loop(node: Node) -> Results:
    found = _Loop(node)
    limit = MOST_STEPS + 1
    if node.given(0) is not None:
        limit = node.numbers(0, "the number of turns of a Loop")[0]
    start = node.given(1)
    if start is not None and not node.array(1, "the condition of a Loop").reshape(-1)[0]:
        limit = 0
    if 0 < limit <= MOST_STEPS:
        try:
            return _scanned(found, limit, followed=False)
        except (BadInput, Unsupported):
            pass  # the condition is computed, or a state changes its shape
    turns = _turns(found, limit)
    if turns <= 0:
        if len(node.proto.output) > found.count:
            raise Unsupported("a Loop without turns whose results would be empty")
        return [*found.states]
    try:
        return _scanned(found, turns, followed=True)
    except (BadInput, Unsupported):
        if turns > MOST_WRITTEN:
            raise
    return _written(found, turns)


def _turns(loop: _Loop, limit: int) -> int:
    """How many turns the loop takes, its condition followed; what is not known stays unknown."""
    states, builder = loop.states, Builder(outside=loop.node.builder)
    if limit <= 0:
        return 0
    for at in range(min(limit, MOST_TURNS + 1)):
        condition, states, _ = loop.turn(builder, known("turn", np.int64(at)), states)
        if condition.array is None:
            raise Unsupported("a Loop that ends when a computed condition says so: the number of turns must be known")
        if not condition.array.all():
            return at + 1
    if limit > MOST_TURNS:
        raise Unsupported(f"a Loop of more than {MOST_TURNS} turns")
    return limit


def _scanned(loop: _Loop, turns: int, *, followed: bool) -> Results:
    """The loop as a scan; its condition must be known to hold in every turn unless it was `followed` before."""
    node = loop.node
    kinds: list[np.dtype] = []

    def cell(inner: Builder, now: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        inside = node.within(inner)
        before = [inside.tensor(v, s.dtype) for v, s in zip(now, loop.states, strict=True)]
        condition, after, shown = loop.turn(inner, inside.tensor(slices[0], INT64), before)
        if not followed and (condition.array is None or not condition.array.all()):
            raise Unsupported("the condition of a Loop is computed")
        kinds.extend(t.dtype for t in shown)
        return [inside.value(t) for t in after], [inside.value(t) for t in shown]

    places = node.constant(np.arange(turns), name="turns")
    finals, outputs = node.builder.scan(
        node.name, cell, states=[node.value(s) for s in loop.states], sequences=[node.value(places)]
    )
    made = [node.tensor(v, s.dtype) for v, s in zip(finals, loop.states, strict=True)]
    return [*made, *(node.tensor(v, k) for v, k in zip(outputs, kinds, strict=True))]


def _written(loop: _Loop, turns: int) -> Results:
    """Turn after turn, for states whose shapes change or that shapes depend on."""
    node, states = loop.node, loop.states
    stacked: list[list[Tensor]] = []
    for at in range(turns):
        _, states, shown = loop.turn(node.builder, known("turn", np.int64(at)), states)
        stacked.append(shown)
    results: list[Tensor | None] = [*states]
    for parts in zip(*stacked, strict=True):
        rows = [node.reshape(p, (1, *p.shape)) for p in parts]
        results.append(node.step("concatenate", *rows, axis=0) if len(rows) > 1 else rows[0])
    return results


@rule("Scan")
def scan(node: Node) -> Results:
    if node.opset < 9:
        raise Unsupported("Scan as before opset 9")
    body, count = node.attribute("body", "g", None), node.integer("num_scan_inputs")
    first = len(node.inputs) - count
    if body is None or not 0 < count <= len(node.inputs) or len(body.input) != len(node.inputs):
        raise BadInput(f"{len(node.inputs)} operands, {count} of them sequences, do not fit the body")
    initial = [node.x(at) for at in range(first)]
    sequences = [node.x(first + at) for at in range(count)]
    axes, ways = node.ints("scan_input_axes", [0] * count), node.ints("scan_input_directions", [0] * count)
    sequences = [_ordered(node, s, a, w) for s, a, w in zip(sequences, axes, ways, strict=True)]
    names = [i.name for i in body.input]
    kinds: list[np.dtype] = []

    def cell(inner: Builder, now: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        inside = node.within(inner)
        given = [inside.tensor(v, t.dtype) for v, t in zip((*now, *slices), (*initial, *sequences), strict=True)]
        made = node.graph.inner(body, inner, dict(zip(names, given, strict=True)))
        kinds.extend(t.dtype for t in made[first:])
        return [inside.value(t) for t in made[:first]], [inside.value(t) for t in made[first:]]

    finals, outputs = node.builder.scan(
        node.name, cell, states=[node.value(s) for s in initial], sequences=[node.value(s) for s in sequences]
    )
    results: list[Tensor | None] = [node.tensor(v, s.dtype) for v, s in zip(finals, initial, strict=True)]
    axes, ways = (
        node.ints("scan_output_axes", [0] * len(outputs)),
        node.ints("scan_output_directions", [0] * len(outputs)),
    )
    for value, kind, axis, way in zip(outputs, kinds, axes, ways, strict=True):
        made = node.tensor(value, kind)
        made = _turned(node, made) if way else made
        axis = place(axis, made.rank)
        order = (*range(1, axis + 1), 0, *range(axis + 1, made.rank))
        results.append(made if axis == 0 else node.step("transpose", made, order=order))
    return results


def _ordered(node: Node, x: Tensor, axis: int, way: int) -> Tensor:
    """A sequence with time in front, walked forward."""
    axis = place(axis, x.rank)
    if axis:
        x = node.step("transpose", x, order=(axis, *[a for a in range(x.rank) if a != axis]))
    return _turned(node, x) if way else x


def _turned(node: Node, x: Tensor) -> Tensor:
    """Axis 0 backward."""
    from lamina.ir.operators.move import END

    made: Tensor = node.step(
        "slice",
        x,
        starts=(x.shape[0] - 1, *[0] * (x.rank - 1)),
        stops=(-(x.shape[0] + 1), *[END] * (x.rank - 1)),
        steps=(-1, *[1] * (x.rank - 1)),
    )
    return made
