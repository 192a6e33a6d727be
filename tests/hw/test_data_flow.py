"""Data flow: the firing rate against a simulation of tokens in queues, cycles by hand, laws, the Vimicro's peak."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.hw import registry
from lamina.hw.families.data_flow import DataFlow, cost, cycles, firing_rate, refusal
from lamina.ir.layer import Layer, dense
from tests.hw.shapes import multiplying

MACHINE = DataFlow(
    cores=2, units=8, bits=16, queue_tokens=2, round_trip_cycles=2, input_words_per_cycle=1.0,
    weight_words_per_cycle=2.0, output_words_per_cycle=1.0, buffer_bytes=8192, clock_hz=1e9, dram_bytes_per_s=1e9,
    power_w=0.5,
)  # fmt: skip
some = st.builds(
    DataFlow,
    cores=st.integers(1, 8),
    units=st.integers(1, 64),
    bits=st.just(32),
    queue_tokens=st.integers(1, 8),
    round_trip_cycles=st.integers(1, 8),
    input_words_per_cycle=st.floats(0.1, 4),
    weight_words_per_cycle=st.floats(0.1, 64),
    output_words_per_cycle=st.floats(0.1, 4),
    buffer_bytes=st.integers(1, 10**7),
    dram_bytes_per_s=st.floats(1e6, 1e12),
)


def simulated(
    units: int, row: int, sum_of: int, room: int, trip: int, words: tuple[Fraction, Fraction, Fraction], firings: int
) -> Fraction:
    """Firings a cycle of units that fire together, token by token.

    A firing needs an input token in the queue (room for `room`, whose places come back `trip` cycles after they are
    filled), weights for all units once in `row` firings, and, every `sum_of` firings, a place for the results of all
    units. Ports deliver or drain `words` of inputs, weights, results a cycle.
    """
    into, weights, out = words
    input_credit = weight_credit = Fraction(0)
    backlog = Fraction(0)  # results that wait for the port
    places: list[int] = []  # when places come back
    fired = cycle = 0
    while fired < firings:
        cycle += 1
        places = [back for back in places if back > cycle]
        input_credit = min(input_credit + into, Fraction(max(1, room)))
        weight_credit = min(weight_credit + weights, Fraction(2 * units))
        backlog = max(Fraction(0), backlog - out)
        needs_weights = fired % row == 0
        gives_result = (fired + 1) % sum_of == 0
        if len(places) >= room or input_credit < 1 or (needs_weights and weight_credit < units):
            continue
        if gives_result and backlog > units:
            continue
        input_credit -= 1
        places.append(cycle + trip)
        weight_credit -= units * needs_weights
        backlog += units * gives_result
        fired += 1
    return Fraction(fired, cycle)


@pytest.mark.parametrize(
    ("units", "row", "sum_of", "room", "trip", "words"),
    [
        (8, 4, 9, 4, 4, (1, 8, 1)),  # nothing is scarce
        (8, 4, 9, 1, 3, (1, 8, 1)),  # a queue of one place that comes back after three cycles
        (8, 4, 9, 2, 5, (1, 8, 1)),
        (8, 4, 9, 4, 4, (Fraction(1, 2), 8, 1)),  # half an input a cycle
        (8, 1, 9, 4, 4, (1, 2, 1)),  # a weight for every product, as in a fully connected layer
        (8, 4, 9, 4, 4, (1, 1, 1)),
        (8, 4, 2, 4, 4, (1, 8, 1)),  # short sums: results are drained one by one
        (16, 7, 3, 3, 4, (1, 2, 2)),
    ],
)
def test_the_firing_rate_by_tokens(units, row, sum_of, room, trip, words):
    machine = replace(
        MACHINE, units=units, queue_tokens=room, round_trip_cycles=trip, input_words_per_cycle=float(words[0]),
        weight_words_per_cycle=float(words[1]), output_words_per_cycle=float(words[2]),
    )  # fmt: skip
    layer = Layer(k=units, c=sum_of, p=3, q=row, r=1, s=1)
    played = simulated(units, row, sum_of, room, trip, tuple(map(Fraction, words)), firings=3000)
    assert float(played) == pytest.approx(firing_rate(layer, machine), rel=0.02)


def test_cycles_by_hand():
    # 20 channels on 2 x 8 units: 2 turns; 30 pixels x 27 steps; weights: 2 words a cycle x 6 pixels / 8 units: rate 1
    layer = Layer(k=20, c=3, p=5, q=6, r=3, s=3)
    assert firing_rate(layer, MACHINE) == 1
    assert cycles(layer, MACHINE) == 2 * 30 * 27 + 2
    # fully connected: 2 words of weights a cycle for 8 units, a quarter of the firings
    assert cycles(dense(100, 16), MACHINE) == 100 * 4 + 2
    assert cycles(Layer(operator="add", has_weights=False, operands=2, ops=100), MACHINE) == 50


@given(multiplying(), some, st.integers(1, 9))
def test_laws(layer, machine, factor):
    (row,) = cost([layer], machine)
    assert 0 < row.utilisation <= 1
    assert 0 < firing_rate(layer, machine) <= 1
    assert row.energy_j == pytest.approx(machine.power_w * row.latency_s)
    assert row.dram_bytes >= layer.input_bytes + layer.weight_bytes + layer.output_bytes
    for name in (
        "queue_tokens", "input_words_per_cycle", "weight_words_per_cycle", "output_words_per_cycle", "buffer_bytes",
        "clock_hz", "dram_bytes_per_s",
    ):  # fmt: skip
        better = replace(machine, **{name: getattr(machine, name) * factor})
        assert cost([layer], better)[0].latency_s <= row.latency_s * (1 + 1e-12)


def test_what_it_has_no_unit_for():
    assert "softmax" in refusal(Layer(operator="softmax", has_weights=False, ops=9), MACHINE)
    assert "32 bits" in refusal(dense(3, 3, bits=32), MACHINE)
    assert refusal(Layer(operator="max_pool2d", has_weights=False, ops=9), MACHINE) is None


def test_the_vimicro_counts_products_in_one_text_and_operations_in_the_other():
    machine = registry.find("vimicro_vc0758_like").parameters
    assert (machine.macs_per_s, 2 * machine.macs_per_s) == pytest.approx((38e9, 76e9))


@pytest.mark.parametrize("field", [
    {"cores": 0}, {"bits": 33}, {"queue_tokens": 0}, {"input_words_per_cycle": 0.0}, {"power_w": float("nan")},
])  # fmt: skip
def test_values_out_of_range_are_named(field):
    with pytest.raises(BadInput, match=next(iter(field))):
        replace(MACHINE, **field)
