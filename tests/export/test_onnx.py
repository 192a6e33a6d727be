"""Exported ONNX gives the interpreter's numbers in ONNX Runtime."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import lamina.export
from lamina.core.errors import BadInput, Unsupported
from lamina.export import onnx_session
from lamina.export.onnx_session import LEVELS, needs_precision, session
from lamina.ir import Network, Operation, Type
from lamina.ir.transform import integer_core
from tests.export import integers_table
from tests.export.compiled import compare
from tests.networks import (
    fixed_network,
    float_networks,
    integer_networks,
    lenet5,
    random_inputs,
    recurrent_network,
    tie_rich_network,
)

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

MANY = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
DOCUMENT = Path(__file__).parents[2] / "docs" / "integers.md"


def check(network: Network, folder: Path, *, levels: tuple[str, ...] = ("all",), batches: tuple[int, ...] = ()) -> None:
    """Integers equal, floats to 1e-5, for the declared batch and others."""
    path = lamina.export.onnx(network, folder / "network.onnx")
    rng = np.random.default_rng(0)
    for level in levels:
        opened = session(path, level=level)
        for batch in (None, *batches):
            inputs = random_inputs(network, rng, batch=batch)
            found = dict(zip(network.outputs, opened.run(list(network.outputs), inputs), strict=True))
            compare(found, network.run(inputs), network)


@MANY
@given(float_networks(broadcast=True))
def test_floats_are_close(tmp_path_factory: pytest.TempPathFactory, network: Network) -> None:
    check(network, tmp_path_factory.mktemp("onnx"), levels=("disabled", "all"))


@MANY
@given(integer_networks())
def test_power_of_two_integers_are_equal_at_every_level(
    tmp_path_factory: pytest.TempPathFactory, network: Network
) -> None:
    check(integer_core(network), tmp_path_factory.mktemp("onnx"), levels=LEVELS)


@MANY
@given(integer_networks(rounding="float"))
def test_float_scaled_integers_are_equal_when_optimised(
    tmp_path_factory: pytest.TempPathFactory, network: Network
) -> None:
    check(network, tmp_path_factory.mktemp("onnx"))
    check(integer_core(network), tmp_path_factory.mktemp("onnx"))


@pytest.mark.parametrize("rounding", ["power_of_two", "float"])
def test_exact_halves_are_rounded_alike(tmp_path: Path, rounding: str) -> None:
    check(integer_core(tie_rich_network(rounding)), tmp_path, levels=LEVELS, batches=(1, 5))


def test_the_batch_stays_open(tmp_path: Path) -> None:
    check(lenet5(activation="relu"), tmp_path, batches=(2, 7))
    check(recurrent_network(2), tmp_path, batches=(4,))


def test_a_reshape_that_fixes_the_batch_keeps_it_fixed(tmp_path: Path) -> None:
    import onnx

    network = Network(
        name="fixed",
        inputs={"x": Type(shape=(2, 6))},
        constants={},
        operations=(
            Operation(
                operator="reshape", inputs=("x",), outputs={"y": Type(shape=(2, 3, 2))}, attributes={"shape": (2, 3, 2)}
            ),
        ),
        outputs={"y": "y"},
    )
    check(network, tmp_path)
    shape = onnx.load(tmp_path / "network.onnx").graph.input[0].type.tensor_type.shape
    assert [d.dim_value for d in shape.dim] == [2, 6]


def test_integers_can_be_read_back_from_dequantised_outputs(tmp_path: Path) -> None:
    network, rng = tie_rich_network(), np.random.default_rng(1)
    path = lamina.export.onnx(network, tmp_path / "n.onnx")
    inputs = random_inputs(network, rng)
    (real,) = session(path).run(["y"], inputs)
    core = integer_core(network)
    scale = core.types[core.outputs["y"]].element.scale[0]
    stored = np.clip(np.rint(inputs["x"] / np.float32(2.0**-4)), -128, 127).astype(np.int8)
    assert (np.rint(real / scale) == core.run({"x": stored})["y"]).all()


def test_names_of_outputs_may_be_names_of_other_values(tmp_path: Path) -> None:
    two = Type(shape=(1, 2))
    operations = (
        Operation(operator="relu", inputs=("x",), outputs={"a": two}),
        Operation(operator="tanh", inputs=("a",), outputs={"b": two}),
    )
    swapped = Network(
        name="swapped", inputs={"x": two}, constants={}, operations=operations, outputs={"a": "b", "b": "a"}
    )
    check(swapped, tmp_path)
    clash = swapped.replaced(outputs={"x": "b"})
    with pytest.raises(BadInput, match="rename"):
        lamina.export.onnx(clash, tmp_path / "n.onnx")


def test_the_table_of_the_document_holds(tmp_path: Path) -> None:
    rows = re.findall(r"^\| ([us]8, s8 [^|]+) \| ([\d |]+) \| ([\d,]+) \|$", DOCUMENT.read_text(), re.M)
    assert [kind for kind, *_ in rows] == list(integers_table.KINDS)
    for kind, cells, size in rows:
        documented = [int(cell) for cell in cells.split("|")]
        counts, compared = integers_table.differing(kind, tmp_path)
        assert compared == int(size.replace(",", ""))
        for level, written, found in zip(LEVELS, documented, counts, strict=True):
            assert found <= (0 if written == 0 else compared / 10_000), f"{kind}, {level}: {found} integers differ"


def test_what_onnx_cannot_say_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="export C instead"):
        lamina.export.onnx(fixed_network(1), tmp_path / "n.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"\x08\x09")
    with pytest.raises(BadInput, match=r"bad\.onnx: onnxruntime refuses"):
        session(tmp_path / "bad.onnx")
    with pytest.raises(BadInput, match="disabled, basic, extended, all"):
        session(tmp_path / "bad.onnx", level="most")


def test_cpus_whose_products_saturate_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert needs_precision({"sse2", "avx2"})
    assert needs_precision({"avx2", "avx512f"})
    assert needs_precision(None)
    assert not needs_precision({"avx2", "avx512f", "avx512_vnni"})
    assert not needs_precision({"avx2", "avx_vnni"})
    assert not needs_precision(set())
    # with the setting the same integers come out
    monkeypatch.setattr(onnx_session, "cpu_flags", lambda: {"avx2"})
    check(integer_core(tie_rich_network()), tmp_path, levels=LEVELS)
    check(integer_core(tie_rich_network("float")), tmp_path)
