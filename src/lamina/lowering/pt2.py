"""`.pt2`: a program that `torch.export.save` wrote, read as data.

`torch.export.load` is not used: it unpickles what an archive marks as pickled, and evaluates expressions of sizes. Here
the archive's JSON is read as a list of calls, its weights as raw numbers, and everything else is left unread. Weights
that were pickled, sizes that are open, and an archive that is compressed (torch writes none) raise `Unsupported`.

    models/NAME.json                    the graph: calls with named arguments, sizes and types of every value
    data/weights/NAME_weights_config.json, data/weights/weight_0 ...      parameters and buffers; constants likewise
"""

import json
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lamina.core.errors import BadInput, LaminaError, Unsupported, one_line
from lamina.core.units import MiB
from lamina.ir import Network
from lamina.lowering._torch_program import Call, Form, Program, Ref, Stored, in_place, output_names, schema_of
from lamina.lowering._torch_translate import translate
from lamina.lowering.torch_rules._rule import numpy_type

MOST_TEXT = 256 * MiB  # of one JSON text
_TYPES = {
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64, 6: torch.float16, 7: torch.float32,
    8: torch.float64, 12: torch.bool, 13: torch.bfloat16,
}  # fmt: skip
_PLAIN = ("as_int", "as_ints", "as_float", "as_floats", "as_string", "as_strings", "as_bool", "as_bools")
_UNREAD = ("as_none", "as_layout", "as_memory_format", "as_device")  # where and how torch would lay numbers out


def read(path: Path) -> list[Network]:
    """The networks in the archive `path`; raises `BadInput` where it is none, `Unsupported` for what has no rule."""
    import lamina.nn.integer
    import lamina.nn.scan  # noqa: F401  both register operators that a program may call

    try:
        with zipfile.ZipFile(path) as archive:
            return [_network(archive, name, path.stem) for name in _models(archive)]
    except LaminaError as e:
        raise type(e)(f"{path}: {e}") from e
    except OSError as e:
        raise BadInput(f"{path}: {e.strerror or e}") from e
    except Exception as e:  # whatever a broken text leads to: every step works on plain data
        raise BadInput(f"{path}: not a program that torch.export.save wrote: {one_line(e)}") from e


def _models(archive: zipfile.ZipFile) -> list[str]:
    """Where the texts of the models lie."""
    found = [n for n in archive.namelist() if "/models/" in f"/{n}" and n.endswith(".json")]
    if not found:
        raise BadInput("no models/NAME.json in it: is it a file of torch.export.save?")
    return found


def _bytes(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED:
        raise Unsupported(f"{one_line(name, 60)} is compressed: torch stores archives as they are")
    if entry.file_size > most:
        raise BadInput(f"{one_line(name, 60)} has {entry.file_size} bytes, {most} at most are expected")
    return archive.read(entry)


def _network(archive: zipfile.ZipFile, text: str, stem: str) -> Network:
    root, _, file = text.rpartition("models/")
    name = file.removesuffix(".json")
    model = json.loads(_bytes(archive, text, int(MOST_TEXT)))
    graph = model["graph_module"]["graph"]
    refs = {key: _ref(key, meta) for key, meta in graph["tensor_values"].items()}
    tensors = {k: _tensors(archive, f"{root}data/{k}/", name) for k in ("weights", "constants")}
    stored, inputs = {}, []
    for spec in model["graph_module"]["signature"]["input_specs"]:
        ((kind, told),) = spec.items()
        if kind == "user_input":
            if "as_tensor" in told["arg"]:
                inputs.append(refs[told["arg"]["as_tensor"]["name"]])
            continue
        if kind not in ("parameter", "buffer", "tensor_constant"):
            raise Unsupported(f"an input of kind {one_line(kind, 40)!r}: tensors are read")
        tensor = told[f"{kind}_name"]
        place = next((t for t in tensors.values() if tensor in t), None)
        if place is None:
            raise BadInput(f"no numbers for {one_line(tensor, 80)!r}")
        stored[told["arg"]["name"]] = Stored(tensor, refs[told["arg"]["name"]], place[tensor])
    for spec in model["graph_module"]["signature"]["output_specs"]:
        if "buffer_mutation" in spec:
            raise Unsupported("the program writes into a buffer: hand state in and out, or use nn.scan")
    results = [_argument(output, refs) for output, own in zip(graph["outputs"], _own(model), strict=True) if own]
    outputs = dict(zip(output_names(_form(model)), results, strict=True))
    functional = in_place([_call(node, refs) for node in graph["nodes"]], outputs, stored)
    if functional is None:
        raise Unsupported("the program writes into parts of values: save program.run_decompositions({}) instead")
    return translate(
        Program(stored=stored, inputs=inputs, calls=functional[0], outputs=functional[1]),
        stem if name == "model" else name,
        {},
    )


def _own(model: Mapping[str, Any]) -> list[bool]:
    """Which results are the module's own; others are inputs that were written to."""
    return ["user_output" in spec for spec in model["graph_module"]["signature"]["output_specs"]]


def _form(model: Mapping[str, Any]) -> Form:
    """The tree of what the module returns."""

    def walk(spec: Mapping[str, Any]) -> Form:
        if spec["type"] is None:
            return None
        parts = [walk(child) for child in spec["children_spec"]]
        if spec["type"] == "builtins.dict":
            return dict(zip(map(str, json.loads(spec["context"])), parts, strict=True))
        return parts

    top = next(entry for entry in model["graph_module"]["module_call_graph"] if entry["fqn"] == "")
    return walk(json.loads(top["signature"]["out_spec"])[1])


def _ref(name: str, meta: Mapping[str, Any]) -> Ref:
    return Ref(name, tuple(_size(s, name) for s in meta["sizes"]), _type(meta["dtype"]))


def _size(size: Mapping[str, Any], name: str) -> int:
    if "as_int" not in size:
        raise Unsupported(f"{one_line(name, 60)!r} has an open size: export the module with fixed ones")
    return int(size["as_int"])


def _type(code: int) -> torch.dtype:
    if code not in _TYPES:
        raise Unsupported(f"numbers of torch's type {one_line(code, 20)}: floats, integers and truth values are read")
    return _TYPES[code]


def _tensors(archive: zipfile.ZipFile, folder: str, name: str) -> dict[str, np.ndarray]:
    """The numbers of every tensor in a folder of the archive."""
    config = f"{folder}{name}_{folder.rstrip('/').rpartition('/')[2]}_config.json"
    if config not in archive.namelist():
        raise Unsupported(f"no {one_line(config, 80)}: archives of torch 2.9 and newer are read, older ones pickle")
    found = {}
    for key, told in json.loads(_bytes(archive, config, int(MOST_TEXT)))["config"].items():
        if told["use_pickle"] or told["tensor_meta"] is None:
            raise Unsupported(f"{one_line(key, 80)!r} is pickled, and nothing is unpickled here: save plain tensors")
        found[key] = _array(archive, folder + told["path_name"], told["tensor_meta"])
    return found


def _array(archive: zipfile.ZipFile, name: str, meta: Mapping[str, Any]) -> np.ndarray:
    """A view of stored numbers, its strides inside them."""
    dtype = numpy_type(_type(meta["dtype"]))
    shape, strides = ([_size(s, name) for s in meta[key]] for key in ("sizes", "strides"))
    start = _size(meta["storage_offset"], name)
    reach = start + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    length = archive.getinfo(name).file_size
    if min((start, *strides, *(s - 1 for s in shape))) < 0 or reach >= length // dtype.itemsize:
        raise BadInput(f"{one_line(name, 60)} has {length} bytes, too few for sizes {shape} and strides {strides}")
    if prod(shape) > length:  # a stride of 0 repeats numbers, a weight does not
        raise BadInput(f"{one_line(name, 60)} repeats its numbers: {shape} out of {length} bytes")
    numbers = np.frombuffer(_bytes(archive, name, length), dtype.newbyteorder("<"), count=length // dtype.itemsize)
    view = np.lib.stride_tricks.as_strided(numbers[start:], shape, [s * dtype.itemsize for s in strides])
    return np.array(view, dtype)


def _call(node: Mapping[str, Any], refs: Mapping[str, Ref]) -> Call:
    target = node["target"].removeprefix("torch.ops.")
    given = {entry["name"]: _argument(entry["arg"], refs) for entry in node["inputs"]}
    schema = schema_of(target)
    if schema is not None:
        defaults = {a.name: a.default_value for a in schema.arguments if a.has_default_value()}
        given = {a.name: given.get(a.name, defaults.get(a.name)) for a in schema.arguments}
    outputs = node["outputs"]
    several = len(outputs) > 1 or (bool(outputs) and "as_tensors" in outputs[0])
    parts = [part for out in outputs for part in (out["as_tensors"] if "as_tensors" in out else [out.get("as_tensor")])]
    unread = Ref("", (), torch.float32)
    results = [refs.get(part["name"], unread) if part else unread for part in parts]
    modules = node["metadata"].get("nn_module_stack", "").rpartition(";")[2].split(",")
    path = modules[1] if len(modules) > 1 and modules[1] else (node.get("name") or target)
    return Call(target=target, arguments=given, results=results, several=several, path=path)


def _argument(told: Mapping[str, Any], refs: Mapping[str, Ref]) -> Any:
    """One argument: a tensor as its Ref, a number or text as it is."""
    ((kind, value),) = told.items()
    if kind in _PLAIN:
        return value
    if kind in _UNREAD:
        return None
    if kind == "as_tensor":
        return refs[value["name"]]
    if kind == "as_tensors":
        return [refs[part["name"]] for part in value]
    if kind == "as_optional_tensor":
        return _argument(value, refs)
    if kind == "as_optional_tensors":
        return [_argument(part, refs) for part in value]
    if kind == "as_scalar_type":
        return _type(value)
    raise Unsupported(f"an argument of kind {one_line(kind, 40)!r} has no meaning here: fixed sizes and tensors have")
