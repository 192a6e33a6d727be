"""ONNX Runtime with the settings under which its integers are the interpreter's: `session(path)`.

    all optimisations   with float scales it computes in integers only then (with power-of-two scales at any level)
    one thread          sums in one order
    x64quantprecision   on a CPU with AVX2 and without VNNI, where products of u8 and s8 are added in pairs of 16 bits,
                        which 255 * 127 * 2 does not fit

`docs/integers.md` has the table; `tests/export/test_integers_table.py` measures it.
"""

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lamina.core import files, progress
from lamina.core.errors import BadInput, missing_extra, one_line
from lamina.ir.network import Array

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

LEVELS = ("disabled", "basic", "extended", "all")
_EXACT = {"avx512_vnni", "avx_vnni", "amx_int8"}  # flags of CPUs that add products of bytes in 32 bits
_SATURATES = "this CPU may add products of bytes in 16 bits (AVX2 without VNNI): onnxruntime is told to avoid it"


def session(path: Path | str, *, level: str = "all") -> "InferenceSession":
    """An onnxruntime session on the CPU; `level` is one of `LEVELS`, and only "all" is right for float scales.

    Raises `BadInput` for a file that onnxruntime refuses, `MissingExtra` without onnxruntime.
    """
    if level not in LEVELS:
        raise BadInput(f"optimisation level {level!r}: {', '.join(LEVELS)} are allowed")
    return open_session(files.read(Path(path)), path, level=level)


def open_session(data: bytes, path: Path | str, *, level: str) -> "InferenceSession":
    """As `session`, of a model in memory; `path` is what errors name."""
    try:
        import onnxruntime
    except ImportError as e:
        raise missing_extra("onnxruntime", "onnx") from e
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(
        onnxruntime.GraphOptimizationLevel, f"ORT_{'DISABLE' if level == 'disabled' else 'ENABLE'}_{_LAST[level]}"
    )
    if needs_precision(cpu_flags()):
        progress.say(_SATURATES, level=2)
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as e:  # onnxruntime raises its own classes, none of them public
        raise BadInput(f"{path}: onnxruntime refuses this file: {one_line(e)}") from e


_LAST = {"disabled": "ALL", "basic": "BASIC", "extended": "EXTENDED", "all": "ALL"}


def trace(path: Path | str, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Every value of the file that carries a name of the network, for `inputs` (floats for float inputs).

    Raises `BadInput` where names or shapes do not fit.
    """
    try:
        import onnx
    except ImportError as e:
        raise missing_extra("onnx", "onnx") from e
    try:
        model = onnx.load_from_string(files.read(Path(path)))
    except Exception as e:  # protobuf's own class, which onnx does not name
        raise BadInput(f"{path}: not a readable ONNX file: {one_line(e)}") from e
    names = [output.name for output in model.graph.output]
    # what the exporter adds is called VALUE:part, and would only keep the runtime from fusing
    inner = [name for node in model.graph.node for name in node.output if ":" not in name and name not in names]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in inner)
    opened = open_session(model.SerializeToString(), path, level="all")
    dims = {i.name: i.type.tensor_type.shape.dim for i in model.graph.input}
    fixed = {name: shape[0].dim_value for name, shape in dims.items() if len(shape) and shape[0].dim_value}
    truths = {i.name for i in model.graph.input if i.type.tensor_type.elem_type == onnx.TensorProto.BOOL}
    inputs = {name: np.asarray(v, np.bool_ if name in truths else None) for name, v in inputs.items()}
    runs = [len(v) // fixed[n] for n, v in inputs.items() if n in fixed] or [1]
    wanted = [*names, *inner]
    parts = []
    for at in range(max(runs)):
        given = {n: v[at * fixed[n] : (at + 1) * fixed[n]] if n in fixed else v for n, v in inputs.items()}
        try:
            parts.append(opened.run(wanted, given))
        except Exception as e:  # onnxruntime raises its own classes, none of them public
            raise BadInput(f"{path}: onnxruntime cannot run these inputs: {one_line(e)}") from e
    if len(parts) == 1:
        return dict(zip(wanted, parts[0], strict=True))
    return {name: np.concatenate(values) for name, values in zip(wanted, zip(*parts, strict=True), strict=True)}


def needs_precision(flags: set[str] | None) -> bool:
    """Whether products of u8 and s8 may saturate on a CPU of these `flags`; None: an x86 CPU that does not tell."""
    return flags is None or ("avx2" in flags and not flags & _EXACT)


def cpu_flags() -> set[str] | None:
    """The instruction sets of this CPU as Linux names them; None where x86 does not tell, nothing on other CPUs."""
    if platform.machine().lower() not in ("x86_64", "amd64", "i686"):
        return set()
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return None
    lines = (line for line in information.read_text().splitlines() if line.startswith("flags"))
    return set(next(lines, "").partition(":")[2].split())
