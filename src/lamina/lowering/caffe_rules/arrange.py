"""Caffe layers that move numbers or choose among them.

Concat, Slice, Split, Tile, Crop     along an axis; Crop cuts its first input to the size of its second
Flatten, Reshape, Permute            other shapes; 0 keeps an axis, -1 is what remains
Reduction                            the axes from `axis` on become one number
ArgMax                               the place of the largest number, the place in the whole image without axis
Dropout                              nothing: networks are read as they are used
"""

from itertools import pairwise
from math import prod

from lamina.core.errors import BadInput, Unsupported
from lamina.ir.build import Value
from lamina.lowering import _parts as parts
from lamina.lowering.caffe_rules import LARGEST, Layer, Rule, axis_of


def same(layer: Layer, inputs: list[Value]) -> list[Value]:
    return [inputs[0]] * max(1, len(layer.text.all("top")))


def concat(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings = layer.parameters("concat_param")
    axis = settings.integer("axis", settings.integer("concat_dim", 1))
    if len(inputs) == 1:
        return inputs
    return [layer.builder.emit("concatenate", inputs, name=layer.name, axis=axis_of(axis, inputs[0]))]


def slice_(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings, x = layer.parameters("slice_param"), inputs[0]
    axis = axis_of(settings.integer("axis", settings.integer("slice_dim", 1)), x)
    tops, size = len(layer.text.all("top")), x.shape[axis]
    points = settings.integers("slice_point")
    if not points:
        if tops < 1 or size % tops:
            raise BadInput(f"{size} cannot be cut into {tops} equal pieces")
        points = [size // tops * i for i in range(1, tops)]
    ends = [0, *points, size]
    if len(points) != tops - 1 or any(a >= b for a, b in pairwise(ends)):
        raise BadInput(f"slice points {points} for {tops} tops of a size of {size}")
    tops_ = layer.text.texts("top")
    return [parts.take(layer.builder, tops_[i], x, axis, ends[i], ends[i + 1]) for i in range(tops)]


def crop(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings = layer.parameters("crop_param")
    if len(inputs) != 2 or len(inputs[0].shape) != len(inputs[1].shape):
        raise BadInput("a crop takes two values of equal rank")
    x, like = inputs
    axis = axis_of(settings.integer("axis", 2), x)
    given, axes = settings.integers("offset"), len(x.shape) - axis
    offsets = given * axes if len(given) == 1 else (given or [0] * axes)
    if len(offsets) != axes:
        raise BadInput(f"{len(offsets)} offsets for {axes} axes")
    starts, stops = [0] * len(x.shape), list(x.shape)
    for i, offset in enumerate(offsets, start=axis):
        starts[i], stops[i] = offset, offset + like.shape[i]
        if offset < 0 or stops[i] > x.shape[i]:
            raise BadInput(f"{like.shape[i]} numbers from {offset} on of {x.shape[i]} along axis {i}")
    steps = (1,) * len(starts)
    return [layer.builder.emit("slice", [x], name=layer.name, starts=starts, stops=stops, steps=steps)]


def tile(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings, x = layer.parameters("tile_param"), inputs[0]
    repeats = [1] * len(x.shape)
    tiles = settings.integer("tiles", 0)
    if not 1 <= tiles <= LARGEST:
        raise BadInput(f"{tiles} tiles: 1 to {LARGEST} are allowed")
    repeats[axis_of(settings.integer("axis", 1), x)] = tiles
    return [layer.builder.emit("tile", [x], name=layer.name, repeats=repeats)]


def flatten(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings, x = layer.parameters("flatten_param"), inputs[0]
    start = axis_of(settings.integer("axis", 1), x)
    end = axis_of(settings.integer("end_axis", -1), x)
    if end < start:
        raise BadInput(f"axes {start} to {end} of a value of shape {list(x.shape)}")
    shape = (*x.shape[:start], prod(x.shape[start : end + 1]), *x.shape[end + 1 :])
    return [parts.reshape(layer.builder, layer.name, x, shape)]


def reshape(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings, x = layer.parameters("reshape_param"), inputs[0]
    axes = len(x.shape)
    start = settings.integer("axis", 0)
    start = start + axes + 1 if start < 0 else start
    span = settings.integer("num_axes", -1)
    end = axes if span == -1 else start + span
    if not 0 <= start <= end <= axes:
        raise BadInput(f"{span} axes from {start} on of a value of shape {list(x.shape)}")
    wanted = settings.message("shape").integers("dim")
    if any(size == 0 and start + i >= end for i, size in enumerate(wanted)) or len(wanted) > 16:
        raise BadInput(f"shape {wanted[:20]} of a value of shape {list(x.shape)}")
    sizes = [x.shape[start + i] if size == 0 else size for i, size in enumerate(wanted)]
    known, total = prod(size for size in sizes if size != -1), prod(x.shape[start:end])
    if sizes.count(-1) > 1 or known < 1 or any(size < -1 for size in sizes) or total % known:
        raise BadInput(f"{total} numbers do not fill {wanted}")
    sizes = [total // known if size == -1 else size for size in sizes]
    if prod(sizes) != total:
        raise BadInput(f"{total} numbers do not fill {wanted}")
    return [parts.reshape(layer.builder, layer.name, x, (*x.shape[:start], *sizes, *x.shape[end:]))]


def permute(layer: Layer, inputs: list[Value]) -> list[Value]:
    order, x = layer.parameters("permute_param").integers("order"), inputs[0]
    order = [*order, *(axis for axis in range(len(x.shape)) if axis not in order)]
    if sorted(order) != list(range(len(x.shape))):
        raise BadInput(f"order {order[:20]} of the axes of a value of shape {list(x.shape)}")
    return [parts.transpose(layer.builder, layer.name, x, tuple(order))]


def reduction(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings, x, b = layer.parameters("reduction_param"), inputs[0], layer.builder
    method = settings.text("operation", "SUM")
    axes = tuple(range(axis_of(settings.integer("axis", 0), x), len(x.shape)))
    if method == "ASUM":
        x = b.emit("absolute", [x], name=f"{layer.name}.absolute")
    elif method == "SUMSQ":
        x = b.emit("multiply", [x, x], name=f"{layer.name}.square")
    elif method not in ("SUM", "MEAN"):
        raise BadInput(f"operation {method!r}: SUM, ASUM, SUMSQ and MEAN are allowed")
    y = b.emit("reduce_mean" if method == "MEAN" else "reduce_sum", [x], name=layer.name, axes=axes)
    return [parts.affine(b, f"{layer.name}.scaled", y, settings.number("coeff", 1.0))]


def argmax(layer: Layer, inputs: list[Value]) -> list[Value]:
    settings, x, b = layer.parameters("argmax_param"), inputs[0], layer.builder
    if settings.integer("top_k", 1) != 1 or settings.truth("out_max_val", False):
        raise Unsupported("ArgMax with top_k or out_max_val")
    if "axis" in settings:
        axis = axis_of(settings.integer("axis", 1), x)
        return [b.emit("argmax", [x], name=layer.name, axis=axis, keep=True)]
    flat = parts.reshape(b, f"{layer.name}.flat", x, (x.shape[0], prod(x.shape[1:])))
    places = b.emit("argmax", [flat], name=f"{layer.name}.place", axis=1, keep=True)
    return [parts.reshape(b, layer.name, places, (x.shape[0], 1, *[1] * (len(x.shape) - 2)))]


RULES: dict[str, Rule] = {
    "Split": same,
    "Dropout": same,
    "Concat": concat,
    "Slice": slice_,
    "Crop": crop,
    "Tile": tile,
    "Flatten": flatten,
    "Reshape": reshape,
    "Permute": permute,
    "Reduction": reduction,
    "ArgMax": argmax,
}
