"""The function behind `lamina map`: what may be fixed, what is written, what is refused."""

import pytest

from lamina.api.mapping import map as map_
from lamina.core.errors import BadInput
from tests.house.tool import ROOT

MINE = str(ROOT / "examples" / "own_machine.toml")


def test_it_maps_and_reads_what_it_has_written(tmp_path):
    path = tmp_path / "mapping.json"
    found = map_("lenet5", "tpu_like", objective="energy", out=path)
    assert found.left_out == ["relu", "relu_1", "relu_2", "relu_3"]
    again = map_("lenet5", "tpu_like", mapping=path)
    assert (again.cycles, again.energy_j) == (found.cycles, found.energy_j)


def test_what_is_fixed_stays():
    found = map_("lenet5", MINE, dataflow="output_stationary", spatial={"rows": "k:2"}, order=["s", "r"])
    for layer in found.layers:
        if layer.name == "conv2":
            assert layer.found.mapping.spatial == (("rows", "k", 2),)
        if layer.name == "max_pool2d":
            assert layer.found.mapping.spatial == ()
            assert next(loop for loop, _ in layer.found.mapping.order) == "s"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "speed"}, "unknown objective 'speed'"),
        ({"dataflow": "row_stationary"}, "unknown dataflow 'row_stationary'"),
        ({"seconds": -1}, "seconds -1"),
        ({"out": "mapping.txt"}, "ends in .json"),
        ({"spatial": {"rows": "k"}}, "LOOP:UNITS"),
        ({"spatial": {"row": "k:2"}}, "'row' is no dimension"),
        ({"order": ["x"]}, "unknown loop 'x'"),
        ({"order": ["q", "q"]}, "each loop once"),
    ],
)
def test_what_is_wrong_is_named(options, message):
    with pytest.raises(BadInput, match=message):
        map_("lenet5", MINE, **options)
