"""`lamina map`: searched, kept, read again, on a machine of a file; what cannot be mapped is named."""

import json

import pytest

import lamina
from lamina.core.errors import BadInput, LaminaError
from tests.house.tool import ROOT

TOPOLOGY = """Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,
first, 12, 12, 3, 3, 8, 16, 1,
second, 10, 10, 1, 1, 16, 32, 1,
"""
MACHINE = str(ROOT / "examples" / "own_machine.toml")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "net.csv"
    path.write_text(TOPOLOGY)
    return path


def test_a_mapping_is_found_kept_and_read_again(source, tmp_path):
    found = lamina.map(source, MACHINE, out=tmp_path / "m.json")
    again = lamina.map(source, MACHINE, mapping=tmp_path / "m.json")
    assert found.to_json()["total"] == again.to_json()["total"]
    assert found.cycles >= found.bound_cycles
    assert lamina.map(source, MACHINE).to_json() == found.to_json()  # no clock: the same answer each time
    assert json.loads((tmp_path / "m.json").read_text())


def test_more_time_is_never_worse(source):
    quick, slow = lamina.map(source, MACHINE, seconds=0), lamina.map(source, MACHINE, seconds=0.5)
    assert slow.cycles <= quick.cycles


def test_what_is_fixed_stays_fixed(source):
    found = lamina.map(source, MACHINE, spatial={"rows": "k:8"}, dataflow="weight_stationary")
    assert "rows: k 8" in str(found)
    with pytest.raises(LaminaError):
        lamina.map(source, MACHINE, spatial={"rows": "s:8"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"objective": "speed"}, "latency"),
        ({"dataflow": "row_stationary"}, "weight_stationary"),
        ({"seconds": -1.0}, "seconds"),
        ({"spatial": {"rows": "k"}}, "LOOP:UNITS"),
        ({"order": ["z"]}, "loop"),
        ({"machine": "diannao"}, "hierarchy"),
    ],
)
def test_bad_words_are_named(source, arguments, message):
    given = {"machine": MACHINE, **arguments}
    with pytest.raises(BadInput, match=message):
        lamina.map(source, given.pop("machine"), **given)
