"""Exported C compiled and run: examples in, outputs out, so that it can be compared like any other link of the chain.

    NAME.c + feeder ──cc──▶ a program: inputs on stdin, outputs on stdout, as raw numbers

The header says what the ends are: C name, name of the value, type. Real numbers given for an integer input are
quantised as the network's own first operation would. A process of its own, built in a temporary folder: what it does
harms nothing.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lamina.core import files
from lamina.core.errors import BadInput, CheckFailed, MissingExtra, one_line
from lamina.export._c_text import ctype, fill, indent
from lamina.ir import integers as rules
from lamina.ir.network import Array
from lamina.ir.text import parse_type
from lamina.ir.types import Float, Type

COMPILERS = ("gcc", "clang", "cc")
FLAGS = ("-std=c99", "-O3", "-ffp-contract=off")
_SECONDS = 300
_END = re.compile(r"^ \*   (in|out)_(\w+) = ([^:\s]+): (.+)$", re.MULTILINE)

_FEEDER = """\
#include "$name.h"

#include <stdio.h>

$arrays
$load
int main(void)
{
$set
    for (;;) {
$read
        if (${name}_run_static($arguments) != 0) {
            return 1;
        }
$write
    }
}
"""


def run(folder: Path | str, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Values by name: what the exported network in `folder` makes of `inputs` (axis 0: any multiple of its batch).

    Raises `BadInput` for a folder without one exported network, inputs that do not fit; `CheckFailed` where it does
    not compile or run.
    """
    folder = Path(folder).resolve()
    name, ends = _described(folder)
    compiler = next((path for c in COMPILERS if (path := shutil.which(c))), None)
    if compiler is None:
        raise MissingExtra("exported C needs a C compiler to run here: apt-get install gcc")
    given = [(c_name, type_, _stored(inputs, value, type_)) for end, c_name, value, type_ in ends if end == "in"]
    count = len(given[0][2])
    if any(len(rows) != count for _, _, rows in given):
        raise BadInput(f"inputs of {[len(rows) for _, _, rows in given]} runs: the same number is needed for each")
    data = b"".join(rows[at].tobytes() for at in range(count) for _, _, rows in given)
    with tempfile.TemporaryDirectory(prefix="lamina-") as temporary:
        feeder, program = Path(temporary) / "feeder.c", Path(temporary) / "feeder"
        feeder.write_text(_feeder(folder, name, ends))
        _do([compiler, *FLAGS, f"-I{folder}", "-o", str(program), str(feeder), str(folder / f"{name}.c"), "-lm"])
        raw = _do([str(program)], data=data, cwd=folder)
    found = {}
    results = [(value, t, np.dtype(t.element.storage)) for end, _, value, t in ends if end == "out"]
    record = np.dtype([(f"f{i}", d, (t.size,)) for i, (_, t, d) in enumerate(results)])
    rows = np.frombuffer(raw, record)
    for at, (value, type_, _) in enumerate(results):
        found[value] = rows[f"f{at}"].reshape(-1, *type_.shape[1:])
    return found


def _described(folder: Path) -> tuple[str, list[tuple[str, str, str, Type]]]:
    names = sorted(path.name.removesuffix("_test.c") for path in folder.glob("*_test.c"))
    if len(names) != 1:
        raise BadInput(f"{folder}: holds {len(names)} exported networks, one is needed: {', '.join(names) or 'none'}")
    header = files.read(folder / f"{names[0]}.h").decode(errors="replace")
    ends = [(end, c_name, value, parse_type(text)) for end, c_name, value, text in _END.findall(header)]
    if {end for end, *_ in ends} != {"in", "out"}:
        raise BadInput(f"{folder / names[0]}.h: does not say its inputs and outputs: export the network again")
    return names[0], ends


def _stored(inputs: Mapping[str, Array], value: str, type_: Type) -> Array:
    """Input `value` as stored numbers [runs, size]."""
    if value not in inputs:
        raise BadInput(f"the exported network needs the input {value!r}: {type_}")
    array = np.asarray(inputs[value])
    if array.ndim != len(type_.shape) or array.shape[1:] != type_.shape[1:] or array.size % type_.size:
        raise BadInput(f"input {value!r} has shape {list(array.shape)}, {list(type_.shape)} or a multiple is needed")
    if not isinstance(type_.element, Float) and array.dtype.kind == "f":
        array = rules.quantise(array, type_.element)
    return np.ascontiguousarray(array, type_.element.storage).reshape(-1, type_.size)


def _feeder(folder: Path, name: str, ends: list[tuple[str, str, str, Type]]) -> str:
    from lamina.export._c_host_test import LOAD, SET

    external = folder / f"{name}_weights.bin"
    names = [f"{end}_{c_name}" for end, c_name, _, _ in ends]
    ins = [n for n in names if n.startswith("in_")]
    outs = [n for n in names if n.startswith("out_")]
    arrays = [f"static {ctype(t.element.storage)} {end}_{c}[{t.size}];" for end, c, _, t in ends]
    read = [f"if (fread({n}, sizeof {n}, 1, stdin) != 1) {{\n    return 0;\n}}" for n in ins]
    write = [f"if (fwrite({n}, sizeof {n}, 1, stdout) != 1) {{\n    return 1;\n}}" for n in outs]
    return fill(
        _FEEDER,
        name=name,
        arrays="\n".join(arrays),
        load=fill(LOAD, size=external.stat().st_size) if external.exists() else "",
        set=indent(fill(SET, name=name)) if external.exists() else "",
        read=indent("\n".join(read), 8),
        arguments=", ".join(names),
        write=indent("\n".join(write), 8),
    )


def _do(command: list[str], *, data: bytes | None = None, cwd: Path | None = None) -> bytes:
    try:
        done = subprocess.run(command, input=data, capture_output=True, cwd=cwd, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise CheckFailed(f"{Path(command[0]).name} did not run: {one_line(e)}") from e
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines() or ["no message"]
        raise CheckFailed(f"{Path(command[0]).name} ended with {done.returncode}: {one_line(lines[-1])}")
    return done.stdout
