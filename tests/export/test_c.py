"""Exported C gives the interpreter's numbers, on every operator, every rounding, every width of vectors."""

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import lamina.export
from lamina.core.errors import BadInput, Unsupported
from lamina.export import _c_part
from lamina.export._c_operators import TEMPLATES, VIEWS
from lamina.ir import Constant, Fixed, Float, Integer, Network, Operation, Type
from lamina.ir import integers as rules
from lamina.ir.operators import TABLE
from tests.export.compiled import STRICT, Library, compare, run
from tests.network_builder import Builder
from tests.networks import (
    SEEDS,
    fixed_network,
    float_network,
    integer_network,
    lenet5,
    random_inputs,
    recurrent_network,
    tie_rich_network,
)
from tests.requirements import need

# One example is a batch of networks in one library; shrinking would compile each of them again.
BATCH = st.lists(SEEDS, min_size=12, max_size=12, unique=True)
QUICK = settings(
    max_examples=2,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def mixture() -> list[Network]:
    """A few networks of every kind."""
    return [
        *(integer_network(seed) for seed in range(6)),
        *(integer_network(seed, rounding="float") for seed in range(4)),
        *(fixed_network(seed) for seed in range(4)),
        *(float_network(seed, broadcast=True) for seed in range(4)),
        float_network(3, bits=64),
        recurrent_network(1),
        tie_rich_network(),
        tie_rich_network("float", batch=2),
    ]


def test_every_operator_has_a_template() -> None:
    assert set(TEMPLATES) | VIEWS == set(TABLE)


@QUICK
@given(BATCH)
def test_power_of_two_integers_equal_the_interpreter(
    tmp_path_factory: pytest.TempPathFactory, seeds: list[int]
) -> None:
    Library([integer_network(s) for s in seeds], tmp_path_factory.mktemp("c"), "-O1").check()


@QUICK
@given(BATCH)
def test_float_scaled_integers_equal_the_interpreter(
    tmp_path_factory: pytest.TempPathFactory, seeds: list[int]
) -> None:
    networks = [integer_network(s, rounding="float") for s in seeds]
    Library(networks, tmp_path_factory.mktemp("c"), "-O1", "-ffp-contract=fast", "-march=native").check()


@QUICK
@given(BATCH)
def test_fixed_point_equals_the_interpreter(tmp_path_factory: pytest.TempPathFactory, seeds: list[int]) -> None:
    networks = [fixed_network(s) for s in seeds[::2]]
    networks += [fixed_network(s, element=Fixed(integer_bits=12, fraction_bits=12)) for s in seeds[1::2]]
    Library(networks, tmp_path_factory.mktemp("c"), "-O1").check()


@QUICK
@given(BATCH)
def test_floats_are_close_to_the_interpreter(tmp_path_factory: pytest.TempPathFactory, seeds: list[int]) -> None:
    networks = [float_network(s, bits=64 if i % 4 == 0 else 32, broadcast=i % 2 == 0) for i, s in enumerate(seeds)]
    networks += [recurrent_network(s) for s in seeds[:2]]
    Library(networks, tmp_path_factory.mktemp("c"), "-O1").check()


@pytest.mark.parametrize("flags", [("-DLAMINA_SCALAR",), (), ("-march=native",)], ids=["scalar", "baseline", "native"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_widths_of_vectors_and_compilers_agree(tmp_path: Path, compiler: str, flags: tuple[str, ...]) -> None:
    Library(mixture()[::2], tmp_path, "-O2", *STRICT, *flags, compiler=compiler).check()


@pytest.mark.parametrize("rounding", ["power_of_two", "float"])
def test_rounding_half_away_from_zero_is_noticed(tmp_path: Path, rounding: str) -> None:
    """The tie-rich network finds the C that rounds halves away from zero."""
    network = tie_rich_network(rounding)
    report = lamina.export.c(network, tmp_path)
    source = tmp_path / f"{report.name}.c"
    text = source.read_text()
    away = re.sub(r"rest \+ \(floor & 1\) >", "rest + (floor >= 0) >", text).replace("rintf(", "roundf(")
    assert away != text
    source.write_text(away)
    need("gcc")
    with pytest.raises(AssertionError, match=r"numbers differ"):
        run("make", "test", cwd=tmp_path)


def test_lenet5_is_close_on_many_inputs(tmp_path: Path) -> None:
    Library([lenet5(), lenet5(activation="relu", pool="max_pool2d", batch=3)], tmp_path, "-O2").check(times=10)


def test_wide_results_and_odd_shapes(tmp_path: Path) -> None:
    """Results of 24 and 32 bits, shifts to the left, one channel, one row, no bias."""

    def layer(x: Integer, w: Integer, y: Integer, rounding: str, accumulator: int) -> Network:
        rng = np.random.default_rng(3)
        data = rng.integers(w.low + 1, w.high, (3, 5), endpoint=True).astype(w.storage)
        return Network(
            name="wide",
            inputs={"x": Type(shape=(5,), element=x)},
            constants={"w": Constant(type=Type(shape=(3, 5), element=w), data=data)},
            operations=(
                Operation(
                    operator="linear",
                    inputs=("x", "w"),
                    outputs={"y": Type(shape=(3,), element=y)},
                    attributes={"rounding": rounding, "accumulator": accumulator},
                ),
            ),
            outputs={"y": "y"},
        )

    eight, sixteen = Integer(bits=8, scale=(0.25,)), Integer(bits=16, scale=(0.125,))
    networks = [
        layer(eight, eight, Integer(bits=32, scale=(2.0**-6,)), "power_of_two", 32),  # two bits to the left
        layer(eight, eight, Integer(bits=24, scale=(2.0**-4,)), "power_of_two", 32),  # no shift
        layer(eight, eight, Integer(bits=24, scale=(float(np.float32(0.013)),)), "float", 32),
        layer(sixteen, sixteen, Integer(bits=32, scale=(float(np.float32(0.3)),)), "float", 64),
        layer(sixteen, sixteen, Integer(bits=16, scale=(32.0,)), "truncate", 64),
        layer(Integer(bits=32, signed=False, scale=(2.0**-8,), zero_point=77), sixteen, sixteen, "power_of_two", 64),
    ]
    Library(networks, tmp_path, "-O1", *STRICT).check(times=40)


def test_conversions_in_the_header_are_the_interpreters(tmp_path: Path) -> None:
    network = tie_rich_network("float")
    library = Library([network], tmp_path, "-O1")
    name = library.reports[0].name
    wrapper = tmp_path / "wrapper.c"
    wrapper.write_text(
        f'#include "{name}.h"\n'
        f"int quantise(float v);\nint quantise(float v) {{ return {name}_quantise_x(v); }}\n"
        f"float dequantise(int q);\nfloat dequantise(int q) {{ return {name}_dequantise_y((uint8_t)q); }}\n"
        f"size_t size(void);\nsize_t size(void) {{ return sizeof({name}_state); }}\n"
    )
    run(need("gcc"), "-std=c99", "-shared", "-fPIC", *STRICT, "-o", str(tmp_path / "w.so"), str(wrapper), "-lm")
    functions = ctypes.CDLL(str(tmp_path / "w.so"))
    functions.dequantise.restype = ctypes.c_float
    x, y = (
        library.networks[0].inputs["x"].element,
        library.networks[0].types[library.networks[0].outputs["y"]].element,
    )
    assert not isinstance(x, Float)
    assert not isinstance(y, Float)
    reals = np.concatenate([np.arange(-300, 300) * 0.5, [np.inf, -np.inf, 1e30]]).astype(np.float32) * np.float32(
        0.0625
    )
    wanted = rules.quantise(reals, x)
    assert [functions.quantise(ctypes.c_float(v)) for v in reals] == wanted.tolist()
    assert functions.quantise(ctypes.c_float(np.nan)) == x.low
    assert [functions.dequantise(q) for q in range(256)] == rules.dequantise(np.arange(256), y).tolist()
    assert functions.size() == library.reports[0].arena_bytes


def test_outputs_that_are_inputs_constants_or_named_twice(tmp_path: Path) -> None:
    four = Type(shape=(1, 4))
    network = Network(
        name="ends",
        inputs={"x": four},
        constants={"k": Constant(type=four, data=np.arange(4, dtype=np.float32).reshape(1, 4))},
        operations=(
            Operation(operator="relu", inputs=("x",), outputs={"r": four}),
            Operation(
                operator="reshape", inputs=("r",), outputs={"v": Type(shape=(2, 2))}, attributes={"shape": (2, 2)}
            ),
            Operation(operator="tanh", inputs=("r",), outputs={"t": four}),
            Operation(operator="add", inputs=("r", "r"), outputs={"double": four}),
        ),
        outputs={"same": "x", "fixed": "k", "r": "r", "again": "r", "view": "v", "t": "t", "double": "double"},
    )
    library = Library([network], tmp_path, "-O2", *STRICT)
    inputs = random_inputs(network, np.random.default_rng(0))
    compare(library.run(0, inputs), network.run(inputs), network)


def test_what_c_cannot_say_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = Type(shape=(2, 2))
    without = {name: template for name, template in TEMPLATES.items() if name != "softmax"}
    monkeypatch.setattr(_c_part, "TEMPLATES", without)
    unknown = Network(
        name="unknown",
        inputs={"x": two},
        constants={},
        operations=(Operation(operator="softmax", inputs=("x",), outputs={"y": two}),),
        outputs={"y": "y"},
    )
    with pytest.raises(Unsupported, match="'softmax' at 'y' has no C template"):
        lamina.export.c(unknown, tmp_path)
    assert not [*tmp_path.iterdir()]
    shapes_only = Network(
        name="empty",
        inputs={"x": two},
        constants={"w": Constant(type=two)},
        operations=(Operation(operator="linear", inputs=("x", "w"), outputs={"y": two}),),
        outputs={"y": "y"},
    )
    with pytest.raises(BadInput, match="no weights"):
        lamina.export.c(shapes_only, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file"):
        lamina.export.c(tie_rich_network(), tmp_path / "file" / "folder")


def test_tanh_is_close_everywhere(tmp_path: Path) -> None:
    """Own polynomials against NumPy's tanh, relative to each value, and where it saturates."""

    b = Builder(rng=np.random.default_rng(0))
    b.input("x", Type(shape=(1, 200_000)))
    b.op("tanh", ("x",), (1, 200_000), Float())
    library = Library([b.finish("tanh", {"y": b.value})], tmp_path, "-O2")
    x = np.concatenate(
        [np.linspace(-12, 12, 100_000), np.geomspace(1e-30, 1e30, 50_000), -np.geomspace(1e-6, 9, 50_000)]
    )
    x = x.astype(np.float32).reshape(1, -1)
    found = library.run(0, {"x": x})["y"]
    wanted = np.tanh(x.astype(np.float64))
    assert np.abs(found / wanted - 1).max() < 1e-6
    assert np.abs(found).max() <= 1
    x[0, :3] = [np.nan, np.inf, -np.inf]
    found = library.run(0, {"x": x})["y"]
    assert np.isnan(found[0, 0])
    assert np.allclose(found[0, 1:3], [1, -1])
