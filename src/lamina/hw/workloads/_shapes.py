"""Words for layer tables: convolutions, poolings and fully connected layers by the sizes that papers print."""

from lamina.ir.layer import Layer, dense

__all__ = ["conv", "dense", "pool"]


def conv(
    name: str,
    channels: int,
    filters: int,
    size: int | tuple[int, int],
    kernel: int | tuple[int, int],
    *,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
    batch: int = 1,
    bits: int = 16,
    bias: bool = True,
) -> Layer:
    """A convolution of `channels` to `filters` (of all groups together) over an input of `size` (height, width)."""
    (h, w), (r, s) = _pair(size), _pair(kernel)
    return Layer(
        name=name,
        operator="conv2d",
        n=batch,
        k=filters // groups,
        c=channels // groups,
        p=(h + 2 * padding - r) // stride + 1,
        q=(w + 2 * padding - s) // stride + 1,
        r=r,
        s=s,
        groups=groups,
        stride=(stride, stride),
        padding=(padding,) * 4,
        height=h,
        width=w,
        has_bias=bias,
        input_bits=bits,
        weight_bits=bits,
        output_bits=bits,
    )


def pool(
    name: str,
    channels: int,
    size: int | tuple[int, int],
    kernel: int | tuple[int, int],
    *,
    stride: int | None = None,
    operator: str = "max_pool2d",
    batch: int = 1,
    bits: int = 16,
) -> Layer:
    """A pooling over an input of `size`; the stride is the window unless said."""
    (h, w), (r, s) = _pair(size), _pair(kernel)
    sy, sx = (stride, stride) if stride else (r, s)
    p, q = (h - r) // sy + 1, (w - s) // sx + 1
    return Layer(
        name=name,
        operator=operator,
        n=batch,
        groups=channels,
        p=p,
        q=q,
        r=r,
        s=s,
        stride=(sy, sx),
        height=h,
        width=w,
        has_weights=False,
        ops=batch * channels * p * q * r * s,
        input_bits=bits,
        weight_bits=bits,
        output_bits=bits,
    )


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size
