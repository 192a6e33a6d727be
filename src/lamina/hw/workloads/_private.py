"""Private kernels: a convolution whose every output pixel has weights of its own (locally connected), as a loop nest.

    O[k, p, q] += W[p, q, k, c, r, s] * I[c, p + r, q + s]

A nest has no letter for it, but groups say it: p q groups, each one pixel over its own window. Cycles, multiplications,
weights and outputs are exact. Inputs count every window, c r s numbers a pixel: what a machine reads whose input buffer
holds no whole window, 1/k of the weights, so an excess of at most 1/k over reading each pixel once.
"""

from lamina.ir.layer import Layer


def private(
    name: str, channels: int, filters: int, size: tuple[int, int], kernel: tuple[int, int], *, bits: int = 16
) -> Layer:
    """`channels` to `filters` over an input of `size` (height, width), valid windows, stride 1, no bias."""
    p, q = size[0] - kernel[0] + 1, size[1] - kernel[1] + 1
    return Layer(
        name=name,
        operator="conv2d",
        k=filters,
        c=channels,
        r=kernel[0],
        s=kernel[1],
        groups=p * q,
        input_bits=bits,
        weight_bits=bits,
        output_bits=bits,
    )
