"""A picture at another size: x [n, c, h, w] to [n, c, *size], one axis after the other.

    place of result i    half_pixel (i + 1/2)/f - 1/2     align_corners i (in - 1)/(out - 1)     asymmetric i/f
                         pytorch_half_pixel: half_pixel, but 0 where one place is left
    nearest              the place rounded (floor, ceil, or to the nearest with the tie down or up)
    linear               the two places around, weighted by nearness
    cubic                the four around, by Keys' kernel with a = `cubic_a` (Keys, 1981)

f = out/in, unless `scale` gives it. Places beyond an end are those of the end. Places are computed in float64 from
whole numbers with one division, so that a tie is a tie. Nearest is for every element type, the others for floats.
"""

from collections.abc import Sequence
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput, one_line
from lamina.ir.gradients import move as gradients
from lamina.ir.network import Array
from lamina.ir.operators._rules import bounded, equal_elements
from lamina.ir.operators._table import Attributes, Operator, Shape, Site, elementwise_nest
from lamina.ir.types import Float

TAPS = {"nearest": 1, "linear": 2, "cubic": 4}  # numbers that one result reads along an axis
CHOICES: dict[str, Sequence[str]] = {
    "mode": tuple(TAPS),
    "coordinates": ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"),
    "nearest": ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"),
}


def _shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    x, size = shapes[0], attributes["size"]
    if len(x) != 4 or len(size) != 2:
        raise BadInput(f"resize takes x [n,c,h,w] and a size of two, not {list(x)} and {list(size)}")
    for name, allowed in CHOICES.items():
        if attributes[name] not in allowed:
            raise BadInput(f"{name} {one_line(attributes[name], 40)!r}: {', '.join(allowed)} are allowed")
    if min(attributes["scale"]) < 0 or not abs(attributes["cubic_a"]) <= 100:
        raise BadInput(f"scale {attributes['scale']} and cubic_a {attributes['cubic_a']}: at least 0, and -100 to 100")
    shape = bounded((*x[:2], *size))
    bounded((*x[:2], size[0], x[3]))
    return shape


def source(i: int, size: int, wanted: int, coordinates: str, scale: float) -> float:
    """The place in an axis of `size` that result i of `wanted` shows."""
    if coordinates == "align_corners":
        return i * (size - 1) / (wanted - 1) if wanted > 1 else 0.0
    if coordinates == "pytorch_half_pixel" and wanted == 1:
        return 0.0
    if coordinates == "asymmetric":
        return i / scale if scale else i * size / wanted
    return (i + 0.5) / scale - 0.5 if scale else ((2 * i + 1) * size - wanted) / (2 * wanted)


def _rounded(place: float, nearest: str) -> int:
    if nearest in ("floor", "ceil"):
        return floor(place) if nearest == "floor" else ceil(place)
    return ceil(place - 0.5) if nearest == "round_prefer_floor" else floor(place + 0.5)


def _weights(rest: float, mode: str, a: float) -> list[float]:
    """The taps around a place that lies `rest`, in [0, 1), behind one."""
    if mode == "linear":
        return [1 - rest, rest]

    def near(d: float) -> float:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: float) -> float:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [far(1 + rest), near(rest), near(1 - rest), far(2 - rest)]


def taps(size: int, wanted: int, attributes: Attributes, axis: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which places each result of an axis (0 height, 1 width) reads, and their weights; both [wanted, taps]."""
    mode, scale = attributes["mode"], attributes["scale"][axis]
    found, weights = [], []
    for i in range(wanted):
        place = source(i, size, wanted, attributes["coordinates"], scale)
        if mode == "nearest":
            found.append([_rounded(place, attributes["nearest"])])
            weights.append([1.0])
            continue
        first = floor(place)
        around = range(first - TAPS[mode] // 2 + 1, first + TAPS[mode] // 2 + 1)
        found.append([min(max(tap, -1), size) for tap in around])
        weights.append(_weights(place - first, mode, attributes["cubic_a"]))
    return np.clip(np.array(found, np.int64), 0, size - 1), np.array(weights)


def _resize(arrays: Sequence[Array], site: Site) -> Array:
    x = arrays[0]
    for axis in (0, 1):
        places, weights = taps(x.shape[2 + axis], site.attributes["size"][axis], site.attributes, axis)
        if site.attributes["mode"] == "nearest":
            x = np.take(x, places[:, 0], axis=2 + axis)
            continue
        along = (-1, 1) if axis == 0 else (-1,)
        parts = [
            np.take(x, places[:, tap], axis=2 + axis) * weights[:, tap].astype(x.dtype).reshape(along)
            for tap in range(places.shape[1])
        ]
        x = sum(parts[1:], parts[0])
    return x


def _elements(site: Site) -> None:
    equal_elements(0)(site)
    if site.attributes["mode"] != "nearest" and not isinstance(site.inputs[0].element, Float):
        raise BadInput(f"mode {site.attributes['mode']!r} computes real numbers: dequantise before it")


def _nest(site: Site) -> dict[str, Any]:
    return elementwise_nest(site, ops_per_element=TAPS[site.attributes["mode"]] ** 2)


OPERATORS = (
    Operator(
        name="resize",
        summary="a picture at another size: nearest, linear or cubic",
        arity=(1, 1),
        attributes={
            "size": tuple,
            "mode": "nearest",
            "coordinates": "half_pixel",
            "nearest": "round_prefer_floor",
            "cubic_a": -0.75,
            "scale": (0.0, 0.0),
        },
        shape=_shape,
        moves=_resize,
        nest=_nest,
        elements=_elements,
        gradient=gradients.resize,
    ),
)
