"""Units, errors, seeds, configurations: small promises that everything else rests on."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest

from lamina.core import configuration, seeds
from lamina.core.errors import BadInput, one_line, unknown
from lamina.core.units import si


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (4.6e-6, "s", "4.60 µs"),
        (0.99996e-3, "s", "1.00 ms"),
        (123456, "B", "123 kB"),
        (0, "J", "0 J"),
        (None, "J", "–"),
        (3.02e-6, "m2", "3.02 mm²"),
        (6.38e-10, "m2", "638 µm²"),
        (1.0, "", "1.00"),
        (-2.5e9, "Hz", "-2.50 GHz"),
    ],
)
def test_quantities_for_people(value, unit, text):
    assert si(value, unit) == text


def test_unknown_names_suggest_the_nearest():
    assert "did you mean 'lenet5'" in str(unknown("model", "lenet6", ["lenet5", "alexnet"]))
    assert "did you mean" not in str(unknown("model", "zzzz", ["lenet5"]))
    assert len(one_line("a\nb" * 500)) == 200
    assert "\n" not in one_line("a\nb\x1b[31m")
    assert "\x1b" not in one_line("a\x1b[31m")


def test_seeds_follow_from_their_key_alone():
    assert seeds.derive(0, "order", 3) == seeds.derive(0, "order", 3)
    keys = [seeds.derive(s, p, i) for s in range(3) for p in ("order", "step") for i in range(50)]
    assert len(set(keys)) == len(keys)
    assert all(0 <= k < 2**63 for k in keys)
    assert seeds.derive(0, "1") != seeds.derive(0, 1)  # a word is no number
    a, b = seeds.numpy_generator(1, "x"), seeds.numpy_generator(1, "x")
    assert np.array_equal(a.integers(0, 100, 10), b.integers(0, 100, 10))


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    epochs: int = 3
    rate: float = 0.1
    kind: Literal["a", "b"] = "a"
    patience: int | None = None
    sizes: tuple[int, ...] = (1, 2)
    on: bool = False


def test_settings_become_the_fields_type():
    given = {"epochs": "7", "rate": "1e-3", "kind": "b", "patience": "none", "sizes": "4x5x6", "on": "true"}
    assert configuration.replace(Example(), given) == Example(epochs=7, rate=1e-3, kind="b", sizes=(4, 5, 6), on=True)
    assert configuration.replace(Example(), {"rate": 1}).rate == 1.0


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"epochs": "three"}, "'three' is not of type int"),
        ({"epochs": 2.5}, "2.5 is not of type int"),
        ({"epochs": True}, "True is not of type int"),
        ({"kind": "c"}, "'c' is not one of a, b"),
        ({"on": "maybe"}, "not of type bool"),
        ({"sizes": "4xx"}, "not of type int"),
        ({"epochs": "none"}, "not of type int"),
    ],
)
def test_wrong_settings_are_refused(given, says):
    with pytest.raises(BadInput, match=says):
        configuration.replace(Example(), given)
