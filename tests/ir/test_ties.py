"""Halves are met and rounded to even: with another rounding the tie-rich network gives other integers at every step."""

import numpy as np
import pytest

from lamina.core.seeds import numpy_generator
from lamina.ir.interpreter import trace
from tests.networks import random_inputs, tie_rich_network
from tests.rounding import round_half_away_from_zero

BATCH = 8
ROUNDING_OPERATORS = ("quantise", "conv2d", "add", "average_pool2d", "linear")


@pytest.mark.parametrize("form", ["power_of_two", "float"])
def test_rounding_half_away_from_zero_changes_every_step(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = tie_rich_network(form, batch=BATCH)
    inputs = random_inputs(network, numpy_generator(1, "ties"))
    right = trace(network, inputs)
    with monkeypatch.context() as patch:
        round_half_away_from_zero(patch)
        for operation in network.operations:
            # one operation alone with the wrong rounding, its inputs right
            single = network.replaced(
                inputs={operation.inputs[0]: network.types[operation.inputs[0]]}
                | {n: network.types[n] for n in operation.inputs[1:] if n not in network.constants},
                constants={n: network.constants[n] for n in operation.inputs if n in network.constants},
                operations=(operation,),
                outputs={"y": operation.name},
            )
            wrong = single.run({name: right[name] for name in single.inputs})["y"]
            share = float(np.mean(wrong != right[operation.name]))
            if operation.operator in ROUNDING_OPERATORS:
                assert share > 0.02, f"{operation.operator}: {share:.1%} of the results meet a half that matters"
            else:
                assert share == 0
        assert (network.run(inputs)["y"] != right[network.outputs["y"]]).any()
    np.testing.assert_array_equal(network.run(inputs)["y"], right[network.outputs["y"]])


def test_both_forms_agree_where_scales_are_powers_of_two() -> None:
    shifts, floats = tie_rich_network("power_of_two", batch=BATCH), tie_rich_network("float", batch=BATCH)
    inputs = random_inputs(shifts, numpy_generator(2, "ties"))
    np.testing.assert_array_equal(shifts.run(inputs)["y"], floats.run(inputs)["y"])


def test_nothing_in_the_tie_rich_network_is_hidden_by_clipping() -> None:
    network = tie_rich_network(batch=BATCH)
    values = trace(network, random_inputs(network, numpy_generator(1, "ties")))
    for operation in network.operations[1:-1]:
        element = network.types[operation.name].element
        array = values[operation.name]
        assert np.mean((array == element.low) | (array == element.high)) < 0.05, operation.name
