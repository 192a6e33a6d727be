"""An ONNX file as checked protobuf and NumPy arrays: what comes from a stranger stops here.

    bytes ──protobuf──▶ ModelProto ──▶ tensors (arrays), attributes, graphs

Nothing is executed. Numbers outside the file lie beside it: the location is one relative path below the model's folder,
without `..` and without links, and the file holds what the tensor's shape needs. Shapes are counted before memory is
taken. float16 and bfloat16 are read as float32, four-bit integers keep their type.

Errors    `BadInput` for what is broken, `Unsupported` for what is understood and not read, `MissingExtra` without the
          package onnx.
"""

import os
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core import files
from lamina.core.errors import BadInput, Unsupported, missing_extra, one_line

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

OPSETS = (7, 28)  # first and last version of the standard operators whose meaning the rules know
MOST_NUMBERS = 2**40
MOST_AXES = 16
_EXTERNAL = 1  # TensorProto.EXTERNAL
HALF = ("FLOAT16", "BFLOAT16")  # read as float32
PLAIN = (
    "FLOAT", "DOUBLE", "BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64",
    "INT4", "UINT4", "INT2", "UINT2", *HALF,
)  # fmt: skip


def load(path: Path) -> "ModelProto":
    """The model that `path` holds, its opset checked."""
    try:
        import onnx
    except ImportError as e:
        raise missing_extra("onnx", "onnx") from e
    data = files.read(path)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as e:  # protobuf's own class, which onnx does not name
        raise BadInput(f"{path}: not a readable ONNX file: {one_line(e)}") from e
    if not model.HasField("graph") or not model.opset_import:
        raise BadInput(f"{path}: not an ONNX model: it has no graph or names no opset")
    return model


def opset(model: "ModelProto") -> int:
    """The version of the standard operators; others than `OPSETS` raise `Unsupported`."""
    found = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    version = found[0] if found else 0
    if not OPSETS[0] <= version <= OPSETS[1]:
        raise Unsupported(f"opset {version}: opsets {OPSETS[0]} to {OPSETS[1]} are read; export the model again")
    return int(version)


def kind(element: int) -> np.dtype[Any]:
    """The NumPy type in which tensors of ONNX's element type `element` are held."""
    from onnx import TensorProto, helper

    try:
        name = TensorProto.DataType.Name(element)
    except ValueError as e:
        raise BadInput(f"element type {element} is none of ONNX's") from e
    if name in HALF:
        return np.dtype(np.float32)
    if name not in PLAIN:
        raise Unsupported(f"numbers of type {name} are not read: floats, integers and truth values are")
    return np.dtype(helper.tensor_dtype_to_np_dtype(element))


def integer_range(dtype: np.dtype[Any]) -> tuple[int, bool] | None:
    """Bits and sign of an integer type; None for others."""
    if dtype.kind in "iu":
        return 8 * dtype.itemsize, dtype.kind == "i"
    narrow = {"int4": (4, True), "uint4": (4, False), "int2": (2, True), "uint2": (2, False)}
    return narrow.get(dtype.name)


def array(tensor: "TensorProto", folder: Path) -> np.ndarray:
    """The numbers of `tensor`; those in other files are read from below `folder`."""
    from onnx import numpy_helper

    shape = tuple(tensor.dims)
    name = one_line(tensor.name or "constant", 60)
    try:
        dtype = kind(tensor.data_type)
    except (BadInput, Unsupported) as e:
        raise type(e)(f"tensor {name!r}: {e}") from e
    if len(shape) > MOST_AXES or any(size < 0 for size in shape) or prod(shape) > MOST_NUMBERS:
        raise BadInput(f"tensor {name!r} has shape {one_line(list(shape), 80)}: 0 to 16 sizes of at most 2^40 numbers")
    if tensor.data_location == _EXTERNAL:
        data = _outside(tensor, folder, name)
        inner = type(tensor)(dims=shape, data_type=tensor.data_type, raw_data=data)
    else:
        inner = tensor
    try:
        found = numpy_helper.to_array(inner)
    except Exception as e:  # whatever onnx raises for too few, too many or malformed numbers
        raise BadInput(f"tensor {name!r}: its numbers do not fill shape {list(shape)}: {one_line(e, 80)}") from e
    if found.shape != shape:
        raise BadInput(f"tensor {name!r}: its numbers do not fill shape {list(shape)}")
    return np.asarray(found, dtype)


def _outside(tensor: "TensorProto", folder: Path, name: str) -> bytes:
    """The bytes of a tensor that lies in a file of its own."""
    from onnx import helper

    entries: Mapping[str, str] = {e.key: e.value for e in tensor.external_data}
    location = entries.get("location", "")
    parts = Path(location).parts
    if not location or location.startswith(("/", "\\")) or ".." in parts or "\\" in location or "\0" in location:
        raise BadInput(f"tensor {name!r} lies in {one_line(location, 80)!r}: only files beside the model are read")
    path = folder / location
    if any((folder / Path(*parts[: i + 1])).is_symlink() for i in range(len(parts))) or not path.is_file():
        raise BadInput(f"tensor {name!r}: {one_line(location, 80)!r} is no plain file beside the model")
    width = {"INT4": 4, "UINT4": 4, "INT2": 2, "UINT2": 2}.get(
        type(tensor).DataType.Name(tensor.data_type), 8 * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    )
    needed = -(-prod(tensor.dims) * width // 8)
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", needed))
    except ValueError as e:
        raise BadInput(f"tensor {name!r}: offset and length of its external data are no whole numbers") from e
    with files.explained(path):
        size = os.stat(path).st_size
        if offset < 0 or length != needed or offset + length > size:
            raise BadInput(
                f"tensor {name!r} needs {needed} bytes; {length} at {offset} of the {size} in "
                f"{one_line(location, 80)!r} are declared"
            )
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)
