"""A design space: words to values, points in order, the Pareto front against its definition, refusals as rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.hw import design_space, registry, table
from lamina.hw.workloads import alexnet


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("rows=3..6", ["3", "4", "5", "6"]),
        ("rows=8..128*2", ["8", "16", "32", "64", "128"]),
        ("rows=8..128+40", ["8", "48", "88", "128"]),
        ("rows=8,16,3..4", ["8", "16", "3", "4"]),
        ("rows=1e8..1e9*10", ["100000000.0", "1000000000.0"]),
        ("rows=7..7", ["7"]),
        ("rows=output_stationary,input_stationary", ["output_stationary", "input_stationary"]),
    ],
)
def test_words_to_values(text, values):
    assert design_space.space([text]) == {"rows": values}


def test_points_run_through_the_last_field_first():
    fields = design_space.space(["rows=1..2,columns=4,8"])
    assert list(design_space.points(fields)) == [
        {"rows": "1", "columns": "4"},
        {"rows": "1", "columns": "8"},
        {"rows": "2", "columns": "4"},
        {"rows": "2", "columns": "8"},
    ]
    assert design_space.size(fields) == 4


@pytest.mark.parametrize(
    "texts",
    [
        [], ["rows"], ["=3"], ["rows="], ["rows=6..3"], ["rows=3..6+0"], ["rows=3..6*1"], ["rows=0..6*2"],
        ["rows=a..b"], ["rows=1,rows=2"], ["rows=1", "rows=2"], ["rows=1..2..3"], ["rows=0..1e9"],
        ["rows=1..10000", "columns=1..10000"], ["rows=1,,2"],
    ],
)  # fmt: skip
def test_bad_words_are_named(texts):
    with pytest.raises(BadInput):
        design_space.space(texts)


numbers = st.integers(0, 6).map(float)


@given(st.lists(st.tuples(numbers, numbers, numbers, st.booleans()), max_size=30), st.integers(1, 3))
def test_the_front_by_its_definition(values, count):
    names = ("latency_s", "energy_j", "area_m2")[:count]
    rows = [
        {**dict(zip(("latency_s", "energy_j", "area_m2"), v, strict=False)), "refused": "no" if v[3] else None}
        for v in values
    ]
    front = design_space.pareto(rows, names)

    def better(a, b):
        return all(a[n] <= b[n] for n in names) and any(a[n] < b[n] for n in names)

    told = [i for i, row in enumerate(rows) if row["refused"] is None]
    nobody_better = [i for i in told if not any(better(rows[j], rows[i]) for j in told)]
    assert set(front) <= set(nobody_better)
    # of equal points the first stays: each left out is equal to one that stays
    kept = {tuple(rows[i][n] for n in names) for i in front}
    assert {tuple(rows[i][n] for n in names) for i in nobody_better} == kept
    assert len(kept) == len(front)


def test_a_row_is_what_the_table_says():
    layers = alexnet.convolutions(bits=8)
    machine = registry.find("systolic")
    row = design_space.evaluate(layers, machine, {"rows": "16", "columns": "24"})
    total = table.on_machine(layers, registry.find("systolic:rows=16,columns=24")).total
    assert (row["cycles"], row["latency_s"], row["energy_j"]) == (total.cycles, total.latency_s, total.energy_j)
    assert row["area_m2"] > 0
    assert row["refused"] is None


def test_what_is_refused_is_a_row_with_its_reason():
    row = design_space.evaluate(alexnet.tower(bits=32), registry.find("zhang_fpga15"), {"outputs": "64", "inputs": "8"})
    assert "DSPs" in row["refused"]
    assert row["latency_s"] is None
    with pytest.raises(BadInput, match="rows"):
        design_space.check_fields(registry.find("systolic"), {"row": ["1"]})


def test_the_published_tile_is_on_the_front_of_zhangs_engine():
    layers = alexnet.tower(bits=32)
    fields = design_space.space(["outputs=16..96+16", "inputs=1..9"])
    machine = registry.find("zhang_fpga15")
    rows = [design_space.evaluate(layers, machine, point) for point in design_space.points(fields)]
    best = min((r for r in rows if r["refused"] is None), key=lambda r: r["latency_s"])
    assert (best["outputs"], best["inputs"]) == ("64", "7")
