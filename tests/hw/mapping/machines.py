"""Small random arrays, hierarchies and layers."""

from hypothesis import strategies as st

from lamina.hw.families.hierarchy import Hierarchy
from lamina.hw.mapping.structure import OPERANDS, Dimension, Level
from lamina.ir.layer import Layer

WIDTHS = st.sampled_from([8, 16, 64, 256])
JOULES = st.sampled_from([1e-13, 1e-12, 2e-11])
SPREAD = st.sampled_from([("k",), ("c",), ("k", "c"), ("g", "k"), ("n", "c", "k")])


@st.composite
def hierarchies(draw: st.DrawFn, along: st.SearchStrategy[tuple[str, ...]] = SPREAD) -> Hierarchy:
    """One or two dimensions; registers of some operands, one buffer or two, DRAM."""
    array = tuple(
        Dimension(name=name, size=draw(st.integers(1, 6)), loops=draw(along), systolic=draw(st.booleans()))
        for name in ("rows", "columns")[: draw(st.integers(1, 2))]
    )
    everywhere = tuple(d.name for d in array)
    ports = st.sampled_from(["shared", "read_write", "private"])

    def level(name: str, holds: tuple[str, ...], least: int, serves: tuple[str, ...]) -> Level:
        width, kind = draw(WIDTHS), draw(ports)
        return Level(
            name=name,
            holds=holds,
            capacity_bytes=least * draw(st.sampled_from([1, 2, 4, 8, 100])),
            read_bits_per_cycle=width,
            write_bits_per_cycle=None if kind == "shared" else draw(WIDTHS),
            read_j=draw(JOULES),
            write_j=draw(JOULES),
            serves=serves,
            ports=kind,
            word_bits=8 if draw(st.booleans()) else None,
        )

    levels = []
    for name, holds, least in (("wr", ("weights",), 1), ("or", ("outputs",), 4), ("ir", ("inputs",), 1)):
        if draw(st.booleans()):
            levels.append(level(name, holds, least, draw(st.sampled_from([(), everywhere[:1]]))))
    if draw(st.booleans()):
        levels.append(level("near", ("inputs", "outputs"), 400, everywhere))
    levels.append(level("buffer", OPERANDS, 1500, everywhere))
    levels.append(level("dram", OPERANDS, 10**8, everywhere))
    return Hierarchy(array=array, level=tuple(levels), clock_hz=1e9, mac_j=draw(JOULES), partial_sum_bits=32)


SIZE = st.integers(1, 12)
KERNEL = st.integers(1, 3)


@st.composite
def layers(draw: st.DrawFn, most: st.SearchStrategy[int] = SIZE) -> Layer:
    """A convolution without padding, a pooling or an addition."""
    kind = draw(st.sampled_from(["conv2d", "conv2d", "conv2d", "max_pool2d", "add"]))
    p, q = draw(most), draw(most)
    if kind == "add":
        return Layer(operator="add", groups=draw(most), p=p, q=q, has_weights=False, operands=2, ops=p * q)
    r, s, stride = draw(KERNEL), draw(KERNEL), draw(st.integers(1, 2))
    shape = {"p": p, "q": q, "r": r, "s": s, "stride": (stride, stride), "n": draw(st.integers(1, 3))}
    if kind == "max_pool2d":
        return Layer(operator=kind, groups=draw(most), has_weights=False, ops=p * q * r * s, **shape)
    return Layer(k=draw(most), c=draw(most), groups=draw(st.integers(1, 2)), **shape)
