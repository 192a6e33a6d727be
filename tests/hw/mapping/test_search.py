"""The mapper: the optimum of small spaces, an answer always, constraints kept, never below the lower bound."""

from dataclasses import replace
from itertools import combinations_with_replacement, permutations, product

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.hw import registry
from lamina.hw.families import hierarchy
from lamina.hw.families.hierarchy import Hierarchy
from lamina.hw.mapping.choices import primes, unrollings
from lamina.hw.mapping.evaluate import evaluate
from lamina.hw.mapping.mapping import Mapping, unroll
from lamina.hw.mapping.problem import problem
from lamina.hw.mapping.search import Constraints, search
from lamina.hw.mapping.structure import LOOPS, OPERANDS, Dimension, Level, chain
from lamina.ir.layer import Layer, dense
from tests.hw.mapping.machines import hierarchies, layers

TPU = registry.find("tpu_like").parameters

SMALL = Hierarchy(
    array=(Dimension(name="units", size=2, loops=("k", "c")),),
    level=(
        Level(name="registers", holds=("weights",), capacity_bytes=2, read_bits_per_cycle=8, read_j=1e-13),
        Level(
            name="buffer", holds=OPERANDS, capacity_bytes=24, read_bits_per_cycle=16, read_j=3e-12, serves=("units",)
        ),
        Level(
            name="dram", holds=OPERANDS, capacity_bytes=1e6, read_bits_per_cycle=8, read_j=9e-11,
            ports="shared", serves=("units",),
        ),
    ),
    clock_hz=1e9, mac_j=1e-13, partial_sum_bits=16,
)  # fmt: skip
VALUE = {
    "latency": lambda e: e.cycles,
    "energy": lambda e: e.energy_j,
    "edp": lambda e: e.cycles * e.energy_j,
    "traffic": lambda e: e.level_bytes["dram"],
}


def every(given, machine):
    """Each mapping that there is, one at a time."""
    for spatial in unrollings(given, machine.array):
        steps = unroll(given, machine.array, machine.level, spatial).steps
        parts = [(loop, size) for loop, whole in zip(LOOPS, steps, strict=True) for size in primes(whole)]
        for order in sorted(set(permutations(parts))):
            cuts = [
                list(combinations_with_replacement(range(len(order) + 1), len(chain(machine.level, o)) - 1))
                for o in OPERANDS
            ]
            for held in product(*cuts):
                yield Mapping(spatial=spatial, order=order, held=dict(zip(OPERANDS, held, strict=True)))


@pytest.mark.parametrize(
    "layer",
    [
        Layer(k=2, c=2, q=2),
        Layer(k=3, c=2),
        Layer(p=3, r=2),
        Layer(operator="max_pool2d", groups=2, s=3, has_weights=False, ops=6),
    ],
    ids=["pointwise", "dense", "window", "pooling"],
)
def test_it_finds_the_optimum_of_a_small_space(layer):
    given = problem(layer)
    best, reasons = dict.fromkeys(VALUE, float("inf")), set()
    for mapping in every(given, SMALL):
        try:
            found = evaluate(given, SMALL, mapping)
        except BadInput as e:
            reasons.add("bytes are needed" in str(e))
            continue
        best = {objective: min(value, VALUE[objective](found)) for objective, value in best.items()}
    assert reasons <= {True}
    for objective, value in best.items():
        found, state = search(given, SMALL, objective=objective, seconds=300)
        assert state.exhausted
        assert VALUE[objective](found) == pytest.approx(value, rel=1e-9)


def test_more_time_is_never_worse_and_a_seed_repeats():
    given = problem(Layer(k=24, c=10, p=9, q=12, r=3, s=3))
    quick, first = search(given, SMALL)
    again, _ = search(given, SMALL)
    assert quick == again
    longer, state = search(given, SMALL, seconds=0.7, seed=3)
    assert longer.cycles <= quick.cycles
    assert state.tried > first.tried


def test_no_time_is_still_an_answer():
    given = problem(Layer(k=24, c=10, p=9, q=12, r=3, s=3))
    found, state = search(given, TPU, seconds=0.0)
    assert evaluate(given, TPU, found.mapping) == found
    assert 0 < state.tried <= 24


def test_what_has_no_room_is_named_with_bytes():
    wide = replace(dense(8, 8), weight_bits=64)
    with pytest.raises(BadInput, match="level registers: at least 8 bytes are needed, 2 are there"):
        search(problem(wide), SMALL)
    assert "level registers" in hierarchy.refusal(wide, SMALL)


def test_constraints_that_exclude_each_other_are_named():
    both = Constraints(dataflow="weight_stationary", order=("k", "p"))
    with pytest.raises(BadInput, match="the order k, p brings the operand of weight_stationary to the units more than"):
        search(problem(Layer(k=8, c=4, p=5)), SMALL, constraints=both)


def test_a_mapping_without_room_is_named_with_bytes():
    given = problem(Layer(k=8, c=4))
    mapping = Mapping(
        spatial=(("units", "k", 2),),
        order=(("c", 2), ("c", 2), ("k", 4)),
        held={"weights": (3, 3), "inputs": (0,), "outputs": (0,)},
    )
    with pytest.raises(BadInput, match=r"level registers: 16 bytes are needed, 2 are there"):
        evaluate(given, SMALL, mapping)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spatial": (("rows", "k", 2),)}, "'rows' is no dimension of the array: units"),
        ({"spatial": (("units", "p", 2),)}, "p cannot lie along units"),
        ({"spatial": (("units", "k", 3),)}, "units has 2 units, 3 are asked for"),
        ({"order": (("c", 2), ("k", 4))}, "sizes of c multiply to 2, the layer needs 4"),
        ({"order": (("z", 2),)}, "'z'"),
        ({"held": {"weights": (2, 1), "inputs": (0,), "outputs": (0,)}}, "weights has"),
        ({"held": {"weights": (0, 9), "inputs": (0,), "outputs": (0,)}}, "0 to 3 are needed"),
        ({"held": {}}, "outputs has"),
    ],
)
def test_what_is_no_mapping_is_named(change, message):
    mapping = Mapping(
        spatial=(("units", "k", 2),),
        order=(("c", 2), ("c", 2), ("k", 4)),
        held={"weights": (0, 0), "inputs": (0,), "outputs": (0,)},
    )
    with pytest.raises(BadInput, match=message):
        evaluate(problem(Layer(k=8, c=4)), SMALL, replace(mapping, **change))


@pytest.mark.parametrize("dataflow", ["weight_stationary", "output_stationary", "input_stationary"])
def test_a_dataflow_brings_its_operand_to_the_units_once(dataflow):
    operand = dataflow.partition("_")[0] + "s"
    machine = replace(
        TPU,
        level=(
            Level(
                name="ir", holds=("inputs",), capacity_bytes=4, read_bits_per_cycle=8, read_j=1e-13, serves=("rows",)
            ),
            *TPU.level,
        ),
    )
    layer = Layer(k=64, c=48, p=8, q=8, r=3, s=3)
    found, _ = search(problem(layer), machine, constraints=Constraints(dataflow=dataflow), seconds=0.3)
    given = problem(layer)
    inner = chain(machine.level, operand)[0]
    still = given.irrelevant(OPERANDS.index(operand))
    outside = found.mapping.order[found.mapping.held[operand][0] :]
    moving = [place for place, (loop, _) in enumerate(outside) if not still[LOOPS.index(loop)]]
    idle = [place for place, (loop, _) in enumerate(outside) if still[LOOPS.index(loop)]]
    assert not idle or not moving or max(idle) < min(moving), machine.level[inner].name


def test_a_fixed_order_and_unrolling_are_kept():
    given = problem(Layer(k=64, c=48, p=8, q=8, r=3, s=3))
    fixed = Constraints(spatial=(("rows", "k", 16),), order=("q", "p", "c"))
    found, _ = search(given, TPU, constraints=fixed, seconds=0.3)
    assert found.mapping.spatial == fixed.spatial
    loops = list(dict.fromkeys(loop for loop, _ in found.mapping.order))
    assert loops[:3] == ["q", "p", "c"]


@settings(max_examples=15)
@drawn(layers(), hierarchies(), st.sampled_from(list(VALUE)))
def test_there_is_always_an_answer_and_it_is_above_the_bound(layer, machine, objective):
    given = problem(layer)
    found, _ = search(given, machine, objective=objective, breadth=1)
    assert found == evaluate(given, machine, found.mapping)
    assert found.cycles >= found.bound_cycles
    assert found.energy_j >= found.bound_energy_j * (1 - 1e-12)
    assert found.level_bytes["dram"] >= found.bound_dram_bytes * (1 - 1e-12)
    assert 0 < found.utilisation <= 1


@settings(max_examples=15)
@drawn(layers(), hierarchies(), st.data())
def test_more_bandwidth_is_never_slower(layer, machine, data):
    index = data.draw(st.integers(0, len(machine.level) - 1))
    level = machine.level[index]
    factor = data.draw(st.sampled_from([2, 3, 10]))
    faster = replace(
        level,
        read_bits_per_cycle=factor * level.width(write=False),
        write_bits_per_cycle=factor * level.width(write=True),
    )
    better = replace(machine, level=(*machine.level[:index], faster, *machine.level[index + 1 :]))
    (slow,), (fast,) = hierarchy.cost([layer], machine), hierarchy.cost([layer], better)
    assert fast.latency_s <= slow.latency_s


@settings(max_examples=15)
@drawn(layers(), hierarchies(), st.data())
def test_more_room_never_moves_more_over_the_pins(layer, machine, data):
    index = data.draw(st.integers(0, len(machine.level) - 2))
    level = machine.level[index]
    larger = replace(level, capacity_bytes=level.capacity_bytes * data.draw(st.sampled_from([1.5, 2, 7, 100])))
    better = replace(machine, level=(*machine.level[:index], larger, *machine.level[index + 1 :]))
    (small,), (large,) = hierarchy.cost([layer], machine), hierarchy.cost([layer], better)
    assert large.dram_bytes <= small.dram_bytes


def test_every_tensor_crosses_the_pins():
    """Rows that a stride skips and biases too."""
    layer = Layer(k=8, c=4, p=5, q=5, stride=(3, 3), height=14, width=15, has_bias=True)
    (row,) = hierarchy.cost([layer], TPU)
    assert row.dram_bytes >= layer.inputs + layer.weights + layer.outputs + layer.biases
    assert np.isclose(sum(row.energy_by_component_j.values()), row.energy_j)
