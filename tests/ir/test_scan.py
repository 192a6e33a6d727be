"""scan and the Builder: recurrent nets against torch and loops by hand, text, batches, costs, what is refused."""

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from lamina.core.errors import BadInput
from lamina.hw import cost as hw_cost
from lamina.hw import registry, table
from lamina.ir import Integer, Network, Type, drawing
from lamina.ir.build import Builder, Value, element_of, legal
from lamina.ir.store import load, save, tensors
from lamina.ir.text import parse, print_file
from lamina.ir.types import BOOL, INDEX

T, N, C, H = 5, 2, 3, 4


def lstm(weights: dict[str, np.ndarray], *, reverse: bool = False) -> Network:
    """An LSTM layer in the order of gates that torch has: input, forget, cell, output."""
    b = Builder()
    x, h, c = (b.input(n, Type(shape=s)) for n, s in (("x", (T, N, C)), ("h", (N, H)), ("c", (N, H))))
    w = {name: b.constant(name, data) for name, data in weights.items()}

    def cell(i: Builder, states: list[Value], slices: list[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
        gates = i.emit(
            "add",
            [i.emit("linear", [slices[0], w["wx"], w["bx"]]), i.emit("linear", [states[0], w["wh"], w["bh"]])],
        )
        a, f, g, o = (
            i.emit("slice", [gates], starts=(0, k * H), stops=(N, (k + 1) * H), steps=(1, 1)) for k in range(4)
        )
        kept = i.emit("multiply", [i.emit("sigmoid", [f]), states[1]])
        new = i.emit("multiply", [i.emit("sigmoid", [a]), i.emit("tanh", [g])])
        cell_state = i.emit("add", [kept, new])
        hidden = i.emit("multiply", [i.emit("sigmoid", [o]), i.emit("tanh", [cell_state])])
        return [hidden, cell_state], [hidden]

    (h_n, c_n), (y,) = b.scan("lstm", cell, states=[h, c], sequences=[x], reverse=reverse)
    return b.network("net", {"y": y, "h_n": h_n, "c_n": c_n})


@pytest.fixture(scope="module")
def layer() -> tuple[torch.nn.LSTM, dict[str, np.ndarray]]:
    torch.manual_seed(0)
    module = torch.nn.LSTM(C, H)
    names = {"wx": "weight_ih_l0", "wh": "weight_hh_l0", "bx": "bias_ih_l0", "bh": "bias_hh_l0"}
    return module, {ours: module.get_parameter(theirs).detach().numpy() for ours, theirs in names.items()}


def inputs(seed: int = 0) -> dict[str, np.ndarray]:
    g = np.random.default_rng(seed)
    return {n: g.normal(size=s).astype(np.float32) for n, s in (("x", (T, N, C)), ("h", (N, H)), ("c", (N, H)))}


@pytest.mark.parametrize("reverse", [False, True])
def test_an_lstm_equals_torch(layer: tuple[torch.nn.LSTM, dict[str, np.ndarray]], reverse: bool) -> None:
    module, weights = layer
    given = inputs()
    x, h, c = (torch.from_numpy(given[n]) for n in "xhc")
    with torch.no_grad():
        y, (h_n, c_n) = module(x.flip(0) if reverse else x, (h[None], c[None]))
    found = lstm(weights, reverse=reverse).run(given)
    assert np.allclose(found["y"], y.flip(0) if reverse else y, atol=1e-6)
    assert np.allclose(found["h_n"], h_n[0], atol=1e-6)
    assert np.allclose(found["c_n"], c_n[0], atol=1e-6)


def test_text_and_file_keep_bodies(layer: Any, tmp_path: Any) -> None:
    network = lstm(layer[1])
    (again,) = parse(print_file([network]))
    assert str(again) == str(network)
    save([network], tmp_path / "net.lamina")
    (loaded,) = load(tmp_path / "net.lamina")
    given = inputs()
    assert all(np.array_equal(network.run(given)[n], loaded.run(given)[n]) for n in network.outputs)


def test_counts_and_costs_are_of_all_steps(layer: Any) -> None:
    network = lstm(layer[1])
    assert network.macs == T * N * 4 * H * (C + H)
    assert network.parameters == 4 * H * (C + H + 2)
    assert {nest.repeats for nest in network.layers()} == {T}
    once = table.cost(one_step(network), [registry.find("systolic")]).results[0].total
    whole = table.cost(network, [registry.find("systolic")]).results[0]
    assert whole.total.cycles == T * (once.cycles or 0)
    assert whole.total.dram_bytes == T * (once.dram_bytes or 0)
    assert whole.total == hw_cost.total(whole.layers)


def one_step(network: Network) -> Network:
    """The body of the scan as a network of its own."""
    operation = network.operations[0]
    body = operation.attributes["body"]
    assert isinstance(body, Network)
    return body.replaced(carry={})


def test_without_sequences_it_counts() -> None:
    b = Builder()
    start = b.input("start", Type(shape=(1,), element=INDEX))
    one = b.constant("one", np.array([1]))

    def cell(i: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        return [i.emit("add", [states[0], one])], [states[0]]

    (end,), (seen,) = b.scan("count", cell, states=[start], steps=7)
    network = b.network("count", {"end": end, "seen": seen})
    (again,) = parse(print_file([network]), tensors([network]))  # where `sequences` is left out
    assert "7 steps of 1 operation" in drawing.svg(again)
    found = again.run({"start": np.array([3])})
    assert found["end"].tolist() == [10]
    assert found["seen"][:, 0].tolist() == [3, 4, 5, 6, 7, 8, 9]


def test_a_scan_inside_a_scan_and_another_batch() -> None:
    """Prefix sums of prefix sums: the inner state begins anew in every outer step."""
    b = Builder()
    x = b.input("x", Type(shape=(1, 4, 3)))  # batch, outer, inner
    moved = b.emit("transpose", [x], order=(1, 2, 0))

    def inner(i: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        total = i.emit("add", [states[0], slices[0]])
        return [total], [total]

    def outer(i: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        (end,), (sums,) = i.scan("inner", inner, states=[states[0]], sequences=[slices[0]])
        return [end], [sums]

    zero = b.emit("multiply", [b.emit("reduce_sum", [x], axes=(1, 2)), b.scalar(0.0)])
    _, (y,) = b.scan("outer", outer, states=[zero], sequences=[moved])
    network = b.network("net", {"y": y})
    assert [nest.repeats for nest in network.layers() if nest.name == "outer/inner/add"] == [12]
    for batch in (1, 3):
        data = np.arange(12.0 * batch).reshape(batch, 4, 3).astype(np.float32)
        want = data.reshape(batch, 12).cumsum(axis=1).reshape(batch, 4, 3).transpose(1, 2, 0)
        assert np.array_equal(network.run({"x": data})["y"], want)
    assert str(parse(print_file([network]))[0]) == str(network)


def test_folding_drops_and_names() -> None:
    b = Builder()
    x = b.input("x", Type(shape=(2,)))
    two = b.emit("add", [b.constant("a", np.float32([1, 2])), b.constant("b", np.float32([3, 4]))])
    assert two.data is not None
    assert two.data.tolist() == [4, 6]
    b.emit("relu", [x], name="unused")
    first, second = b.emit("relu", [x], name="a b"), b.emit("add", [x, two], name="a b")
    network = b.network("a net", {"y": second})
    assert (first.name, second.name, network.name) == ("a_b", "a_b_2", "a_net")
    assert [o.name for o in network.operations] == ["a_b_2"]
    assert list(network.constants) == [two.name]
    assert (element_of(np.dtype(bool)), element_of(np.dtype("i4")), legal("/../x")) == (BOOL, INDEX, "x")
    with pytest.raises(BadInput, match="no value of this network"):
        Builder().emit("relu", [x])


BROKEN = {
    "steps and sequences": ({"steps": 3}, "without sequences"),
    "too many sequences": ({"sequences": 2}, "sequences"),
    "no steps": ({"sequences": 0}, "0.* steps"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_scans_are_refused(case: str) -> None:
    changes, message = BROKEN[case]
    b = Builder()
    x, s = b.input("x", Type(shape=(T, 1))), b.input("s", Type(shape=(1,)))

    def cell(i: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        return [i.emit("add", [states[0], slices[0]])], []

    (end,), _ = b.scan("sum", cell, states=[s], sequences=[x])
    text = print_file([b.network("n", {"y": end})])
    for key, value in changes.items():
        text = text.replace("sequences=1", f"{key}={value}" if key == "sequences" else f"sequences=1 {key}={value}")
    with pytest.raises(BadInput, match=message):
        parse(text)


def test_bodies_nest_only_so_deep() -> None:
    head = "lamina 1\nnetwork n\ninput x: f32[1]\n"
    with pytest.raises(BadInput, match="more than 16 deep"):
        parse(head + "y: f32[1] = scan(x) steps=1 {\n" * 20)


def test_a_state_keeps_its_type() -> None:
    b = Builder()
    x = b.input("x", Type(shape=(T, 1), element=Integer(scale=(0.5,))))
    s = b.input("s", Type(shape=(1,), element=Integer(scale=(0.25,))))

    def cell(i: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        return [i.emit("add", [states[0], slices[0]], element=slices[0].type.element)], []

    with pytest.raises(BadInput, match="joins different types"):
        b.scan("sum", cell, states=[s], sequences=[x])


def test_a_drawing_has_one_box_for_a_scan(layer: Any) -> None:
    network = lstm(layer[1])
    text = drawing.svg(network)
    assert f"{T} steps of {len(network.operations[0].attributes['body'].operations)} operations" in text
    assert text.count('marker-end="url(#tip)"') == 3 + 3  # x, h, c in; y, h_n, c_n out
    ElementTree.fromstring(text)


def test_a_table_that_a_body_reads_is_no_weight() -> None:
    b = Builder()
    x = b.input("x", Type(shape=(T, 1), element=Integer()))
    s = b.input("s", Type(shape=(1,), element=Integer()))
    table = b.constant("table", np.arange(256) % 100, Type(shape=(256,), element=Integer()))
    weight = b.constant("weight", np.array([1]), Type(shape=(1,), element=Integer()))

    def cell(i: Builder, states: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        return [i.emit("lookup", [i.emit("maximum", [slices[0], weight]), table])], []

    (end,), _ = b.scan("seen", cell, states=[s], sequences=[x])
    network = b.network("n", {"y": end})
    assert network.weights == ["weight"]
    assert set(network.constants) == {"weight", "table"}
