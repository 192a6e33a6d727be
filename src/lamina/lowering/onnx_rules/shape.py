"""Numbers moved, not changed: Reshape, Transpose, Concat, Split, Slice, Pad, Expand, Tile and their relatives.

Shapes, axes and counts must be known when the file is read; they are operands in newer opsets, attributes in older.
"""

from math import prod

import numpy as np

from lamina.core.errors import BadInput, one_line
from lamina.ir.operators.move import END
from lamina.lowering._onnx_node import Node, Tensor, affordable, known, place
from lamina.lowering.onnx_rules._rule import Results, rule
from lamina.lowering.onnx_rules.cast import converted


def listed(node: Node, name: str, at: int, since: int, default: list[int] | None = None) -> list[int] | None:
    """Whole numbers that are attribute `name` before opset `since` and operand `at` from then on."""
    if node.opset >= since:
        return default if node.given(at) is None else node.numbers(at, name)
    return default if not node.has(name) else node.ints(name)


def axes_of(axes: list[int], rank: int) -> list[int]:
    """Axes counted from 0, sorted; doubles raise."""
    found = sorted(place(a, rank) for a in axes)
    if len({*found}) < len(found):
        raise BadInput(f"axes {axes} name one twice")
    return found


@rule("Reshape")
def reshape(node: Node) -> Tensor:
    x = node.x()
    wanted = node.numbers(1, "the shape of a Reshape") if node.opset >= 5 else node.ints("shape")
    if not node.integer("allowzero", 0):
        if any(s == 0 and at >= x.rank for at, s in enumerate(wanted)):
            raise BadInput(f"shape {wanted} keeps axes that {list(x.shape)} has not")
        wanted = [x.shape[at] if s == 0 else s for at, s in enumerate(wanted)]
    if wanted.count(-1) > 1 or any(s < -1 for s in wanted):
        raise BadInput(f"{one_line(wanted, 60)} is not a shape")
    rest = prod(s for s in wanted if s != -1)
    if -1 in wanted:
        if rest == 0 or prod(x.shape) % rest:
            raise BadInput(f"{prod(x.shape)} numbers do not fill {one_line(wanted, 60)}")
        wanted[wanted.index(-1)] = prod(x.shape) // rest
    if prod(wanted) != prod(x.shape):
        raise BadInput(f"{prod(x.shape)} numbers do not fill {one_line(wanted, 60)}")
    return node.reshape(x, wanted, last=True)


@rule("Flatten")
def flatten(node: Node) -> Tensor:
    x, axis = node.x(), node.integer("axis", 1)
    axis = axis + x.rank if axis < 0 else axis
    if not 0 <= axis <= x.rank:
        raise BadInput(f"axis {axis} of a value of {x.rank} axes")
    if x.known or axis != 1 or x.rank < 2:
        return node.reshape(x, (prod(x.shape[:axis]), prod(x.shape[axis:])), last=True)
    made: Tensor = node.emit("flatten", x, start=1)
    return made


@rule("Squeeze")
def squeeze(node: Node) -> Tensor:
    x = node.x()
    axes = listed(node, "axes", 1, 13)
    gone = axes_of(axes, x.rank) if axes is not None else [at for at, s in enumerate(x.shape) if s == 1]
    if any(x.shape[at] != 1 for at in gone):
        raise BadInput(f"axes {gone} of shape {list(x.shape)} are not all 1")
    return node.reshape(x, [s for at, s in enumerate(x.shape) if at not in gone], last=True)


@rule("Unsqueeze")
def unsqueeze(node: Node) -> Tensor:
    x = node.x()
    axes = listed(node, "axes", 1, 13)
    if axes is None:
        raise BadInput("axes are missing")
    rank = x.rank + len(axes)
    new, rest = axes_of(axes, rank), iter(x.shape)
    return node.reshape(x, [1 if at in new else next(rest) for at in range(rank)], last=True)


@rule("Transpose")
def transpose(node: Node) -> Tensor:
    x = node.x()
    order = tuple(node.ints("perm", range(x.rank)[::-1]))
    if sorted(order) != list(range(x.rank)):
        raise BadInput(f"perm {list(order)} is no order of {x.rank} axes")
    if x.array is not None and x.value is None:
        return known(f"{x.name}.T" if x.rank == 2 else node.name, x.array.transpose(order))
    if order == tuple(range(x.rank)):
        return x
    made: Tensor = node.emit("transpose", x, order=order)
    return made


@rule("Concat")
def concat(node: Node) -> Tensor:
    operands = [t for at in range(len(node.inputs)) if 0 not in (t := node.x(at)).shape]
    if not operands:
        return known(node.name, np.concatenate([t.array for t in node.inputs if t is not None and t.array is not None]))
    axis = node.axis("axis", 1 if node.opset < 4 else 0, rank=operands[0].rank)
    if len(operands) == 1:
        return operands[0]
    made: Tensor = node.emit("concatenate", *operands, axis=axis)
    return made


def part(node: Node, x: Tensor, axis: int, start: int, stop: int, *, last: bool = False) -> Tensor:
    """Places start..stop of one axis."""
    if (start, stop) == (0, x.shape[axis]):
        return x
    starts, stops = [0] * x.rank, [END] * x.rank
    starts[axis], stops[axis] = start, stop
    make = node.emit if last else node.step
    made: Tensor = make("slice", x, starts=tuple(starts), stops=tuple(stops), steps=(1,) * x.rank)
    return made


@rule("Split")
def split(node: Node) -> Results:
    x, axis = node.x(), node.axis("axis", 0)
    sizes = listed(node, "split", 1, 13)
    if sizes is None:
        count = node.integer("num_outputs", len(node.proto.output))
        if count < 1 or count > 4096:
            raise BadInput(f"a split into {count} parts")
        step = -(-x.shape[axis] // count)
        sizes = [min(step, x.shape[axis] - at * step) for at in range(count)]
    if sum(sizes) != x.shape[axis] or min(sizes) < 0:
        raise BadInput(f"parts of {one_line(sizes, 60)} do not fill an axis of {x.shape[axis]}")
    ends = np.cumsum([0, *sizes]).tolist()
    made: list[Tensor | None] = []
    for at, name in enumerate(node.proto.output):
        node.name = name or node.name
        if at >= len(sizes) or not name:
            made.append(None)
        elif sizes[at] == 0:
            shape = [0 if i == axis else s for i, s in enumerate(x.shape)]
            made.append(known(name, np.zeros(shape, x.dtype)))
        else:
            made.append(part(node, x, axis, ends[at], ends[at + 1], last=True))
    return made


@rule("Slice")
def slices(node: Node) -> Tensor:
    x = node.x()
    starts = listed(node, "starts", 1, 10)
    stops = listed(node, "ends", 2, 10)
    axes = listed(node, "axes", 3, 10)
    steps = listed(node, "steps", 4, 10) if node.opset >= 10 else None
    if starts is None or stops is None:
        raise BadInput("starts and ends are missing")
    axes = [*range(len(starts))] if axes is None else [place(a, x.rank) for a in axes]
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(stops) == len(axes) == len(steps) or len({*axes}) < len(axes):
        raise BadInput(f"starts {starts}, ends {stops}, axes {axes} and steps {steps} do not go together")
    full = [[0] * x.rank, [END] * x.rank, [1] * x.rank]
    empty = False
    for start, stop, axis, step in zip(starts, stops, axes, steps, strict=True):
        if step == 0:
            raise BadInput("a step of 0")
        low, high, by = slice(start, stop, step).indices(x.shape[axis])
        empty = empty or len(range(low, high, by)) == 0
        full[0][axis], full[1][axis], full[2][axis] = low, END if high == x.shape[axis] else high, by
        if by < 0 and high < 0:
            full[1][axis] = -(x.shape[axis] + 1)
    if empty:
        shape = [
            len(range(*slice(*(None if v is None else v for v in (a, b, c))).indices(s)))
            for a, b, c, s in zip(*full, x.shape, strict=True)
        ]
        return known(node.name, np.zeros(shape, x.dtype))
    if full == [[0] * x.rank, [END] * x.rank, [1] * x.rank]:
        return x
    made: Tensor = node.emit("slice", x, starts=tuple(full[0]), stops=tuple(full[1]), steps=tuple(full[2]))
    return made


@rule("Expand")
def expand(node: Node) -> Tensor:
    x = node.x()
    wanted = node.numbers(1, "the shape of an Expand")
    if any(s < 1 for s in wanted):
        raise BadInput(f"{one_line(wanted, 60)}: sizes of an Expand are positive")
    shape = tuple(int(s) for s in np.broadcast_shapes(x.shape, tuple(wanted)))
    if shape == x.shape:
        return x
    kept = x.rank == len(shape) and x.shape[0] == shape[0]
    made: Tensor = node.emit("expand", x, shape=(0, *shape[1:]) if kept else shape)
    return made


@rule("Tile")
def tile(node: Node) -> Tensor:
    repeats = node.numbers(1, "the repeats of a Tile")
    if len(repeats) != node.x().rank or any(r < 1 for r in repeats):
        raise BadInput(f"repeats {one_line(repeats, 60)} of a value of {node.x().rank} axes")
    made: Tensor = node.emit("tile", node.x(), repeats=tuple(repeats))
    return made


@rule("Pad")
def pad(node: Node) -> Tensor:
    x = node.x()
    pads = listed(node, "pads", 1, 11)
    if pads is None:
        raise BadInput("pads are missing")
    axes = axes_list(node, x.rank)
    if len(pads) != 2 * len(axes):
        raise BadInput(f"{len(pads)} pads for {len(axes)} axes")
    before, after = [0] * x.rank, [0] * x.rank
    for at, axis in enumerate(axes):
        before[axis], after[axis] = pads[at], pads[at + len(axes)]
    value = node.real("value", 0.0)
    if node.opset >= 11 and node.given(2) is not None:
        value = node.number(2, "the value of a Pad")
    if any(p < 0 for p in (*before, *after)):
        x = _cropped(node, x, before, after)
        before, after = ([max(p, 0) for p in side] for side in (before, after))
    mode = node.text("mode", "constant")
    if not any((*before, *after)):
        return x
    made: Tensor = node.emit("pad", x, before=tuple(before), after=tuple(after), mode=mode, value=value)
    return made


def axes_list(node: Node, rank: int) -> list[int]:
    """The axes operand of Pad (opset 18); all axes where it is left out."""
    if node.opset < 18 or node.given(3) is None:
        return [*range(rank)]
    return [place(a, rank) for a in node.numbers(3, "axes")]


def _cropped(node: Node, x: Tensor, before: list[int], after: list[int]) -> Tensor:
    for axis in range(x.rank):
        start, stop = max(-before[axis], 0), x.shape[axis] - max(-after[axis], 0)
        if start >= stop:
            raise BadInput(f"pads {before}, {after} leave nothing of {list(x.shape)}")
        x = part(node, x, axis, start, stop)
    return x


@rule("DepthToSpace")
def depth_to_space(node: Node) -> Tensor:
    x, b = node.x(), node.integer("blocksize")
    n, c, h, w = _planes(x)
    if b < 1 or c % (b * b):
        raise BadInput(f"{c} channels in blocks of {b}")
    if node.text("mode", "DCR") == "DCR":
        split, order = (n, b, b, c // b**2, h, w), (0, 3, 4, 1, 5, 2)
    else:
        split, order = (n, c // b**2, b, b, h, w), (0, 1, 4, 2, 5, 3)
    made = node.step("transpose", node.reshape(x, split), order=order)
    return node.reshape(made, (n, c // b**2, h * b, w * b), last=True)


@rule("SpaceToDepth")
def space_to_depth(node: Node) -> Tensor:
    x, b = node.x(), node.integer("blocksize")
    n, c, h, w = _planes(x)
    if b < 1 or h % b or w % b:
        raise BadInput(f"a plane of {h} x {w} in blocks of {b}")
    order = (0, 3, 5, 1, 2, 4) if node.text("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    made = node.step("transpose", node.reshape(x, (n, c, h // b, b, w // b, b)), order=order)
    return node.reshape(made, (n, c * b * b, h // b, w // b), last=True)


def _planes(x: Tensor) -> tuple[int, int, int, int]:
    if x.rank != 4:
        raise BadInput(f"a value of shape {list(x.shape)}, [n,c,h,w] is needed")
    n, c, h, w = x.shape
    return n, c, h, w


@rule("Trilu")
def trilu(node: Node) -> Tensor:
    """The upper or lower triangle; the rest is zero."""
    x = node.x()
    k = int(node.number(1, "the diagonal of a Trilu")) if node.given(1) is not None else 0
    if x.rank < 2:
        raise BadInput(f"a value of shape {list(x.shape)} has no triangle")
    affordable(x.shape[-2] * x.shape[-1])
    mask = np.tri(x.shape[-2], x.shape[-1], k if not node.integer("upper", 1) else k - 1, dtype=bool)
    if node.integer("upper", 1):
        mask = ~mask
    zero = converted(node, node.constant(0), x.dtype)
    made: Tensor = node.emit("where", known(f"{node.name}/triangle", mask), x, zero, dtype=x.dtype)
    return made
