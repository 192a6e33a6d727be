"""GridSample: a picture read at computed places.

    y[n, c, i, j] = sum over taps of weight · x[n, c, place]        places and weights from grid[n, i, j] in -1..1

    align_corners   -1 and 1 are the middles of the border numbers; else their outer edges
    padding         zeros: a tap outside counts 0; border: the nearest place inside; reflection: mirrored at the border
    mode            nearest 1 tap, linear 2 x 2, cubic 4 x 4 (Keys' kernel, a = -0.75)

Each tap is a gather of [n, h·w, c] along its places, so x and the grid may both be computed.
"""

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.ir.types import INDEX
from lamina.lowering._onnx_node import INT64, Node, Tensor
from lamina.lowering.onnx_rules._rule import rule
from lamina.lowering.onnx_rules.shape import part

KEYS = -0.75


@rule("GridSample")
def grid_sample(node: Node) -> Tensor:
    x, grid = node.x(0), node.x(1)
    if x.rank != 4 or grid.rank != 4 or grid.shape[3] != 2 or grid.shape[0] != x.shape[0]:
        raise Unsupported(f"a value of shape {list(x.shape)} at places {list(grid.shape)}: [n,c,h,w] is read")
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(node.text("mode", "linear"), node.text("mode", "linear"))
    padding, aligned = node.text("padding_mode", "zeros"), bool(node.integer("align_corners", 0))
    if mode not in ("nearest", "linear", "cubic") or padding not in ("zeros", "border", "reflection"):
        raise BadInput(f"mode {mode!r} and padding_mode {padding!r}")
    n, c, h, w = x.shape
    points = grid.shape[1] * grid.shape[2]
    rows = node.step("transpose", node.reshape(x, (n, c, h * w)), order=(0, 2, 1))  # [n, h·w, c]
    axes = [
        _Axis(node, node.reshape(part(node, grid, 3, at, at + 1), (n, points)), size, mode, padding, aligned)
        for at, size in ((1, h), (0, w))
    ]
    total: Tensor | None = None
    for row, row_weight in axes[0].taps():
        for column, weight in axes[1].taps():
            place = node.step("add", node.step("multiply", row, _whole(node, w)), column)
            found = node.step("gather_nd", rows, node.reshape(place, (n, points, 1)), batch=1)
            share = node.reshape(node.step("multiply", row_weight, weight), (n, points, 1))
            term = node.step("multiply", found, share)
            total = term if total is None else node.step("add", total, term)
    assert total is not None
    made = node.step("transpose", total, order=(0, 2, 1))
    return node.reshape(made, (n, c, *grid.shape[1:3]), last=True)


def _whole(node: Node, value: int) -> Tensor:
    return node.constant(np.int64(value))


class _Axis:
    """The places along one axis that a coordinate reads, and their weights."""

    def __init__(self, node: Node, at: Tensor, size: int, mode: str, padding: str, aligned: bool) -> None:
        self.node, self.size, self.mode, self.padding, self.aligned = node, size, mode, padding, aligned
        scale = (size - 1) / 2 if aligned else size / 2
        moved = node.step("multiply", node.step("add", at, node.constant(1, at)), node.constant(scale, at))
        self.where = moved if aligned else node.step("subtract", moved, node.constant(0.5, at))
        if mode != "cubic":  # the four places of a cubic kernel are brought inside one by one
            self.where = self._inside(self.where)

    def _inside(self, x: Tensor) -> Tensor:
        """A place brought inside where the padding says so."""
        node = self.node
        if self.padding == "border":
            return node.step("clip", x, low=0.0, high=float(self.size - 1))
        if self.padding == "reflection":
            return self._reflected(x)
        return x

    def _reflected(self, x: Tensor) -> Tensor:
        """Mirrored at the middles of the border numbers (aligned) or at their outer edges, then held inside."""
        node, low = self.node, 0.0 if self.aligned else -0.5
        span = self.size - 1.0 if self.aligned else float(self.size)
        if span == 0:
            return node.step("multiply", x, node.constant(0, x))
        offset = node.step("absolute", node.step("subtract", x, node.constant(low, x)))
        rest = node.step("remainder", offset, node.constant(2 * span, x), sign="divisor")
        back = node.step("subtract", node.constant(2 * span, x), rest)
        mirrored = node.step("add", node.step("minimum", rest, back), node.constant(low, x))
        return node.step("clip", mirrored, low=0.0, high=float(self.size - 1))

    def taps(self) -> list[tuple[Tensor, Tensor]]:
        """(place inside the axis, weight) of every tap."""
        node = self.node
        if self.mode == "nearest":
            return [self._tap(node.step("round", self.where), None)]
        base = node.step("floor", self.where)
        rest = node.step("subtract", self.where, base)
        one = node.constant(1, rest)
        if self.mode == "linear":
            weights = [node.step("subtract", one, rest), rest]
            return [
                self._tap(node.step("add", base, node.constant(i, base)), weight) for i, weight in enumerate(weights)
            ]
        distances = [node.step("add", rest, one), rest, node.step("subtract", one, rest)]
        distances.append(node.step("add", distances[2], one))
        return [
            self._tap(
                self._inside(node.step("add", base, node.constant(i - 1, base))),
                self._keys(d, near=i in (1, 2)),
            )
            for i, d in enumerate(distances)
        ]

    def _keys(self, d: Tensor, *, near: bool) -> Tensor:
        """Keys' kernel at distance d: ((a + 2) d - (a + 3)) d^2 + 1 up to 1, ((a d - 5 a) d + 8 a) d - 4 a up to 2."""
        a, node = KEYS, self.node
        coefficients = (a + 2, -(a + 3), 0.0, 1.0) if near else (a, -5 * a, 8 * a, -4 * a)
        total = node.constant(coefficients[0], d)
        for coefficient in coefficients[1:]:
            total = node.step("add", node.step("multiply", total, d), node.constant(coefficient, d))
        return total

    def _tap(self, place: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
        """A whole place, held inside the axis; outside of it the weight is 0 where zeros lie around."""
        node = self.node
        weight = node.constant(np.ones(place.shape), place) if weight is None else weight
        held = node.step("clip", place, low=0.0, high=float(self.size - 1))
        if self.padding == "zeros":
            inside = node.step("equal", held, place, dtype=bool)
            weight = node.step("where", inside, weight, node.constant(0, weight), dtype=weight.dtype)
        whole = node.step("cast", held, element=INDEX, dtype=INT64)
        return whole, weight
