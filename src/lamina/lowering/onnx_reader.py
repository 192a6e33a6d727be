"""From an ONNX file to a network: opsets 7 to 28, float and quantised, shape arithmetic folded away.

    FILE.onnx ──checked protobuf──▶ nodes ──onnx_rules──▶ ir.Network

Shapes     an open axis 0 is a batch of 1; every other open axis is closed by `shapes`, or by another input that gives
           the same symbolic name a size. `values` makes an input a constant: a sample rate, or the shape of a Reshape.
Folding    a node whose operands are all known is computed when the file is read, so Shape, Gather, Range, If and their
           like leave nothing behind.
Integers   DequantizeLinear -> operator -> QuantizeLinear, and the QLinear operators, become integer operators.
Types      float16 and bfloat16 are read as float32; integers and truth values keep their meaning.

Raises `BadInput` for a broken file, `Unsupported` for what has no rule: by name, place and share, never skipped.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.ir.build import Builder
from lamina.ir.network import Network
from lamina.ir.types import Type
from lamina.lowering import _onnx_model as model
from lamina.lowering._onnx_node import Tensor, element_of, known
from lamina.lowering._onnx_walk import Graph, Session, is_text

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

ROWS = ("T1",)
NAMELESS = ("", "?")  # what exporters write for an axis that is open and has no name


def read(
    path: Path | str,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    values: Mapping[str, Any] | None = None,
) -> Network:
    """The network that the file computes.

    `shapes` gives inputs their sizes where the file leaves them open, `values` gives inputs their numbers once and for
    all. Raises `BadInput`, `Unsupported`, `MissingExtra`.
    """
    path = Path(path)
    proto = model.load(path)
    try:
        return translate(proto, path.parent, shapes=shapes or {}, values=values or {}, name=path.stem)
    except (BadInput, Unsupported) as e:
        raise type(e)(f"{path}: {e}") from e


def translate(
    proto: "ModelProto",
    folder: Path,
    *,
    shapes: Mapping[str, Sequence[int]],
    values: Mapping[str, Any],
    name: str = "network",
) -> Network:
    """As `read`, of a model in memory whose external data lie in `folder`."""
    version = model.opset(proto)
    functions = {(f.domain, f.name): f for f in proto.functions}
    graph = Graph(Session(folder, version, functions), Builder(), opset=version)
    stored = {t.name for t in proto.graph.initializer}
    open_inputs = [i for i in proto.graph.input if i.name not in stored or i.name in values]
    _names_fit(open_inputs, shapes, values)
    closed = {i.name: known(i.name, _value(i, values[i.name])) for i in open_inputs if i.name in values}
    kept = [t for t in proto.graph.initializer if t.name not in closed]
    graph.declare(proto.graph.node, kept)
    left = [i for i in open_inputs if i.name not in closed]
    sizes = _sizes(left, shapes, closed)
    graph.tensors.update(closed)
    for info in left:
        graph.tensors[info.name] = _input(graph, info, sizes[info.name])
    ends = [o.name for o in proto.graph.output]
    for end in ends:
        is_text(end)
    if len({*ends}) < len(ends):
        raise BadInput("two outputs have one name")
    results = graph.run(proto.graph.node, ends, kept)
    return _network(graph, str(proto.graph.name) or name, ends, results)


def _network(graph: Graph, name: str, ends: Sequence[str], results: Sequence[Tensor]) -> Network:
    from onnx import NodeProto

    from lamina.ir.build import legal
    from lamina.lowering._onnx_node import Node

    if not graph.builder.inputs:
        raise Unsupported("every input is closed or there is none: a network has at least one input")
    node = Node(NodeProto(), graph, [], "output", graph.opset)
    outputs: dict[str, Any] = {}
    for end, result in zip(ends, results, strict=True):
        label = legal(end)
        if label in outputs:
            raise BadInput(f"two outputs are called {label!r} once their names are made legal")
        outputs[label] = node.value(result)
    return graph.builder.network(name, outputs)


def _names_fit(infos: "Sequence[ValueInfoProto]", shapes: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    names = [i.name for i in infos]
    for name in names:
        is_text(name)
    for name in (*shapes, *values):
        if name not in names:
            listed = ", ".join(one_line(n, 40) for n in names[:20]) or "none"
            raise BadInput(f"there is no input {one_line(name, 60)!r}: its inputs are {listed}")
    if len({*names}) < len(names):
        raise BadInput("two inputs have one name")


def _value(info: "ValueInfoProto", given: Any) -> np.ndarray:
    """The numbers given for an input, in its type."""
    dtype = model.kind(info.type.tensor_type.elem_type)
    try:
        return np.asarray(given, dtype)
    except (ValueError, TypeError, OverflowError) as e:
        raise BadInput(f"input {info.name!r}: {one_line(given, 60)!r} are no numbers of type {dtype}") from e


def _sizes(
    infos: "Sequence[ValueInfoProto]", shapes: Mapping[str, Sequence[int]], closed: Mapping[str, Tensor]
) -> dict[str, tuple[int, ...]]:
    """The shape of every input: declared, given, or following from a symbolic name that another input closes."""
    declared = {i.name: _dims(i) for i in infos}
    meant: dict[str, int] = {}
    for name, dims in declared.items():
        if name in shapes:
            given = tuple(int(s) for s in shapes[name])
            if dims is None:
                declared[name] = [*given]
                continue
            if len(given) != len(dims) or any(isinstance(d, int) and d != g for d, g in zip(dims, given, strict=True)):
                raise BadInput(f"input {name!r} is {_shown(dims)}, shape {list(given)} does not fit it")
            for dim, size in zip(dims, given, strict=True):
                if isinstance(dim, str) and dim not in NAMELESS:
                    meant.setdefault(dim, size)
            declared[name] = [*given]
    for dims in declared.values():  # a batch that nobody closed is 1
        if dims and isinstance(dims[0], str) and dims[0] not in NAMELESS:
            meant.setdefault(dims[0], 1)
    return {name: _closed(name, dims, meant) for name, dims in declared.items()}


def _closed(name: str, dims: "list[int | str] | None", meant: Mapping[str, int]) -> tuple[int, ...]:
    if dims is None:
        raise BadInput(f"input {name!r} declares no shape: give one with --shape {name}=1,3,320,320")
    sizes = [meant.get(d, 1 if at == 0 else d) if isinstance(d, str) else d for at, d in enumerate(dims)]
    if any(isinstance(s, str) for s in sizes):
        example = ",".join(str(s) if isinstance(s, int) else "320" for s in sizes)
        raise BadInput(
            f"input {name!r} is {_shown(dims)}, which leaves sizes open: close them with --shape {name}={example}"
        )
    whole = tuple(int(s) for s in sizes)
    if any(s < 1 for s in whole) or len(whole) > model.MOST_AXES:
        raise BadInput(f"input {name!r} has shape {one_line(list(whole), 80)}: positive sizes are needed")
    return whole


def _dims(info: "ValueInfoProto") -> "list[int | str] | None":
    """Sizes and names of open axes; None where the file declares no shape."""
    kind = info.type.WhichOneof("value")
    if kind != "tensor_type":
        raise Unsupported(f"input {info.name!r} is of kind {kind or 'unknown'}: tensors are read")
    if not info.type.tensor_type.HasField("shape"):
        return None
    dims = info.type.tensor_type.shape.dim
    return [d.dim_value if d.dim_value > 0 else str(d.dim_param) for d in dims]


def _shown(dims: "Sequence[int | str]") -> str:
    return one_line("[" + ", ".join(str(d) if d != "" else "?" for d in dims) + "]", 80)


def _input(graph: Graph, info: "ValueInfoProto", shape: tuple[int, ...]) -> Tensor:
    from lamina.lowering._onnx_ahead import element_ahead

    try:
        dtype = model.kind(info.type.tensor_type.elem_type)
    except (BadInput, Unsupported) as e:
        raise type(e)(f"input {info.name!r}: {e}") from e
    element = element_ahead(graph, info.name, dtype) or element_of(dtype)
    value = graph.builder.input(info.name, Type(shape=shape, element=element))
    return Tensor(info.name, dtype, shape, None, value)
