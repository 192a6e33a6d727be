"""The timed simulator: the functional one's state whatever the hazards, and cycles that a hand can count."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.emulation.cambricon import functional, timed, trace
from lamina.emulation.cambricon.assembler import assemble
from lamina.emulation.cambricon.isa import INSTRUCTIONS
from lamina.emulation.cambricon.program import Program
from lamina.hw.families.vector_matrix import VectorMatrix
from lamina.ir.build import Builder
from lamina.ir.types import Float, Type
from tests.emulation.cambricon.programs import MEMORY, SMALL, memories, programs, registers, words

BIG = VectorMatrix()
TIGHT = VectorMatrix(vector_scratchpad_bytes=1024, matrix_scratchpad_bytes=64)
SKEW = BIG.banks - 1

machines = st.builds(
    VectorMatrix,
    lanes=st.integers(1, 9),
    blocks=st.integers(1, 5),
    block_lanes=st.integers(1, 5),
    vector_scratchpad_bytes=st.just(SMALL.vector_scratchpad_bytes),
    matrix_scratchpad_bytes=st.just(SMALL.matrix_scratchpad_bytes),
    banks=st.integers(1, 4),
    issue_queue=st.integers(1, 24),
    reorder_buffer=st.integers(1, 64),
    memory_queue=st.integers(1, 32),
    series_cycles=st.integers(1, 20),
    cache_cycles=st.integers(1, 5),
    dram_bytes_per_s=st.floats(0.3e9, 100e9),
    dram_latency_cycles=st.integers(0, 60),
)


def same(timed_run, plain):
    assert timed_run.executed == plain.executed
    assert timed_run.counts == plain.counts
    assert timed_run.registers == plain.registers
    for space in ("memory", "vector", "matrix"):
        np.testing.assert_array_equal(getattr(timed_run, space), getattr(plain, space))


@settings(max_examples=200, deadline=None)
@given(programs, registers(), memories, machines)
def test_time_changes_no_number(program, held, memory, machine):
    array = np.array(memory, np.int16)
    rows = []
    got = timed.run(program, array, machine=machine, registers=held, trace=rows.append)
    same(got, functional.run(program, array, machine=machine, registers=held))
    check_stages(rows, machine)
    assert got.cycles == rows[-1].commit


def check_stages(rows, machine):
    """What holds of every run: stages in order, one a cycle, no more in flight than there is room for."""
    for row in rows:
        assert row.fetch < row.decode < row.issue < row.read < row.start <= row.end < row.write < row.commit
        assert row.engine == "scalar" or row.read < row.address < row.start
    for one, two in itertools.pairwise(rows):
        for stage in ("fetch", "decode", "issue", "read", "commit"):
            assert getattr(one, stage) < getattr(two, stage)
    queued = [row for row in rows if row.engine != "scalar"]
    assert [row.start for row in queued] == sorted({row.start for row in queued})
    rooms = (
        (rows, "fetch", "decode", 1), (rows, "decode", "issue", machine.issue_queue),
        (rows, "issue", "commit", machine.reorder_buffer),
    )  # fmt: skip
    for of, enter, leave, room in rooms:
        for row in of:
            inside = sum(getattr(r, enter) <= getattr(row, enter) < getattr(r, leave) for r in of)
            assert inside <= room


def test_loops_too():
    """Multiplication by addition, with a branch not taken and a jump over it."""
    program = assemble(
        """
            SMOVE $1, #0
            JUMP  #test
        L:  SADD  $1, $1, $2
            SADD  $3, $3, #-1
        test: SGT $4, $3, #0
            CB    #L, $4
            SMOVE $5, #2
            JUMP  $5
            SMOVE $1, #-1
            SSTORE $1, #0
            SLOAD $6, #0
        """
    )
    for count in (0, 1, 5):
        held = {2: 70000, 3: count}
        memory = np.zeros(4, np.int16)
        got = timed.run(program, memory, machine=BIG, registers=held)
        same(got, functional.run(program, memory, machine=BIG, registers=held))
        assert got.registers[6] == 70000 * count


# -- cycles by hand: F D I R, then start ... end, W, C ---------------------------------------------------------------


def test_no_instructions_take_no_time():
    assert cycles("// nothing") == 0


def cycles(text, held=None, machine=BIG, size=40000):
    return timed.run(assemble(text), np.zeros(size, np.int16), machine=machine, registers=held).cycles


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_scalar_instructions(count):
    independent = "".join(f"SADD ${i % 60}, $60, #1\n" for i in range(count))
    assert cycles(independent) == 7 + count - 1  # seven stages, then one a cycle
    assert cycles("SADD $1, $1, #1\n" * count) == 7 + 3 * (count - 1)  # each waits for the write back of the one before
    assert cycles("SDIV $1, $1, #1\n" * count) == 7 + BIG.series_cycles - 1 + (2 + BIG.series_cycles) * (count - 1)


@pytest.mark.parametrize("size", [1, 32, 33, 1000])
@pytest.mark.parametrize("count", [1, 2, 6])
def test_vector_instructions(size, count):
    """Four stages and the address unit, then the engine; a chain waits for results, independent ones for the beats."""
    beats = -(-size // 32)
    held = {0: size} | {i: 1000 * i for i in range(1, 20)}
    chain = "".join(f"VAV ${i + 1}, $0, ${i}, ${i}\n" for i in range(1, count + 1))
    assert cycles(chain, held) == 5 + count * (beats + SKEW) + 2
    independent = "".join(f"VAV ${i + 1}, $0, $1, $1\n" for i in range(1, count + 1))
    assert cycles(independent, held) == 5 + count * beats + SKEW + 2
    series = "".join(f"VEXP ${i + 1}, $0, ${i}\n" for i in range(1, count + 1))
    assert cycles(series, held) == 5 + count * (beats + SKEW + BIG.series_cycles) + 2
    tree = "".join(f"VMAX ${i + 30}, $0, $1\n" for i in range(count))
    assert cycles(tree, held) == 5 + count * beats + SKEW + 5 + 2


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (32, 32), (33, 65), (150, 64)])
def test_a_load_and_the_product_that_needs_it(rows, columns):
    held = {0: rows, 1: columns, 2: rows * columns, 3: 0, 4: 100}
    load = BIG.dram_latency_cycles + -(-rows * columns * 2 // 64)
    product = -(-rows // 32) * -(-columns // 32) + SKEW + 2 * 5 + 5
    text = "MLOAD $3, $2, #0\nMMV $4, $0, $3, $3, $1\n"
    assert cycles(text, held) == 5 + load + product + 2
    other = "MLOAD $3, $2, #0\nMLOAD $2, $2, #0\nMMV $4, $0, $3, $3, $1\n"  # a second tile is loaded meanwhile
    beats = -(-rows * columns * 2 // 64)
    assert cycles(other, held) == max(5 + load + product + 2, 5 + load + beats + 3)


def test_outer_product_and_element_matrix():
    held = {0: 100, 1: 70, 2: 7000, 3: 0, 4: 10000}
    assert cycles("OP $3, $0, $0, $0, $1", held) == 5 + 4 * 3 + SKEW + 5 + 2
    assert cycles("MAM $3, $2, $3, $4", held) == 5 + 7 + SKEW + 2
    assert cycles("VMM $4, $0, $3, $3, $1", held) == 5 + 4 * 3 + SKEW + 15 + 2


def test_branches_cost_seven_cycles_and_more_where_the_condition_is_late():
    """Fetch goes on the cycle after a branch executed: F D I R X is five, so the next F is in the sixth."""
    assert cycles("JUMP #1\n" * 3) == 7 + 2 * 5
    assert cycles("SMOVE $1, #3\nL: SADD $1, $1, #-1\nCB #L, $1") == 7 + 3 + 3 + 2 * (1 + 4 + 3)


# -- hazards: without one of the checks some program ends differently -------------------------------------------------


HAZARDS = {
    "registers": ("unwritten", lambda flight, pending: False),
    "read after write": (
        "conflict",
        lambda a, b: b.writes is not None and any(b.writes.overlaps(e) for e in [*a.reads, *filter(None, [a.writes])]),
    ),
    "write after read": (
        "conflict",
        lambda a, b: a.writes is not None and any(a.writes.overlaps(e) for e in [*b.reads, *filter(None, [b.writes])]),
    ),
    "write after write": (
        "conflict",
        lambda a, b: (
            (a.writes is not None and any(a.writes.overlaps(e) for e in b.reads))
            or (b.writes is not None and any(b.writes.overlaps(e) for e in a.reads))
        ),
    ),
}


@pytest.mark.parametrize("name", HAZARDS)
def test_every_hazard_check_is_needed(name, monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(timed, *HAZARDS[name])
    differing = 0
    for _ in range(300):
        program, held, memory = hazardous(rng)
        try:
            got = timed.run(program, memory, machine=TIGHT, registers=held)
            same(got, functional.run(program, memory, machine=TIGHT, registers=held))
        except (AssertionError, BadInput):
            differing += 1
    assert differing > 0


def test_with_all_checks_those_programs_end_alike():
    rng = np.random.default_rng(0)
    for _ in range(300):
        program, held, memory = hazardous(rng)
        same(
            timed.run(program, memory, machine=TIGHT, registers=held),
            functional.run(program, memory, machine=TIGHT, registers=held),
        )


def hazardous(rng):
    """A few instructions on four overlapping places of the vector scratchpad, long and short, on two engines."""
    held = {0: 4, 1: 40, 2: 90, 10: 0, 11: 3, 12: 20, 13: 60}
    lines = []
    for _ in range(6):
        size, a, b, c = f"${rng.integers(3)}", *(f"${rng.integers(10, 14)}" for _ in range(3))
        lines.append(
            [
                f"VLOAD {a}, {size}, #{rng.integers(100)}", f"VSTORE {a}, {size}, #{rng.integers(100)}",
                f"VAV {a}, {size}, {b}, {c}", f"VLOG {a}, {size}, {b}", f"SADD {a}, {a}, #{rng.integers(1, 3)}",
            ][rng.integers(5)]
        )  # fmt: skip
    return assemble("\n".join(lines)), held, rng.integers(-3000, 3000, 300).astype(np.int16)


# -- refusals and the trace ------------------------------------------------------------------------------------------


def test_refusals_are_the_functional_ones():
    for text in ("RV $1, $0", "JUMP #-1", "SDIV $1, $0, #0", "SMOVE $0, #9\nVLOAD $0, $0, #1"):
        messages = []
        for simulator in (timed, functional):
            with pytest.raises(BadInput) as error:
                simulator.run(assemble(text), np.zeros(9, np.int16), machine=BIG)
            messages.append(str(error.value))
        assert messages[0] == messages[1]
    with pytest.raises(BadInput, match="has not ended after 1,000"):
        timed.run(assemble("L: JUMP #L"), np.zeros(1, np.int16), machine=BIG, most=1000)


def test_the_trace_has_a_line_an_instruction(tmp_path):
    program = assemble("SMOVE $0, #40\nVLOAD $1, $0, #2\nVMAX $2, $0, $1\nVSTORE $1, $0, #0\nSADD $3, $2, #1")
    memory = np.arange(100, dtype=np.int16)
    got = trace.run_traced(program, memory, tmp_path / "run.txt", machine=BIG)
    lines = (tmp_path / "run.txt").read_text().splitlines()
    assert len(lines) == len(program) + 2
    assert lines[1].split()[-3:] == ["$0", "=", "40"]
    assert lines[2].endswith("vector[0:40] <- memory[2:42]")
    assert lines[3].endswith("$2 = 41 <- vector[0:40]")
    assert lines[4].endswith("memory[0:40] <- vector[0:40]")
    assert lines[-1] == f"{got.cycles} cycles, 5 instructions"


def test_a_network_is_traced_as_one_program(tmp_path):
    b = Builder()
    x = b.input("x", Type(shape=(1, 6), element=Float()))
    w, v = np.ones((5, 6), np.float32) / 8, np.arange(5, dtype=np.float32) / 4
    y = b.emit("tanh", [b.emit("linear", [x, b.constant("w", w), b.constant("v", v)])])
    network, given = b.network("one", {"y": y}), np.arange(18, dtype=np.float32).reshape(3, 6) / 16
    done = trace.run_network(network, {"x": given}, tmp_path / "run.txt", machine=BIG)
    lines = (tmp_path / "run.txt").read_text().splitlines()
    assert len(lines) == done.executed + 2
    assert [line.split()[1] for line in lines if "MMV" in line or "VDV" in line] == ["MMV", "VDV"]
    (output,) = {line.split()[-3] for line in lines if "VSTORE" in line}
    start, stop = map(int, output.removeprefix("memory[").removesuffix("]").split(":"))
    assert np.abs(done.memory[start:stop] / 1024 - np.tanh(w @ given[0] + v)).max() < 0.01


def test_a_run_can_be_stepped():
    line = timed.pipeline(assemble("SMOVE $1, #5"), np.zeros(1, np.int16), machine=BIG)
    for cycle in range(1, 8):
        assert not line.done
        assert line.state.registers[1] == (5 if cycle > 6 else 0)  # written in cycle 6
        line.tick()
        assert line.cycle == cycle
    assert line.done


@settings(max_examples=150, deadline=None)
@given(words(), registers(), memories)
def test_more_room_and_faster_memory_are_never_slower(one, held, memory):
    """For a single instruction; of more, engines may be taken in another order, and nothing is promised."""
    program, array = Program(instructions=(one,)), np.array(memory, np.int16)

    def took(**changes):
        return timed.run(program, array, machine=VectorMatrix(**changes), registers=held).cycles

    assert len(array) == MEMORY
    assert one.name in INSTRUCTIONS
    usual = took()
    assert took(dram_bytes_per_s=128e9) <= usual <= took(dram_bytes_per_s=8e9)
    assert took(lanes=64) <= usual <= took(lanes=4) or one.name in ("VDOT", "VMAX", "VMIN")
