"""Other shapes, orders and parts of the same numbers: view, permute, expand, concatenate, split, slice, pad.

Squeezing and unsqueezing are reshapes; splitting, narrowing and selecting are slices; repeating is a tile. A slice that
takes everything and a reshape that changes nothing vanish.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from lamina.core.errors import Unsupported
from lamina.ir.build import Builder, Value
from lamina.lowering.torch_rules._rule import (
    axis_of,
    cast,
    common_element,
    element_of_dtype,
    is_plain,
    reshape,
    rule,
    transpose,
)


@rule("aten.flatten.using_ints")
def flatten(b: Builder, name: str, self: Value, start_dim: int, end_dim: int) -> Value:
    if not self.shape:
        return reshape(b, name, self, (1,))
    start, end = axis_of(self, start_dim), axis_of(self, end_dim)
    if start == end:
        return self
    if end == len(self.shape) - 1:
        made: Value = b.emit("flatten", [self], name=name, start=start)
        return made
    shape = self.shape
    return reshape(b, name, self, (*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :]))


@rule("aten.view", "aten.reshape", "aten._unsafe_view", "aten._reshape_alias")
def view(b: Builder, name: str, self: Value, **sizes: Any) -> Value:
    shape = next(iter(sizes.values()))  # torch calls it `size` or `shape`
    return _sized(b, name, self, shape)


def _sized(b: Builder, name: str, x: Value, shape: Sequence[int]) -> Value:
    """A reshape in which one -1 is what remains."""
    known = prod(s for s in shape if s != -1)
    return reshape(b, name, x, [prod(x.shape) // known if s == -1 else s for s in shape])


@rule("aten.view_as", "aten.reshape_as")
def view_as(b: Builder, name: str, self: Value, other: Value) -> Value:
    return reshape(b, name, self, other.shape)


@rule("aten.unflatten.int")
def unflatten(b: Builder, name: str, self: Value, dim: int, sizes: Sequence[int]) -> Value:
    axis = axis_of(self, dim)
    known = prod(s for s in sizes if s != -1)
    inner = [self.shape[axis] // known if s == -1 else s for s in sizes]
    return reshape(b, name, self, (*self.shape[:axis], *inner, *self.shape[axis + 1 :]))


@rule("aten.squeeze", "aten.squeeze.dim", "aten.squeeze.dims")
def squeeze(b: Builder, name: str, self: Value, dim: Any = None) -> Value:
    dims = range(len(self.shape)) if dim is None else ([dim] if isinstance(dim, int) else dim)
    axes = {axis_of(self, d) for d in dims}
    return reshape(b, name, self, [s for axis, s in enumerate(self.shape) if axis not in axes or s != 1])


@rule("aten.unsqueeze")
def unsqueeze(b: Builder, name: str, self: Value, dim: int) -> Value:
    axis = dim % (len(self.shape) + 1)
    return reshape(b, name, self, (*self.shape[:axis], 1, *self.shape[axis:]))


@rule("aten.permute")
def permute(b: Builder, name: str, self: Value, dims: Sequence[int]) -> Value:
    return transpose(b, name, self, [axis_of(self, d) for d in dims])


@rule("aten.transpose.int", "aten.swapaxes", "aten.swapdims")
def swap(b: Builder, name: str, self: Value, **dims: int) -> Value:
    one, other = (axis_of(self, d) for d in dims.values())
    order = list(range(len(self.shape)))
    order[one], order[other] = order[other], order[one]
    return transpose(b, name, self, order)


@rule("aten.t", "aten.numpy_T", "aten.mT", "aten.adjoint")
def turned(b: Builder, name: str, self: Value) -> Value:
    order = list(range(len(self.shape)))
    return transpose(b, name, self, order[::-1] if len(order) <= 2 else [*order[:-2], order[-1], order[-2]])


@rule("aten.movedim.int", "aten.movedim.intlist", "aten.moveaxis.int")
def move(b: Builder, name: str, self: Value, source: Any, destination: Any) -> Value:
    sources = [source] if isinstance(source, int) else source
    places = [destination] if isinstance(destination, int) else destination
    sources, places = ([axis_of(self, d) for d in part] for part in (sources, places))
    order = [axis for axis in range(len(self.shape)) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return transpose(b, name, self, order)


def expanded(b: Builder, name: str, x: Value, shape: Sequence[int]) -> Value:
    """`x` broadcast to `shape`; -1 keeps a size."""
    lead = len(shape) - len(x.shape)
    full = tuple(x.shape[axis - lead] if s == -1 else s for axis, s in enumerate(shape))
    if full == x.shape:
        return x
    made: Value = b.emit("expand", [x], name=name, shape=full)
    return made


@rule("aten.expand", "aten.broadcast_to")
def expand(b: Builder, name: str, self: Value, size: Sequence[int], **_: Any) -> Value:
    return expanded(b, name, self, size)


@rule("aten.expand_as")
def expand_as(b: Builder, name: str, self: Value, other: Value) -> Value:
    return expanded(b, name, self, other.shape)


@rule("aten.broadcast_tensors")
def broadcast(b: Builder, name: str, tensors: Sequence[Value]) -> list[Value]:
    shape = np.broadcast_shapes(*(x.shape for x in tensors))
    return [expanded(b, name, x, shape) for x in tensors]


@rule("aten.repeat", "aten.tile")
def repeat(b: Builder, name: str, self: Value, **repeats: Any) -> Value:
    times = list(next(iter(repeats.values())))  # torch calls it `repeats` or `dims`
    axes = max(len(times), len(self.shape))
    times = [1] * (axes - len(times)) + times
    x = reshape(b, f"{name}.axes", self, (*[1] * (axes - len(self.shape)), *self.shape))
    if all(t == 1 for t in times):
        return x
    made: Value = b.emit("tile", [x], name=name, repeats=times)
    return made


@rule("aten.repeat_interleave.self_int")
def repeat_interleave(b: Builder, name: str, self: Value, repeats: int, dim: int | None = None, **_: Any) -> Value:
    x = reshape(b, f"{name}.flat", self, (prod(self.shape),)) if dim is None else self
    axis = axis_of(x, dim or 0)
    apart = reshape(b, f"{name}.apart", x, (*x.shape[: axis + 1], 1, *x.shape[axis + 1 :]))
    wide = expanded(b, name, apart, (*x.shape[: axis + 1], repeats, *x.shape[axis + 1 :]))
    return reshape(b, f"{name}.out", wide, (*x.shape[:axis], x.shape[axis] * repeats, *x.shape[axis + 1 :]))


def part(b: Builder, name: str, x: Value, axis: int, start: int, stop: int, step: int = 1) -> Value:
    """start .. stop along one axis."""
    if (start, stop, step) == (0, x.shape[axis], 1):
        return x
    if start >= stop:
        raise Unsupported(f"an empty slice at {name!r}: every value here has at least one number")
    starts, stops, steps = [0] * len(x.shape), list(x.shape), [1] * len(x.shape)
    starts[axis], stops[axis], steps[axis] = start, stop, step
    made: Value = b.emit("slice", [x], name=name, starts=starts, stops=stops, steps=steps)
    return made


@rule("aten.slice.Tensor")
def slice_(
    b: Builder, name: str, self: Value, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Value:
    axis = axis_of(self, dim)
    begin, stop, _ = slice(start, end, step).indices(self.shape[axis])
    return part(b, name, self, axis, begin, stop, step)


@rule("aten.narrow")
def narrow(b: Builder, name: str, self: Value, dim: int, start: int, length: int) -> Value:
    return slice_(b, name, self, dim, start, start % self.shape[axis_of(self, dim)] + length)


@rule("aten.select.int")
def select(b: Builder, name: str, self: Value, dim: int, index: int) -> Value:
    axis = axis_of(self, dim)
    at = index % self.shape[axis]
    row = part(b, name, self, axis, at, at + 1)
    return reshape(b, f"{name}.out", row, (*self.shape[:axis], *self.shape[axis + 1 :]))


@rule("aten.split_with_sizes", "aten.split.sizes")
def split_with_sizes(b: Builder, name: str, self: Value, split_sizes: Sequence[int], dim: int = 0) -> list[Value]:
    axis, ends = axis_of(self, dim), np.cumsum(split_sizes).tolist()
    return [part(b, name, self, axis, end - size, end) for size, end in zip(split_sizes, ends, strict=True)]


@rule("aten.split.Tensor")
def split(b: Builder, name: str, self: Value, split_size: int, dim: int = 0) -> list[Value]:
    size = self.shape[axis_of(self, dim)]
    return split_with_sizes(b, name, self, [min(split_size, size - at) for at in range(0, size, split_size)], dim)


@rule("aten.chunk")
def chunk(b: Builder, name: str, self: Value, chunks: int, dim: int = 0) -> list[Value]:
    return split(b, name, self, -(-self.shape[axis_of(self, dim)] // chunks), dim)


@rule("aten.tensor_split.sections")
def tensor_split(b: Builder, name: str, self: Value, sections: int, dim: int = 0) -> list[Value]:
    size, rest = divmod(self.shape[axis_of(self, dim)], sections)
    return split_with_sizes(b, name, self, [size + (i < rest) for i in range(sections)], dim)


@rule("aten.unbind.int")
def unbind(b: Builder, name: str, self: Value, dim: int = 0) -> list[Value]:
    return [select(b, name, self, dim, index) for index in range(self.shape[axis_of(self, dim)])]


@rule("aten.cat", "aten.concat", "aten.concatenate")
def concatenate(b: Builder, name: str, tensors: Sequence[Value], dim: int = 0) -> Value:
    if all(is_plain(x) for x in tensors):
        element = common_element(*tensors)
        tensors = [cast(b, f"{name}.cast", x, element) for x in tensors]
    if len(tensors) == 1:
        return tensors[0]
    made: Value = b.emit("concatenate", tensors, name=name, axis=axis_of(tensors[0], dim))
    return made


@rule("aten.stack")
def stack(b: Builder, name: str, tensors: Sequence[Value], dim: int = 0) -> Value:
    axis = dim % (len(tensors[0].shape) + 1)
    return concatenate(b, name, [unsqueeze(b, f"{name}.part", x, axis) for x in tensors], axis)


@rule("aten.flip")
def flip(b: Builder, name: str, self: Value, dims: Sequence[int]) -> Any:
    starts, stops, steps = [0] * len(self.shape), list(self.shape), [1] * len(self.shape)
    for axis in (axis_of(self, d) for d in dims):
        starts[axis], stops[axis], steps[axis] = self.shape[axis] - 1, -(self.shape[axis] + 1), -1
    return b.emit("slice", [self], name=name, starts=starts, stops=stops, steps=steps)


@rule("aten.roll")
def roll(b: Builder, name: str, self: Value, shifts: Sequence[int], dims: Sequence[int] = ()) -> Value:
    if not dims:
        flat = reshape(b, f"{name}.flat", self, (prod(self.shape),))
        return reshape(b, f"{name}.out", roll(b, name, flat, shifts, [0]), self.shape)
    x = self
    for shift, axis in zip(shifts, (axis_of(self, d) for d in dims), strict=True):
        cut = -shift % x.shape[axis]
        if cut:
            ends = [part(b, f"{name}.part", x, axis, cut, x.shape[axis]), part(b, f"{name}.part", x, axis, 0, cut)]
            x = concatenate(b, name, ends, axis)
    return x


MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@rule("aten.pad")
def padded(b: Builder, name: str, self: Value, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Value:
    """torch gives pairs from the last axis on; a negative one cuts."""
    axes = len(self.shape)
    pairs = [(0, 0)] * (axes - len(pad) // 2) + [tuple(pad[i : i + 2]) for i in range(len(pad) - 2, -1, -2)]
    x = self
    for axis, (before, after) in enumerate(pairs):
        x = part(b, f"{name}.cut", x, axis, max(0, -before), x.shape[axis] - max(0, -after))
    befores, afters = ([max(0, p[i]) for p in pairs] for i in range(2))
    if not any((*befores, *afters)):
        return x
    fill = float(value or 0)
    made: Value = b.emit("pad", [x], name=name, before=befores, after=afters, mode=MODES[mode], value=fill)
    return made


@rule("aten.constant_pad_nd")
def constant_pad(b: Builder, name: str, self: Value, pad: Sequence[int], value: Any = 0) -> Value:
    return padded(b, name, self, pad, "constant", value)


@rule("aten.reflection_pad1d", "aten.reflection_pad2d")
def reflection_pad(b: Builder, name: str, self: Value, padding: Sequence[int]) -> Value:
    return padded(b, name, self, padding, "reflect")


@rule("aten.replication_pad1d", "aten.replication_pad2d")
def replication_pad(b: Builder, name: str, self: Value, padding: Sequence[int]) -> Value:
    return padded(b, name, self, padding, "replicate")


@rule("aten.pixel_shuffle")
def pixel_shuffle(b: Builder, name: str, self: Value, upscale_factor: int) -> Value:
    """[..., c r r, h, w] to [..., c, h r, w r]."""
    r, (*lead, c, h, w) = upscale_factor, self.shape
    x = reshape(b, f"{name}.parts", self, (prod(lead), c // r**2, r, r, h, w))
    x = transpose(b, name, x, (0, 1, 4, 2, 5, 3))
    return reshape(b, f"{name}.out", x, (*lead, c // r**2, h * r, w * r))


@rule("aten.pixel_unshuffle")
def pixel_unshuffle(b: Builder, name: str, self: Value, downscale_factor: int) -> Value:
    """[..., c, h r, w r] to [..., c r r, h, w]."""
    r, (*lead, c, h, w) = downscale_factor, self.shape
    x = reshape(b, f"{name}.parts", self, (prod(lead), c, h // r, r, w // r, r))
    x = transpose(b, name, x, (0, 1, 3, 5, 2, 4))
    return reshape(b, f"{name}.out", x, (*lead, c * r**2, h // r, w // r))


@rule("aten.channel_shuffle", "aten.native_channel_shuffle")
def channel_shuffle(b: Builder, name: str, self: Value, groups: int) -> Value:
    n, c, *sizes = self.shape
    x = reshape(b, f"{name}.groups", self, (n, groups, c // groups, prod(sizes)))
    return reshape(b, f"{name}.out", transpose(b, name, x, (0, 2, 1, 3)), self.shape)


@rule(
    "aten.dropout",
    "aten.feature_dropout",
    "aten.alpha_dropout",
    "aten.feature_alpha_dropout",
)
def dropout(b: Builder, name: str, input: Value, p: float, train: bool) -> Value:
    if train and p:
        raise Unsupported(
            f"dropout at {name!r} that draws random numbers in evaluation mode too: hand it `self.training`"
        )
    return input


@rule(
    "aten.clone", "aten.contiguous", "aten.alias", "aten.detach", "aten.lift_fresh_copy", "aten.lift_fresh",
    "aten.positive", "aten.resolve_conj", "aten.resolve_neg",
)  # fmt: skip
def identity(b: Builder, name: str, self: Value, **_: Any) -> Value:
    return self


@rule("aten.to.dtype", "aten.to.dtype_layout", "aten.to.device", "aten._to_copy", "aten.to.other", "aten.type_as")
def to(b: Builder, name: str, self: Value, dtype: Any = None, other: Value | None = None, **_: Any) -> Value:
    element = self.type.element if other is None else other.type.element
    if not is_plain(self):
        return self
    return cast(b, name, self, element_of_dtype(dtype, element))


@rule(
    "aten._assert_tensor_metadata", "aten._assert_async.msg", "aten._assert_scalar", "aten.sym_constrain_range_for_size"
)
def nothing(b: Builder, name: str, **_: Any) -> None:
    return None
