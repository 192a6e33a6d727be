"""caffemodel files for tests, written by the protobuf package from a description of Caffe's messages.

Only the fields that hold weights are described, with Caffe's field numbers.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FIELDS = {
    "Shape": [("dim", 1, "INT64", "packed", None)],
    "Blob": [
        ("num", 1, "INT32", "", None), ("channels", 2, "INT32", "", None), ("height", 3, "INT32", "", None),
        ("width", 4, "INT32", "", None), ("data", 5, "FLOAT", "packed", None), ("diff", 6, "FLOAT", "packed", None),
        ("shape", 7, "MESSAGE", "", "Shape"), ("double_data", 8, "DOUBLE", "packed", None),
    ],
    "Old": [
        ("bottom", 2, "STRING", "repeated", None), ("top", 3, "STRING", "repeated", None),
        ("name", 4, "STRING", "", None), ("type", 5, "INT32", "", None), ("blobs", 6, "MESSAGE", "repeated", "Blob"),
    ],
    "Layer": [
        ("name", 1, "STRING", "", None), ("type", 2, "STRING", "", None), ("bottom", 3, "STRING", "repeated", None),
        ("top", 4, "STRING", "repeated", None), ("loss_weight", 5, "FLOAT", "repeated", None),
        ("blobs", 7, "MESSAGE", "repeated", "Blob"),
    ],
    "Net": [
        ("name", 1, "STRING", "", None), ("layers", 2, "MESSAGE", "repeated", "Old"),
        ("force_backward", 5, "BOOL", "", None), ("layer", 100, "MESSAGE", "repeated", "Layer"),
    ],
}  # fmt: skip


@cache
def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="weights.proto", package="weights", syntax="proto2")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind, many, of in fields:
            added = message.field.add(
                name=field,
                number=number,
                type=getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{kind}"),
                label=descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
                if many
                else descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
            )
            if of:
                added.type_name = f".weights.{of}"
            added.options.packed = many == "packed"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"weights.{name}")) for name in FIELDS}


def caffemodel(blobs: Mapping[str, Sequence[np.ndarray]], *, old: bool = False, double: bool = False) -> bytes:
    """The file of `blobs` by layer, in the old or the new form."""
    net = _messages()["Net"](name="net", force_backward=True)
    for name, arrays in blobs.items():
        layer = net.layers.add(name=name, bottom=["a"], top=["b"], type=4) if old else net.layer.add(
            name=name, type="Convolution", bottom=["a"], top=["b"], loss_weight=[1.0]
        )  # fmt: skip
        for array in arrays:
            blob = layer.blobs.add()
            if old:
                sizes = (1,) * (4 - array.ndim) + array.shape
                blob.num, blob.channels, blob.height, blob.width = sizes
            else:
                blob.shape.dim.extend(array.shape)
            (blob.double_data if double else blob.data).extend(array.reshape(-1).tolist())
    return net.SerializeToString()
