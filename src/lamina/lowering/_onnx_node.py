"""What a rule sees: one ONNX node, its operands, and the builder it writes to.

    Tensor   either known (a NumPy array in ONNX's type: weights, folded shapes) or a value of the network
    Node     operands and attributes by name, checked; `emit` appends Lamina's operators

A known tensor becomes a constant when an operator uses it. ONNX's type is kept beside the value, since Lamina has one
type of plain integers: narrow ones wrap where ONNX's would (`wrapped`). Stored integers with a scale come from
QuantizeLinear; only operators that move numbers take them as they are, others get the plain integer (`plain`).

Errors    `BadInput` for what is missing or of the wrong kind, `Unsupported` where a known operand is needed
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.ir.build import Builder, Value
from lamina.ir.operators import operator
from lamina.ir.types import BOOL, FLOAT32, INDEX, Element, Float, Integer, Type
from lamina.lowering._coded import coding

if TYPE_CHECKING:
    from onnx import NodeProto

    from lamina.lowering._onnx_walk import Graph

MOST_MADE = 2**24  # numbers of a table that a rule makes
REQUIRED: Any = object()
INT64 = np.dtype(np.int64)
BOOLEAN = np.dtype(bool)
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
KEEPS = ("reshape", "flatten", "max_pool2d", "relu", "clip", "minimum", "maximum", "where", "reduce_max", "reduce_min")
WEIGHTS = {"conv2d": 1, "linear": 1, "conv_transpose2d": 1, "gather": 0}  # operator -> which operand its weights are
_TYPES = {"f": 1, "i": 2, "s": 3, "t": 4, "g": 5, "floats": 6, "ints": 7, "strings": 8}


@dataclass(slots=True, eq=False)
class Tensor:
    """An operand: `array` where its numbers are known, `value` where it stands in the network."""

    name: str
    dtype: np.dtype[Any]  # ONNX's element type; float32 for its halves
    shape: tuple[int, ...]
    array: np.ndarray | None = None
    value: Value | None = None
    again: "Callable[[Any], Tensor] | None" = None  # makes the integers anew in a narrower type

    @property
    def known(self) -> bool:
        return self.array is not None

    @property
    def numbers(self) -> np.ndarray:
        """The numbers of a known tensor."""
        assert self.array is not None
        return self.array

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS


def known(name: str, array: Any) -> Tensor:
    """A tensor of these numbers."""
    data = np.asarray(array)
    return Tensor(name, data.dtype, data.shape, data)


def element_of(dtype: np.dtype[Any]) -> Element:
    """Lamina's element type of plain numbers of ONNX's type."""
    if dtype == np.float64:
        return Float(bits=64)
    if dtype == np.float32:
        return FLOAT32
    return BOOL if dtype == BOOLEAN else INDEX


def is_plain(value: Value) -> bool:
    """Whether the numbers of `value` are what they are stored as."""
    return isinstance(value.type.element, Float) or value.type.element in (BOOL, INDEX)


@dataclass(slots=True, eq=False)
class Node:
    proto: "NodeProto"
    graph: "Graph"
    inputs: list[Tensor | None]
    name: str
    opset: int
    _attributes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._attributes = {a.name: a for a in self.proto.attribute}

    @property
    def builder(self) -> Builder:
        return self.graph.builder

    # ---- operands

    def given(self, at: int) -> Tensor | None:
        """Operand `at`; None where it is left out."""
        return self.inputs[at] if at < len(self.inputs) else None

    def x(self, at: int = 0) -> Tensor:
        """Operand `at`, which must be there."""
        found = self.given(at)
        if found is None:
            raise BadInput(f"operand {at} is missing")
        return found

    def array(self, at: int, what: str) -> np.ndarray:
        """The numbers of operand `at`, which must be known when the file is read."""
        found = self.x(at)
        if found.array is None:
            raise Unsupported(
                f"{what} ({one_line(found.name, 60)!r}) is computed from what the network is given: it has to be known "
                "when the file is read; a graph input is made known with --value"
            )
        return found.array

    def numbers(self, at: int, what: str) -> list[int]:
        """Operand `at` as a list of whole numbers."""
        data = self.array(at, what).reshape(-1)
        if data.dtype.kind not in "iu" or data.size > 4096:
            raise BadInput(f"{what}: up to 4096 whole numbers are needed, {data.size} of {data.dtype} are given")
        return [int(v) for v in data]

    def number(self, at: int, what: str) -> float:
        """Operand `at` as one number."""
        data = self.array(at, what)
        if data.size != 1:
            raise BadInput(f"{what}: one number is needed, {data.size} are given")
        return float(data.reshape(-1)[0])

    # ---- attributes

    def has(self, name: str) -> bool:
        return name in self._attributes

    def attribute(self, name: str, field_name: str, default: Any) -> Any:
        if name not in self._attributes:
            if default is REQUIRED:
                raise BadInput(f"attribute {name} is missing")
            return default
        found = self._attributes[name]
        if found.type not in (_TYPES[field_name], 0):
            raise BadInput(f"attribute {name} is of another kind than ONNX says")
        return getattr(found, field_name)

    def integer(self, name: str, default: Any = REQUIRED) -> int:
        return int(self.attribute(name, "i", default))

    def real(self, name: str, default: Any = REQUIRED) -> float:
        return float(self.attribute(name, "f", default))

    def ints(self, name: str, default: Any = REQUIRED) -> list[int]:
        return [int(v) for v in self.attribute(name, "ints", default)]

    def floats(self, name: str, default: Any = REQUIRED) -> list[float]:
        return [float(v) for v in self.attribute(name, "floats", default)]

    def text(self, name: str, default: str = "") -> str:
        found = self.attribute(name, "s", default.encode())
        return str(found.decode("utf-8", "replace"))

    def axis(self, name: str, default: Any = REQUIRED, *, rank: int | None = None) -> int:
        """An axis of the first operand (of a value of `rank` axes), counted from 0."""
        return place(self.integer(name, default), self.x().rank if rank is None else rank)

    # ---- results

    def value(self, tensor: Tensor, *, weight: bool = False) -> Value:
        """`tensor` in the network; a known one as a constant, a weight coded as its numbers are best stored."""
        if tensor.value is None:
            assert tensor.array is not None
            element = element_of(tensor.dtype)
            data = tensor.array.astype(np.int64) if element is INDEX else tensor.array
            if 0 in tensor.shape:
                raise Unsupported(
                    f"{one_line(tensor.name, 60)!r} has shape {list(tensor.shape)}: empty tensors do not exist"
                )
            is_weight = weight and isinstance(element, Float)
            sparse, codebook_bits = coding(data) if is_weight else (False, None)
            type_ = Type(shape=tensor.shape, element=element, sparse=sparse, codebook_bits=codebook_bits)
            tensor.value = self.builder.constant(tensor.name, data, type_)
        return tensor.value

    def tensor(self, value: Value, dtype: Any = None, like: Tensor | None = None) -> Tensor:
        """`value` as a tensor of ONNX's type `dtype`."""
        kind = np.dtype(dtype) if dtype is not None else (like or self.x()).dtype
        data = value.data.astype(kind) if value.data is not None else None
        return Tensor(value.name, kind, value.shape, data, value)

    def emit(self, name: str, *operands: Tensor, dtype: Any = None, element: Any = None, **attributes: Any) -> Any:
        """Operator `name` of the operands, called after the node's result; a `Tensor`, or a list of several."""
        return self._emit(self.name, name, operands, dtype, element, attributes)

    def step(self, name: str, *operands: Tensor, dtype: Any = None, element: Any = None, **attributes: Any) -> Any:
        """As `emit`, for a step on the way to the result."""
        return self._emit(f"{self.name}/{name}", name, operands, dtype, element, attributes)

    def _emit(
        self, label: str, name: str, operands: Sequence[Tensor], dtype: Any, element: Any, attributes: dict[str, Any]
    ) -> Any:
        values = [self.value(t, weight=WEIGHTS.get(name) == at) for at, t in enumerate(operands)]
        if element is None and not all(is_plain(v) for v in values) and not _keeps(name, values):
            operands = [self.plain(t) for t in operands]
            values = [self.value(t) for t in operands]
        made = self.builder.emit(name, values, name=label, element=element, **attributes)
        like = operands[0]
        if isinstance(made, list):
            kinds = list(dtype) if isinstance(dtype, list | tuple) else [dtype] * len(made)
            return [self.tensor(v, k, like) for v, k in zip(made, kinds, strict=True)]
        return self.tensor(made, dtype, like)

    def constant(self, data: Any, like: Tensor | None = None, *, name: str = "constant") -> Tensor:
        """A known tensor, in the type of `like`."""
        return known(f"{self.name}/{name}", np.asarray(data, like.dtype if like else None))

    def places(self, count: int, shape: Sequence[int] = (-1,)) -> np.ndarray:
        """0, 1, 2, ... in a shape; raises where there are too many."""
        affordable(count)
        return np.arange(count).reshape(shape)

    def plain(self, tensor: Tensor) -> Tensor:
        """Stored integers with a scale as plain integers: q = rint(x / s) + z of their real numbers, exactly."""
        value = self.value(tensor)
        if is_plain(value):
            return tensor
        q = value.type.element
        assert not isinstance(q, Float)
        real = self.builder.emit("dequantise", [value], name=f"{self.name}/real", element=FLOAT32)
        scale = self.builder.scalar(q.scale[0])
        units = self.builder.emit("round", [self.builder.emit("divide", [real, scale], name=f"{self.name}/units")])
        whole = self.builder.emit("cast", [units], name=f"{self.name}/whole", element=INDEX)
        zero = self.builder.constant("zero", np.asarray(q.zero_point))
        return self.tensor(self.builder.emit("add", [whole, zero], name=f"{self.name}/plain"), tensor.dtype)

    def reshape(self, tensor: Tensor, shape: Sequence[int], *, last: bool = False) -> Tensor:
        """`tensor` in another shape; the batch stays open where axis 0 is kept."""
        shape = tuple(int(s) for s in shape)
        if shape == tensor.shape:
            return tensor
        if tensor.array is not None and tensor.value is None:
            return known(tensor.name, tensor.array.reshape(shape))
        if shape and tensor.shape and shape[0] == tensor.shape[0] and all(s > 0 for s in shape):
            shape = (0, *shape[1:])
        made: Tensor = self.emit("reshape", tensor, shape=shape) if last else self.step("reshape", tensor, shape=shape)
        return made

    def wrapped(self, tensor: Tensor) -> Tensor:
        """Plain integers brought back into the range of their type, by its low bits."""
        if tensor.dtype.kind not in "iu" or tensor.dtype.itemsize == 8 or tensor.known:
            return tensor
        if tensor.dtype == np.int32:
            return tensor  # places and counts: they are computed in 64 bits
        narrow = Integer(bits=8 * tensor.dtype.itemsize, signed=tensor.dtype.kind == "i")
        low = self.step("cast", tensor, element=narrow)
        value = self.builder.emit("cast", [low.value], name=self.name, element=INDEX)
        return self.tensor(value, tensor.dtype)

    def within(self, builder: Builder) -> "Node":
        """The same node writing into the body of a scan."""
        from lamina.lowering._onnx_walk import Graph

        inner = Graph(self.graph.session, builder, self.graph, depth=self.graph.depth + 1, opset=self.graph.opset)
        return Node(self.proto, inner, self.inputs, self.name, self.opset)


def _keeps(name: str, values: Sequence[Value]) -> bool:
    """Whether the operator takes stored integers with a scale as they are: all of one scale, beside places."""
    if operator(name).moves is None and name not in KEEPS:
        return False
    return len({v.type.element for v in values if v.type.element not in (BOOL, INDEX)}) == 1


def affordable(count: int) -> None:
    """Raise where a rule would make a table of more than 2^24 numbers of its own."""
    if count > MOST_MADE:
        raise Unsupported(f"a table of {count} numbers has to be made for it: at most 2^24 are")


def place(axis: int, rank: int) -> int:
    """`axis`, which may count from the end, counted from 0."""
    if not -rank <= axis < rank:
        raise BadInput(f"axis {axis} of a value of {rank} axes")
    return axis % rank
