"""Float networks become integer networks that compute nearly the same: signal-to-noise, what stays float, errors."""

import json
from itertools import pairwise

import numpy as np
import pytest

from lamina.core.errors import BadInput
from lamina.ir import Network, Type
from lamina.ir.build import Builder
from lamina.ir.interpreter import trace
from lamina.ir.quantise import METHODS, Report, quantise
from lamina.ir.text import parse, print_file
from lamina.ir.transform import integer_core
from lamina.ir.types import Fixed, Float, Integer
from tests.ir import quantise_nets
from tests.networks import lenet5, random_inputs

FORMS = ("power_of_two", "float")


def inputs(network: Network, count: int = 4, seed: int = 0) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [random_inputs(network, rng) for _ in range(count)]


def snr(network: Network, integer: Network, given: list[dict[str, np.ndarray]], output: str) -> float:
    """Signal-to-noise ratio in dB, by the definition."""
    pairs = [(network.run(x)[output].astype(np.float64), integer.run(x)[output]) for x in given]
    noise = sum(float(((a - b) ** 2).sum()) for a, b in pairs)
    return float(10 * np.log10(sum(float((a**2).sum()) for a, _ in pairs) / noise))


def bodies(network: Network) -> list[Network]:
    return [o.attributes["body"] for o in network.operations if o.operator == "scan"]


def elements(network: Network) -> list[object]:
    return [t.element for o in network.operations for t in o.outputs.values()]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["tanh average_pool2d", "relu max_pool2d"])
def test_lenet(kind: str, method: str, form: str) -> None:
    activation, pool = kind.split()
    network = lenet5(activation=activation, pool=pool)
    made, report = quantise(network, inputs(network), method=method, scales=form)
    fresh = inputs(network, seed=1)
    assert snr(network, made, fresh, "logits") > 26
    assert report.outputs["logits"] == pytest.approx(snr(network, made, inputs(network), "logits"), abs=1e-6)
    assert report.float_share == 0
    assert all(not isinstance(e, Float) for e in elements(integer_core(made)))
    for operation in made.operations:
        element = operation.outputs[operation.name].element
        if isinstance(element, Integer):
            after = operation.operator in ("conv2d", "linear", "max_pool2d", "flatten") and activation == "relu"
            positive = after and operation.name != "linear11"
            if form == "power_of_two":
                assert element.zero_point == 0
                assert (not element.signed) == positive
            else:
                assert not element.signed
                assert (element.zero_point == 0) == positive
    assert [o.operator for o in made.operations].count("relu") == 0


def test_more_bits_are_closer_and_fewer_further() -> None:
    network = lenet5(activation="relu", pool="max_pool2d")
    given = inputs(network)
    ratios = [quantise(network, given, bits=bits, method="mse")[1].outputs["logits"] for bits in (3, 4, 6, 8, 12, 16)]
    assert all(b - a > 4 for a, b in pairwise(ratios)), ratios
    assert ratios[-1] > 70
    wide, report = quantise(network, given, bits=16)
    assert {o.attributes.get("accumulator") for o in wide.operations if o.operator in ("conv2d", "linear")} == {64}
    assert {row.accumulator for row in report.rows if row.weights is not None} == {64}
    mixed, _ = quantise(network, given, mixed={"conv2d0": 4, "linear7": 16})
    types = mixed.types
    assert [types[name].bits for name in ("conv2d0", "conv2d3", "linear7", "linear9")] == [4, 8, 16, 8]
    assert [types[f"{name}.weight"].bits for name in ("conv1", "conv2", "fc1", "fc2")] == [4, 8, 16, 8]
    lone, _ = quantise(network, given, per_channel=False, weight_bits=5)
    assert all(lone.types[f"{name}.weight"].element.axis is None for name in ("conv1", "fc1"))
    assert {lone.types[f"{name}.weight"].bits for name in ("conv1", "fc1")} == {5}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("state_bits", "least"), [(8, 24.0), (16, 26.0)])
def test_an_lstm_tagger_runs_in_integers(form: str, state_bits: int, least: float) -> None:
    network = quantise_nets.lstm_tagger(steps=40, batch=2, words=60, hidden=24, tags=7)
    rng = np.random.default_rng(0)
    given = [{"tokens": rng.integers(0, 60, (40, 2))} for _ in range(3)]
    made, report = quantise(network, given, method="mse", scales=form, state_bits=state_bits)
    (body,) = bodies(made)
    assert not any(isinstance(e, Float) for e in elements(body))
    assert {o.operator for o in body.operations} <= {"linear", "add", "slice", "lookup", "multiply"}
    (scan,) = (o for o in made.operations if o.operator == "scan")
    h, c = (body.inputs[name].element for name in list(body.carry.values()))
    assert (h.bits, c.bits) == (8, state_bits)
    assert snr(network, made, [{"tokens": rng.integers(0, 60, (40, 2))} for _ in range(3)], "scores") > least
    agree = np.mean([(network.run(x)["tags"] == made.run(x)["tags"]).mean() for x in given])
    assert agree > 0.9
    assert report.float_share == 0
    assert "lstm/c" in str(report)
    assert len(scan.outputs) == 3
    (again,) = parse(print_file([made]))
    assert str(again) == str(made)


@pytest.mark.parametrize("form", FORMS)
def test_a_gru_keeps_one_scale_over_all_steps(form: str) -> None:
    network = quantise_nets.gru(steps=60, batch=2, inputs=6, hidden=24, reverse=form == "float")
    given = inputs(network)
    ratios = []
    for state_bits in (8, 16):
        made, _ = quantise(network, given, method="mse", scales=form, state_bits=state_bits)
        (body,) = bodies(made)
        assert not any(isinstance(e, Float) for e in elements(body))
        assert body.inputs["state_0"].element.bits == state_bits
        layers = [o for o in body.operations if o.operator == "linear"]
        assert {body.types[o.inputs[0]].bits for o in layers} == {8}  # a wide state is narrowed before a layer
        ratios.append(snr(network, made, inputs(network, seed=3), "y"))
    assert ratios[0] > 26
    assert ratios[1] > ratios[0]


def test_segments_compute_gates_in_fixed_point() -> None:
    network = quantise_nets.gru(steps=20, batch=1, inputs=4, hidden=8)
    given = inputs(network)
    made, _ = quantise(network, given, functions="segments", method="mse")
    (body,) = bodies(made)
    bent = [o for o in body.operations if o.operator == "piecewise_linear"]
    assert len(bent) == 3
    assert all(isinstance(o.outputs[o.name].element, Fixed) for o in bent)
    assert snr(network, made, given, "y") > 26
    with pytest.raises(BadInput, match="fixed point"):
        quantise(network, given, functions="segments", scales="float")


@pytest.mark.parametrize("form", FORMS)
def test_attention_multiplies_in_integers(form: str) -> None:
    network = quantise_nets.attention(batch=2, length=9, width=16, heads=2)
    made, report = quantise(network, inputs(network), method="mse", scales=form)
    kinds = {o.name: o.outputs[o.name].element for o in made.operations}
    assert all(isinstance(kinds[name], Integer) for name in ("scores", "mixed", "q", "joined", "residual", "bent"))
    assert {row.operator for row in report.float_layers} == {"softmax", "layer_norm", "add"}
    assert isinstance(kinds["masked"], Float)  # -inf has no integer: the mask stays beside the softmax
    assert snr(network, made, inputs(network, seed=2), "y") > 24
    assert 0 < report.float_share < 0.1


@pytest.mark.parametrize("form", FORMS)
def test_every_operator_with_an_integer_meaning(form: str) -> None:
    network = quantise_nets.zoo()
    made, report = quantise(network, inputs(network), method="min_max", scales=form)
    stayed = {row.operator for row in report.float_layers}
    assert stayed == {"softmax"}
    found = {o.operator for o in made.operations if not isinstance(o.outputs[o.name].element, Float)}
    wanted = {o.operator for o in network.operations} - {"softmax", "batch_norm", "relu"}
    functions = {"silu", "sigmoid", "tanh", "exp", "power", "divide", "gelu"}
    dropped = {"clip"} if form == "float" else set()  # the element ends where the clip does
    assert found >= (wanted - functions - dropped) | {"lookup"}
    for row in report.rows:
        if row.layer != "residual" and not isinstance(row.element, Float) and row.snr_db is not None:
            # where two numbers of a window become one integer, a switch names another place, and all after it moves
            assert row.snr_db > (5 if row.operator == "max_unpool2d" else 10), str(report)


def test_tables_are_rounded_half_to_even_in_float64() -> None:
    b = Builder()
    x = b.input("x", Type(shape=(1, 64)))
    network = b.network("net", {"y": b.emit("gelu", [x], name="bent"), "z": b.emit("sqrt", [x], name="root")})
    given = [{"x": np.linspace(-4, 4, 64, dtype=np.float32)[None]}, {"x": np.full((1, 64), 3.9, np.float32)}]
    with pytest.raises(BadInput, match="NaN"):
        quantise(network, given)
    network = network.replaced(outputs={"y": "bent"}, operations=network.operations[:1])
    made, _ = quantise(network, given, bits=6)
    (lookup,) = (o for o in made.operations if o.operator == "lookup")
    x_kind, y_kind = (made.types[name].element for name in (lookup.inputs[0], lookup.name))
    from math import erf, sqrt

    for code, entry in zip(range(x_kind.low, x_kind.high + 1), made.data(lookup.inputs[1]), strict=True):
        real = code * x_kind.scale[0]
        wanted = round(real * (1 + erf(real / sqrt(2))) / 2 / y_kind.scale[0])  # Python rounds half to even
        assert entry == min(max(wanted, y_kind.low), y_kind.high)


def test_ranges_where_functions_are_flat_do_not_count() -> None:
    b = Builder()
    x = b.input("x", Type(shape=(1, 64)))
    scaled = b.emit("multiply", [x, b.scalar(30.0)], name="steep")
    network = b.network("net", {"y": b.emit("tanh", [scaled])})
    made, _ = quantise(network, inputs(network))
    assert made.types["steep"].element.scale[0] <= 2**-5


def test_carried_state_of_a_network_keeps_its_element() -> None:
    b = Builder()
    x, h = b.input("x", Type(shape=(1, 8))), b.input("h", Type(shape=(1, 8)))
    w = b.constant("w", np.eye(8, dtype=np.float32) * 0.5)
    following = b.emit("tanh", [b.emit("add", [x, b.emit("linear", [h, w])])])
    network = b.network("net", {"y": following, "next": following}, {"next": "h"})
    made, _ = quantise(network, inputs(network))
    assert made.carry == {"next": "h"}
    (enters,) = (o for o in made.operations if o.operator == "quantise" and o.inputs == ("h",))
    (leaves,) = {o.inputs[0] for o in made.operations if o.operator == "dequantise"}
    assert made.types[enters.name].element == made.types[leaves].element


def test_calibration_is_streamed_and_batches_may_differ() -> None:
    network = lenet5(activation="relu", pool="max_pool2d")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 1, 28, 28)).astype(np.float32)
    one, _ = quantise(network, ({"x": part} for part in np.split(x, 12)), method="kl")
    other, _ = quantise(network, iter([{"x": x[:7]}, {"x": x[7:]}]), method="kl")
    assert str(one) == str(other)


def test_the_report_tells_what_was_measured() -> None:
    network = lenet5(activation="tanh", pool="average_pool2d")
    given = inputs(network, 2)
    made, report = quantise(network, given, method="percentile", percentile=99.0)
    assert isinstance(report, Report)
    data = json.loads(json.dumps(report.to_json()))
    rows = {row["layer"]: row for row in data["layers"]}
    values = [trace(network, x) for x in given]
    whole = [trace(made, x) for x in given]
    for name in ("conv2d3", "tanh4", "linear11"):
        element = made.types[name].element
        real = np.concatenate([v[name].reshape(-1) for v in values]).astype(np.float64)
        found = np.concatenate([v[name].reshape(-1) for v in whole]).astype(np.float64) * element.scale[0]
        ratio = 10 * np.log10((real**2).sum() / ((real - found) ** 2).sum())
        assert rows[name]["snr_db"] == pytest.approx(ratio, abs=1e-6)
        units = real / element.scale[0]
        beyond = ((units > element.high + 0.5) | (units < element.low - 0.5)).mean()
        assert rows[name]["saturation"] == pytest.approx(beyond)
        assert rows[name]["scale"] == element.scale[0]
    assert rows["conv2d3"]["saturation"] > 0
    assert len(rows["conv2d0"]["weight_scales"]) == 6
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1)
    assert "output logits" in str(report)
    assert "conv2d3" in str(report)


def test_what_is_refused() -> None:
    network = lenet5()
    given = inputs(network, 1)
    made, _ = quantise(network, given)
    for bad in (
        {"bits": 1},
        {"bits": 17},
        {"weight_bits": 0},
        {"mixed": {"conv2d0": 40}},
        {"mixed": {"conv9": 8}},
        {"method": "entropy"},
        {"scales": "int8"},
        {"functions": "spline"},
    ):
        with pytest.raises(BadInput):
            quantise(network, given, **bad)
    with pytest.raises(BadInput, match="calibration"):
        quantise(network, [])
    with pytest.raises(BadInput, match="integers already"):
        quantise(integer_core(made), given)
