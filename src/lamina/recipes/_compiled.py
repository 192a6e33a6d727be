"""Exported C compiled and run here: its own host test, and any number of examples through it.

    NAME.c ──cc -O3──▶ NAME.o ──┬─ NAME_test.c ──▶ host test: its own vectors
                                └─ feeder ───────▶ examples on stdin, outputs on stdout, as raw numbers

The feeder is a separate process, so that what it does cannot harm the run. Built in a temporary folder.

Shapes     inputs [n, ...] of the network's one input, outputs [n, ...] of its one output, stored integers or floats
Errors     `CheckFailed` with the compiler's or the program's last line
"""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import CheckFailed, one_line
from lamina.ir.network import Network

COMPILERS = ("gcc", "clang", "cc")
FLAGS = ("-std=c99", "-O3", "-ffp-contract=off")
MOST_SECONDS = 300

_FEEDER = """\
#include "NAME.h"
#include <stdio.h>

int main(void)
{
    static INPUT in[INPUT_SIZE];
    static OUTPUT out[OUTPUT_SIZE];
    while (fread(in, sizeof in, 1, stdin) == 1) {
        if (NAME_run_static(in, out) != 0 || fwrite(out, sizeof out, 1, stdout) != 1) {
            return 1;
        }
    }
    return 0;
}
"""
_TYPES = {
    "uint8": "uint8_t", "int8": "int8_t", "uint16": "uint16_t", "int16": "int16_t", "int32": "int32_t",
    "float32": "float", "float64": "double",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Compiled:
    host_test: str  # what the host test printed
    outputs: NDArray[Any]


def compiler() -> str | None:
    """The path of a C compiler; None where there is none."""
    return next((path for name in COMPILERS if (path := shutil.which(name))), None)


def run(folder: Path, name: str, network: Network, inputs: NDArray[Any]) -> Compiled:
    """Compile `name` in `folder`, run its host test, then `inputs` through it; `network` gives its ends' types."""
    built_by = compiler()
    if built_by is None:
        raise CheckFailed("exported C cannot be checked: no C compiler (gcc, clang or cc) is installed")
    with tempfile.TemporaryDirectory(prefix="lamina-") as temporary:
        build, folder = Path(temporary), folder.resolve()
        code, test, feed = build / "code.o", build / "host_test", build / "feeder"
        _do([built_by, *FLAGS, "-c", "-o", str(code), str(folder / f"{name}.c")])
        _do([built_by, *FLAGS, "-o", str(test), str(folder / f"{name}_test.c"), str(code), "-lm"])
        said = _do([str(test)], cwd=folder).decode(errors="replace")
        (build / "feeder.c").write_text(_feeder(name, network))
        _do([built_by, *FLAGS, f"-I{folder}", "-o", str(feed), str(build / "feeder.c"), str(code), "-lm"])
        kind, shape = _end(network, output=True)
        data = np.ascontiguousarray(inputs, _end(network, output=False)[0]).tobytes()
        outputs = np.frombuffer(_do([str(feed)], data=data), kind).reshape(len(inputs), *shape[1:])
    return Compiled(host_test=one_line(said), outputs=outputs)


def _feeder(name: str, network: Network) -> str:
    text = _FEEDER
    for word, output in (("INPUT", False), ("OUTPUT", True)):
        kind, shape = _end(network, output=output)
        text = text.replace(f"{word}_SIZE", str(int(np.prod(shape)))).replace(word, _TYPES[kind.name])
    return text.replace("NAME", name)


def _end(network: Network, *, output: bool) -> tuple[np.dtype[Any], tuple[int, ...]]:
    types = network.types
    type_ = types[next(iter(network.outputs.values()))] if output else next(iter(network.inputs.values()))
    return np.dtype(type_.element.storage), type_.shape


def _do(command: list[str], *, data: bytes | None = None, cwd: Path | None = None) -> bytes:
    try:
        done = subprocess.run(command, input=data, capture_output=True, cwd=cwd, timeout=MOST_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise CheckFailed(f"{Path(command[0]).name} did not run: {one_line(e)}") from e
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines() or ["no message"]
        raise CheckFailed(f"{Path(command[0]).name} ended with {done.returncode}: {one_line(lines[-1])}")
    return done.stdout
