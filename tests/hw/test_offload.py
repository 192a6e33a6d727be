"""Host and accelerator: the best cut against every assignment of small random graphs; laws of the link; refusals."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.core.errors import BadInput, Unsupported
from lamina.hw import offload, registry
from lamina.hw.offload import ACCELERATOR, HOST, Link, Pair, Step, best_cut
from lamina.ir.build import Builder
from lamina.ir.types import Type


@st.composite
def graphs(draw):
    """Steps that read any earlier values, sizes, and a link: (steps, sizes, inputs, outputs, link)."""
    values, steps = ["in0", "in1"], []
    second = st.one_of(st.floats(0, 10), st.none())
    for index in range(draw(st.integers(1, 7))):
        reads = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
        makes = [f"v{index}.{i}" for i in range(draw(st.integers(1, 2)))]
        seconds = draw(st.tuples(second, second).filter(lambda pair: pair != (None, None)))
        steps.append(Step(name=f"s{index}", inputs=tuple(reads), outputs=tuple(makes), seconds=seconds))
        values += makes
    sizes = {value: draw(st.floats(0, 5)) for value in values}
    outputs = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
    return (
        steps,
        sizes,
        ["in0", "in1"],
        outputs,
        Link(bytes_per_s=draw(st.floats(0.1, 10)), latency_s=draw(st.floats(0, 2))),
    )


def of_assignment(sides, steps, sizes, inputs, outputs, link):
    """The time of one assignment by its definition: a value crosses if someone on the other side reads it."""
    made = dict.fromkeys(inputs, HOST)
    wanted = set()
    seconds = 0.0
    for side, step in zip(sides, steps, strict=True):
        if step.seconds[side] is None:
            return float("inf")
        seconds += step.seconds[side]
        wanted |= {(value, side) for value in step.inputs}
        made.update(dict.fromkeys(step.outputs, side))
    wanted |= {(value, HOST) for value in outputs}
    return seconds + sum(link.seconds(sizes[v]) for v, side in wanted if made[v] != side)


@given(graphs())
def test_the_cut_is_the_best_of_all_assignments(graph):
    steps, *_ = graph
    cut = best_cut(*graph)
    every = [of_assignment(sides, *graph) for sides in product((HOST, ACCELERATOR), repeat=len(steps))]
    assert cut.seconds == pytest.approx(min(every), rel=1e-9, abs=1e-12)
    assert of_assignment(cut.sides, *graph) == pytest.approx(cut.seconds, rel=1e-9, abs=1e-12)
    crossed = sum(graph[4].seconds(graph[1][v]) for group in cut.crossings for v in group)
    ran = sum(step.seconds[side] for step, side in zip(steps, cut.sides, strict=True))
    assert crossed + ran == pytest.approx(cut.seconds, rel=1e-9, abs=1e-12)


@given(graphs(), st.floats(1, 100))
def test_a_faster_link_is_never_slower(graph, factor):
    *rest, link = graph
    faster = Link(bytes_per_s=link.bytes_per_s * factor, latency_s=link.latency_s)
    assert best_cut(*rest, faster).seconds <= best_cut(*rest, link).seconds * (1 + 1e-12)


def chain():
    """A narrow layer, two wide ones, a narrow one: little has to cross between the first two."""
    b = Builder()
    x = b.input("x", Type(shape=(64, 512)))
    for index, width in enumerate((16, 1024, 1024, 16)):
        w = b.constant(f"w{index}", None, Type(shape=(width, x.shape[1])))
        x = b.emit("linear", [x, w], name=f"fc{index}")
    return b.network("chain", {"y": x})


def sixteen(layer):
    return replace(layer, input_bits=16, weight_bits=16, output_bits=16)


def test_the_cut_moves_with_the_link():
    host = registry.find("diannao:clock_hz=1e7")
    accelerator = registry.find("systolic:rows=64,columns=64,accumulator_bits=48")
    found = [
        offload.cost(chain(), Pair(host=host, accelerator=accelerator, link=Link(bytes_per_s=rate)), sixteen)
        for rate in (1e3, 1e6, 1e12)
    ]
    on = [result.fields["on_accelerator"] for result in found]
    assert on[0] == []
    assert set(on[1]) < set(on[2])
    assert on[1]
    assert found[0].total.latency_s > found[1].total.latency_s > found[2].total.latency_s
    for result in found:
        assert sum(c.latency_s for c in result.layers) == result.total.latency_s
        moved = sum(c.bytes_by_level.get("link", 0) for c in result.layers)
        assert (moved > 0) == bool(result.fields["on_accelerator"])


def test_the_whole_on_one_side_is_that_machine():
    from lamina.hw import table

    host = registry.find("diannao")
    slow = registry.find("systolic:clock_hz=1e3,accumulator_bits=48")
    result = offload.cost(chain(), Pair(host=host, accelerator=slow, link=Link(bytes_per_s=1e9)), sixteen)
    alone = table.cost(chain(), [host], bits=16).results[0]
    assert result.total.latency_s == pytest.approx(alone.total.latency_s)
    assert result.total.dram_bytes == alone.total.dram_bytes


@pytest.mark.parametrize("rate", [0, -1.0, float("nan"), float("inf")])
def test_a_link_needs_a_rate(rate):
    with pytest.raises(BadInput, match="rate"):
        Link(bytes_per_s=rate)


def test_what_neither_side_runs_is_named():
    step = Step(name="gather3", inputs=("x",), outputs=("y",), seconds=(None, None))
    with pytest.raises(Unsupported, match="gather3"):
        best_cut([step], {"x": 1.0, "y": 1.0}, ["x"], ["y"], Link(bytes_per_s=1.0))


def test_a_pair_by_its_words():
    pair = offload.pair_of("cpu+systolic:rows=8,clock_hz=1e+9@2e9/1e-6", registry.find)
    assert (pair.host.name, pair.accelerator.parameters.rows, pair.accelerator.parameters.clock_hz) == ("cpu", 8, 1e9)
    assert (pair.link.bytes_per_s, pair.link.latency_s) == (2e9, 1e-6)
    assert offload.pair_of("systolic:clock_hz=1e+9", registry.find) is None
    assert offload.pair_of("cpu+diannao@pcie3_x16", registry.find).link.name == "pcie3_x16"


@pytest.mark.parametrize(
    "text", ["cpu+diannao", "cpu+diannao@fast", "cpu+cpu+cpu@1e9", "cpu+diannao@0", "cpu+dian@1e9"]
)
def test_bad_pairs_are_named(text):
    with pytest.raises(BadInput):
        offload.pair_of(text, registry.find)
