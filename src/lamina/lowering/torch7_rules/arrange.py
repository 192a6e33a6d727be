"""Containers, and modules that move numbers.

Sequential      one module after the other        Concat         each on the same input, joined along a dimension
ConcatTable     each on the same input, a table   ParallelTable  each on its own tensor of a table
View, Reshape   other shapes behind the batch     JoinTable, SplitTable, SelectTable, NarrowTable, FlattenTable
Padding         zeros, reflections or the edge; a negative width cuts
"""

from math import prod

from lamina.core.errors import BadInput
from lamina.ir.build import Value
from lamina.lowering import _parts as parts
from lamina.lowering._torch7_file import Table
from lamina.lowering.torch7_rules import Data, Module, Rule, value, values


def same(m: Module, x: Data) -> Data:
    return x


def sequential(m: Module, x: Data) -> Data:
    for place, child in enumerate(m.children(), start=1):
        x = m.run(child, str(place), x)
    return x


def concat_table(m: Module, x: Data) -> Data:
    return [m.run(child, str(place), x) for place, child in enumerate(m.children(), start=1)]


def concat(m: Module, x: Data) -> Value:
    results = values(concat_table(m, x))
    axis = m.axis(m.number("dimension"), len(results[0].shape))
    return m.emit("concatenate", results, axis=axis) if len(results) > 1 else results[0]


def parallel_table(m: Module, x: Data) -> Data:
    children = m.children()
    if isinstance(x, Value) or len(x) != len(children):
        raise BadInput(f"{len(children)} modules need a table of as many tensors")
    return [
        m.run(child, str(place), part) for place, (child, part) in enumerate(zip(children, x, strict=True), start=1)
    ]


def join_table(m: Module, x: Data) -> Value:
    found = values(x)
    axis = m.axis(m.number("dimension"), len(found[0].shape), m.thing.get("nInputDims"))
    return m.emit("concatenate", found, axis=axis) if len(found) > 1 else found[0]


def split_table(m: Module, x: Data) -> Data:
    x = value(x)
    axis = m.axis(m.number("dimension"), len(x.shape), m.thing.get("nInputDims"))
    if x.shape[axis] > 1000:
        raise BadInput(f"a table of {x.shape[axis]} tensors: at most 1000 are read")
    return [_select(m, x, axis, place) for place in range(x.shape[axis])]


def _select(m: Module, x: Value, axis: int, place: int) -> Value:
    part = parts.take(m.builder, f"{m.name}.{place + 1}", x, axis, place, place + 1)
    return parts.reshape(m.builder, f"{m.name}.{place + 1}.flat", part, (*x.shape[:axis], *x.shape[axis + 1 :]))


def select_table(m: Module, x: Data) -> Data:
    if isinstance(x, Value):
        raise BadInput("one tensor where a table of tensors is needed")
    return x[m.axis(m.number("index"), len(x))]


def narrow_table(m: Module, x: Data) -> Data:
    if isinstance(x, Value):
        raise BadInput("one tensor where a table of tensors is needed")
    start, length = m.axis(m.number("offset", 1), len(x)), m.whole("length", 1, least=1)
    if start + length > len(x):
        raise BadInput(f"{length} tensors from place {start + 1} on of a table of {len(x)}")
    return x[start : start + length]


def flatten_table(m: Module, x: Data) -> Data:
    if isinstance(x, Value):
        return [x]
    return [part for inner in x for part in values(flatten_table(m, inner))]


def view(m: Module, x: Data) -> Value:
    x, wanted = value(x), m.sizes("size")
    example = m.thing.get("numInputDims")
    known = prod(size for size in wanted if size != -1)
    if known < 1 or wanted.count(-1) > 1 or any(size < -1 for size in wanted):
        raise BadInput(f"a view of sizes {wanted}")
    axes = len(x.shape)
    inner = example if isinstance(example, int) and 0 < example <= axes else axes
    numbers = prod(x.shape[axes - inner :])
    if numbers % known:
        raise BadInput(f"{numbers} numbers do not fill {wanted}")
    batch = (1 if -1 in wanted else numbers // known) * prod(x.shape[: axes - inner])
    rest = prod(x.shape) // (batch * known)
    sizes = [rest if size == -1 else size for size in wanted]
    # Lua drops a batch of one here; its axis is kept, so that a batch of one is treated as any other
    has_batch = batch > 1 or inner < axes or x.shape[0] == 1
    return parts.reshape(m.builder, m.name, x, (batch, *sizes) if has_batch else tuple(sizes))


def reshape(m: Module, x: Data) -> Value:
    x, wanted = value(x), m.sizes("size")
    mode = m.thing.get("batchMode")
    if any(size < 1 for size in wanted):
        raise BadInput(f"a shape of sizes {wanted}: positive ones are needed")
    whole = mode is False or (mode is None and prod(x.shape) == prod(wanted) and x.shape[0] != 1)
    shape = tuple(wanted) if whole else (x.shape[0], *wanted)
    if prod(shape) != prod(x.shape):
        raise BadInput(f"{prod(x.shape)} numbers do not fill {list(shape)}")
    return parts.reshape(m.builder, m.name, x, shape)


def squeeze(m: Module, x: Data) -> Value:
    x = value(x)
    given = m.thing.get("dim")
    if given is None:
        shape = (x.shape[0], *(size for size in x.shape[1:] if size != 1))
    else:
        axis = m.axis(m.number("dim"), len(x.shape), m.thing.get("numInputDims"))
        shape = (*x.shape[:axis], *x.shape[axis + (x.shape[axis] == 1) :])
    return parts.reshape(m.builder, m.name, x, shape)


def unsqueeze(m: Module, x: Data) -> Value:
    x, example = value(x), m.thing.get("numInputDims")
    axes = len(x.shape)
    axis = m.axis(m.number("pos"), axes + 1, example + 1 if isinstance(example, int) else None)
    return parts.reshape(m.builder, m.name, x, (*x.shape[:axis], 1, *x.shape[axis:]))


def transpose(m: Module, x: Data) -> Value:
    x, pairs = value(x), m.thing.get("permutations")
    order = list(range(len(x.shape)))
    for pair in pairs.array() if isinstance(pairs, Table) else []:
        places = pair.array() if isinstance(pair, Table) else []
        if len(places) != 2 or not all(isinstance(p, int) for p in places):
            raise BadInput("its permutations are no pairs of dimensions")
        a, b = (m.axis(p, len(order), m.thing.get("numInputDims")) for p in places)
        order[a], order[b] = order[b], order[a]
    return parts.transpose(m.builder, m.name, x, tuple(order))


def narrow(m: Module, x: Data) -> Value:
    x = value(x)
    axis = m.axis(m.number("dimension"), len(x.shape))
    start = m.axis(m.number("index"), x.shape[axis])
    length = m.number("length", 1)
    stop = start + int(length) if length > 0 else x.shape[axis] + int(length) + 1
    if not start < stop <= x.shape[axis]:
        raise BadInput(f"{length} numbers from place {start + 1} on of {x.shape[axis]}")
    return parts.take(m.builder, m.name, x, axis, start, stop)


def select(m: Module, x: Data) -> Value:
    x = value(x)
    axis = m.axis(m.number("dimension"), len(x.shape))
    return _select(m, x, axis, m.axis(m.number("index"), x.shape[axis]))


def _reduce(operator: str) -> Rule:
    def rule(m: Module, x: Data) -> Value:
        x = value(x)
        axis = m.axis(m.number("dimension", 1), len(x.shape), m.thing.get("nInputDims"))
        averaged = operator == "reduce_sum" and m.truth("sizeAverage")
        return m.emit("reduce_mean" if averaged else operator, [x], axes=(axis,), keep=not m.truth("squeeze", True))

    return rule


def padding(m: Module, x: Data) -> Value:
    x = value(x, (4,))
    widths = [m.number(name, 0) for name in ("pad_t", "pad_b", "pad_l", "pad_r")]
    if any(w != int(w) or abs(w) > 2**16 for w in widths):
        raise BadInput(f"paddings of {widths}: whole numbers up to 65536 are allowed")
    top, bottom, left, right = (int(w) for w in widths)
    h, w = x.shape[2:]
    if min(top, bottom, left, right) < 0:
        cut_h, cut_w = (max(0, -top), h + min(0, bottom)), (max(0, -left), w + min(0, right))
        if cut_h[0] >= cut_h[1] or cut_w[0] >= cut_w[1]:
            raise BadInput(f"paddings of {widths} cut everything of {[h, w]} away")
        x = parts.take(m.builder, f"{m.name}.height", x, 2, *cut_h)
        x = parts.take(m.builder, f"{m.name}.width", x, 3, *cut_w)
    before, after = (0, 0, max(0, top), max(0, left)), (0, 0, max(0, bottom), max(0, right))
    if not any((*before, *after)):
        return x
    mode = {"SpatialZeroPadding": "constant", "SpatialReflectionPadding": "reflect"}.get(m.kind, "edge")
    return m.emit("pad", [x], before=before, after=after, mode=mode)


def upsample(m: Module, x: Data) -> Value:
    x, factor = value(x, (4,)), m.whole("scale_factor", least=1)
    size = (x.shape[2] * factor, x.shape[3] * factor)
    return m.emit("resize", [x], size=size, mode="nearest", coordinates="asymmetric", nearest="floor")


RULES: dict[str, Rule] = {
    "Identity": same,
    "Contiguous": same,
    "Copy": same,
    "Sequential": sequential,
    "Concat": concat,
    "ConcatTable": concat_table,
    "ParallelTable": parallel_table,
    "JoinTable": join_table,
    "SplitTable": split_table,
    "SelectTable": select_table,
    "NarrowTable": narrow_table,
    "FlattenTable": flatten_table,
    "View": view,
    "Reshape": reshape,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "Narrow": narrow,
    "Select": select,
    "Sum": _reduce("reduce_sum"),
    "Mean": _reduce("reduce_mean"),
    "Max": _reduce("reduce_max"),
    "Min": _reduce("reduce_min"),
    "SpatialZeroPadding": padding,
    "SpatialReflectionPadding": padding,
    "SpatialReplicationPadding": padding,
    "SpatialUpSamplingNearest": upsample,
}
