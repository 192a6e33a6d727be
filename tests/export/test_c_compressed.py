"""Compressed layers in exported C: executed as they are stored, equal to the dense interpreter, and smaller."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

import lamina.export
from lamina.export._c_sparse import AT_ONCE, pack
from lamina.ir import Network, Type
from lamina.ir.build import Builder
from lamina.ir.network import Array
from lamina.ir.types import Element, Float, Integer
from tests.export.case_parts import ASYMMETRIC, EIGHT, SIXTEEN, UNEVEN, pick, shape
from tests.export.compiled import STRICT, Library

WEIGHT = Integer(bits=8, scale=(2.0**-7,))
KINDS: list[tuple[Element, Element, Element, dict[str, Any]]] = [  # input, weight, result, attributes
    (Float(), Float(), Float(), {}),
    (Float(bits=64), Float(bits=64), Float(bits=64), {}),
    (EIGHT, WEIGHT, EIGHT, {}),
    (ASYMMETRIC, WEIGHT, EIGHT, {}),
    (UNEVEN, WEIGHT, UNEVEN, {"rounding": "float"}),
    (SIXTEEN, SIXTEEN, SIXTEEN, {"accumulator": 64}),
]


def weights(rng: Generator, shape: tuple[int, ...], element: Element, density: float, bits: int | None) -> Array:
    if isinstance(element, Float):
        data: Array = rng.normal(size=shape)
    else:
        data = rng.integers(element.low // 2, element.high // 2, shape)
    if bits is not None:
        book = np.unique(data.ravel()[: 2**bits])
        data = book[rng.integers(0, len(book), shape)]
    return (data * (rng.random(shape) < density)).astype(element.storage)


def layer(
    rng: Generator, kind: int, shape: tuple[int, int], density: float, bits: int | None, *, batch: int = 2
) -> Network:
    """A linear layer with weights declared sparse, and by a code book where `bits` are given."""
    x, w, y, attributes = KINDS[kind]
    b = Builder()
    data = weights(rng, shape, w, density, bits)
    value = b.constant("w", data, Type(shape=shape, element=w, sparse=density < 1, codebook_bits=bits))
    made = b.emit("linear", [b.input("x", Type(shape=(batch, shape[1]), element=x)), value], element=y, **attributes)
    return b.network(f"layer{kind}", {"y": b.emit("relu", [made])})


def test_sparse_layers_equal_the_dense_interpreter(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    networks = [
        layer(rng, kind, shape, density, bits)
        for kind in range(len(KINDS))
        for shape, density, bits in (((9, 40), 0.1, None), ((33, 300), 0.1, 3), ((9, 300), 0.2, 5), ((9, 40), 0.02, 6))
    ]
    Library(networks, tmp_path, "-O1", *STRICT).check()


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_several_stretches_and_empty_rows(tmp_path: Path, compiler: str) -> None:
    """More columns than a word's place can count; rows without any weight; a layer of zeros."""
    rng = np.random.default_rng(2)
    networks = [layer(rng, kind, (5, 5000), 0.02, 5) for kind in (0, 2, 3)]
    networks += [layer(rng, kind, (40, 30), 0.01, 2) for kind in (0, 3)]
    networks += [layer(rng, 0, (3, 7), 0.0, None)]
    Library(networks, tmp_path, "-O2", "-march=native", *STRICT, compiler=compiler).check()


def picture(rng: Generator, kind: int, density: float, bits: int | None) -> Network:
    """A sparse convolution of any stride, dilation, padding and groups."""
    x, w, y, attributes = KINDS[kind]
    groups, c, k = int(pick(rng, 1, 1, 2)), int(rng.integers(2, 6)), int(rng.integers(2, 9))
    size, kernel = tuple(int(v) for v in rng.integers(6, 20, 2)), shape(rng, 2, 3)
    more: dict[str, Any] = {
        "stride": shape(rng, 2, 3), "dilation": shape(rng, 2, 2), "groups": groups,
        "padding": tuple(int(v) for v in rng.integers(0, 3, 4)),
    }  # fmt: skip
    full = (groups * k, c, *kernel)
    b = Builder()
    value = b.constant(
        "w", weights(rng, full, w, density, bits), Type(shape=full, element=w, sparse=True, codebook_bits=bits)
    )
    source = b.input("x", Type(shape=(2, groups * c, *size), element=x))
    made = b.emit("conv2d", [source, value], element=y, **attributes, **more)
    return b.network(f"picture{kind}", {"y": b.emit("relu", [made])})


@pytest.mark.parametrize(
    ("compiler", "flags"),
    [("gcc", ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all")), ("clang", ("-O1", "-march=native"))],
    ids=["gcc", "clang"],
)
def test_sparse_convolutions_equal_the_dense_interpreter(tmp_path: Path, compiler: str, flags: tuple[str, ...]) -> None:
    rng = np.random.default_rng(6)
    networks = [
        picture(rng, kind, density, bits)
        for kind in range(len(KINDS))
        for density, bits in ((0.1, None), (0.15, 4), (0.0, None))
    ]
    Library(networks, tmp_path, *flags, *STRICT, compiler=compiler).check()
    assert "cell + place[i]" in "".join(path.read_text() for path in tmp_path.glob("picture0*.c"))


def coded(rng: Generator, kind: int, bits: int, *, image: bool) -> Network:
    """A dense layer whose weights are a code book."""
    x, w, y, attributes = KINDS[kind]
    b, groups = Builder(), int(pick(rng, 1, 2))
    full = (groups * int(rng.integers(3, 12)), 3, 3, 3) if image else (int(rng.integers(3, 30)), 41)
    value = b.constant("w", weights(rng, full, w, 1.0, bits), Type(shape=full, element=w, codebook_bits=bits))
    source = b.input("x", Type(shape=(2, 3 * groups, 7, 9) if image else (3, 41), element=x))
    more: dict[str, Any] = {"groups": groups, "padding": (1, 0, 1, 1)} if image else {}
    made = b.emit("conv2d" if image else "linear", [source, value], element=y, **attributes, **more)
    return b.network(f"coded{kind}", {"y": b.emit("relu", [made])})


def test_code_books_are_decoded_on_the_fly(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    networks = [
        coded(rng, kind, bits, image=image) for kind in (0, 1, 2, 5) for bits in (3, 6) for image in (True, False)
    ]
    library = Library(networks, tmp_path, "-O1", *STRICT)
    library.check()
    for network, report in zip(library.networks, library.reports, strict=True):
        type_ = network.constants["w"].type
        if type_.element == Float():
            assert report.flash_bytes < type_.size * (0.5 if (type_.codebook_bits or 0) <= 4 else 1) + 64 * 4 + 100


def blocked(rng: Generator, kind: int, shape: tuple[int, int], *, down: bool, inside: float) -> Network:
    """A layer whose weights vanish in blocks of eight; `inside` is the share of a block that does not."""
    x, w, y, attributes = KINDS[kind]
    data = weights(rng, shape, w, inside, None)
    rows, columns = (-(-shape[0] // 8), shape[1]) if down else (shape[0], -(-shape[1] // 8))
    keep = np.repeat(rng.random((rows, columns)) < 0.15, 8, axis=0 if down else 1)[: shape[0], : shape[1]]
    b = Builder()
    value = b.constant("w", (data * keep).astype(w.storage), Type(shape=shape, element=w, sparse=True))
    made = b.emit("linear", [b.input("x", Type(shape=(2, shape[1]), element=x)), value], element=y, **attributes)
    return b.network(f"blocked{kind}", {"y": made})


@pytest.mark.parametrize("flags", [("-O1", "-DLAMINA_SCALAR"), ("-O2", "-march=native")], ids=["scalar", "native"])
def test_blocks_of_eight_equal_the_dense_interpreter(tmp_path: Path, flags: tuple[str, ...]) -> None:
    rng = np.random.default_rng(5)
    networks = [
        blocked(rng, kind, shape, down=down, inside=0.9)
        for kind in (0, 2, 3, 4)
        for shape in ((16, 64), (21, 40))
        for down in (True, False)
    ]
    Library(networks, tmp_path, *flags, *STRICT).check()
    text = "".join(path.read_text() for path in tmp_path.glob("blocked0*.c"))
    assert "w += count[g] * 8" in text


def test_compressed_layers_are_smaller(tmp_path: Path) -> None:
    network = layer(np.random.default_rng(3), 0, (300, 784), 0.09, 5)
    stored = int((network.data("w") != 0).sum())
    report = lamina.export.c(network, tmp_path)
    assert 2 * stored < report.flash_bytes < 2 * (stored + 300 * AT_ONCE) + 600 + 4 * 32
    assert "_w[" not in (tmp_path / "layer0.c").read_text()


def test_packing_keeps_every_weight() -> None:
    """Against a decoder written here: place and code, stretch by stretch."""
    rng = np.random.default_rng(4)
    data = weights(rng, (7, 6000), Float(), 0.05, 4)
    packing = pack(data, coded=True)
    found, at = np.zeros((7, packing.stretches * (packing.length + 1)), np.float32), 0
    for part in range(packing.stretches):
        for row in range(7):
            for _ in range(packing.stored["count"][part * 7 + row] * AT_ONCE):
                word = int(packing.stored["place"][at])
                place, code = word >> packing.code_bits, word & (1 << packing.code_bits) - 1
                if place < packing.length:
                    found[row, part * packing.length + place] = packing.stored["book"][code]
                at += 1
    assert (found[:, :6000] == data).all()
    assert at == len(packing.stored["place"])
