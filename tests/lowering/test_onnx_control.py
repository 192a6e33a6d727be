"""If, Loop and Scan from ONNX against onnxruntime: what is known beforehand is read, what is not is refused."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from lamina.core.errors import Unsupported
from lamina.lowering.onnx_reader import read

REAL, WHOLE, TRUTH = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
node = helper.make_node


def info(name, kind=REAL, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


def written(tmp_path, nodes, inputs, outputs, stored=(), opset=16):
    graph = helper.make_graph(
        nodes,
        "control",
        inputs,
        [info(name) for name in outputs],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in dict(stored).items()],
    )
    path = tmp_path / "control.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


def check(path, given, **closed):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    wanted = session.run(names, {**given, **{n: np.asarray(v) for n, v in closed.items()}})
    network = read(path, values=closed)
    got = network.run(given)
    for name, right in zip(names, wanted, strict=True):
        assert got[name].shape == right.shape, name
        np.testing.assert_allclose(got[name], right, rtol=1e-6, atol=1e-6)
    return network


def body(nodes, *, state=(1, 4), shown=("shown",)):
    """A loop's body over one state; `more` is its condition."""
    return helper.make_graph(
        nodes,
        "body",
        [info("i", WHOLE, []), info("go", TRUTH, []), info("s", REAL, state)],
        [info("more", TRUTH, []), info("t"), *(info(n) for n in shown)],
    )


STEP = [
    node("Cast", ["i"], ["real"], to=REAL),
    node("Add", ["s", "real"], ["a"]),
    node("Mul", ["a", "x"], ["t"]),
    node("ReduceSum", ["t"], ["shown"], keepdims=0),
]
X = np.linspace(-1, 1, 4, dtype=np.float32).reshape(1, 4)


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_a_loop_that_counts_is_one_scan(tmp_path, limit):
    inner = body([node("Identity", ["go"], ["more"]), *STEP])
    path = written(
        tmp_path, [node("Loop", ["m", "c", "x"], ["y", "all"], body=inner)], [info("x", REAL, [1, 4])], ["y", "all"],
        {"m": np.int64(limit), "c": True},
    )  # fmt: skip
    network = check(path, {"x": X})
    assert [o.operator for o in network.operations] == ["scan"]


@pytest.mark.parametrize("end", [0, 2, 5, 99])
def test_a_condition_on_the_turn_is_followed(tmp_path, end):
    """The first turn's condition says nothing about the others."""
    inner = body([node("Less", ["i", "end"], ["more"]), *STEP])
    path = written(
        tmp_path, [node("Loop", ["m", "", "x"], ["y", "all"], body=inner)], [info("x", REAL, [1, 4])], ["y", "all"],
        {"m": np.int64(9), "end": np.int64(end)},
    )  # fmt: skip
    network = check(path, {"x": X})
    (scan,) = network.operations
    assert scan.operator == "scan"
    assert scan.outputs[network.outputs["all"]].shape == (min(end + 1, 9),)


def test_a_condition_on_numbers_that_come_is_refused(tmp_path):
    inner = body([node("ReduceMax", ["s"], ["most"], keepdims=0), node("Less", ["most", "end"], ["more"]), *STEP])
    path = written(
        tmp_path, [node("Loop", ["m", "", "x"], ["y", "all"], body=inner)], [info("x", REAL, [1, 4])], ["y", "all"],
        {"m": np.int64(9), "end": np.float32(3)},
    )  # fmt: skip
    with pytest.raises(Unsupported, match="ends when a computed condition says so"):
        read(path)


def test_a_state_that_grows_is_written_turn_by_turn(tmp_path):
    inner = body(
        [node("Identity", ["go"], ["more"]), node("Concat", ["s", "x"], ["t"], axis=0),
         node("ReduceSum", ["t"], ["shown"], keepdims=0)],
        state=(None, 4),
    )  # fmt: skip
    path = written(
        tmp_path, [node("Loop", ["m", "c", "x"], ["y", "all"], body=inner)], [info("x", REAL, [1, 4])], ["y", "all"],
        {"m": np.int64(3), "c": True},
    )  # fmt: skip
    network = check(path, {"x": X})
    assert all(o.operator != "scan" for o in network.operations)


def test_a_loop_inside_a_loop_that_reads_from_outside(tmp_path):
    inner = helper.make_graph(
        [node("Identity", ["go2"], ["more2"]), node("Mul", ["u", "x"], ["v0"]), node("Add", ["v0", "s"], ["v"])],
        "inner",
        [info("j", WHOLE, []), info("go2", TRUTH, []), info("u", REAL, [1, 4])],
        [info("more2", TRUTH, []), info("v")],
    )
    outer = body(
        [node("Identity", ["go"], ["more"]), node("Loop", ["three", "c", "s"], ["t"], body=inner),
         node("ReduceSum", ["t"], ["shown"], keepdims=0)],
    )  # fmt: skip
    path = written(
        tmp_path, [node("Loop", ["m", "c", "x"], ["y", "all"], body=outer)], [info("x", REAL, [1, 4])], ["y", "all"],
        {"m": np.int64(4), "c": True, "three": np.int64(3)},
    )  # fmt: skip
    check(path, {"x": X})


@pytest.mark.parametrize("flag", [True, False])
def test_a_branch_chosen_by_an_input_that_is_made_known(tmp_path, flag):
    branches = {
        name: helper.make_graph([node(op, ["x"], ["z"])], name, [], [info("z")])
        for name, op in (("then_branch", "Relu"), ("else_branch", "Exp"))
    }
    path = written(
        tmp_path,
        [node("If", ["flag"], ["y"], **branches)],
        [info("x", REAL, [1, 4]), info("flag", TRUTH, [])],
        ["y"],
    )
    network = check(path, {"x": X}, flag=flag)
    assert [o.operator for o in network.operations] == ["relu" if flag else "exp"]
    assert list(network.inputs) == ["x"]


@pytest.mark.parametrize(("ways", "axes"), [((0, 0), (0, 0)), ((1, 0), (1, 0)), ((0, 1), (0, 1)), ((1, 1), (1, 1))])
def test_scan_walks_both_ways_along_any_axis(tmp_path, ways, axes):
    inner = helper.make_graph(
        [node("Add", ["s", "a"], ["t0"]), node("Mul", ["t0", "b"], ["t"]), node("Sub", ["t", "a"], ["shown"])],
        "body",
        [info("s", REAL, [3]), info("a", REAL, [3]), info("b", REAL, [3])],
        [info("t", REAL, [3]), info("shown", REAL, [3])],
    )
    scan = node(
        "Scan", ["s0", "p", "q"], ["y", "all"], body=inner, num_scan_inputs=2, scan_input_axes=axes,
        scan_input_directions=ways, scan_output_axes=axes[1:], scan_output_directions=ways[1:],
    )  # fmt: skip
    shapes = [(3, 5) if axis else (5, 3) for axis in axes]
    path = written(
        tmp_path, [scan], [info("s0", REAL, [3]), info("p", REAL, shapes[0]), info("q", REAL, shapes[1])], ["y", "all"]
    )
    rng = np.random.default_rng(0)
    given = {"s0": (3,), "p": shapes[0], "q": shapes[1]}
    check(path, {n: rng.standard_normal(s).astype(np.float32) for n, s in given.items()})
