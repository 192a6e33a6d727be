"""The table's columns sum to the network's figures; the picture is well-formed, complete and nothing in it overlaps."""

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from lamina.ir import Network, Operation, Type
from lamina.ir.drawing import svg
from lamina.ir.layout import box, lay_out
from lamina.ir.summary import COLUMNS, table, text
from tests.networks import (
    SEEDS,
    fixed_network,
    float_network,
    integer_network,
    lenet5,
    recurrent_network,
    tie_rich_network,
)

SVG = "{http://www.w3.org/2000/svg}"


def test_lenet5_as_text() -> None:
    lines = text(lenet5()).splitlines()
    assert lines[0].split() == [*COLUMNS]
    assert lines[1].split() == ["conv2d0", "conv2d", "1x6x28x28", "117,600", "156", "624", "1"]
    assert lines[2].split() == ["tanh1", "tanh", "1x6x28x28", "0", "0", "0", "–"]
    assert lines[-1].split() == ["total", "416,520", "61,706", "246,824"]
    assert len({line.index("1x") for line in lines[1:-1]}) == 1  # columns are aligned
    assert not any(line.endswith(" ") for line in lines)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_columns_sum_to_the_networks_figures(seed: int) -> None:
    for network in (float_network(seed), integer_network(seed), fixed_network(seed)):
        rows = table(network)
        assert [row["layer"] for row in rows] == [o.name for o in network.operations]
        assert sum(row["macs"] for row in rows) == network.macs
        assert sum(row["parameters"] for row in rows) == network.parameters
        assert sum(row["bytes"] for row in rows) == sum(c.type.bytes for c in network.constants.values())


def test_a_shared_constant_counts_once() -> None:
    network = lenet5()
    first = network.operations[0]
    again = Operation(
        operator="conv2d", inputs=first.inputs, outputs={"again": first.outputs["conv2d0"]}, attributes=first.attributes
    )
    shared = network.replaced(operations=(*network.operations, again))
    assert [row["parameters"] for row in table(shared) if row["operator"] == "conv2d"] == [156, 2416, 0]


def rectangles(network: Network) -> list[tuple[float, float, float, float]]:
    """Left, top, right, bottom of each box."""
    root = ElementTree.fromstring(svg(network))
    found = []
    for rect in root.iter(f"{SVG}rect"):
        if rect.get("width") != "100%":
            x, y, w, h = (float(rect.get(key, "nan")) for key in ("x", "y", "width", "height"))
            found.append((x, y, x + w, y + h))
    return found


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_the_picture_is_complete_and_its_boxes_lie_apart(seed: int) -> None:
    for network in (
        float_network(seed, broadcast=True),
        integer_network(seed, rounding="float"),
        recurrent_network(seed),
    ):
        root = ElementTree.fromstring(svg(network))
        words = {element.text for element in root.iter(f"{SVG}text")}
        assert {o.name for o in network.operations} <= words
        assert {f"input {name}" for name in network.inputs} | {f"output {name}" for name in network.outputs} <= words
        edges = sum(name not in network.constants for o in network.operations for name in o.inputs)
        arrows = [path for path in root.iter(f"{SVG}path") if path.get("marker-end")]
        assert len(arrows) == edges + len(network.outputs) + len(network.carry)
        boxes = rectangles(network)
        assert len(boxes) == len(network.operations) + len(network.inputs) + len(network.outputs)
        for a, b in combinations(boxes, 2):
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        left, top, width, height = map(float, (root.get("viewBox") or "").split())
        assert all(left <= a[0] and a[2] <= left + width and top <= a[1] and a[3] <= top + height for a in boxes)


@pytest.mark.parametrize("network", [lenet5(), tie_rich_network(), integer_network(63, rounding="float")])
def test_long_arrows_pass_beside_the_boxes_between(network: Network) -> None:
    """Vertical stretches of arrows cross no box."""
    boxes = rectangles(network)
    root = ElementTree.fromstring(svg(network))
    stretches = 0
    for path in root.iter(f"{SVG}path"):
        x = y = float("nan")
        for command, numbers in re.findall(r"([MVC])([-\d., ]+)", path.get("d") or ""):
            values = [float(n) for n in re.split("[ ,]+", numbers.strip())]
            if command == "V" and path.get("marker-end"):
                stretches += 1
                low, high = sorted((y, values[0]))
                assert not any(a[0] < x < a[2] and a[1] < (low + high) / 2 < a[3] and high > low for a in boxes)
                y = values[0]
            else:
                x, y = values[-2:]
    assert stretches > 5


def test_a_skip_leaves_the_main_column_straight() -> None:
    sources = {"a": [], "b": ["a"], "c": ["b"], "d": ["c", "a"]}
    layout = lay_out(sources, width=100, lane=10, gap=20)
    assert [layout.x[box(name)] for name in sources] == [0, 0, 0, 0]
    assert [len(row) for row in layout.rows] == [1, 2, 2, 1]
    assert len(layout.routes[-1]) == 4
    assert {layout.x[place] for place in layout.routes[-1][1:-1]} == {75.0}  # half a box, a gap, half a lane


def test_a_fork_lies_evenly_below_its_source() -> None:
    layout = lay_out({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}, width=100, lane=10, gap=20)
    assert [layout.x[box(name)] for name in "abcd"] == [0, -60, 60, 0]


def test_long_names_are_shortened_and_nothing_can_be_a_tag() -> None:
    name = "a" * 200
    network = Network(
        name=name,
        inputs={"x": Type(shape=())},
        constants={},
        operations=(Operation(operator="relu", inputs=("x",), outputs={name: Type(shape=())}),),
        outputs={name: name},
    )
    words = [element.text or "" for element in ElementTree.fromstring(svg(network)).iter(f"{SVG}text")]
    assert max(map(len, words)) < 100
    assert any(word.endswith("…") for word in words)
    assert "<" not in text(network)
