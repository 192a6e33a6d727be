"""Random layers and machines for the laws of `hw`."""

from hypothesis import strategies as st

from lamina.hw.families.nfu import Nfu
from lamina.hw.families.roofline import Roofline
from lamina.hw.families.systolic import Systolic
from lamina.ir.layer import Layer

size = st.integers(1, 40)
small = st.integers(1, 5)
bits = st.sampled_from([1, 4, 8, 12, 16, 32])


@st.composite
def multiplying(draw: st.DrawFn) -> Layer:
    """A convolution or fully connected layer; grouped, strided, dilated, padded unevenly."""
    widths = {"input_bits": draw(bits), "weight_bits": draw(bits), "output_bits": draw(bits)}
    if draw(st.booleans()):
        return Layer(
            operator="linear", n=draw(size), k=draw(size), c=draw(size), has_bias=draw(st.booleans()), **widths
        )
    r, s, p, q, stride, dilation = draw(small), draw(small), draw(size), draw(size), draw(small), draw(small)
    pads = [draw(st.integers(0, (kernel - 1) * dilation)) for kernel in (r, r, s, s)]
    most = [(p - 1) * stride + (r - 1) * dilation, (q - 1) * stride + (s - 1) * dilation]  # leaves one row and column
    top, left = min(pads[0], most[0]), min(pads[2], most[1])
    padding = (top, min(pads[1], most[0] - top), left, min(pads[3], most[1] - left))
    return Layer(
        n=draw(small),
        k=draw(size),
        c=draw(size),
        p=p,
        q=q,
        r=r,
        s=s,
        groups=draw(small),
        stride=(stride, stride),
        dilation=(dilation, dilation),
        padding=padding,
        has_bias=draw(st.booleans()),
        **widths,
    )


@st.composite
def moving(draw: st.DrawFn) -> Layer:
    """A layer that multiplies nothing: pooling, an addition, an activation."""
    operator = draw(st.sampled_from(["max_pool2d", "average_pool2d", "add", "relu", "quantise"]))
    n, channels, p, q = draw(small), draw(size), draw(size), draw(size)
    window = draw(small) if "pool" in operator else 1
    return Layer(
        operator=operator,
        n=n,
        groups=channels,
        p=p,
        q=q,
        r=window,
        s=window,
        has_weights=False,
        operands=2 if operator == "add" else 1,
        ops=n * channels * p * q * window * window,
        input_bits=draw(bits),
        output_bits=draw(bits),
    )


networks = st.lists(st.one_of(multiplying(), moving()), min_size=1, max_size=6)

memory = st.integers(2, 200_000)
systolic = st.builds(
    Systolic,
    rows=size,
    columns=size,
    dataflow=st.sampled_from(["output_stationary", "weight_stationary", "input_stationary"]),
    input_sram_bytes=memory,
    weight_sram_bytes=memory,
    output_sram_bytes=memory,
    dram_bytes_per_s=st.floats(1e6, 1e12),
    accumulator_bits=st.sampled_from([16, 32, 48, 64]),
)
nfu = st.builds(
    Nfu,
    inputs=size,
    outputs=size,
    nbin_bytes=memory,
    nbout_bytes=memory,
    sb_bytes=memory,
    dram_bytes_per_s=st.floats(1e6, 1e12),
)
roofline = st.builds(
    Roofline,
    peak_ops_per_s=st.floats(1e9, 1e13),
    dram_bytes_per_s=st.floats(1e9, 1e11),
    cache_bytes_per_s=st.floats(1e11, 1e12),
    cache_bytes=st.floats(1e3, 1e8),
    call_s=st.floats(0, 1e-5),
)
machines = st.one_of(systolic, nfu, roofline)
