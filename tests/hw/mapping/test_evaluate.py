"""The evaluator: ZigZag's own figures to the cycle, and a literal loop nest that counts what it fetches."""

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from lamina.hw import registry
from lamina.hw.mapping.evaluate import evaluate
from lamina.hw.mapping.mapping import Mapping, unroll
from lamina.hw.mapping.problem import problem
from lamina.hw.mapping.structure import LOOPS, OPERANDS, chain
from lamina.hw.mapping.tiles import batch_of
from lamina.hw.mapping.traffic import streams
from lamina.hw.workloads.resnet18_zigzag import resnet18_zigzag
from lamina.ir.layer import Layer
from tests.hw.mapping.machines import hierarchies
from tests.hw.mapping.nest import counted
from tests.hw.mapping.resnet18 import GOLDEN

LAYERS = resnet18_zigzag()
TPU = registry.find("tpu_like").parameters


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda g: f"layer{g.number}-{g.cycles[1]}")
def test_zigzag_says_the_same_to_the_cycle(golden):
    """Energy is within the whole words that ZigZag cuts off; the floor of the ports is ours."""
    found = evaluate(problem(LAYERS[golden.number]), TPU, golden.mapping)
    parts = found.parts
    assert tuple(parts[k] for k in ("loops", "stall", "filling", "emptying", "drain")) == golden.cycles
    assert found.energy_j * 1e12 == pytest.approx(golden.energy_pj, rel=5e-6)
    assert found.cycles == max(sum(golden.cycles), found.bound_cycles)


def test_zigzag_hides_traffic_that_its_port_has_no_time_for():
    """Layer 22 crosses 8 bytes a cycle in 157,792 cycles at the least; ZigZag gives 154,063."""
    found = evaluate(problem(LAYERS[22]), TPU, GOLDEN[-1].mapping)
    bits = 8 * (512 * 256 * 9 + 256 * 15 * 15 + 512 * 7 * 7)
    assert found.bound_cycles == found.cycles == bits // 64 == 157_792
    assert found.parts["bound"] == found.cycles - sum(GOLDEN[-1].cycles) > 0


@settings(max_examples=80)
@drawn(st.data())
def test_a_literal_loop_nest_fetches_as_much(data):
    """Every stream of every operand and level, element by element, on nests of up to some thousand steps."""
    machine = data.draw(hierarchies())
    small = st.integers(1, 4)
    layer = Layer(
        n=data.draw(st.integers(1, 2)), k=data.draw(small), c=data.draw(small), p=data.draw(small), q=data.draw(small),
        r=data.draw(st.integers(1, 2)), s=data.draw(st.integers(1, 2)), stride=(data.draw(st.integers(1, 2)), 1),
    )  # fmt: skip
    given = problem(layer)
    units = {
        name: data.draw(st.sampled_from([d for d in (1, 2, 4) if size % d == 0]))
        for name, size in zip(LOOPS, given.bounds, strict=True)
    }
    spatial, used = [], set()
    for dimension in machine.array:
        loop = data.draw(st.sampled_from(dimension.loops))
        if loop not in used and 1 < units[loop] <= dimension.size:
            spatial.append((dimension.name, loop, units[loop]))
            used.add(loop)
    steps = {
        loop: bound // (units[loop] if loop in used else 1) for loop, bound in zip(LOOPS, given.bounds, strict=True)
    }
    loops = [(loop, size) for loop, whole in steps.items() for size in ([2, whole // 2] if whole == 4 else [whole])]
    order = tuple(data.draw(st.permutations([part for part in loops if part[1] > 1])))
    held = {
        o: tuple(sorted(data.draw(st.lists(st.integers(0, len(order)), min_size=n, max_size=n))))
        for o in OPERANDS
        for n in [len(chain(machine.level, o)) - 1]
    }
    mapping = Mapping(spatial=tuple(spatial), order=order, held=held)
    unrolling = unroll(given, machine.array, machine.level, mapping.spatial)
    batch = batch_of(given, unrolling, machine.level, 32, mapping)
    found = {
        (s.operand, s.place, s.way): s.mean.item() * s.periods.item() * s.instances
        for s in streams(batch)
        if s.periods.item()
    }
    assert found == dict(counted(given, mapping, machine.level))
