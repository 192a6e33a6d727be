"""Broken and hostile ONNX files: one clear error each, and no memory for what a file only claims."""

import os
import tracemalloc

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from lamina.core.errors import BadInput, Unsupported
from lamina.lowering.onnx_reader import read

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
node = helper.make_node


def info(name, shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def tensor(name, data):
    return numpy_helper.from_array(np.asarray(data), name)


def model(nodes, *, inputs=None, outputs=("y",), stored=(), opset=17, functions=()):
    graph = helper.make_graph(
        nodes, "bad", inputs or [info("x", [1, 4])], [info(n, None) for n in outputs], list(stored)
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    made.functions.extend(functions)
    return made


def weight(**fields):
    made = tensor("w", np.ones((2, 3), np.float32))
    for name, value in fields.items():
        if name == "dims":
            del made.dims[:]
            made.dims.extend(value)
        else:
            setattr(made, name, value)
    return made


def external(location, **entries):
    made = TensorProto(name="w", data_type=FLOAT, dims=[2, 3], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        made.external_data.add(key=key, value=str(value))
    return made


def multiplied(stored):
    return model([node("MatMul", ["x", "w"], ["y"])], inputs=[info("x", [1, 2])], stored=[stored])


def shape_of(shape):
    return tensor("s", np.array(shape, np.int64))


def nested(depth):
    """If inside If inside If ..."""
    graph = leaf = helper.make_graph([node("Relu", ["x"], ["r"])], "leaf", [], [info("r", None)])
    for at in range(depth):
        inner = node("If", ["c"], ["r"], then_branch=graph, else_branch=leaf)
        graph = helper.make_graph([inner], f"level{at}", [], [info("r", None)])
    return graph


def doubling(levels):
    """Functions that each call the one below twice: 2^levels nodes."""
    functions = []
    for at in range(levels):
        below = ("Relu", "") if at == 0 else (f"f{at - 1}", "local")
        nodes = [
            node(below[0], ["a"], ["b"], domain=below[1]),
            node(below[0], ["b"], ["c"], domain=below[1]),
        ]
        imports = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
        functions.append(helper.make_function("local", f"f{at}", ["a"], ["c"], nodes, imports))
    return functions


def calling_itself():
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    return helper.make_function("local", "f", ["a"], ["b"], [node("f", ["a"], ["b"], domain="local")], imports)


MODELS = {
    "cycle": (
        lambda: model([node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["y"])]),
        BadInput,
        r"node 1 of 3, Add 'a': reads 'b', which nothing makes before it",
    ),
    "missing tensor": (
        lambda: model([node("Conv", ["x", "w"], ["y"])]),
        BadInput,
        r"Conv 'y': reads 'w', which nothing makes",
    ),
    "missing output": (lambda: model([node("Relu", ["x"], ["z"])]), BadInput, "the result 'y' is made by no node"),
    "a value made twice": (
        lambda: model([node("Relu", ["x"], ["y"]), node("Tanh", ["x"], ["y"])]),
        BadInput,
        "two nodes make 'y'",
    ),
    "an input made again": (
        lambda: model([node("Relu", ["x"], ["x"]), node("Relu", ["x"], ["y"])]),
        BadInput,
        "makes 'x', which is there already",
    ),
    "negative size": (lambda: multiplied(weight(dims=[-2, 3])), BadInput, r"tensor 'w' has shape \[-2, 3\]"),
    "huge tensor": (lambda: multiplied(weight(dims=[2**35, 2**20])), BadInput, "tensor 'w' has shape"),
    "more numbers than bytes": (
        lambda: multiplied(weight(dims=[2**19, 2**19])),
        BadInput,
        "tensor 'w': its numbers do not fill shape",
    ),
    "fewer numbers than bytes": (lambda: multiplied(weight(dims=[2])), BadInput, "do not fill shape"),
    "unknown element type": (lambda: multiplied(weight(data_type=99)), BadInput, "element type 99"),
    "text as weights": (lambda: multiplied(weight(data_type=TensorProto.STRING)), Unsupported, "type STRING"),
    "unknown operator": (
        lambda: model([node("Relu", ["x"], ["a"]), node("Sorcery", ["a"], ["y"])]),
        Unsupported,
        r"node 2 of 2, Sorcery 'y': no rule to read this operator: 1 of 2 nodes are like it \(50%\)",
    ),
    "unknown domain": (
        lambda: model([node("Relu", ["x"], ["y"], domain="org.example")]),
        Unsupported,
        "of domain 'org.example'",
    ),
    "opset of the future": (lambda: model([node("Relu", ["x"], ["y"])], opset=99), Unsupported, "opset 99"),
    "opset of the past": (lambda: model([node("Relu", ["x"], ["y"])], opset=5), Unsupported, "opset 5"),
    "ConstantOfShape of a terabyte": (
        lambda: model(
            [node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"], ["y"])], stored=[shape_of([2**20, 2**20])]
        ),
        BadInput,
        "too many to fold",
    ),
    "ConstantOfShape of negative sizes": (
        lambda: model([node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"], ["y"])], stored=[shape_of([-4])]),
        BadInput,
        r"\[-4\] is not a shape",
    ),
    "endless Range": (
        lambda: model(
            [node("Range", ["a", "b", "d"], ["r"]), node("Add", ["x", "r"], ["y"])],
            stored=[tensor("a", 0.0), tensor("b", 1e30), tensor("d", 1e-30)],
        ),
        BadInput,
        "too many to fold",
    ),
    "Expand beyond memory": (
        lambda: model([node("Expand", ["x", "s"], ["y"])], stored=[shape_of([2**30, 2**20, 4])]),
        BadInput,
        "Expand 'y'",
    ),
    "Tile beyond memory": (
        lambda: model([node("Tile", ["x", "s"], ["y"])], stored=[shape_of([2**30, 2**20])]),
        BadInput,
        "Tile 'y'",
    ),
    "folding that grows and grows": (
        lambda: model(
            [
                node("ConstantOfShape", ["s"], ["c0"]),
                *[node("Concat", [f"c{i}", f"c{i}"], [f"c{i + 1}"], axis=0) for i in range(40)],
                node("ReduceSum", ["c40"], ["t"]),
                node("Add", ["x", "t"], ["y"]),
            ],
            stored=[shape_of([1024])],
        ),
        BadInput,
        "Concat",
    ),
    "Pad beyond memory": (
        lambda: model([node("Pad", ["x", "s"], ["y"])], stored=[shape_of([0, 2**39, 0, 2**39])]),
        BadInput,
        "Pad 'y'",
    ),
    "Resize beyond memory": (
        lambda: model(
            [node("Resize", ["x", "", "", "s"], ["y"])],
            inputs=[info("x", [1, 1, 4, 4])],
            stored=[shape_of([1, 1, 2**30, 2**30])],
        ),
        BadInput,
        "Resize 'y'",
    ),
    "matrices that do not fit": (lambda: multiplied(weight(dims=[3, 2])), BadInput, "MatMul 'y': linear takes"),
    "a condition that is computed": (
        lambda: model(
            [
                node("Cast", ["x"], ["c"], to=TensorProto.BOOL),
                node("If", ["c"], ["y"], then_branch=nested(0), else_branch=nested(0)),
            ],
            inputs=[info("x", [1])],
        ),
        Unsupported,
        "If 'y': the condition of an If",
    ),
    "branches deep inside branches": (
        lambda: model(
            [node("If", ["c"], ["y"], then_branch=nested(20), else_branch=nested(0))], stored=[tensor("c", True)]
        ),
        BadInput,
        "nested more than 12 deep",
    ),
    "functions that double": (
        lambda: model([node("f6", ["x"], ["y"], domain="local")], functions=doubling(30)),
        None,
        "",
    ),
    "functions that double beyond bounds": (
        lambda: model([node("f29", ["x"], ["y"], domain="local")], functions=doubling(30)),
        BadInput,
        "nested more than 12 deep",
    ),
    "a function that calls itself": (
        lambda: model([node("f", ["x"], ["y"], domain="local")], functions=[calling_itself()]),
        BadInput,
        "nested more than 12 deep",
    ),
    "a loop without end": (
        lambda: model(
            [node("Loop", ["m", "c", "x"], ["y"], body=counting())],
            stored=[tensor("m", np.int64(2**62)), tensor("c", True)],
        ),
        Unsupported,
        "a Loop of more than 1024 turns",
    ),
    "an attribute of another kind": (
        lambda: model(
            [node("Gemm", ["x", "w"], ["y"], alpha="much")], stored=[tensor("w", np.ones((4, 1), np.float32))]
        ),
        BadInput,
        "Gemm 'y'",
    ),
    "a missing attribute": (lambda: model([node("Cast", ["x"], ["y"])]), BadInput, "attribute to is missing"),
    "a sequence for an input": (
        lambda: model([node("Relu", ["x"], ["y"])], inputs=[helper.make_tensor_sequence_value_info("x", FLOAT, [1])]),
        Unsupported,
        "input 'x' is of kind sequence_type",
    ),
    "an input without axes told": (
        lambda: model([node("Relu", ["x"], ["y"])], inputs=[info("x", None)]),
        BadInput,
        "input 'x' declares no shape: give one with --shape x=1,3,320,320",
    ),
    "open sizes": (
        lambda: model([node("Relu", ["x"], ["y"])], inputs=[info("x", ["n", 3, "h", "w"])]),
        BadInput,
        r"input 'x' is \[n, 3, h, w\], which leaves sizes open: close them with --shape x=1,3,320,320",
    ),
    "two inputs of one name": (
        lambda: model([node("Relu", ["x"], ["y"])], inputs=[info("x", [1]), info("x", [1])]),
        BadInput,
        "two inputs have one name",
    ),
    "weights outside of the folder": (lambda: multiplied(external("../w.bin")), BadInput, "only files beside"),
    "weights at an absolute path": (lambda: multiplied(external("/etc/passwd")), BadInput, "only files beside"),
    "weights behind a link": (lambda: multiplied(external("link.bin")), BadInput, "no plain file"),
    "weights that are not there": (lambda: multiplied(external("none.bin")), BadInput, "no plain file"),
    "weights shorter than their shape": (lambda: multiplied(external("short.bin")), BadInput, "needs 24 bytes"),
    "weights at a negative place": (lambda: multiplied(external("w.bin", offset=-8)), BadInput, "needs 24 bytes"),
    "weights of another length": (lambda: multiplied(external("w.bin", length=20)), BadInput, "needs 24 bytes"),
    "weights at no number": (lambda: multiplied(external("w.bin", offset="x")), BadInput, "no whole numbers"),
}


def counting():
    names = [info("i", [], INT64), info("c", [], TensorProto.BOOL), info("s", [1, 4])]
    nodes = [node("Identity", ["c"], ["d"]), node("Add", ["s", "s"], ["t"])]
    return helper.make_graph(nodes, "body", names, [info("d", [], TensorProto.BOOL), info("t", [1, 4])])


@pytest.mark.parametrize("name", MODELS)
def test_a_broken_file_gives_one_clear_error(tmp_path, name):
    make, error, words = MODELS[name]
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(24))
    (folder / "w.bin").write_bytes(bytes(24))
    (folder / "short.bin").write_bytes(bytes(20))
    os.symlink(tmp_path / "w.bin", folder / "link.bin")
    path = folder / "bad.onnx"
    path.write_bytes(make().SerializeToString())
    tracemalloc.start()
    try:
        if error is None:
            read(path)
        else:
            with pytest.raises(error, match=words) as caught:
                read(path)
            assert "\n" not in str(caught.value)
            assert str(caught.value).startswith(str(path))
            assert len(str(caught.value)) < len(str(path)) + 400
        assert tracemalloc.get_traced_memory()[1] < 600e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("data", [b"", b"\x00" * 64, b"onnx", b"\xff" * 1000, b"PK\x03\x04"])
def test_what_is_no_model_is_refused(tmp_path, data):
    path = tmp_path / "bad.onnx"
    path.write_bytes(data)
    with pytest.raises(BadInput, match="ONNX"):
        read(path)


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path):
    whole = multiplied(weight()).SerializeToString()
    path = tmp_path / "bad.onnx"
    path.write_bytes(whole)
    read(path)
    for end in range(0, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises((BadInput, Unsupported)):
            read(path)


def test_external_weights_are_read_where_they_may_lie(tmp_path):
    data = np.arange(6, dtype=np.float32).reshape(2, 3)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(bytes(8) + data.tobytes())
    path = tmp_path / "good.onnx"
    path.write_bytes(multiplied(external("sub/w.bin", offset=8, length=24)).SerializeToString())
    np.testing.assert_array_equal(read(path).run({"x": np.ones((1, 2), np.float32)})["y"], data.sum(0, keepdims=True))


def test_names_and_numbers_given_are_checked(tmp_path):
    path = tmp_path / "open.onnx"
    made = model([node("Add", ["a", "b"], ["y"])], inputs=[info("a", ["n", "time", 3]), info("b", ["n", "time", 3])])
    path.write_bytes(made.SerializeToString())
    network = read(path, shapes={"a": (2, 5, 3)})
    assert [t.shape for t in network.inputs.values()] == [(2, 5, 3), (2, 5, 3)]  # b follows by its names
    with pytest.raises(BadInput, match=r"no input 'c': its inputs are a, b"):
        read(path, shapes={"c": (1,)})
    with pytest.raises(BadInput, match=r"shape \[2, 5, 4\] does not fit it"):
        read(path, shapes={"a": (2, 5, 4)})
    with pytest.raises(BadInput, match=r"'one' are no numbers"):
        read(path, shapes={"a": (1, 2, 3)}, values={"b": "one"})
