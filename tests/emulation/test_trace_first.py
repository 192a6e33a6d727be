"""`lamina emulate --trace`: every instruction of the first example, and machines that have none."""

import numpy as np
import pytest

from lamina.core.errors import Unsupported
from lamina.emulation import emulate, trace_first
from lamina.hw import registry
from lamina.ir.build import Builder
from lamina.ir.types import Type


def network():
    rng = np.random.default_rng(0)
    b = Builder()
    x = b.input("x", Type(shape=(1, 12)))
    w = b.constant("w", rng.uniform(-0.5, 0.5, (5, 12)).astype(np.float32))
    return b.network("tiny", {"y": b.emit("relu", [b.emit("linear", [x, w], name="fc")], name="act")})


def test_a_trace_has_a_line_for_each_instruction_in_order(tmp_path):
    machine, inputs = registry.find("cambricon_like"), {"x": np.random.default_rng(1).uniform(-1, 1, (2, 12))}
    run = trace_first(network(), machine, inputs, tmp_path / "trace.txt")
    head, *lines, last = (tmp_path / "trace.txt").read_text().splitlines()
    assert head.split()[:3] == ["index", "instruction", "fetch"]
    assert last == f"{run.cycles} cycles, {len(lines)} instructions"
    assert [int(line.split()[0]) for line in lines] == sorted(int(line.split()[0]) for line in lines)
    assert any("MMV" in line for line in lines)
    found = emulate(network(), machine, inputs)
    assert found.holds


def test_a_machine_without_instructions_says_so(tmp_path):
    with pytest.raises(Unsupported, match="cambricon"):
        trace_first(network(), registry.find("systolic"), {"x": np.zeros((1, 12))}, tmp_path / "t")
