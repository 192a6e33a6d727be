"""A network as an ONNX file: float operators, or integers as QuantizeLinear and DequantizeLinear around them.

Opset 19 in IR version 9. The batch (axis 0) stays open, named `batch`, where every shape of the network follows it. The
integers of an exported integer network are those of the interpreter where `docs/integers.md` says so. Outputs that are
dequantised can be read back to integers exactly, q = rint(y / s) + z; `ir.transform.integer_core` of a network,
exported, takes and gives integers.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.core import files
from lamina.core.errors import BadInput, Unsupported, missing_extra
from lamina.core.units import GiB
from lamina.export._onnx_graph import Graph, stored_type
from lamina.export._onnx_integers import INTEGERS, element, is_quantised
from lamina.export._onnx_operators import PLAIN
from lamina.export._onnx_scan import scan
from lamina.export._onnx_sums import INSIDE, SUMS
from lamina.export._onnx_write import Task
from lamina.export.onnx_session import trace as trace
from lamina.ir.check import site
from lamina.ir.network import Network
from lamina.ir.types import Type

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

ROWS = ("T4",)

OPSET = 19
IR_VERSION = 9
_MOST_BYTES = 2 * GiB  # of one protobuf message


def onnx(network: Network, path: Path | str) -> Path:
    """Write `network` to `path`, checked by `onnx.checker`; returns the path.

    Raises `Unsupported` for what ONNX cannot say, `MissingExtra` without the package onnx.
    """
    target = Path(path)
    files.write(target, model(network).SerializeToString(deterministic=True))
    return target


def model(network: Network) -> "ModelProto":
    """`network` as an ONNX model in memory."""
    try:
        import onnx as package
        from onnx import helper
    except ImportError as e:
        raise missing_extra("onnx", "onnx") from e
    size = sum(constant.type.bytes for constant in network.constants.values())
    if size >= _MOST_BYTES:
        raise Unsupported(f"{size:.0f} bytes of constants: an ONNX file holds fewer than 2^31")
    graph = _graph(network)
    types = network.types
    batch = "batch" if _follows_batch(network) else None
    made = helper.make_model(
        helper.make_graph(
            graph.made,
            network.name,
            [_end(name, type_, batch) for name, type_ in network.inputs.items()],
            [_end(name, types[value], batch) for name, value in network.outputs.items()],
            initializer=list(graph.tensors.values()),
        ),
        producer_name="lamina",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    package.checker.check_model(made, full_check=True)
    return made


def _graph(network: Network) -> Graph:
    graph, names = Graph(), _names(network)
    for name, constant in network.constants.items():
        graph.tensor(names[name], network.data(name), stored_type(constant.type.element))
    _write(graph, network, names)
    for output, value in network.outputs.items():
        if names[value] != output:
            graph.node("Identity", names[value], to=output)
    return graph


def _write(graph: Graph, network: Network, names: Mapping[str, str]) -> None:
    """The operations of `network`, or of a scan's body."""
    types = network.types
    for operation in network.operations:
        where = site(operation, types)
        task = Task(graph, where, tuple(names[n] for n in operation.inputs), tuple(names[n] for n in operation.outputs))
        if operation.operator == "scan":
            scan(task, _write)
            continue
        whole = any(is_quantised(t.element) for t in (*where.inputs, *where.outputs))
        whole |= operation.operator in ("quantise", "dequantise")
        table = INTEGERS | SUMS | (INSIDE if graph.is_body else {}) if whole else PLAIN
        if operation.operator not in table:
            kind = "integers" if whole else "real numbers"
            raise Unsupported(
                f"operator {operation.operator!r} at {operation.name!r} has no ONNX form for {kind}: "
                f"{', '.join(table)} have one"
            )
        table[operation.operator](task)


def _names(network: Network) -> dict[str, str]:
    """The ONNX name of every value: its own, unless an output of another value has that name."""
    names = {}
    for value in network.types:
        taken = value in network.outputs and network.outputs[value] != value
        if taken and value in network.inputs:
            raise BadInput(f"output {value!r} has the name of an input and is another value: rename one of them")
        names[value] = f"{value}:value" if taken else value
    for value in set(network.outputs.values()) & network.inputs.keys():
        if value in network.outputs:
            raise BadInput(f"output {value!r} is the input of the same name: ONNX needs another name for one of them")
    return names


def _follows_batch(network: Network) -> bool:
    """Whether axis 0 of every value is the batch, so that it may stay open."""
    try:
        larger = network.with_batch(network.batch + 1).types
    except BadInput:
        return False
    types, batch = network.types, (network.batch + 1,)
    stored = all(larger[name] == types[name] for name in network.constants)  # no first state of every example
    return stored and all(
        larger[n].shape == (*batch, *t.shape[1:]) for n, t in types.items() if n not in network.constants
    )


def _end(name: str, type_: Type, batch: str | None) -> "ValueInfoProto":
    from onnx import helper

    if is_quantised(type_.element):
        element(type_.element)
    kind = helper.np_dtype_to_tensor_dtype(stored_type(type_.element))
    shape: list[str | int | None] = [batch or type_.shape[0], *type_.shape[1:]] if type_.shape else []
    return helper.make_tensor_value_info(name, kind, shape)
