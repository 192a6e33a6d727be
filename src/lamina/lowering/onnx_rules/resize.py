"""Resize and Upsample: every axis by itself.

    resize            where Lamina's operator has the mode
    a matrix          [out, in] of weights, through `linear`, for the rest: antialiasing (the kernel widened by the
                      factor), places outside left out and weights summed to 1 again, crops with a value around them
    gather            for nearest in those coordinates

The factor is the given scale, not the ratio of sizes, as ONNX says; a given size has their ratio.
"""

from dataclasses import dataclass
from math import floor

import numpy as np

from lamina.core.errors import BadInput, Unsupported
from lamina.lowering._onnx_node import Node, Tensor, place
from lamina.lowering.onnx_rules._rule import rule

OWN = ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")
MOST_ENTRIES = 2**24  # of one matrix


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """How one axis is resized."""

    size: int
    wanted: int
    scale: float
    roi: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class How:
    mode: str = "nearest"
    coordinates: str = "asymmetric"
    nearest: str = "floor"
    cubic_a: float = -0.75
    outside: float | None = None  # the value around a crop
    exclude: bool = False
    antialias: bool = False


@rule("Upsample")
def upsample(node: Node) -> Tensor:
    x = node.x()
    scales = node.floats("scales") if node.opset < 9 else _scales(node, 1)
    return _resized(node, x, How(mode=node.text("mode", "nearest")), _scaled(x, scales, [*range(x.rank)]))


@rule("Resize")
def resize(node: Node) -> Tensor:
    x = node.x()
    mode = node.text("mode", "nearest")
    if node.opset < 11:
        return _resized(node, x, How(mode=mode), _scaled(x, _scales(node, 1), [*range(x.rank)]))
    coordinates = node.text("coordinate_transformation_mode", "half_pixel")
    how = How(
        mode=mode,
        coordinates=coordinates,
        nearest=node.text("nearest_mode", "round_prefer_floor"),
        cubic_a=node.real("cubic_coeff_a", -0.75),
        outside=node.real("extrapolation_value", 0.0) if coordinates == "tf_crop_and_resize" else None,
        exclude=bool(node.integer("exclude_outside", 0)),
        antialias=bool(node.integer("antialias", 0)),
    )
    axes = [place(a, x.rank) for a in node.ints("axes", [*range(x.rank)])]
    roi = node.given(1)
    if coordinates == "tf_crop_and_resize" and roi is None:
        raise BadInput("a crop without its region")
    scales = node.given(2)
    if scales is not None and scales.shape != (0,):
        found = _scaled(x, _scales(node, 2), axes)
    else:
        found = _sized(node, x, node.numbers(3, "the sizes of a Resize"), axes)
    if coordinates == "tf_crop_and_resize":
        ends = [float(v) for v in node.array(1, "the region of a Resize").reshape(-1)]
        if len(ends) != 2 * len(axes):
            raise BadInput(f"a region of {len(ends)} numbers for {len(axes)} axes")
        pairs = dict(zip(axes, zip(ends[: len(axes)], ends[len(axes) :], strict=True), strict=True))
        found = [
            Axis(size=a.size, wanted=a.wanted, scale=a.scale, roi=pairs.get(at, (0.0, 1.0)))
            for at, a in enumerate(found)
        ]
    return _resized(node, x, how, found)


def _scales(node: Node, at: int) -> list[float]:
    return [float(v) for v in node.array(at, "the scales of a Resize").reshape(-1)]


def _scaled(x: Tensor, scales: list[float], axes: list[int]) -> list[Axis]:
    if len(scales) != len(axes) or any(not 0 < s <= 2**20 for s in scales):
        raise BadInput(f"{len(scales)} scales for {len(axes)} axes, or one that is not positive")
    factor = dict(zip(axes, scales, strict=True))
    found = [
        Axis(size=s, wanted=floor(s * factor.get(at, 1.0)), scale=factor.get(at, 1.0)) for at, s in enumerate(x.shape)
    ]
    if any(a.wanted < 1 for a in found):
        raise BadInput(f"scales {scales} leave nothing of {list(x.shape)}")
    return found


def _sized(node: Node, x: Tensor, sizes: list[int], axes: list[int]) -> list[Axis]:
    if len(sizes) != len(axes) or min(sizes) < 1:
        raise BadInput(f"sizes {sizes} for {len(axes)} axes")
    policy = node.text("keep_aspect_ratio_policy", "stretch")
    wanted = dict(zip(axes, sizes, strict=True))
    ratios = [wanted[a] / x.shape[a] for a in axes]
    if policy == "stretch":
        return [Axis(size=s, wanted=wanted.get(at, s), scale=wanted.get(at, s) / s) for at, s in enumerate(x.shape)]
    if policy not in ("not_larger", "not_smaller"):
        raise BadInput(f"keep_aspect_ratio_policy {policy!r}")
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    return [
        Axis(size=s, wanted=floor(scale * s + 0.5) if at in wanted else s, scale=scale if at in wanted else 1.0)
        for at, s in enumerate(x.shape)
    ]


def _resized(node: Node, x: Tensor, how: How, axes: list[Axis]) -> Tensor:
    if how.mode == "bilinear":
        how = How(mode="linear", coordinates=how.coordinates)
    if how.mode not in ("nearest", "linear", "cubic"):
        raise BadInput(f"mode {how.mode!r}: nearest, linear and cubic are ONNX's")
    changed = [at for at, a in enumerate(axes) if a.wanted != a.size or a.scale != 1 or a.roi != (0.0, 1.0)]
    own = how.coordinates in OWN and not how.exclude and not (how.antialias and how.mode != "nearest")
    if how.coordinates == "align_corners":  # ONNX's far corner is scale times size, whole or not
        own = own and all(axes[at].scale * axes[at].size == axes[at].wanted for at in changed)
    if not own:
        for at in changed:
            x = _by_matrix(node, x, how, axes[at], at)
        return x
    if x.rank == 4 and {*changed} <= {2, 3}:
        return _own(node, x, how, axes[2], axes[3], last=True)
    for at in changed:
        lead, rest = int(np.prod(x.shape[:at], dtype=int)), int(np.prod(x.shape[at + 1 :], dtype=int))
        rows = node.reshape(x, (1, lead, x.shape[at], rest))
        made = _own(node, rows, how, axes[at], Axis(size=rest, wanted=rest, scale=1.0))
        x = node.reshape(made, (*x.shape[:at], axes[at].wanted, *x.shape[at + 1 :]), last=True)
    return x


def _own(node: Node, x: Tensor, how: How, height: Axis, width: Axis, *, last: bool = False) -> Tensor:
    scale = tuple(0.0 if a.scale == a.wanted / a.size else a.scale for a in (height, width))
    made: Tensor = (node.emit if last else node.step)(
        "resize",
        x,
        size=(height.wanted, width.wanted),
        mode=how.mode,
        coordinates=how.coordinates,
        nearest=how.nearest,
        cubic_a=how.cubic_a,
        scale=scale,
    )
    return made


def _by_matrix(node: Node, x: Tensor, how: How, axis: Axis, at: int) -> Tensor:
    """One axis through its matrix of weights."""
    if axis.size * axis.wanted > MOST_ENTRIES:
        raise Unsupported(f"a Resize of {axis.size} to {axis.wanted} in these coordinates: the matrix is too large")
    weights, outside = matrix(how, axis)
    if x.rank > 1 and at < x.rank - 1:
        order = (*[a for a in range(x.rank) if a != at], at)
        back = tuple(int(v) for v in np.argsort(order))
        moved = node.step("transpose", x, order=order)
    else:
        order, back, moved = (), (), x
    made = node.step("linear", moved, node.constant(weights, x, name="weights"))
    if outside.any():
        assert how.outside is not None
        made = node.step("add", made, node.constant(outside * how.outside, x, name="outside"))
    if not order:
        return made
    found: Tensor = node.emit("transpose", made, order=back)
    return found


def matrix(how: How, axis: Axis) -> tuple[np.ndarray, np.ndarray]:
    """Weights [wanted, size], and which results lie outside of a crop."""
    weights = np.zeros((axis.wanted, axis.size))
    outside = np.zeros(axis.wanted)
    for i in range(axis.wanted):
        where = _source(how, axis, i)
        if how.outside is not None and not 0 <= where <= axis.size - 1:
            outside[i] = 1.0
            continue
        taps, shares = _taps(how, axis, where)
        inside = (taps >= 0) & (taps < axis.size)
        if how.exclude:
            shares = np.where(inside, shares, 0.0)
            shares = shares / shares.sum()
        np.add.at(weights[i], np.clip(taps, 0, axis.size - 1), shares)
    return weights, outside


def _source(how: How, axis: Axis, i: int) -> float:
    """The place in the axis that result i shows."""
    size, wanted, scale = axis.size, axis.wanted, axis.scale
    if how.coordinates == "tf_crop_and_resize":
        start, end = axis.roi
        if wanted == 1:
            return start * (size - 1) + (end - start) * (size - 1) / 2
        return start * (size - 1) + i * (end - start) * (size - 1) / (wanted - 1)
    if how.coordinates == "half_pixel_symmetric":
        return size / 2 * (1 - wanted / (scale * size)) + (i + 0.5) / scale - 0.5
    if how.coordinates == "align_corners":
        return i * (size - 1) / (scale * size - 1) if wanted > 1 else 0.0
    if how.coordinates == "asymmetric":
        return i / scale
    if how.coordinates == "tf_half_pixel_for_nn":
        return (i + 0.5) / scale
    if how.coordinates == "pytorch_half_pixel" and wanted == 1:
        return -0.5
    if how.coordinates not in ("half_pixel", "pytorch_half_pixel"):
        raise BadInput(f"coordinate_transformation_mode {how.coordinates!r}")
    return (i + 0.5) / scale - 0.5


def _taps(how: How, axis: Axis, where: float) -> tuple[np.ndarray, np.ndarray]:
    """The places around `where` and their weights."""
    if how.mode == "nearest":
        rounded = {
            "floor": floor(where),
            "ceil": -floor(-where),
            "round_prefer_floor": -floor(0.5 - where),
            "round_prefer_ceil": floor(where + 0.5),
        }
        return np.array([rounded[how.nearest]]), np.ones(1)
    narrow = min(axis.scale, 1.0) if how.antialias else 1.0
    reach = (1 if how.mode == "linear" else 2) / narrow
    taps = np.arange(floor(where - reach) + 1, floor(where + reach) + 1)
    if len(taps) > 2**16:
        raise BadInput(f"a kernel of {len(taps)} places")
    distance = np.abs(taps - where) * narrow
    shares = np.maximum(1 - distance, 0) if how.mode == "linear" else _keys(distance, how.cubic_a)
    return taps, shares / shares.sum()


def _keys(d: np.ndarray, a: float) -> np.ndarray:
    """Keys' cubic kernel at distances d."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))
