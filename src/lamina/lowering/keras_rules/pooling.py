"""Pooling, padding, cropping and enlarging, of sequences and of pictures.

AveragePooling, same     the mean of what is inside: padding does not count
GlobalPooling            mean or maximum over all places; [n, c], or sizes of 1 with keepdims
ZeroPadding, Cropping    ((top, bottom), (left, right))
UpSampling, Resizing     nearest, or bilinear between the centres of pixels
"""

from typing import Any

from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.lowering import _parts as parts
from lamina.lowering.keras_rules import Layer, Rule, Tensor, first, only, plain
from lamina.lowering.keras_rules.convolution import as_picture, back, both, same_padding, spatial


def pool(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = as_picture(layer, only(inputs))
    kernel = both(layer, "pool_size", 2)
    stride = kernel if layer.config.get("strides") is None else both(layer, "strides", 2)
    padding = (0, 0, 0, 0)
    if layer.text("padding", "valid", ("valid", "same")) == "same":
        sides = [same_padding(x.shape[2 + a], kernel[a], stride[a]) for a in (0, 1)]
        padding = (*sides[0], *sides[1])
    if layer.kind.startswith("Max"):
        y = layer.emit("max_pool2d", [x], kernel=kernel, stride=stride, padding=padding)
    else:
        y = layer.emit(
            "average_pool2d", [x], kernel=kernel, stride=stride, padding=padding, include_padding=not any(padding)
        )
    return back(layer, y)


def global_pool(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = only(inputs)
    if len(x.order) != spatial(layer) + 2:
        raise BadInput(f"a value of shape {list(x.shape)} where {spatial(layer) + 2} axes are needed")
    order = first(len(x.order), layer.channels_last)
    axes = tuple(sorted(x.order[axis] for axis in order[2:]))
    keep = layer.truth("keepdims", False)
    if x.mask is not None:
        return _mean_of_what_counts(layer, x)
    y = layer.emit("reduce_max" if "Max" in layer.kind else "reduce_mean", [x.value], axes=axes, keep=keep)
    if keep:
        return Tensor(y, x.order)
    left = [axis for axis in range(len(x.order)) if axis not in axes]
    return Tensor(y, tuple(left.index(x.order[axis]) for axis in sorted(order[:2])))


def _mean_of_what_counts(layer: Layer, x: Tensor) -> Tensor:
    """The mean over the steps of a sequence [n, t, c] that its mask counts."""
    if layer.kind != "GlobalAveragePooling1D" or not layer.channels_last or layer.truth("keepdims", False):
        raise Unsupported("pooling of a sequence with a mask: GlobalAveragePooling1D to [n, c] is read")
    assert x.mask is not None
    value = layer.plain(x)
    counts = parts.reshape(layer.builder, f"{layer.name}.counts", x.mask, (*value.shape[:2], 1))
    kept = layer.emit("where", [counts, value, layer.builder.scalar(0.0, value)], part="kept")
    total = layer.emit("reduce_sum", [kept], part="sum", axes=(1,))
    numbers = layer.emit("cast", [counts], part="numbers", element=value.type.element)
    return plain(layer.emit("divide", [total, layer.emit("reduce_sum", [numbers], part="count", axes=(1,))]))


def _sides(layer: Layer, name: str) -> list[tuple[int, int]]:
    """((top, bottom), (left, right)), or (left, right) of a sequence, from any of the forms that Keras writes."""
    axes, given = spatial(layer), layer.get(name, 1)
    values: list[Any] = [given] * axes if isinstance(given, int) else list(given) if isinstance(given, list) else []
    if axes == 1 and len(values) == 2 and all(isinstance(v, int) for v in values):
        values = [values]
    pairs = [(v, v) if isinstance(v, int) else tuple(v) if isinstance(v, list) else () for v in values]
    whole = all(isinstance(size, int) and 0 <= size <= 2**16 for pair in pairs for size in pair)
    if len(pairs) != axes or not whole or any(len(pair) != 2 for pair in pairs):
        raise BadInput(f"{name} is {one_line(given, 60)}: a size from 0 to 65536 for each side is needed")
    return [(pair[0], pair[1]) for pair in pairs]


def _spread(layer: Layer, x: Tensor, sides: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """The two sides of every axis of the value as it lies."""
    before, after = [0] * len(x.order), [0] * len(x.order)
    order = first(len(x.order), layer.channels_last)
    if len(order) != len(sides) + 2:
        raise BadInput(f"a value of shape {list(x.shape)} where {len(sides) + 2} axes are needed")
    for axis, (low, high) in zip(order[2:], sides, strict=True):
        before[x.order[axis]], after[x.order[axis]] = low, high
    return before, after


def zero_padding(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = only(inputs)
    before, after = _spread(layer, x, _sides(layer, "padding"))
    return Tensor(layer.emit("pad", [x.value], before=before, after=after), x.order) if any(before + after) else x


def cropping(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = only(inputs)
    before, after = _spread(layer, x, _sides(layer, "cropping"))
    stops = [size - behind for size, behind in zip(x.value.shape, after, strict=True)]
    if any(start >= stop for start, stop in zip(before, stops, strict=True)):
        raise BadInput(f"cropping {before} and {after} leaves nothing of {list(x.value.shape)}")
    return Tensor(layer.emit("slice", [x.value], starts=before, stops=stops, steps=[1] * len(stops)), x.order)


def up_sampling(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = as_picture(layer, only(inputs))
    height, width = both(layer, "size", 2)
    return _resize(layer, x, (x.shape[2] * height, x.shape[3] * width))


def resizing(layer: Layer, inputs: list[Tensor]) -> Tensor:
    layer.refuse("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias")
    x = as_picture(layer, only(inputs))
    return _resize(layer, x, (layer.whole("height"), layer.whole("width")))


def _resize(layer: Layer, x: Any, size: tuple[int, int]) -> Tensor:
    default = "bilinear" if layer.kind == "Resizing" else "nearest"
    if layer.text("interpolation", default, ("nearest", "bilinear")) == "nearest":
        y = layer.emit("resize", [x], size=size, mode="nearest", coordinates="half_pixel", nearest="round_prefer_ceil")
    else:
        y = layer.emit("resize", [x], size=size, mode="linear", coordinates="half_pixel")
    return back(layer, y)


RULES: dict[str, Rule] = {
    **{f"{kind}Pooling{axes}": pool for kind in ("Max", "Average") for axes in ("1D", "2D")},
    **{f"Global{kind}Pooling{axes}": global_pool for kind in ("Max", "Average") for axes in ("1D", "2D")},
    **{f"ZeroPadding{axes}": zero_padding for axes in ("1D", "2D")},
    **{f"Cropping{axes}": cropping for axes in ("1D", "2D")},
    **{f"UpSampling{axes}": up_sampling for axes in ("1D", "2D")},
    "Resizing": resizing,
}
