"""Numbers chosen by place: Gather and Scatter in their kinds, OneHot, ReverseSequence, Compress, EyeLike.

Indices may be computed by the network; where ONNX lets the number of results depend on them (Compress, NonZero) they
must be known when the file is read.
"""

import numpy as np

from lamina.core.errors import BadInput
from lamina.lowering import _onnx_model as model
from lamina.lowering._onnx_coding import looked_up
from lamina.lowering._onnx_node import INT64, Node, Tensor, affordable, known, place
from lamina.lowering.onnx_rules._rule import rule
from lamina.lowering.onnx_rules.cast import converted
from lamina.lowering.onnx_rules.shape import part


def _places(node: Node, at: int) -> Tensor:
    """Operand `at` as plain 64-bit places."""
    x = node.x(at)
    if x.dtype.kind not in "iu":
        raise BadInput(f"indices of type {x.dtype}: whole numbers are needed")
    return converted(node, x, INT64)


@rule("Gather")
def gather(node: Node) -> Tensor:
    x, axis = node.x(0), node.axis("axis", 0)
    if (found := looked_up(node, x, node.x(1))) is not None:
        return found
    places = _places(node, 1)
    if places.array is not None:
        _inside(places.array, x.shape[axis])
        if places.array.size == 1 and not x.known:
            at = int(places.array.reshape(-1)[0]) % x.shape[axis]
            made = part(node, x, axis, at, at + 1)
            return node.reshape(made, (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]), last=True)
    made = node.emit("gather", x, places, axis=axis)
    return made


def _inside(places: np.ndarray, size: int) -> None:
    if places.size and not (-size <= places.min() and places.max() < size):
        raise BadInput(f"indices {places.min()} to {places.max()} of an axis of {size}")


@rule("GatherElements")
def gather_elements(node: Node) -> Tensor:
    made: Tensor = node.emit("gather_elements", node.x(0), _places(node, 1), axis=node.axis("axis", 0))
    return made


@rule("GatherND")
def gather_nd(node: Node) -> Tensor:
    made: Tensor = node.emit("gather_nd", node.x(0), _places(node, 1), batch=node.integer("batch_dims", 0))
    return made


@rule("ScatterElements", "Scatter")
def scatter_elements(node: Node) -> Tensor:
    made: Tensor = node.emit(
        "scatter_elements",
        node.x(0),
        _places(node, 1),
        node.x(2),
        axis=node.axis("axis", 0),
        reduction=node.text("reduction", "none"),
    )
    return made


@rule("ScatterND")
def scatter_nd(node: Node) -> Tensor:
    made: Tensor = node.emit(
        "scatter_nd", node.x(0), _places(node, 1), node.x(2), reduction=node.text("reduction", "none")
    )
    return made


@rule("OneHot")
def one_hot(node: Node) -> Tensor:
    """on where the class is the place along a new axis, off elsewhere; negative classes count from the end."""
    classes, values = node.x(0), node.x(2)
    depth = int(node.number(1, "the depth of a OneHot"))
    if not 1 <= depth <= model.MOST_NUMBERS or values.shape != (2,):
        raise BadInput(f"a depth of {depth} and values of shape {list(values.shape)}")
    rank = classes.rank + 1
    axis = place(node.integer("axis", -1), rank)
    spread = node.reshape(converted(node, classes, INT64), (*classes.shape[:axis], 1, *classes.shape[axis:]))
    zero, size = node.constant(np.int64(0)), node.constant(np.int64(depth))
    below = node.step("less", spread, zero, dtype=bool)
    spread = node.step("where", below, node.step("add", spread, size), spread, dtype=INT64)
    line = node.places(depth, [-1 if at == axis else 1 for at in range(rank)])
    hit = node.step("equal", spread, node.constant(line, name="classes"), dtype=bool)
    off, on = (node.reshape(node.step("slice", values, starts=(i,), stops=(i + 1,), steps=(1,)), ()) for i in (0, 1))
    made: Tensor = node.emit("where", hit, on, off, dtype=values.dtype)
    return made


@rule("Compress")
def compress(node: Node) -> Tensor:
    x, kept = node.x(0), node.array(1, "the condition of a Compress").astype(bool).reshape(-1)
    if not node.has("axis"):
        x, axis = node.reshape(x, (int(np.prod(x.shape)),)), 0
    else:
        axis = node.axis("axis")
    places = np.flatnonzero(kept)
    if not places.size or places.max() >= x.shape[axis]:
        raise BadInput(f"a condition of {kept.size} entries, {places.size} true, for an axis of {x.shape[axis]}")
    made: Tensor = node.emit("gather", x, node.constant(places, name="places"), axis=axis)
    return made


@rule("ReverseSequence")
def reverse_sequence(node: Node) -> Tensor:
    """Each sequence of the batch backward, up to its length: places length - 1 - t where t < length."""
    x, lengths = node.x(0), _places(node, 1)
    time, batch = node.integer("time_axis", 0), node.integer("batch_axis", 1)
    if {time, batch} != {0, 1} or x.rank < 2 or lengths.shape != (x.shape[batch],):
        raise BadInput(
            f"time axis {time}, batch axis {batch}, lengths {list(lengths.shape)} of a value {list(x.shape)}"
        )
    along = [1] * x.rank
    along[time] = x.shape[time]
    steps = node.constant(node.places(x.shape[time], along), name="steps")
    shape = [1] * x.rank
    shape[batch] = x.shape[batch]
    length = node.reshape(lengths, shape)
    back = node.step("subtract", node.step("subtract", length, node.constant(np.int64(1))), steps)
    inside = node.step("less", steps, length, dtype=bool)
    places = node.step("where", inside, back, steps, dtype=INT64)
    whole = node.step("expand", places, shape=x.shape) if places.shape != x.shape else places
    made: Tensor = node.emit("gather_elements", x, whole, axis=time)
    return made


@rule("EyeLike")
def eye_like(node: Node) -> Tensor:
    x, k = node.x(), node.integer("k", 0)
    dtype = model.kind(node.integer("dtype")) if node.has("dtype") else x.dtype
    if x.rank != 2:
        raise BadInput(f"a value of shape {list(x.shape)} is no matrix")
    affordable(x.shape[0] * x.shape[1])
    return known(node.name, np.eye(x.shape[0], x.shape[1], k, dtype=dtype))
