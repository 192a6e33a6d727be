"""Views: the same numbers in another shape. They move nothing and have no loop nest.

flatten   axes start.. become one
reshape   `shape`, in which 0 keeps the input's axis at that place (so a batch stays open) and one -1 is what remains
"""

from collections.abc import Sequence
from math import prod

from lamina.core.errors import BadInput
from lamina.ir.gradients import move as gradients
from lamina.ir.network import Array
from lamina.ir.operators._table import Attributes, Operator, Shape, Site, same_element


def _flatten_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    start, shape = attributes["start"], shapes[0]
    if not 0 <= start < len(shape):
        raise BadInput(f"flatten from axis {start} of a value of shape {list(shape)}")
    return (*shape[:start], prod(shape[start:]))


def _reshape_shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    x, wanted = shapes[0], attributes["shape"]
    kept = []
    for axis, size in enumerate(wanted):
        if size == 0 and axis >= len(x):
            raise BadInput(f"reshape keeps axis {axis} of a value of shape {list(x)}")
        kept.append(x[axis] if size == 0 else size)
    if kept.count(-1) > 1 or any(size < -1 for size in kept):
        raise BadInput(f"reshape to {list(wanted)}: sizes are positive, 0 (keep) or one -1")
    if -1 in kept:
        known = prod(size for size in kept if size != -1)
        if known == 0 or prod(x) % known:
            raise BadInput(f"{prod(x)} numbers do not fill {list(wanted)}")
        kept[kept.index(-1)] = prod(x) // known
    if prod(kept) != prod(x):
        raise BadInput(f"{prod(x)} numbers do not fill {list(wanted)}")
    return tuple(kept)


def _integers(arrays: Sequence[Array], site: Site) -> Array:
    return arrays[0].reshape(site.outputs[0].shape)


OPERATORS = (
    Operator(
        name="flatten",
        summary="axes from `start` on become one",
        arity=(1, 1),
        attributes={"start": 1},
        shape=_flatten_shape,
        run=lambda arrays, attributes: arrays[0].reshape(_flatten_shape([arrays[0].shape], attributes)),
        integers=_integers,
        elements=same_element,
        gradient=gradients.reshape,
    ),
    Operator(
        name="reshape",
        summary="the same numbers in another shape; 0 keeps an axis, -1 is what remains",
        arity=(1, 1),
        attributes={"shape": tuple},
        shape=_reshape_shape,
        run=lambda arrays, attributes: arrays[0].reshape(_reshape_shape([arrays[0].shape], attributes)),
        integers=_integers,
        elements=same_element,
        gradient=gradients.reshape,
    ),
)
