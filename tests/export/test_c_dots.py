"""Layers of bytes in exported C: every dot product that a CPU may have gives the interpreter's integers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

from lamina.ir import Network, Type
from lamina.ir.build import Builder
from lamina.ir.types import Integer
from tests.export.case_parts import ASYMMETRIC, EIGHT, UNEVEN, fixed, operand, pick, shape
from tests.export.compiled import STRICT, Library

WEIGHT = Integer(bits=8, scale=(2.0**-7,))

# AVX-VNNI's instruction, made of AVX2's, so that its branch runs on any x86
MOCK = """
#include <immintrin.h>
static inline __m256i mock(__m256i a, __m256i u, __m256i s)
{
    unsigned char x[32];
    signed char w[32];
    int sum[8];
    _mm256_storeu_si256((__m256i *)(void *)x, u);
    _mm256_storeu_si256((__m256i *)(void *)w, s);
    _mm256_storeu_si256((__m256i *)(void *)sum, a);
    for (int i = 0; i < 32; ++i) {
        sum[i / 4] += x[i] * w[i];
    }
    return _mm256_loadu_si256((const __m256i *)(const void *)sum);
}
#define __AVXVNNI__ 1
#define _mm256_dpbusd_avx_epi32 mock
"""


def layer(rng: Generator, *, image: bool) -> Network:
    """A convolution of many or few channels, or a fully connected layer, over unsigned or signed bytes."""
    b = Builder()
    x, y, rounding = pick(
        rng, (EIGHT, EIGHT, "power_of_two"), (ASYMMETRIC, EIGHT, "power_of_two"), (UNEVEN, UNEVEN, "float")
    )
    attributes: dict[str, Any] = {}
    if image:
        c, k, groups = int(pick(rng, 2, 5, 16, 40)), int(rng.integers(1, 41)), int(pick(rng, 1, 1, 2))
        kernel, size = shape(rng, 2, 3), tuple(int(v) for v in rng.integers(5, 10, 2))
        attributes = {
            "stride": shape(rng, 2, 2), "dilation": shape(rng, 2, 2), "groups": groups,
            "padding": tuple(int(v) for v in rng.integers(0, 3, 4)),
        }  # fmt: skip
        source, w, operator = (2, groups * c, *size), (groups * k, c, *kernel), "conv2d"
    else:
        n, c, k = int(rng.integers(1, 20)), int(rng.integers(16, 130)), int(rng.integers(1, 80))
        source, w, operator = (n, c), (k, c), "linear"
    weights = fixed(rng, w, WEIGHT)
    values = [b.input("x", operand(source, x).type), b.constant("w", weights.data, weights.type)]
    scale = float(np.float32(x.scale[0]) * np.float32(WEIGHT.scale[0]))
    bias = Type(shape=w[:1], element=Integer(bits=32, scale=(scale,)))
    values.append(b.constant("b", rng.integers(-3000, 3000, w[0]).astype(np.int32), bias))
    made = b.emit(operator, values, element=y, rounding=rounding, **attributes)
    return b.network(operator, {"y": b.emit("relu", [made])})


def layers(seed: int) -> list[Network]:
    rng = np.random.default_rng(seed)
    return [layer(rng, image=at % 3 > 0) for at in range(7)]


@pytest.mark.parametrize(
    ("compiler", "flags"),
    [
        ("gcc", ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all")),
        ("gcc", ("-O1", "-mavx2")),
        ("clang", ("-O1", "-mavx2")),
        ("gcc", ("-O1", "-mavx2", "-DLAMINA_SCALAR")),
    ],
    ids=["plain", "avx2", "clang", "scalar"],
)
def test_every_dot_product_gives_the_same_integers(tmp_path: Path, compiler: str, flags: tuple[str, ...]) -> None:
    if "-mavx2" in flags and "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this CPU has no AVX2")
    Library(layers(1), tmp_path, *STRICT, *flags, compiler=compiler).check()


def test_vnni_gives_the_same_integers(tmp_path: Path) -> None:
    if "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this CPU has no AVX2")
    (tmp_path / "mock.h").write_text(MOCK)
    Library(layers(2), tmp_path, "-O1", "-mavx2", "-include", str(tmp_path / "mock.h")).check()
    assert "_mm256_dpbusd_avx_epi32" in next(tmp_path.glob("*.c")).read_text()
