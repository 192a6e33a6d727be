"""The table of `docs/integers.md`: for each kind of integers, how many differ between the interpreter and ONNX Runtime.

A 20-50-500-10 network of LeNet's shape with random weights, its scales set so that every layer uses its range; the
integers of all four layers are counted on random images.
"""

from math import log2
from pathlib import Path
from typing import Any

import numpy as np

import lamina.export
from lamina.core.seeds import numpy_generator
from lamina.export.onnx_session import LEVELS, session
from lamina.ir import Integer, Network, Type
from lamina.ir.network import Attribute
from tests.network_builder import Builder

IMAGES = 40
# name of the row -> signed activations, one weight scale per channel, form
KINDS: dict[str, tuple[bool, bool, str]] = {
    "u8, s8 per tensor, power-of-two": (False, False, "power_of_two"),
    "u8, s8 per channel, power-of-two": (False, True, "power_of_two"),
    "s8, s8 per tensor, power-of-two": (True, False, "power_of_two"),
    "u8, s8 per tensor, float": (False, False, "float"),
    "u8, s8 per channel, float": (False, True, "float"),
    "s8, s8 per tensor, float": (True, False, "float"),
}


def network(signed: bool, per_channel: bool, form: str) -> Network:
    """The integer core, with the integers of every layer as outputs."""
    b = Builder(rng=numpy_generator(11, "integers table", signed, per_channel, form))
    zero = 0 if signed or form == "power_of_two" else 11
    b.input("x", Type(shape=(1, 1, 28, 28), element=_activation(_scale(b, form, -7.5), signed, zero)))
    values: dict[str, str] = {}
    for index, (k, kernel) in enumerate(((20, 5), (50, 5), (500, 0), (10, 0)), start=1):
        if kernel == 0 and len(b.shape) == 4:
            b.op("flatten", (b.value,), (1, 800), b.element)
        n, c = b.shape[:2]
        shape = (k, c, kernel, kernel) if kernel else (k, c)
        sums = int(np.prod(shape[1:]))
        scales = tuple(
            _scale(b, form, -8 + (b.rng.uniform(-2, 0) if per_channel else 0)) for _ in range(k if per_channel else 1)
        )
        x = b.element
        assert isinstance(x, Integer)
        axis = 0 if per_channel else None
        weight = Type(shape=shape, element=Integer(bits=8, scale=scales, axis=axis))
        data = np.clip(np.rint(b.rng.normal(size=shape) * 40), -127, 127)
        kinds = tuple(float(np.float32(x.scale[0]) * np.float32(s)) for s in scales)
        bias = Type(shape=(k,), element=Integer(bits=32, scale=kinds, axis=axis))
        names = (b.value, b.const(f"w{index}", data, weight), b.const(f"b{index}", b.rng.integers(-999, 999, k), bias))
        # sums deviate by about 40 * 100 * sqrt(sums); 60 steps of the result shall cover that
        result = _activation(_scale(b, form, log2(x.scale[0] * max(scales) * 4000 * sums**0.5 / 60)), signed, 5 * zero)
        more: dict[str, Attribute] = {} if form == "power_of_two" else {"rounding": form}
        size = b.shape[-1] - kernel + 1
        values[f"y{index}"] = b.op(
            "conv2d" if kernel else "linear", names, (n, k, size, size) if kernel else (n, k), result, **more
        )
        if kernel:
            window: dict[str, Any] = {"kernel": (2, 2), "stride": (2, 2)}
            b.op("max_pool2d", (b.value,), (n, k, size // 2, size // 2), result, **window)
    return b.finish("table", values)


def _activation(scale: float, signed: bool, zero: int) -> Integer:
    return Integer(bits=8, signed=signed, scale=(scale,), zero_point=zero)


def _scale(b: Builder, form: str, exponent: float) -> float:
    """About 2^exponent."""
    return (
        2.0 ** round(exponent)
        if form == "power_of_two"
        else float(np.float32(2.0 ** (exponent + b.rng.uniform(-0.4, 0.4))))
    )


def differing(kind: str, folder: Path) -> tuple[list[int], int]:
    """Differing integers at each optimisation level, and how many were compared."""
    source = network(*KINDS[kind])
    element = source.inputs["x"].element
    images = numpy_generator(12, kind).integers(element.low, element.high, (IMAGES, 1, 28, 28), endpoint=True)  # type: ignore[union-attr]
    inputs = {"x": images.astype(element.storage)}
    wanted = source.run(inputs)
    path = lamina.export.onnx(source, folder / "table.onnx")
    counts = []
    for level in LEVELS:
        found = dict(zip(wanted, session(path, level=level).run(list(wanted), inputs), strict=True))
        counts.append(sum(int((found[name] != value).sum()) for name, value in wanted.items()))
    return counts, sum(value.size for value in wanted.values())


def text(folder: Path) -> str:
    """The table in Markdown."""
    lines = [
        "| activations, weights, scales | " + " | ".join(LEVELS) + " | integers |",
        "|---|" + "---|" * (len(LEVELS) + 1),
    ]
    for kind in KINDS:
        counts, size = differing(kind, folder)
        lines.append(f"| {kind} | {' | '.join(map(str, counts))} | {size:,} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(text(Path("/tmp")))
