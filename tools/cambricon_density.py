"""Static code length of the ten Cambricon networks in scalar code: our exported C by the compilers of this machine.

    apt-get install gcc gcc-riscv64-linux-gnu gcc-mipsel-linux-gnu
    .venv/bin/python tools/cambricon_density.py            writes src/lamina/recipes/_reproduced/cambricon_density.json

Counted are the instructions of `.text` by objdump: the network's function and what it calls; no weights, tables, test
harness or start-up code. Delay slots count, padding does not (alignment is off). Every network's C is run on this
machine first and has to equal the interpreter. About a minute.
"""

import datetime
import importlib
import json
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from lamina.emulation.cambricon import networks
from lamina.export import c_source
from lamina.ir.network import Array, Network

TARGET = Path(__file__).resolve().parent.parent / "src/lamina/recipes/_reproduced/cambricon_density.json"
COMPILERS = {"x86_64": "gcc", "riscv64": "riscv64-linux-gnu-gcc", "mips32": "mipsel-linux-gnu-gcc"}
LEVELS = ("-O2", "-Os")
FLAGS = (
    "-std=c99",
    "-ffp-contract=off",
    "-fno-align-functions",
    "-fno-align-loops",
    "-fno-align-jumps",
    "-fno-align-labels",
)
_LINE = re.compile(r"^\s+[0-9a-f]+:\t", re.MULTILINE)
_SIZE = re.compile(r"^\s+\d+\s+\.text\s+([0-9a-f]+)", re.MULTILINE)


def main() -> int:
    """Measure and write; 1 where a compiler is missing or a network's C computes something else."""
    missing = [compiler for compiler in COMPILERS.values() if shutil.which(compiler) is None]
    if missing:
        print(f"not installed: {', '.join(missing)}: apt-get install them, see the head of this file", file=sys.stderr)
        return 1
    rows = []
    for member in pkgutil.iter_modules(networks.__path__):
        if member.name.startswith("_"):
            continue
        module = importlib.import_module(f"{networks.__name__}.{member.name}")
        network = module.network()
        if not computes_the_same(network, module.inputs(network)):
            print(f"{member.name}: exported C differs from the interpreter", file=sys.stderr)
            return 1
        rows += [
            {"network": member.name, "target": target, "level": level, **length(network, target, level)}
            for target in COMPILERS
            for level in LEVELS
        ]
    text = {
        "what": "static code length of Lamina's exported C, instructions and bytes of .text",
        "command": "python tools/cambricon_density.py",
        "date": datetime.date.today().isoformat(),
        "flags": " ".join(FLAGS),
        "compilers": {target: version(compiler) for target, compiler in COMPILERS.items()},
    }
    lines = json.dumps(text | {"rows": []}, indent=1).replace('"rows": []', '"rows": [\n@\n ]')
    TARGET.write_text(lines.replace("@", ",\n".join(f"  {json.dumps(row)}" for row in rows)) + "\n", encoding="utf-8")
    return 0


def computes_the_same(network: Network, inputs: dict[str, Array]) -> bool:
    """Whether the exported C gives the interpreter's numbers on `inputs`."""
    expected = network.run(inputs)
    with tempfile.TemporaryDirectory() as folder:
        c_source.c(network, folder)
        found = c_source.run(folder, inputs)
    results = {name: np.ravel(found[network.outputs[name]]) for name in expected}
    return all(np.array_equal(results[name], np.ravel(array)) for name, array in expected.items())


def length(network: Network, target: str, level: str) -> dict[str, int]:
    """Instructions and bytes of the network's code."""
    compiler = COMPILERS[target]
    with tempfile.TemporaryDirectory() as folder:
        name = c_source.c(network, folder).name
        made = Path(folder) / "made.o"
        defines = f"-D{name}_NO_STATIC"
        _do(compiler, *FLAGS, level, defines, "-c", str(Path(folder) / f"{name}.c"), "-o", str(made))
        dump = re.sub(r"gcc$", "objdump", compiler)
        listing = _do(dump, "-d", "--no-show-raw-insn", "-j", ".text", str(made))
        sections = _SIZE.search(_do(dump, "-h", str(made)))
    assert sections is not None
    return {"instructions": len(_LINE.findall(listing)), "bytes": int(sections[1], 16)}


def version(compiler: str) -> str:
    """What the compiler calls itself."""
    return _do(compiler, "--version").splitlines()[0]


def _do(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
