"""--shape and --value: parsed strictly, handed to the reader, refused where nothing is open."""

import json

import numpy as np
import pytest

from lamina.cli._closing import shapes, values
from lamina.core.errors import BadInput
from tests.cli.test_errors import lamina

onnx = pytest.importorskip("onnx", reason="the ONNX reader needs the extra: pip install 'lamina[onnx]'")


def test_words_become_shapes_and_arrays():
    assert shapes(["x=1,3,320,320", "a=b=2"]) == {"x": (1, 3, 320, 320), "a=b": (2,)}
    found = values(["sr=16000", "axes=1,-2", "low=-0.5"])
    assert (found["sr"].shape, found["sr"].dtype.kind, int(found["sr"])) == ((), "i", 16000)
    assert found["axes"].tolist() == [1, -2]
    assert float(found["low"]) == -0.5


@pytest.mark.parametrize("word", ["x", "x=", "=1", "x=1,", "x=0,3", "x=-1", "x=a", "x=1.5", "x=9999999999999"])
def test_broken_shapes_are_refused(word):
    with pytest.raises(BadInput, match="--shape"):
        shapes([word])


@pytest.mark.parametrize("word", ["sr", "sr=", "sr=fast", "=1", "sr=1,,2"])
def test_broken_values_are_refused(word):
    with pytest.raises(BadInput, match="--value"):
        values([word])


@pytest.fixture(scope="module")
def resized(tmp_path_factory):
    """relu(x) reshaped to a shape that is an input; height and width of x are open."""
    h = onnx.helper
    x = h.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 2, "h", "w"])
    to = h.make_tensor_value_info("to", onnx.TensorProto.INT64, [2])
    y = h.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    nodes = [h.make_node("Relu", ["x"], ["r"]), h.make_node("Reshape", ["r", "to"], ["y"])]
    graph = h.make_graph(nodes, "g", [x, to], [y])
    path = tmp_path_factory.mktemp("onnx") / "resized.onnx"
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)]), path)
    return path


CLOSED = ("--shape", "x=1,2,3,4", "--value", "to=6,4")


def test_an_open_file_is_closed_on_the_command_line(resized, tmp_path):
    done = lamina("lower", resized, "--out", tmp_path / "net.lamina", *CLOSED)
    assert done.returncode == 0, done.stderr
    shown = lamina("show", resized, *CLOSED, "--json")
    assert [row["shape"] for row in json.loads(shown.stdout)] == [[1, 2, 3, 4], [6, 4]]
    costed = lamina("cost", resized, "--on", "systolic", *CLOSED, "--json")
    assert json.loads(costed.stdout)["network"]["input_shape"] == [1, 2, 3, 4]
    exported = lamina("export", resized, "--to", "c", "--out", tmp_path / "c", *CLOSED)
    assert exported.returncode == 0, exported.stderr


def test_what_is_open_is_named(resized):
    refused = lamina("show", resized, "--value", "to=6,4")
    assert refused.returncode == 2
    assert "--shape x=" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_closing_what_is_not_open_is_refused():
    refused = lamina("cost", "lenet5", "--shape", "x=1,1,28,28")
    assert (refused.returncode, "leaves no dimension and no input open" in refused.stderr) == (2, True)


def test_diff_draws_inputs_where_no_data_set_fits(tmp_path):
    from lamina.ir import Constant, Network, Operation, Type, store

    def net(weights):
        return Network(
            name="n",
            inputs={"x": Type(shape=(1, 3))},
            constants={"w": Constant(type=Type(shape=(2, 3)), data=weights)},
            operations=(Operation(operator="linear", inputs=("x", "w"), outputs={"y": Type(shape=(1, 2))}),),
            outputs={"y": "y"},
        )

    w = np.float32([[1, 2, 3], [4, 5, 6]])
    store.save([net(w)], tmp_path / "a.lamina")
    w2 = w.copy()
    w2[1, 2] = 7
    store.save([net(w2)], tmp_path / "b.lamina")
    same = lamina("diff", tmp_path / "a.lamina", tmp_path / "a.lamina", "--json")
    assert json.loads(same.stdout)["equal"] is True
    other = lamina("diff", tmp_path / "a.lamina", tmp_path / "b.lamina", "--json")
    told = json.loads(other.stdout)
    assert (other.returncode, told["layer"], told["index"], told["differing"]) == (1, "y", [0, 1], 1)


def test_a_file_is_quantised_and_costed_in_training(tmp_path):
    lowered = lamina("lower", "lenet5", "--out", tmp_path / "net.lamina")
    assert lowered.returncode == 0, lowered.stderr
    done = lamina("quantise", tmp_path / "net.lamina", "--out", tmp_path / "int8.lamina", "--method", "mse", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["layers"]
    same = lamina("diff", tmp_path / "int8.lamina", tmp_path / "int8.lamina", "--json")
    assert json.loads(same.stdout)["equal"] is True
    step = lamina("cost", tmp_path / "net.lamina", "--on", "systolic", "--mode", "training", "--json")
    assert json.loads(step.stdout)["network"]["macs"] == 3 * 416_520 - 117_600  # no gradient goes to the pixels
    refused = lamina("cost", "lenet5", "--mode", "train")
    assert (refused.returncode, "did you mean 'training'" in refused.stderr) == (2, True)
