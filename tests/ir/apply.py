"""One operator alone: a network of a single operation, checked, run and read back."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from lamina.ir import Network, Type
from lamina.ir.build import Builder, element_of
from lamina.ir.types import Element, Fixed, Integer


def built(
    operator: str,
    types: Sequence[Type],
    element: Element | Sequence[Element] | None = None,
    **attributes: Any,
) -> Network:
    """`operator` on inputs v0, v1, ... of `types`; its results are r0, r1, ..."""
    builder = Builder()
    inputs = [builder.input(f"v{i}", type_) for i, type_ in enumerate(types)]
    made = builder.emit(operator, inputs, element=element, **attributes)
    results = made if isinstance(made, list) else [made]
    return builder.network(operator, {f"r{i}": value for i, value in enumerate(results)})


def apply(
    operator: str,
    *arrays: np.ndarray,
    elements: Sequence[Element | None] = (),
    element: Element | Sequence[Element] | None = None,
    **attributes: Any,
) -> list[np.ndarray]:
    """The results of `operator` on `arrays`; `elements` of the inputs follow from the arrays where none is given."""
    given = [*elements, *[None] * (len(arrays) - len(elements))]
    types = [
        Type(shape=a.shape, element=e or element_of(np.asarray(a).dtype)) for a, e in zip(arrays, given, strict=True)
    ]
    network = built(operator, types, element, **attributes)
    feed = {
        f"v{i}": np.asarray(a).astype(t.element.storage) for i, (a, t) in enumerate(zip(arrays, types, strict=True))
    }
    return list(network.run(feed).values())


def random_stored(rng: np.random.Generator, shape: tuple[int, ...], element: Integer | Fixed) -> np.ndarray:
    """Stored numbers anywhere in the range of `element`, its ends among them."""
    found = rng.integers(element.low, element.high, size=shape, endpoint=True)
    found.reshape(-1)[:2] = [element.low, element.high][: found.size]
    return found.astype(element.storage)


def requantised(total: int, scale: Fraction, out: Integer | Fixed, rounding: str) -> tuple[int, bool]:
    """What an exact sum at `scale` becomes in `out`, by fractions; and whether it was a tie."""
    real = total * scale / Fraction(out.scale[0])
    q = real.numerator // real.denominator if rounding == "truncate" else round(real)
    return min(max(q + out.zero_point, out.low), out.high), real.denominator == 2
