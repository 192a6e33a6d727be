"""Random numbers as a pure function: key and place give the number, nothing is remembered.

    block b of stream s   Philox4x32-10(counter = (b, s), key)    four words of 32 bits, ten rounds of multiply and xor
    number i of a value   (word i mod 4 of block i div 4) >> 8, times 2^-24: an f32 in [0, 1)

Philox is Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. A counter has four words: the block's
low and high half, then the stream's; the key's are the low and high half of the 64 bits of an INDEX without axes. A
stochastic model takes the key as an input and carries it; each of its `uniform` operations has its own stream.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput
from lamina.ir.network import Array
from lamina.ir.operators._rules import bounded, index
from lamina.ir.operators._table import Attributes, Operator, Shape, Site, elementwise_nest
from lamina.ir.types import Element, Float

ROUNDS = 10
MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
BUMPS = (0x9E3779B9, 0xBB67AE85)  # the golden ratio and sqrt(3) - 1, as the key moves on
WORD = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def philox(counter: NDArray[np.uint64], key: tuple[int, int]) -> NDArray[np.uint64]:
    """Four words of 32 bits for each counter [..., 4] under `key`; all words lie in uint64."""
    a, b, c, d = (counter[..., i] for i in range(4))
    for number in range(ROUNDS):
        k0, k1 = (np.uint64((word + number * bump) & 0xFFFFFFFF) for word, bump in zip(key, BUMPS, strict=True))
        first, second = a * MULTIPLIERS[0], c * MULTIPLIERS[1]  # whole products: 32 bits by 32 bits
        a, b, c, d = (second >> HALF) ^ b ^ k0, second & WORD, (first >> HALF) ^ d ^ k1, first & WORD
    return np.stack([a, b, c, d], axis=-1)


def _shape(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    if shapes[0]:
        raise BadInput(f"a key has no axes, this one is {list(shapes[0])}")
    if not 0 <= attributes["stream"] < 2**63:
        raise BadInput(f"stream {attributes['stream']}: 0 to 2^63 - 1 are allowed")
    return bounded(attributes["shape"])


def _uniform(arrays: Sequence[Array], site: Site) -> Array:
    key, stream, size = int(arrays[0]) & (2**64 - 1), site.attributes["stream"], site.outputs[0].size
    blocks = np.arange(-(-size // 4), dtype=np.uint64)
    ends = [np.full_like(blocks, word) for word in (stream & 0xFFFFFFFF, stream >> 32)]
    words = philox(np.stack([blocks & WORD, blocks >> HALF, *ends], axis=-1), (key & 0xFFFFFFFF, key >> 32))
    numbers = (words.reshape(-1)[:size] >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)
    return numbers.reshape(site.outputs[0].shape)


def _elements(site: Site) -> None:
    index(site.inputs[0].element, "keys")
    if site.outputs[0].element != Float():
        raise BadInput(f"uniform numbers are {Float()}, not {site.outputs[0].element}: cast them")


def _float(elements: Sequence[Element], attributes: Attributes) -> Element:
    return Float()


OPERATORS = (
    Operator(
        name="uniform",
        summary="uniform numbers in [0, 1), counted from a key",
        arity=(1, 1),
        attributes={"shape": tuple, "stream": 0},
        shape=_shape,
        moves=_uniform,
        element=_float,
        nest=lambda site: elementwise_nest(site, ops_per_element=ROUNDS),
        elements=_elements,
    ),
)
