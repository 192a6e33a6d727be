"""Layers that move numbers, and layers that do nothing once training is over.

Flatten, Reshape, Permute, RepeatVector     in Keras's order of the axes, the batch apart
Dropout, noise, augmentation, ...           the identity
"""

from math import prod

from lamina.core.errors import BadInput, one_line
from lamina.lowering import _parts as parts
from lamina.lowering.keras_rules import LARGEST, Layer, Result, Rule, Tensor, only, plain

NOTHING = (
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "AlphaDropout", "GaussianDropout", "GaussianNoise", "Identity",
    "ActivityRegularization", "StochasticDepth", "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation",
    "RandomContrast", "RandomBrightness",
)  # fmt: skip


def same(layer: Layer, inputs: list[Tensor]) -> Result:
    return inputs[0] if len(inputs) == 1 else inputs


def flatten(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = only(inputs)
    value = layer.plain(x)
    if not layer.channels_last and len(x.order) > 2:  # Keras flattens pictures as [n, h, w, c] whatever they are
        value = layer.turned(x.value, tuple(x.order[axis] for axis in (0, *range(2, len(x.order)), 1)))
    return plain(parts.reshape(layer.builder, layer.name, value, (value.shape[0], prod(value.shape[1:]))))


def filled_in(wanted: object, numbers: int) -> tuple[int, ...]:
    """A shape in which one -1 is what remains of `numbers`."""
    if not isinstance(wanted, list) or len(wanted) > 16 or not all(type(size) is int for size in wanted):
        raise BadInput(f"a shape that is given as {one_line(wanted, 60)}")
    known = prod(size for size in wanted if size != -1)
    if wanted.count(-1) > 1 or known < 1 or any(size < -1 or size > LARGEST for size in wanted) or numbers % known:
        raise BadInput(f"{numbers} numbers do not fill {wanted}")
    found = tuple(numbers // known if size == -1 else size for size in wanted)
    if prod(found) != numbers:
        raise BadInput(f"{numbers} numbers do not fill {wanted}")
    return found


def reshape(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x = only(inputs)
    shape = filled_in(layer.config.get("target_shape"), prod(x.shape[1:]))
    return plain(parts.reshape(layer.builder, layer.name, layer.plain(x), (x.shape[0], *shape)))


def permute(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x, dims = only(inputs), layer.config.get("dims")
    if not isinstance(dims, list) or sorted(map(str, dims)) != sorted(map(str, range(1, len(x.order)))):
        raise BadInput(f"dims {one_line(dims, 40)} of a value of shape {list(x.shape)}")
    return Tensor(x.value, (x.order[0], *(x.order[int(axis)] for axis in dims)))


def repeat_vector(layer: Layer, inputs: list[Tensor]) -> Tensor:
    x, times = only(inputs), layer.whole("n")
    if len(x.order) != 2:
        raise BadInput(f"a value of shape {list(x.shape)} where two axes are needed")
    n, c = x.shape
    row = parts.reshape(layer.builder, f"{layer.name}.row", layer.plain(x), (n, 1, c))
    return plain(layer.emit("tile", [row], repeats=(1, times, 1)))


RULES: dict[str, Rule] = {
    **dict.fromkeys(NOTHING, same),
    "Flatten": flatten,
    "Reshape": reshape,
    "Permute": permute,
    "RepeatVector": repeat_vector,
}
