"""Mappings of networks: searched by work, saved as text, read back strictly to the same numbers."""

import json
from dataclasses import replace

import pytest

from lamina.core.errors import BadInput
from lamina.hw import registry
from lamina.hw.mapping import Constraints, load, map_network
from lamina.hw.workloads.resnet18_zigzag import resnet18_zigzag
from lamina.ir.layer import Layer, dense

TPU = registry.find("tpu_like")
CONV = Layer(name="conv", k=64, c=48, p=14, q=14, r=3, s=3)
NETWORK = [
    CONV,
    Layer(name="sum", operator="add", groups=64, p=14, q=14, has_weights=False, operands=2, ops=12544),
    Layer(name="relu", operator="relu", groups=64, p=14, q=14, has_weights=False, ops=12544),
    replace(resnet18_zigzag()[29], name="pool"),
    replace(CONV, name="conv_again", repeats=3),
    dense(3136, 10, name="fc"),
]


def test_equal_layers_are_searched_once_and_repeats_count():
    lines = []
    found = map_network(NETWORK, TPU, report=lines.append)
    assert len(lines) == 4
    assert [layer.name for layer in found.layers] == ["conv", "sum", "pool", "conv_again", "fc"]
    assert found.left_out == ["relu"]
    conv, again = found.layers[0].found, found.layers[3].found
    assert conv == again
    others = sum(layer.found.cycles for layer in found.layers if layer.repeats == 1)
    assert found.cycles == others + 3 * again.cycles
    assert found.cycles >= found.bound_cycles
    assert found.energy_j >= found.bound_energy_j
    assert "conv_again x 3" in str(found)


def test_it_reads_back_to_the_same_numbers(tmp_path):
    found = map_network(NETWORK, TPU, objective="energy")
    again = load(found.save(tmp_path / "mapping.json"), NETWORK, TPU)
    assert [layer.found for layer in again.layers] == [layer.found for layer in found.layers]
    assert (again.cycles, again.energy_j, again.objective) == (found.cycles, found.energy_j, "energy")


def _broken(change):
    def apply(text):
        value = json.loads(text)
        change(value)
        return json.dumps(value)

    return apply


def _set(key, value):
    return _broken(lambda file: file["layers"][0].__setitem__(key, value))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-9], "no valid JSON"),
        (lambda text: "[]", "version 1"),
        (_broken(lambda v: v.update(lamina_mapping=2)), "version 1"),
        (_broken(lambda v: v.update(objective="speed")), "'speed'"),
        (_broken(lambda v: v["layers"].pop()), "it maps 4 layers, the network has 5"),
        (_set("name", "dense"), "layer conv: the file maps 'dense'"),
        (_broken(lambda v: v["layers"][0].pop("held")), "layer conv: the key held is missing"),
        (_set("order", [["k", 2]]), "layer conv: order: the sizes of"),
        (_set("spatial", [["rows"]]), "layer conv: spatial, order or held"),
        (_set("spatial", [["rows", "k", 64]]), "rows has 32 units, 64 are asked for"),
        (_set("held", {"weights": [99], "inputs": [0], "outputs": [0, 0]}), "held: weights has"),
    ],
)
def test_a_damaged_mapping_is_named(tmp_path, change, message):
    path = map_network(NETWORK, TPU).save(tmp_path / "mapping.json")
    path.write_text(change(path.read_text()))
    with pytest.raises(BadInput, match=message) as caught:
        load(path, NETWORK, TPU)
    assert "mapping.json" in str(caught.value)


def test_constraints_of_one_layer():
    fixed = {"fc": Constraints(spatial=(("rows", "k", 2),))}
    found = map_network(NETWORK, TPU, constraints=fixed)
    assert found.layers[-1].found.mapping.spatial == (("rows", "k", 2),)
    with pytest.raises(BadInput, match="unknown layer 'fd': did you mean 'fc'"):
        map_network(NETWORK, TPU, constraints={"fd": Constraints()})


def test_what_cannot_be_mapped_is_named():
    with pytest.raises(BadInput, match="machine diannao is no array"):
        map_network(NETWORK, registry.find("diannao"))
    wide = [replace(dense(4, 4, name="wide"), output_bits=64)]
    with pytest.raises(
        BadInput, match=r"layer wide: no mapping .* level sum_registers: at least 8 bytes are needed, 2 are"
    ):
        map_network(wide, TPU)
