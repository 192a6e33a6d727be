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

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lamina.core import files
from lamina.core.errors import Unsupported
from lamina.core.units import MiB, si
from lamina.export import _c_helpers, _c_host_test, _c_memory
from lamina.export._c_header import header, signature
from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_memory import Plan, Step
from lamina.export._c_names import identifier
from lamina.export._c_operators import TEMPLATES, VIEWS
from lamina.export._c_runner import run as run
from lamina.export._c_text import ctype, fill, indent, initialiser
from lamina.ir.check import site
from lamina.ir.network import Array, Network
from lamina.ir.transform import integer_core
from lamina.ir.types import Float

ROWS = ("O4",)

MOST_INLINE_BYTES = 4 * MiB
_ALIGNMENT = 16  # bytes, of every array in NAME_weights.bin
_FRAME_BYTES = 512  # of stack for calls, saved registers and spilled scalars, beside local arrays


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
    network = integer_core(network)
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
    """Everything the source holds, gathered operation by operation."""

    def __init__(self, network: Network, name: str) -> None:
        self.network, self.name = network, name
        self.plan = _c_memory.plan(network)
        self.types = network.types
        self.arrays: dict[str, Array] = {}  # C name -> stored numbers
        self.functions: list[str] = []
        self.calls: list[str] = []
        self.helpers: set[str] = set()
        self.stack_bytes = _FRAME_BYTES
        largest = max(type_.size for type_ in self.types.values())
        if largest >= 2**31:
            raise Unsupported(
                f"a value of {largest} numbers: exported C indexes with int, so fewer than 2^31 are needed"
            )
        for step in self.plan.steps:
            if step.operation.operator not in VIEWS:
                self._step(step)
        self._copies()
        self.flash_bytes = sum(array.nbytes for array in self.arrays.values())
        self.offsets, self.blob = self._outside()

    def _step(self, step: Step) -> None:
        operation = step.operation
        if operation.operator not in TEMPLATES:
            known = ", ".join(TEMPLATES)
            raise Unsupported(
                f"operator {operation.operator!r} at {operation.name!r} has no C template: {known} have one"
            )
        result = step.result
        name = f"{self.name}_op_{identifier(operation.name)}"
        in_place = self.plan.root[result] == self.plan.root[operation.inputs[0]]
        kernel = TEMPLATES[operation.operator](
            Setting(
                name=name,
                prefix=self.name,
                site=site(operation, self.types),
                arrays=tuple(self.network.data(n) if n in self.network.constants else None for n in operation.inputs),
                relu=step.relu is not None,
                in_place=in_place,
            )
        )
        self.helpers.update(kernel.helpers)
        self.stack_bytes = max(self.stack_bytes, _FRAME_BYTES + kernel.stack_bytes)
        reads = () if in_place else kernel.reads
        self._function(name, step, kernel, reads)
        arguments = [self._address(operation.inputs[i]) for i in reads]
        arguments += [self._constant(f"{name}_{parameter}", array) for parameter, array in kernel.stored.items()]
        self.calls.append(f"{name}({', '.join([*arguments, self._address(result)])});")

    def _function(self, name: str, step: Step, kernel: Kernel, reads: tuple[int, ...]) -> None:
        # inputs that overlap nothing may be `restrict`; two operands of an addition may be one value
        restrict = "" if len(reads) > 1 else "restrict "
        parameters = [f"const {self._type(step.operation.inputs[i])} *{restrict}x{at}" for at, i in enumerate(reads)]
        parameters += [f"const {ctype(array.dtype)} *restrict {key}" for key, array in kernel.stored.items()]
        parameters.append(f"{self._type(step.result)} *{'' if not reads else restrict}y")
        title = f"/* {step.operation.operator}: {self._shapes(step)} */"
        self.functions.append(
            f"{kernel.before}\n{title}\nstatic void {name}({', '.join(parameters)})\n{{\n{indent(kernel.body)}\n}}\n"
        )

    def _shapes(self, step: Step) -> str:
        source, result = (self.types[v].shape for v in (step.operation.inputs[0], step.result))
        return f"{list(source)} -> {list(result)}" + (", relu" if step.relu else "")

    def _copies(self) -> None:
        """Outputs that are not written by the operation that makes them: inputs, constants, second names."""
        for output, value in self.network.outputs.items():
            root = self.plan.root[value]
            if self.plan.written.get(root) != output:
                size = f"{self.types[value].size} * sizeof *out_{identifier(output)}"
                self.calls.append(f"memcpy(out_{identifier(output)}, {self._address(value)}, {size});")

    def _type(self, value: str) -> str:
        return ctype(self.types[value].element.storage)

    def _address(self, value: str) -> str:
        root = self.plan.root[value]
        if root in self.network.inputs:
            return f"in_{identifier(root)}"
        if root in self.network.constants:
            return self._constant(f"{self.name}_value_{identifier(root)}", self.network.data(root))
        if root in self.plan.written:
            return f"out_{identifier(self.plan.written[root])}"
        slot = self.plan.slots[root]
        own = np.dtype(self.types[value].element.storage).kind != "u"
        cast = "" if own else f"({self._type(value)} *)"
        place = f"state->{slot.kind} + {slot.offset}"
        return f"{cast}({place})" if cast else place

    def _constant(self, name: str, array: Array) -> str:
        """The expression that points to a stored array, registered under `name`."""
        self.arrays[name] = array
        return f"@{name}@"

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

    def _where(self, name: str, array: Array) -> str:
        if self.blob is None:
            return name
        return f"(const {ctype(array.dtype)} *)(const void *)({self.name}_weights + {self.offsets[name]})"

    def source(self) -> str:
        """The text of NAME.c."""
        arrays = [
            f"static const {ctype(array.dtype)} {name}[{array.size}] = {initialiser(array)};\n"
            for name, array in self.arrays.items()
            if self.blob is None
        ]
        body = "\n".join(self.calls)
        for name, array in self.arrays.items():
            body = body.replace(f"@{name}@", self._where(name, array))
        if self.blob is not None:
            body = f"if ({self.name}_weights == NULL) {{\n    return -1;\n}}\n{body}"
        if not self.plan.slots:
            body = f"(void)state;\n{body}"
        return fill(
            _SOURCE,
            name=self.name,
            exact="" if all(isinstance(t.element, Float) for t in self.types.values()) else _EXACT,
            weights="" if self.blob is None else fill(_WEIGHTS, name=self.name, size=len(self.blob)),
            arrays="\n".join(arrays),
            helpers=_c_helpers.functions(self.name, self.helpers),
            functions="\n".join(self.functions),
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

_SOURCE = """\
/* Written by Lamina; see $name.h. Integers equal those of Lamina's interpreter to the bit. */
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
