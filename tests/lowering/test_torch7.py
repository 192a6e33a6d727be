"""Lua Torch's files: values of every kind in both forms, and each module against torch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lamina.core.errors import BadInput, Unsupported
from lamina.ir import Network
from lamina.ir.types import Float
from lamina.lowering import _torch7_file, torch7_reader
from tests.lowering import t7
from tests.lowering.t7 import Raw, Sizes, Thing, module, sequential
from tests.lowering.torch7_modules import CONV, MODULES, WEIGHT, T, X, normal

DOUBLE = Float(bits=64)


def lower(net: Thing, *shapes: tuple[int, ...], element: Float = DOUBLE, ascii: bool = False) -> Network:
    held = _torch7_file.parse(t7.write(net, ascii=ascii))
    names = ["input"] if len(shapes) == 1 else [f"input_{i}" for i in range(len(shapes))]
    return torch7_reader.network(held, shapes=dict(zip(names, shapes, strict=True)), element=element)


def run(net: Thing, *inputs: np.ndarray, **options: Any) -> list[np.ndarray]:
    network = lower(net, *(x.shape for x in inputs), **options)
    return list(network.run(dict(zip(network.inputs, inputs, strict=True))).values())


@pytest.mark.parametrize("ascii", [False, True])
def test_values(ascii: bool) -> None:
    shared = [1, 2.5]
    base = np.arange(24, dtype=np.float64).reshape(4, 6) / 7
    value = {
        "text": "Lua\n\xe9", "truth": True, "whole": -3, "number": 1 / 3, 1: None, 2: shared, "again": shared,
        "tensor": base, "view": base[1:3, ::2].T, "floats": base.astype(np.float32) + 0, "longs": np.arange(-2, 3),
        "bytes": np.arange(5, dtype=np.uint8), "sizes": Sizes((2, -1)), "empty": np.zeros(0), "endless": float("inf"),
    }  # fmt: skip
    items = _torch7_file.parse(t7.write(value, ascii=ascii)).items
    assert [items[key] for key in ("text", "truth", "whole", "number", "endless")] == [
        "Lua\n\xe9", True, -3, 1 / 3, float("inf")
    ]  # fmt: skip
    assert items[2] is items["again"]
    assert items[2].array() == [1, 2.5]
    for key in ("tensor", "view", "floats", "longs", "bytes"):
        assert items[key].dtype == value[key].dtype
        np.testing.assert_array_equal(items[key], value[key])
    assert items["view"].base is not None
    assert items["sizes"].tolist() == [2, -1]
    assert items["empty"].size == 0


def test_a_table_may_hold_itself() -> None:
    value: dict[str, Any] = {"a": 1}
    value["self"] = value
    found = _torch7_file.parse(t7.write(value))
    assert found.items["self"] is found


@pytest.mark.parametrize("name", MODULES)
def test_modules(name: str) -> None:
    net, x, wanted = MODULES[name]
    (found,) = run(net, x)
    assert found.shape == tuple(wanted.shape)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-10, atol=1e-12)


def test_lookup_table() -> None:
    rows = normal(7, 3)
    network = lower(sequential(module("LookupTable", weight=rows)), (2, 4))
    places = np.array([[1, 7, 2, 2], [3, 1, 1, 6]])  # Lua counts from 1
    (found,) = network.run({"input": places}).values()
    np.testing.assert_allclose(found, rows[places - 1])


def lenet(wide: bool = False) -> tuple[Thing, torch.nn.Module]:
    """LeNet-5 as Lua Torch's tutorial builds it, and the same in torch."""
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 5), torch.nn.Tanh(), torch.nn.MaxPool2d(2), torch.nn.Conv2d(6, 16, 5), torch.nn.Tanh(),
        torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(400, 120), torch.nn.Tanh(), torch.nn.Linear(120, 84),
        torch.nn.Tanh(), torch.nn.Linear(84, 10), torch.nn.LogSoftmax(1),
    ).double()  # fmt: skip
    modules = []
    for m in net:
        arrays = {name: p.detach().numpy() for name, p in m.named_parameters()}
        if isinstance(m, torch.nn.Conv2d):
            sizes = {"nInputPlane": m.in_channels, "nOutputPlane": m.out_channels, "kW": 5, "kH": 5, "dW": 1, "dH": 1}
            arrays["weight"] = arrays["weight"].reshape(m.out_channels, -1)
            modules.append(module("SpatialConvolutionMM", **sizes, padding=0, **arrays))
        elif isinstance(m, torch.nn.Linear):
            modules.append(module("Linear", **arrays))
        elif isinstance(m, torch.nn.MaxPool2d):
            modules.append(module("SpatialMaxPooling", kW=2, kH=2, dW=2, dH=2))
        elif isinstance(m, torch.nn.Flatten):
            modules.append(module("View", size=Sizes((400,))))
        else:
            modules.append(module("Tanh" if isinstance(m, torch.nn.Tanh) else "LogSoftMax"))
    return sequential(*modules), net


@pytest.mark.parametrize("ascii", [False, True])
def test_lenet(ascii: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, theirs = lenet()
    x = normal(3, 1, 32, 32)
    (tmp_path / "lenet.t7").write_bytes(t7.write({"model": net, "epoch": 3}, ascii=ascii))
    network = torch7_reader.read(tmp_path / "lenet.t7", shapes={"x": x.shape})
    (found,) = network.run({"x": x.astype(np.float32)}).values()
    wanted = theirs(T(x)).detach().numpy()
    assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()
    assert network.parameters == sum(p.numel() for p in theirs.parameters()) == 61_706
    assert network.macs == 3 * 416_520
    assert network.operations[0].name == "1.SpatialConvolutionMM"


def test_shared_weights_are_one_constant() -> None:
    shared = normal(6, 6)
    twin = [module("Linear", weight=shared), module("Linear", weight=shared)]
    net = sequential(module("ConcatTable", modules=twin), module("CAddTable"))
    network = lower(net, (2, 6))
    assert network.parameters == 36
    np.testing.assert_allclose(run(net, X[:, 0, 0])[0], 2 * X[:, 0, 0] @ shared.T)


def test_several_inputs_and_outputs() -> None:
    net = module("ParallelTable", modules=[module("Exp"), module("Square")])
    first, second = run(net, X, X[:, 0])
    np.testing.assert_allclose(first, np.exp(X))
    np.testing.assert_allclose(second, X[:, 0] ** 2)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (module("Tanh"), "--shape input="),
        ({"a": 1}, "data and no network"),
        ([sequential(module("Tanh")), sequential(module("Tanh"))], "holds 2 networks"),
        ("text", "data and no network"),
    ],
)
def test_what_is_no_network(net: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        torch7_reader.network(_torch7_file.parse(t7.write(net)))


@pytest.mark.parametrize(
    ("net", "kind", "message"),
    [
        (sequential(module("Tanh"), Thing("nn.gModule", {})), Unsupported, "'nn.gModule'"),
        (sequential(Thing("my.Layer", {}), Thing("nn.LSTM", {})), Unsupported, "'nn.LSTM', 'my.Layer'"),
        (sequential(module("Linear", weight=normal(3, 9))), BadInput, r"module 1.Linear: "),
        (sequential(module("Linear")), BadInput, "the tensor weight is missing"),
        (sequential(module("Linear", weight=normal(9))), BadInput, "two axes"),
        (sequential(module("Linear", weight=np.full((3, 6), np.nan))), BadInput, "NaN"),
        (sequential(module("SpatialConvolution", **CONV, weight=WEIGHT)), Unsupported, "4 axes are read"),
        (sequential(module("View", size=Sizes((5,)))), BadInput, "do not fill"),
        (sequential(module("SplitTable", dimension=9)), BadInput, "dimension 9"),
        (sequential(module("CAddTable")), BadInput, "a table of tensors is needed"),
        (sequential(module("MulConstant", constant_scalar="x")), BadInput, "a number is needed"),
        (module("Sequential"), BadInput, "no list of modules"),
    ],
)
def test_bad_networks(net: Thing, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        lower(net, (2, 6))


def test_a_network_in_itself_is_refused() -> None:
    net = sequential(module("Tanh"))
    net.fields["modules"].append(net)
    with pytest.raises(BadInput, match=r"nested deeper|hold itself"):
        lower(net, (2, 6))


def _number(value: int) -> bytes:
    return value.to_bytes(4, "little", signed=True)


def _tensor(sizes: tuple[int, ...], strides: tuple[int, ...], offset: int = 1, stored: int = 4) -> bytes:
    head = t7.write(np.arange(stored, dtype=np.float64))
    longs = np.array([*sizes, *strides, offset], "<i8").tobytes()
    start = head.index(b"torch.DoubleTensor") + len("torch.DoubleTensor")
    return head[:start] + _number(len(sizes)) + longs + head[start + 4 + 24 :]


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (b"", BadInput, "4 bytes are needed"),
        (_number(9), BadInput, "kind 9"),
        (_number(6), Unsupported, "Lua function"),
        (_number(8), Unsupported, "Lua function"),
        (_number(2) + _number(-1), BadInput, "-1 bytes"),
        (_number(2) + _number(2**31 - 1), BadInput, "cut short"),
        (_number(3) + _number(1) + _number(2**31 - 1), BadInput, "a table of"),
        (_number(3) + _number(1) + _number(1) + _number(0) + _number(0), BadInput, "key is NoneType"),
        (b"".join(_number(n) for i in range(200) for n in (3, i + 1, 1, 5, 1)), BadInput, "nested deeper"),
        (t7.write(normal(3, 4))[:-1], BadInput, "cut short"),
        (_tensor((5,), (1,)), BadInput, "leaves its storage"),
        (_tensor((4,), (1,), 2), BadInput, "leaves its storage"),
        (_tensor((4,), (1,), 0), BadInput, "leaves its storage"),
        (_tensor((2**40,), (0,)), BadInput, "leaves its storage"),
        (_tensor((2**62, 2**62), (0, 0)), BadInput, "leaves its storage"),
        (_tensor((4,), (-1,)), BadInput, "strides"),
        (_tensor((1,) * 17, (1,) * 17), BadInput, "17 axes"),
        (t7.write(Thing("a b;c", {})), BadInput, "no name of a class"),
        (t7.write(Thing("nn.Tanh", Raw(_number(1) + bytes(8)))), Unsupported, "not written as a table"),
        (b"4\n1\n3\nV 1\n18\ntorch.DoubleTensor\n1\n4\nx", BadInput, "a number is missing at byte"),
        (b"3\n1\n99999999\n", BadInput, "a table of"),
        (b"2\n99\nabc", BadInput, "cut short"),
        (b"4\n1\n3\nV 1\n16\ntorch.IntStorage\n1\n99999999999\n", BadInput, "does not fit"),
    ],
)
def test_broken_files(data: bytes, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        _torch7_file.parse(data)
    assert "\n" not in str(caught.value)


def test_errors_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.t7").write_bytes(_number(6))
    with pytest.raises(Unsupported, match=r"a\.t7: .*Lua function"):
        torch7_reader.read(tmp_path / "a.t7", shapes={"x": (1, 2)})


def test_one_storage_does_not_become_many_times_its_size(tmp_path: Path) -> None:
    """Many tensors on one storage, each a weight: more than the file can hold is refused."""
    storage = normal(600, 600).astype(np.float32)
    layers = [module("Linear", weight=storage[:]) for _ in range(40)]
    (tmp_path / "a.t7").write_bytes(t7.write(sequential(*layers)))
    with pytest.raises(BadInput, match="more than the file holds"):
        torch7_reader.read(tmp_path / "a.t7", shapes={"x": (1, 600)})
