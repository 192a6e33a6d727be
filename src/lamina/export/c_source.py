"""A network as C99 source: no heap, no library but libm, the interpreter's integers to the bit.

    NAME.h           what a caller needs: sizes, scales, `NAME_state`, `NAME_run`, and what it costs
    NAME.c           one function for each operation, constants, `NAME_run` calling them in order
    NAME_test.c      runs vectors that the interpreter computed, and compares
    Makefile         builds and runs the test of every network in the folder
    NAME_weights.bin only where constants exceed 4 MiB: the caller hands a pointer to them

The caller owns the memory: `NAME_run(NAME_state *, inputs..., outputs...)`; `NAME_run_static` wraps it with a state of
its own. Every symbol starts with the network's name, so any number of networks fit one program. Of an integer network
the integer core is exported: integers in, integers out, with scales and small conversion functions in the header.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamina.core import files
from lamina.core.units import MiB, si
from lamina.export import _c_helpers, _c_host_test
from lamina.export._c_header import header, signature
from lamina.export._c_hoist import hoisted
from lamina.export._c_memory import Plan
from lamina.export._c_names import identifier
from lamina.export._c_part import Part, Unit
from lamina.export._c_runner import run as run
from lamina.export._c_text import ctype, fill, indent, initialiser
from lamina.ir.network import Network
from lamina.ir.simplify import simplify
from lamina.ir.transform import integer_core
from lamina.ir.types import Float

ROWS = ("O4",)

MOST_INLINE_BYTES = 4 * MiB
_ALIGNMENT = 16  # bytes, of every array in NAME_weights.bin
_PLACE = re.compile(r"@(\w+)@")  # a constant in the text, until it is known where constants lie


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What was written and what it costs, known before anything is compiled."""

    name: str  # of the network, as a C identifier
    files: tuple[Path, ...]
    macs: int
    flash_bytes: int  # constants: weights, biases, tables; the code itself comes on top
    arena_bytes: int  # `sizeof(NAME_state)`
    stack_bytes: int  # an upper estimate
    plan: Plan

    @property
    def ram_bytes(self) -> int:
        """State and stack; inputs and outputs are the caller's."""
        return self.arena_bytes + self.stack_bytes

    def to_json(self) -> dict[str, Any]:
        """Plain data: files, and what they cost."""
        return {"name": self.name, "files": [str(path) for path in self.files], **self.costs()}

    def costs(self) -> dict[str, int]:
        """What is known beforehand."""
        names = ("macs", "flash_bytes", "ram_bytes", "arena_bytes", "stack_bytes")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        return (
            f"{len(self.files)} files in {self.files[0].parent}: {si(self.macs, 'MAC')}, {self.flash_bytes:,} bytes of "
            f"flash, {self.ram_bytes:,} bytes of RAM; check them with: make -C {self.files[0].parent} test"
        )


def c(network: Network, out: Path | str) -> Report:
    """Write `network` as C into the folder `out`.

    Raises `Unsupported` for what has no C form, `BadInput` where the folder cannot be written or weights are absent.
    """
    network = simplify(integer_core(network))
    folder, name = Path(out), identifier(network.name)
    program = _Program(network, name)
    report = Report(
        name=name,
        files=tuple(folder / file for file in _file_names(program)),
        macs=network.macs,
        flash_bytes=program.flash_bytes,
        arena_bytes=program.plan.arena_bytes,
        stack_bytes=program.stack_bytes,
        plan=program.plan,
    )
    texts = [
        header(network, name, program.plan, costs=report.costs(), external=program.blob),
        program.source(),
        _c_host_test.test(network, name, external=program.blob),
        _c_host_test.MAKEFILE,
    ]
    data = [text.encode() for text in texts] + ([] if program.blob is None else [program.blob])
    for path, content in zip(report.files, data, strict=True):
        files.write(path, content)
    return report


def _file_names(program: "_Program") -> list[str]:
    name = program.name
    binary = [] if program.blob is None else [f"{name}_weights.bin"]
    return [f"{name}.h", f"{name}.c", f"{name}_test.c", "Makefile", *binary]


class _Program:
    """The source file: the network's part, and where its constants lie."""

    def __init__(self, network: Network, name: str) -> None:
        self.network, self.name = network, name
        self.unit = Unit(prefix=name)
        self.part = Part(self.unit, hoisted(network), stem=name, base="state->")
        self.plan, self.stack_bytes = self.part.plan, self.part.stack_bytes
        self.arrays = self.unit.arrays
        self.flash_bytes = sum(array.nbytes for array in self.arrays.values())
        self.offsets, self.blob = self._outside()

    def _outside(self) -> tuple[dict[str, int], bytes | None]:
        """Where each array lies in the binary file, and that file; nothing where constants stay in the source."""
        if self.flash_bytes <= MOST_INLINE_BYTES:
            return {}, None
        offsets, blob = {}, bytearray()
        for name, array in self.arrays.items():
            blob += bytes(-len(blob) % _ALIGNMENT)
            offsets[name] = len(blob)
            blob += array.astype(array.dtype.newbyteorder("<")).tobytes()
        return offsets, bytes(blob)

    def _where(self, found: re.Match[str]) -> str:
        """What stands for a constant's name between two @."""
        name = found[1]
        if self.blob is None:
            return name
        type_ = ctype(self.arrays[name].dtype)
        return f"(const {type_} *)(const void *)({self.name}_weights + {self.offsets[name]})"

    def source(self) -> str:
        """The text of NAME.c."""
        arrays = [
            f"static const {ctype(array.dtype)} {name}[{array.size}] = {initialiser(array)};\n"
            for name, array in self.arrays.items()
            if self.blob is None
        ]
        body = _PLACE.sub(self._where, "\n".join(self.part.calls))
        functions = _PLACE.sub(self._where, "\n".join(self.unit.functions))
        if self.blob is not None:
            body = f"if ({self.name}_weights == NULL) {{\n    return -1;\n}}\n{body}"
        if not self.plan.slots:
            body = f"(void)state;\n{body}"
        return fill(
            _SOURCE,
            name=self.name,
            exact="" if all(isinstance(t.element, Float) for t in self.network.types.values()) else _EXACT,
            weights="" if self.blob is None else fill(_WEIGHTS, name=self.name, size=len(self.blob)),
            arrays="\n".join(arrays),
            helpers=_c_helpers.functions(self.name, self.unit.helpers),
            functions=functions,
            signature=signature(self.network, self.name, state=True),
            static_signature=signature(self.network, self.name, state=False),
            body=indent(body),
            arguments=", ".join(_arguments(self.network)),
        )


def _arguments(network: Network) -> list[str]:
    return [*(f"in_{identifier(n)}" for n in network.inputs), *(f"out_{identifier(n)}" for n in network.outputs)]


_WEIGHTS = """\
static const unsigned char *${name}_weights;

int ${name}_set_weights(const void *weights, size_t size)
{
    const union {
        uint32_t number;
        unsigned char first;
    } order = {1};
    if (weights == NULL || size != $size || (uintptr_t)weights % sizeof(int64_t) != 0 || order.first != 1) {
        return -1;
    }
    ${name}_weights = weights;
    return 0;
}
"""

_EXACT = """\
#ifdef __FAST_MATH__
#error "-ffast-math changes integers: leave it out"
#endif
#if FLT_EVAL_METHOD != 0
#error "float is computed in another width here, which changes integers: choose SSE or NEON arithmetic"
#endif
"""

# Without it GCC leaves every loop with a comparison of floats alone: a signalling NaN might raise a flag, which nobody
# here reads. No result changes by it.
_SOURCE = """\
/* Written by Lamina; see $name.h. Integers equal those of Lamina's interpreter to the bit. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-trapping-math", "no-math-errno")
#endif
#include "$name.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#if INT_MAX < 2147483647
#error "int has fewer than 32 bits here"
#endif
$exact
$weights$arrays$helpers
$functions
$signature
{
$body
    return 0;
}

#ifndef ${name}_NO_STATIC
$static_signature
{
    static ${name}_state state;
    return ${name}_run(&state, $arguments);
}
#endif
"""
