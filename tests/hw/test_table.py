"""The table: INTERFACE section 2, coverage, marks, word lengths, what people read, and how fast it comes."""

import json
from math import isclose

import numpy as np
import pytest

from lamina.core.errors import BadInput, Unsupported
from lamina.hw import registry, table
from lamina.hw.families.roofline import Roofline
from lamina.hw.machine import Machine
from lamina.ir import Integer, Layer, Network, Operation, Type, constant
from tests.counting import calls

CPU = Machine(
    name="cpu",
    parameters=Roofline(
        peak_ops_per_s=1e11, dram_bytes_per_s=1e10, cache_bytes_per_s=1e11, cache_bytes=2**20, call_s=1e-6
    ),
    sources=dict.fromkeys(Roofline.__dataclass_fields__, ("measured", "a test")),
    paper="Williams et al.",
)
MACHINES = [CPU, registry.find("diannao"), registry.find("systolic:rows=8,columns=8,dataflow=output_stationary")]
QUANTITIES = {
    "macs", "cycles", "latency_s", "energy_j", "dram_bytes", "utilisation", "bound", "energy_by_component_j",
    "bytes_by_level",
}  # fmt: skip


def network(*, softmax: bool = False, element: Integer | None = None) -> Network:
    """conv 1 -> 4, pool, linear 36 -> 10, perhaps a softmax; float or integer."""
    kind = {} if element is None else {"element": element}
    bias = {} if element is None else {"element": Integer(bits=32)}
    operations = [
        Operation(
            operator="conv2d", inputs=("x", "w", "b"), outputs={"conv": Type(shape=(1, 4, 6, 6), **kind)},
            attributes={"padding": (0, 0, 0, 0)},
        ),
        Operation(
            operator="max_pool2d", inputs=("conv",), outputs={"pool": Type(shape=(1, 4, 3, 3), **kind)},
            attributes={"kernel": (2, 2), "stride": (2, 2)},
        ),
        Operation(operator="flatten", inputs=("pool",), outputs={"flat": Type(shape=(1, 36), **kind)}),
        Operation(operator="linear", inputs=("flat", "v"), outputs={"logits": Type(shape=(1, 10), **kind)}),
    ]  # fmt: skip
    if softmax:
        operations.append(Operation(operator="softmax", inputs=("logits",), outputs={"p": Type(shape=(1, 10))}))
    return Network(
        name="small",
        inputs={"x": Type(shape=(1, 1, 8, 8), **kind)},
        constants={
            "w": constant(np.ones((4, 1, 3, 3)), Type(shape=(4, 1, 3, 3), **kind)),
            "b": constant(np.ones(4), Type(shape=(4,), **bias)),
            "v": constant(np.ones((10, 36)), Type(shape=(10, 36), **kind)),
        },
        operations=tuple(operations),
        outputs={"y": operations[-1].name},
    )


MACS = 4 * 36 * 9 + 360


def test_the_schema():
    value = table.cost(network(), MACHINES).to_json()
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert value["schema"] == 1
    assert "8 bits" in value["note"]
    assert value["network"] == {
        "name": "small", "macs": MACS, "parameters": 36 + 4 + 360, "batch": 1, "bits": 8, "input_shape": [1, 1, 8, 8],
    }  # fmt: skip
    for result in value["results"]:
        assert {"machine", "fields", "marks", "coverage", "accuracy", "area_m2", "sources", "total", "layers"} <= set(
            result
        )
        assert set(result["total"]) == QUANTITIES
        assert [layer["name"] for layer in result["layers"]] == ["conv", "pool", "logits"]
        for layer in result["layers"]:
            assert set(layer) == QUANTITIES | {"name", "op"}
        assert result["coverage"] == 1.0
        assert result["total"]["macs"] == MACS
        assert result["sources"]


def test_sums_hold_after_json():
    for result in json.loads(json.dumps(table.cost(network(), MACHINES).to_json()))["results"]:
        whole, layers = result["total"], result["layers"]
        for name in ("macs", "cycles", "latency_s", "energy_j", "dram_bytes"):
            parts = [layer[name] for layer in layers]
            assert whole[name] == (None if None in parts else sum(parts)), name
        if whole["energy_j"] is not None:
            assert sum(whole["energy_by_component_j"].values()) == whole["energy_j"]


def test_what_a_machine_cannot_tell_is_null():
    result = table.cost(network(), [CPU]).to_json()["results"][0]
    assert (result["total"]["energy_j"], result["total"]["cycles"], result["area_m2"]) == (None, None, None)
    assert result["total"]["energy_by_component_j"] is None
    assert all(layer["energy_j"] is None and layer["cycles"] is None for layer in result["layers"])
    assert "energy_j" not in result["marks"]
    assert "cycles" not in result["marks"]


def test_one_mark_for_each_quantity_a_machine_tells():
    for result in table.cost(network(), MACHINES).to_json()["results"]:
        for name in ("cycles", "latency_s", "energy_j", "dram_bytes", "utilisation"):
            assert (name in result["marks"]) == (result["total"][name] is not None), name
        assert ("area_m2" in result["marks"]) == (result["area_m2"] is not None)
        # a model's result is at best modelled; what is published is a machine's own figure, its area
        assert {mark for name, mark in result["marks"].items() if name != "area_m2"} <= {
            "modelled", "unverified", "assumed",
        }  # fmt: skip


def test_what_a_machine_cannot_run_is_named_with_its_share():
    machine = registry.find("diannao")
    with pytest.raises(Unsupported, match=r"p \(it has no unit for softmax\).*%.*--allow-partial"):
        table.cost(network(softmax=True), [machine])
    result = table.cost(network(softmax=True), [machine], allow_partial=True).to_json()["results"][0]
    assert result["skipped"] == ["p"]
    # its work: 10 numbers, 4 operations each; beside the multiplications and 4 * 9 * 4 comparisons
    assert isclose(result["coverage"], 1 - 40 / (MACS + 144 + 40))
    assert [layer["name"] for layer in result["layers"]] == ["conv", "pool", "logits"]


def test_words_that_are_too_wide_are_refused():
    diannao, systolic = registry.find("diannao"), registry.find("systolic")
    with pytest.raises(Unsupported, match=r"conv \(words of 17 bits, the machine's have 16"):
        table.cost(network(), [diannao], bits=17)
    with pytest.raises(Unsupported, match="products of 34 bits do not fit accumulator_bits=32"):
        table.cost(network(), [systolic], bits=17)
    table.cost(network(), [registry.find("systolic:accumulator_bits=34"), CPU], bits=17)


def test_word_lengths():
    machine = registry.find("systolic")
    wide = table.cost(network(), [machine], bits=16)
    assert (wide.network["bits"], "16 bits" in wide.note) == (16, True)
    narrow = table.cost(network(), [machine])
    assert (narrow.network["bits"], "8 bits" in narrow.note, "8 bits" in str(narrow)) == (8, True, True)
    assert wide.results[0].total.dram_bytes > narrow.results[0].total.dram_bytes
    for wrong in (0, 65, -8):
        with pytest.raises(BadInput, match="--bits"):
            table.cost(network(), [machine], bits=wrong)


def test_an_integer_network_has_its_own_word_length():
    machine = registry.find("systolic")
    integer = network(element=Integer())
    own = table.cost(integer, [machine])
    assert (own.network["bits"], own.note) == (8, "")
    with pytest.raises(BadInput, match="--bits"):
        table.cost(integer, [machine], bits=4)


def test_batches_cost_more_and_each_example_less():
    machine = registry.find("systolic:dram_bytes_per_s=1e8")
    one, many = (table.cost(network().with_batch(n), [machine]) for n in (1, 16))
    assert many.network["batch"] == 16
    assert many.network["macs"] == 16 * MACS
    assert one.results[0].total.latency_s < many.results[0].total.latency_s < 16 * one.results[0].total.latency_s


def test_people_read_units_marks_and_papers():
    text = str(table.cost(network(), MACHINES))
    for word in (
        "cpu",
        "diannao",
        "systolic",
        "8 x 8",
        "output_stationary",
        "compute",
        "energy unverified",
        "mm²",
        "J",
        "modelled",
        "Chen et al.",
    ):
        assert word in text, word


def resnet18() -> list[Layer]:
    layers = [Layer(name="conv1", k=64, c=3, p=112, q=112, r=7, s=7, stride=(2, 2), padding=(3, 3, 3, 3))]
    for size, width in ((56, 64), (28, 128), (14, 256), (7, 512)):
        for index in range(4):
            layers.append(Layer(name=f"c{width}.{index}", k=width, c=width, p=size, q=size, r=3, s=3, padding=(1,) * 4))
            layers.append(
                Layer(name=f"r{width}.{index}", operator="relu", groups=width, p=size, q=size, has_weights=False,
                      ops=width * size * size)
            )  # fmt: skip
        layers.append(
            Layer(name=f"a{width}", operator="add", groups=width, p=size, q=size, has_weights=False, operands=2,
                  ops=width * size * size)
        )  # fmt: skip
    return [*layers, Layer(name="fc", operator="linear", k=1000, c=512)]


def test_costing_a_large_network_takes_a_few_calls_a_layer():
    """How long it takes is measured in benchmarks/machines.py."""
    layers = resnet18()
    for machine in MACHINES:
        assert calls(lambda m=machine: table.on_machine(layers, m).to_json()) < 500 * len(layers)
