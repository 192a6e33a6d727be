"""The IDX format of the MNIST files: 0, 0, type 8 (uint8), axes; one big-endian 32-bit size per axis; the bytes.

Source    LeCun, Cortes, Burges, "The MNIST database", file formats section
"""

import numpy as np

from lamina.core.errors import BadInput


def parse(data: bytes, name: str) -> np.ndarray:
    """The uint8 array in `data`; anything but a whole IDX file is a `BadInput` naming `name`."""
    if len(data) < 4 or data[:3] != b"\0\0\x08" or not 1 <= data[3] <= 4:
        raise BadInput(f"{name}: not an IDX file of bytes: it is damaged, fetch it again")
    axes = data[3]
    head = 4 + 4 * axes
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes)]
    size = 1
    for length in shape:
        size *= length
    if len(data) != head + size:
        raise BadInput(
            f"{name}: {len(data) - head} bytes of numbers, its header says {size}: it is damaged, fetch it again"
        )
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)
