"""The evaluator: ZigZag's own figures to the cycle, and a literal loop nest that counts what it fetches."""

import pytest

from lamina.hw import registry
from lamina.hw.mapping.evaluate import evaluate
from lamina.hw.mapping.problem import problem
from tests.hw.mapping.resnet18 import GOLDEN, layers

TPU = registry.find("tpu_like").parameters


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda g: f"layer{g.number}-{g.cycles[1]}")
def test_zigzag_says_the_same_to_the_cycle(golden):
    """Energy is within the whole words that ZigZag cuts off; the floor of the ports is ours."""
    found = evaluate(problem(layers()[golden.number]), TPU, golden.mapping)
    parts = found.parts
    assert tuple(parts[k] for k in ("loops", "stall", "filling", "emptying", "drain")) == golden.cycles
    assert found.energy_j * 1e12 == pytest.approx(golden.energy_pj, rel=5e-6)
    assert found.cycles == max(sum(golden.cycles), found.bound_cycles)


def test_zigzag_hides_traffic_that_its_port_has_no_time_for():
    """Layer 22 crosses 8 bytes a cycle in 157,792 cycles at the least; ZigZag gives 154,063."""
    found = evaluate(problem(layers()[22]), TPU, GOLDEN[-1].mapping)
    bits = 8 * (512 * 256 * 9 + 256 * 15 * 15 + 512 * 7 * 7)
    assert found.bound_cycles == found.cycles == bits // 64 == 157_792
    assert found.parts["bound"] == found.cycles - sum(GOLDEN[-1].cycles) > 0
