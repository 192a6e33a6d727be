"""One network as C functions: the whole, or the body of a loop inside it.

    Unit   everything that one source file holds: functions, constants, helpers; names are unique in it
    Part   a network in that unit: a memory plan, one function for each operation, and the calls in order

A body of a `scan` is a part of its own: one function that is called for every step, whose inputs, outputs and memory
are parameters, so that the code does not grow with the number of steps. What the body captures from outside is a
constant of the body where it is a constant outside: weights are packed once, as everywhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from lamina.core.errors import Unsupported
from lamina.export import _c_memory
from lamina.export._c_activations import bounds
from lamina.export._c_kernel import Kernel, Nested, Setting, kind
from lamina.export._c_memory import Step, place
from lamina.export._c_names import identifier
from lamina.export._c_operators import TEMPLATES, VIEWS
from lamina.export._c_text import ctype, indent
from lamina.ir.check import site
from lamina.ir.network import Array, Network, Operation

FRAME_BYTES = 512  # of stack for calls, saved registers and spilled scalars, beside local arrays


@dataclass(kw_only=True, slots=True)
class Unit:
    """What a source file holds so far."""

    prefix: str  # every symbol starts with it
    arrays: dict[str, Array] = field(default_factory=dict)  # C name -> stored numbers
    functions: list[str] = field(default_factory=list)
    helpers: set[str] = field(default_factory=set)
    _known: dict[tuple[str, bytes], str] = field(default_factory=dict)  # stored numbers -> their C name
    _names: dict[str, set[str]] = field(default_factory=dict)  # stem -> functions

    def constant(self, name: str, array: Array) -> str:
        """The place of a stored array: the name between two @, replaced when the source is written."""
        array = np.ascontiguousarray(array)
        known = self._known.setdefault((array.dtype.str, array.tobytes()), name)
        self.arrays.setdefault(known, array)
        return f"@{known}@"

    def function(self, stem: str, name: str) -> str:
        """A name for an operation's function; no other one starts with it, since its own tables and parts will."""
        number, found, names = 1, f"{stem}_op_{name}", self._names.setdefault(stem, set())
        while any(found == n or found.startswith(f"{n}_") or n.startswith(f"{found}_") for n in names):
            number += 1
            found = f"{stem}_op{number}_{name}"
        names.add(found)
        return found


class Part:
    """`network` as functions of `unit`; `base` leads to its arenas, `stem` begins its names."""

    def __init__(self, unit: Unit, network: Network, *, stem: str, base: str) -> None:
        self.unit, self.network, self.stem, self.base = unit, network, stem, base
        self.types = network.types
        self.calls: list[str] = []
        self.stack_bytes = FRAME_BYTES
        largest = max(type_.size for type_ in self.types.values())
        if largest >= 2**31:
            raise Unsupported(
                f"a value of {largest} numbers: exported C indexes with int, so fewer than 2^31 are needed"
            )
        shared = _c_memory.shared(network)
        kernels = [self._kernel(step, shared.root) for step in shared.steps]
        self.plan = _c_memory.arranged(network, shared, [{} if k is None else k[1].scratch for k in kernels])
        for at, (step, made) in enumerate(zip(self.plan.steps, kernels, strict=True)):
            if made is not None:
                self._step(at, step, *made)
        self._copies()

    def _kernel(self, step: Step, root: Mapping[str, str]) -> tuple[str, Kernel] | None:
        """The C name and the kernel of a step; None for a view."""
        operation = step.operation
        if operation.operator in VIEWS:
            return None
        if operation.operator not in TEMPLATES:
            raise Unsupported(
                f"operator {operation.operator!r} at {operation.name!r} has no C template: {', '.join(TEMPLATES)} have"
            )
        name = self.unit.function(self.stem, identifier(operation.name))
        setting = Setting(
            name=name,
            prefix=self.unit.prefix,
            site=site(operation, self.types),
            arrays=tuple(self.network.data(n) if n in self.network.constants else None for n in operation.inputs),
            bounds=None if step.clipping is None else bounds(site(step.clipping, self.types)),
            in_place=root[step.result] == root[operation.inputs[0]],
            nested=partial(self._nested, operation, name),
        )
        return name, TEMPLATES[operation.operator](setting)

    def _nested(self, operation: Operation, name: str, body: Network, first: int) -> Nested:
        """`body` as a function `NAME_body`; constants that it captures, at inputs from `first` on, become its own."""
        given = dict(zip(body.inputs, operation.inputs, strict=True))
        captured = [*body.inputs][first:]
        outside = self.network.constants
        constants = {n: outside[o] for n, o in given.items() if n in captured and o in outside}
        inputs = {n: t for n, t in body.inputs.items() if n not in constants}
        part = Part(self.unit, body.replaced(inputs=inputs, constants=constants), stem=f"{name}_body", base="")
        self.unit.functions.append(part.function(f"{name}_body"))
        return Nested(
            function=f"{name}_body",
            inputs=tuple(inputs),
            outputs=tuple(body.outputs),
            arenas=part.plan.arenas,
            stack_bytes=part.stack_bytes,
        )

    def function(self, name: str) -> str:
        """The whole part as one C function: arenas, inputs and outputs are its parameters."""
        parameters = [f"{ctype(np.dtype(k))} *{k}" for k in self.plan.arenas]
        parameters += [f"const {kind(t)} *in_{identifier(n)}" for n, t in self.network.inputs.items()]
        parameters += [f"{kind(self.types[v])} *out_{identifier(n)}" for n, v in self.network.outputs.items()]
        body = "\n".join(self.calls)
        names = set(re.findall(r"\w+", body))
        unused = [n for n in self.network.inputs if f"in_{identifier(n)}" not in names]
        body = "".join(f"(void)in_{identifier(n)};\n" for n in unused) + body
        return f"\nstatic void {name}({', '.join(parameters)})\n{{\n{indent(body)}\n}}\n"

    def _step(self, at: int, step: Step, name: str, kernel: Kernel) -> None:
        operation = step.operation
        self.unit.helpers.update(kernel.helpers)
        self.stack_bytes = max(self.stack_bytes, FRAME_BYTES + kernel.stack_bytes)
        in_place = self.plan.root[step.result] == self.plan.root[operation.inputs[0]]
        reads = {f"x{at}": i for at, i in enumerate(kernel.reads) if i or not in_place}
        arguments = [self._address(operation.inputs[i]) for i in reads.values()]
        arguments += [self.unit.constant(f"{name}_{key}", array) for key, array in kernel.stored.items()]
        arguments += [self._arena(place(at, key), dtype) for key, (dtype, _) in kernel.scratch.items()]
        arguments += [self._address(result) for result in step.results]
        self.unit.functions.append(self._function(name, step, kernel, reads))
        self.calls.append(f"{name}({', '.join(arguments)});")

    def _function(self, name: str, step: Step, kernel: Kernel, reads: Mapping[str, int]) -> str:
        # inputs that overlap nothing may be `restrict`; two operands of an addition may be one value
        restrict = "" if len(reads) > 1 else "restrict "
        parameters = [f"const {self._type(step.operation.inputs[i])} *{restrict}{x}" for x, i in reads.items()]
        parameters += [f"const {ctype(array.dtype)} *restrict {key}" for key, array in kernel.stored.items()]
        parameters += [f"{ctype(np.dtype(dtype))} *restrict {key}" for key, (dtype, _) in kernel.scratch.items()]
        own = "restrict " if reads else ""
        several = len(step.results) > 1
        parameters += [f"{self._type(r)} *{own}y{at if several else ''}" for at, r in enumerate(step.results)]
        title = f"/* {step.operation.operator}: {self._shapes(step)} */"
        return f"{kernel.before}\n{title}\nstatic void {name}({', '.join(parameters)})\n{{\n{indent(kernel.body)}\n}}\n"

    def _shapes(self, step: Step) -> str:
        source, result = (self.types[v].shape for v in (step.operation.inputs[0], step.result))
        clipping = "" if step.clipping is None else f", {step.clipping.operator}"
        return f"{list(source)} -> {list(result)}{clipping}"

    def _copies(self) -> None:
        """Outputs that are not written by the operation that makes them: inputs, constants, second names."""
        for output, value in self.network.outputs.items():
            root = self.plan.root[value]
            if self.plan.written.get(root) != output:
                size = f"{self.types[value].size} * sizeof *out_{identifier(output)}"
                self.calls.append(f"memcpy(out_{identifier(output)}, {self._address(value)}, {size});")

    def _type(self, value: str) -> str:
        return kind(self.types[value])

    def _address(self, value: str) -> str:
        root = self.plan.root[value]
        if root in self.network.inputs:
            return f"in_{identifier(root)}"
        if root in self.network.constants:
            return self.unit.constant(f"{self.stem}_value_{identifier(root)}", self.network.data(root))
        if root in self.plan.written:
            return f"out_{identifier(self.plan.written[root])}"
        return self._arena(root, self.types[value].element.storage)

    def _arena(self, name: str, storage: Any) -> str:
        """The place `name` of an arena as a pointer to `storage`."""
        slot = self.plan.slots[name]
        text = f"{self.base}{slot.kind} + {slot.offset}"
        return f"({ctype(np.dtype(storage))} *)({text})" if np.dtype(storage).kind == "u" else text
