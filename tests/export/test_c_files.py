"""What exported C leaves in a folder: clean sources, a host test that notices a changed weight, honest sizes."""

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina.export
from lamina.core import files
from lamina.export import _c_memory, c_source
from lamina.export._c_names import identifier
from lamina.ir import Network, Operation, Type
from lamina.ir.transform import integer_core
from tests.export.compiled import STRICT, run
from tests.networks import (
    fixed_network,
    float_network,
    float_networks,
    integer_network,
    integer_networks,
    lenet5,
    tie_rich_network,
)
from tests.requirements import need

NAME = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_./\-]{0,9}", fullmatch=True)


@given(st.lists(NAME, min_size=2, max_size=2, unique=True))
def test_two_names_never_become_one_identifier(names: list[str]) -> None:
    first, second = map(identifier, names)
    assert first != second
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", first)


@pytest.mark.parametrize(
    ("first", "second"),
    [("a.b", "a_x2eb"), ("a/b", "a-b"), ("_x", "x"), ("_xa", "v_xa"), ("1a", "v_x011a"), ("_a", "v_a"), ("__x", "_x")],
)
def test_names_that_look_like_escapes_stay_apart(first: str, second: str) -> None:
    assert identifier(first) != identifier(second)


def test_sanitizers_and_warnings_find_nothing(tmp_path: Path) -> None:
    networks = [integer_network(3), integer_network(8, rounding="float"), fixed_network(5), float_network(6)]
    networks += [tie_rich_network(batch=2), float_network(11, broadcast=True)]
    for at, network in enumerate(networks):
        lamina.export.c(network.replaced(name=f"n{at}"), tmp_path)
    flags = "-O0 -fsanitize=address,undefined -fno-sanitize-recover=all"
    need("gcc")
    out = run("make", "test", f"CFLAGS={flags} {' '.join(STRICT)}", cwd=tmp_path)
    assert out.count(" 0 of ") == len(networks)
    for at in range(len(networks)):
        run(need("clang"), "-std=c99", "-pedantic", "-fsyntax-only", *STRICT, f"n{at}.c", f"n{at}_test.c", cwd=tmp_path)


def test_two_networks_in_one_program_do_not_disturb_each_other(tmp_path: Path) -> None:
    """One works while the other is half done, and both keep their own static state."""
    networks = {"left": integer_core(tie_rich_network()), "right": integer_core(tie_rich_network("float"))}
    values = {}
    for name, network in networks.items():
        lamina.export.c(network.replaced(name=name), tmp_path)
        inputs = np.arange(98).reshape(1, 2, 7, 7) % 100
        values[name] = network.run({"x": inputs})["y"].ravel()
    wanted = {name: ", ".join(map(str, value)) for name, value in values.items()}
    (tmp_path / "main.c").write_text(f"""
#include "left.h"
#include "right.h"
#include <string.h>
int main(void)
{{
    static left_state a, b;
    static right_state c;
    int8_t x[98], y[6], z[6];
    uint8_t u[98], v[6], w[6];
    const int8_t left[6] = {{{wanted["left"]}}};
    const uint8_t right[6] = {{{wanted["right"]}}};
    for (int i = 0; i < 98; ++i) {{
        x[i] = (int8_t)(i % 100);
        u[i] = (uint8_t)(i % 100);
    }}
    left_run(&a, x, y);
    right_run(&c, u, v);
    left_run_static(x, z);
    right_run_static(u, w);
    left_run(&b, x, z);
    return memcmp(y, left, 6) || memcmp(z, left, 6) || memcmp(v, right, 6) || memcmp(w, right, 6);
}}
""")
    run(need("gcc"), "-std=c99", "-O2", *STRICT, "main.c", "left.c", "right.c", "-o", "both", "-lm", cwd=tmp_path)
    run("./both", cwd=tmp_path)


@pytest.mark.parametrize("network", [tie_rich_network(), lenet5()], ids=["integer", "float"])
def test_the_host_test_passes_and_notices_a_changed_weight(tmp_path: Path, network: Network) -> None:
    report = lamina.export.c(network, tmp_path)
    need("gcc")
    assert " 0 of " in run("make", "test", cwd=tmp_path)
    source = tmp_path / f"{report.name}.c"
    text = source.read_text()
    *_, last = re.finditer(r"_weight\[\d+\] = \{\n    (-?[\d.]+)", text)
    changed = "3" if network.name == "ties" else "0.5f"
    source.write_text(text[: last.start(1)] + changed + text[last.end(1) :].removeprefix("f"))
    with pytest.raises(AssertionError, match=r"[1-9]\d* of \d+ numbers differ"):
        run("make", "test", cwd=tmp_path)


def test_large_weights_live_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c_source, "MOST_INLINE_BYTES", 1000)
    report = lamina.export.c(lenet5(), tmp_path)
    binary = tmp_path / "lenet5_weights.bin"
    assert binary in report.files
    assert report.flash_bytes <= binary.stat().st_size < report.flash_bytes + 16 * 20
    need("gcc")
    assert " 0 of " in run("make", "test", f"CFLAGS=-O1 {' '.join(STRICT)}", cwd=tmp_path)
    run(need("gcc"), "-std=c99", "-shared", "-fPIC", "-o", "l.so", "lenet5.c", "-lm", cwd=tmp_path)
    functions = ctypes.CDLL(str(tmp_path / "l.so"))
    space = (ctypes.c_double * (binary.stat().st_size // 8 + 1))()
    size = ctypes.c_size_t(binary.stat().st_size)
    assert functions.lenet5_run_static(space, space) == -1  # no weights yet
    assert functions.lenet5_set_weights(space, ctypes.c_size_t(size.value - 1)) == -1
    assert functions.lenet5_set_weights(ctypes.c_void_p(ctypes.addressof(space) + 1), size) == -1
    assert functions.lenet5_set_weights(None, size) == -1
    assert functions.lenet5_set_weights(space, size) == 0
    binary.write_bytes(binary.read_bytes()[:-1])
    with pytest.raises(AssertionError, match="not whole"):
        run("make", "test", cwd=tmp_path)


def test_small_weights_stay_in_the_source(tmp_path: Path) -> None:
    report = lamina.export.c(lenet5(), tmp_path)
    assert sorted(f.name for f in report.files) == ["Makefile", "lenet5.c", "lenet5.h", "lenet5_test.c"]
    assert report.macs == 416_520
    # 61,706 parameters of 4 bytes, and for each of five layers 7 zeros that the last lanes may read
    assert report.flash_bytes == 4 * (61_706 + 5 * 7)
    # the first feature maps (4,704 floats) and what they are averaged to (1,176) live together
    assert report.arena_bytes == 4 * (4_704 + 1_176)


def test_flash_and_stack_are_what_the_compiler_makes(tmp_path: Path) -> None:
    for at, network in enumerate([lenet5(), tie_rich_network(), integer_network(5, rounding="float")]):
        report = lamina.export.c(network.replaced(name=f"n{at}"), tmp_path)
        run(need("gcc"), "-std=c99", "-O2", "-fno-inline", "-fstack-usage", "-c", f"n{at}.c", cwd=tmp_path)
        constants = run("nm", "-S", f"n{at}.o", cwd=tmp_path)
        sizes = [int(line.split()[1], 16) for line in constants.splitlines() if " r n" in line]
        # sums of rows are for CPUs with VNNI alone: others leave them out
        rows = re.findall(r"_total\[(\d+)\] =", (tmp_path / f"n{at}.c").read_text())
        assert sum(sizes) + 4 * sum(map(int, rows)) == report.flash_bytes
        frames = [int(line.split("\t")[1]) for line in (tmp_path / f"n{at}.su").read_text().splitlines()]
        # a call goes run_static, run, operation, block, tile, helper: six frames at most
        assert sum(sorted(frames)[-6:]) <= report.stack_bytes


@settings(max_examples=60, deadline=None)
@given(st.one_of(float_networks(broadcast=True), integer_networks()))
def test_values_alive_together_share_no_memory(network: Network) -> None:
    """By brute force: run the plan on intervals, step by step; no living value may be overwritten."""
    network = integer_core(network)
    plan = _c_memory.plan(network)
    types = network.types
    holds: dict[tuple[str, int], str] = {}  # element of an arena -> the root whose number it holds
    outputs = {plan.root[v] for v in network.outputs.values()}
    for at, step in enumerate(plan.steps):
        root = plan.root[step.result]  # written first: a kernel writes while it still reads
        if slot := plan.slots.get(root):
            holds |= {(slot.kind, cell): root for cell in range(slot.offset, slot.offset + slot.size)}
            assert slot.offset + slot.size <= plan.arenas[slot.kind]
        for name in step.operation.inputs:
            root = plan.root[name]
            if slot := plan.slots.get(root):
                cells = range(slot.offset, slot.offset + types[name].size)
                assert all(holds[slot.kind, cell] == root for cell in cells), f"{name} is overwritten at step {at}"
    for root in outputs & plan.slots.keys():
        slot = plan.slots[root]
        assert all(holds[slot.kind, cell] == root for cell in range(slot.offset, slot.offset + slot.size))


def test_in_place_results_leave_values_that_are_read_later() -> None:
    """relu(c) may not overwrite c when c is added afterwards; tanh of the sum may overwrite the sum."""
    network = Network(
        name="later",
        inputs={"x": Type(shape=(1, 4))},
        constants={},
        operations=(
            _operation("tanh", "c", "x"),
            _operation("relu", "r", "c"),
            _operation("add", "s", "c", "r"),
            _operation("tanh", "t", "s"),
            _operation("sigmoid", "y", "t"),
        ),
        outputs={"y": "y"},
    )
    root = _c_memory.plan(network).root
    assert root["r"] != root["c"]
    assert root["t"] == root["s"] == root["y"]


def _operation(operator: str, result: str, *inputs: str) -> Operation:
    return Operation(operator=operator, inputs=inputs, outputs={result: Type(shape=(1, 4))})


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    first = lamina.export.c(tie_rich_network(), tmp_path / "a").files
    second = lamina.export.c(tie_rich_network(), tmp_path / "b").files
    assert [files.sha256(f) for f in first] == [files.sha256(f) for f in second]
