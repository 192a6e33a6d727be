"""Interpolation to another size: nearest, linear, cubic, of one and two axes.

    nearest   x[floor(i / scale)]        nearest-exact   x[floor((i + 1/2) / scale)]
    linear, cubic (a = -0.75)            at (i + 1/2) / scale - 1/2, or with corners on corners

The scale is the one that was asked for where a factor was given, else the sizes' ratio.
"""

from collections.abc import Sequence
from typing import Any

from lamina.ir.build import Builder, Value
from lamina.lowering.torch_rules._rule import rule
from lamina.lowering.torch_rules.convolution import high, image


def _resize(
    b: Builder, name: str, x: Value, size: Sequence[int] | None, factors: Sequence[float | None] | None, **how: Any
) -> Value:
    axes = len(x.shape) - 2
    by = [float(f) for f in factors or [] if f is not None]  # all or none
    if size is None:
        size = [int(s * f) for s, f in zip(x.shape[2:], by, strict=True)]
    wanted = high(size, axes, 1)
    scale = [0.0, 0.0] if not by else ([1.0, *by] if axes == 1 else by)
    return image(b, name, x, axes, lambda seen: b.emit("resize", [seen], name=name, size=wanted, scale=scale, **how))


def _factors(given: dict[str, Any]) -> list[float | None] | None:
    """Scales by name (scales, scales_h, scales_w), as decomposed operators have them."""
    found = [given[key] for key in ("scales", "scales_h", "scales_w") if key in given]
    return given.get("scale_factors") or found or None


def _input(given: dict[str, Any]) -> Value:
    found: Value = given["input"] if "input" in given else given["self"]
    return found


@rule(
    "aten.upsample_nearest1d", "aten.upsample_nearest2d", "aten.upsample_nearest1d.vec", "aten.upsample_nearest2d.vec"
)
def nearest(b: Builder, name: str, output_size: Any, **given: Any) -> Value:
    how = {"mode": "nearest", "coordinates": "asymmetric", "nearest": "floor"}
    return _resize(b, name, _input(given), output_size, _factors(given), **how)


@rule(
    "aten._upsample_nearest_exact1d",
    "aten._upsample_nearest_exact2d",
    "aten._upsample_nearest_exact1d.vec",
    "aten._upsample_nearest_exact2d.vec",
)
def nearest_exact(b: Builder, name: str, output_size: Any, **given: Any) -> Value:
    how = {"mode": "nearest", "coordinates": "half_pixel", "nearest": "round_prefer_ceil"}
    return _resize(b, name, _input(given), output_size, _factors(given), **how)


@rule(
    "aten.upsample_linear1d", "aten.upsample_bilinear2d", "aten.upsample_linear1d.vec", "aten.upsample_bilinear2d.vec"
)
def linear(b: Builder, name: str, output_size: Any, align_corners: bool, **given: Any) -> Value:
    how = {"mode": "linear", "coordinates": "align_corners" if align_corners else "half_pixel"}
    return _resize(b, name, _input(given), output_size, _factors(given), **how)


@rule("aten.upsample_bicubic2d", "aten.upsample_bicubic2d.vec")
def cubic(b: Builder, name: str, output_size: Any, align_corners: bool, **given: Any) -> Value:
    how = {"mode": "cubic", "coordinates": "align_corners" if align_corners else "half_pixel"}
    return _resize(b, name, _input(given), output_size, _factors(given), **how)
