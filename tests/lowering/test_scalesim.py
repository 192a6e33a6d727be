"""SCALE-Sim topologies: SCALE-Sim's own sizes, and bad tables named by line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.core.errors import BadInput, LaminaError
from lamina.lowering import scalesim

TITLES = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"
ALEXNET = Path(__file__).parent.parent / "golden" / "scalesim_topologies" / "alexnet.csv"


def test_the_stock_alexnet():
    network = scalesim.read(ALEXNET)
    layers = network.layers()
    assert [layer.name for layer in layers] == ["Conv1", "Conv2", "Conv3", "Conv4", "Conv5"]
    # SCALE-Sim's conv1 is 55 x 55 although (224 - 11) / 4 is no whole number
    assert [(layer.p, layer.q) for layer in layers] == [(55, 55), (23, 23), (11, 11), (11, 11), (11, 11)]
    # 3025 * 363 * 96 and so on: pixels, window and filters
    assert [layer.macs for layer in layers] == [105415200, 325017600, 107053056, 160579584, 107053056]
    assert len(network.inputs) == len(network.outputs) == 5
    assert network.parameters == 96 * 363 + 256 * 2400 + 384 * 2304 + 384 * 3456 + 256 * 3456


@given(
    st.integers(1, 30), st.integers(1, 30), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9),
    st.integers(1, 9), st.integers(1, 7),
)  # fmt: skip
def test_the_output_size_is_scalesims(h, w, r, s, c, k, stride):
    """Its code: ceil((H - R + S) / S)."""
    h, w = h + r - 1, w + s - 1
    (layer,) = scalesim.parse(TITLES + f"a,{h},{w},{r},{s},{c},{k},{stride},\n").layers()
    assert layer.p == -(-(h - r + stride) // stride)
    assert layer.q == -(-(w - s + stride) // stride)
    assert (layer.k, layer.c, layer.r, layer.s, layer.height, layer.width) == (k, c, r, s, h, w)
    assert layer.inputs == c * h * w


def test_matrices():
    (layer,) = scalesim.parse("Layer, M, N, K,\nTest 1, 256, 128, 64,\n").layers()
    assert (layer.name, layer.n, layer.k, layer.c, layer.macs) == ("Test_1", 256, 128, 64, 256 * 128 * 64)


def test_a_matrix_keeps_its_rows_when_the_batch_is_one():
    """The rows of a matrix are not examples: `cost --batch 1` may not cut them."""
    network = scalesim.parse("Layer, M, N, K,\na, 256, 128, 64,\n")
    assert network.batch == 1
    assert network.with_batch(1).macs == network.macs == 256 * 128 * 64
    assert network.with_batch(3).macs == 3 * network.macs


def test_trailing_commas_blank_lines_and_dense_ratios_are_read():
    written = TITLES.rstrip(",\n") + "\r\n\r\n a , 5,5,3 ,3,1,1,1,1:1,\r\n\r\nb,5,5,3,3,1,1,1\r\n"
    assert [layer.name for layer in scalesim.parse(written).layers()] == ["a", "b"]


def test_names_are_made_unique():
    names = [layer.name for layer in scalesim.parse(TITLES + "a,5,5,3,3,1,1,1,\n" * 3).layers()]
    assert len(set(names)) == 3


def test_depthwise_rows_are_one_layer_a_channel():
    """SCALE-Sim runs a row whose name holds DP once a channel, with one input channel."""
    layers = scalesim.parse(TITLES + "DP2,9,9,3,3,16,2,1,\n").layers()
    assert [layer.name for layer in layers] == [f"DP2Channel_{i}" for i in range(16)]
    assert {(layer.groups, layer.c, layer.k, layer.macs) for layer in layers} == {(1, 1, 2, 2 * 49 * 9)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "titles"),
        (TITLES, "at least one layer"),
        ("a,5,5,3,3,1,1,1,\n", "at least one layer"),
        ("a,5,5,3,3,1,1,1,\nb,5,5,3,3,1,1,1,\n", "line 1"),
        (TITLES + "a,5,5,3,3,1,1,\n", "line 2.*7 columns, 8"),
        (TITLES + "a,5,5,3,3,1,1,1,\nb,5,5,-3,3,1,1,1,\n", "line 3.*'-3'"),
        (TITLES + "a,5,5,3,3,1,1,0,\n", "line 2.*'0'"),
        (TITLES + "a,5,5,3,3,x,1,1,\n", "line 2.*'x'"),
        (TITLES + "a,5,5,3,3,1.5,1,1,\n", "line 2.*'1.5'"),
        (TITLES + "a,5,5,3,3,nan,1,1,\n", "line 2.*'nan'"),
        (TITLES + "a,5,5,3,3,,1,1,\n", "line 2"),
        (TITLES + "a,5,5,3,3,99999999999999999999,1,1,\n", "line 2.*9999"),
        (TITLES + "a,16777216,16777216,1,1,16777216,16777216,1,\n", "line 2"),
        (TITLES + "a,5,5,7,3,1,1,1,\n", "line 2.*does not fit"),
        (TITLES + "a,5,5,3,3,1,1,1,2:4,\n", "line 2.*2:4"),
        ("Layer, M, N, K,\na,1,2,\n", "line 2"),
    ],
)
def test_bad_tables_are_named_by_line(tmp_path, text, message):
    path = tmp_path / "topology.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=message) as caught:
        scalesim.read(path)
    assert "topology.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=200), st.booleans())
def test_no_text_breaks_it(text, titled):
    try:
        scalesim.parse((TITLES if titled else "") + text)
    except LaminaError as e:
        said = str(e)
        assert said
