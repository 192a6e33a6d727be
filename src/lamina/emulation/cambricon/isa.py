"""Cambricon's 43 instructions as one table; left out: what the paper leaves open is filled in by us and marked so.

A load-store machine: 64 registers of 32 bits hold scalars, sizes and addresses; vectors live in a scratchpad of 64 KB,
matrices in one of 768 KB, and only loads and stores reach main memory. Sizes and addresses count elements of 16 bits.

    VLOAD $to, $size, $base, #offset      vector[to ..] = memory[base + offset ..]; without $base it is 0
    MMV   $to, $size, $m, $v, $inner      vector[to ..] = M v,  M = matrix[m ..] as [size, inner], row by row
    VMM   $to, $size, $m, $v, $inner      vector[to ..] = v M,  M as [inner, size]
    CB    #label, $if                     go to pc + offset where $if > 0, else to pc + 1

Operands are written as `=name` (a register that is written), `name` (read), `#name` (immediate), `?name` (register or
immediate) and `@name` (a register that may be left out). `reads` and `writes` name the regions that an instruction
touches: hazards, bounds and cycles all come from them. An instruction reads all its regions before it writes.

Sources. Public notes on the paper ("from DianNao to Cambricon"; ustc-pldpa/2018s-final-projects; npu.ai 2017) give the
classes, the operands of VLOAD, MMV, VAV, VEXP, VAS, VDV, VGTM, RV, VGT, CB, JUMP and three programs. Unverified, from
memory: that they are 43, and the names marked so. The names recalled are 45; SSUB and SNOT are left out here, since the
paper's own pooling program subtracts with SADD #-1 and SE with #0 is the negation of a truth value.
Paper     Liu et al., "Cambricon: an instruction set architecture for neural networks", ISCA 2016,
          https://doi.org/10.1109/ISCA.2016.42
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from lamina.emulation.cambricon import arithmetic as do
from lamina.emulation.cambricon.arithmetic import Ints
from lamina.hw.cost import Mark

REGISTERS = 64
Kind = Literal["control", "transfer", "matrix", "vector", "scalar", "logic"]
Unit = Literal["scalar", "vector", "matrix"]
Space = Literal["memory", "vector", "matrix"]
Meaning = Callable[[Sequence[Ints], Mapping[str, int], int], "Ints | int"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """Elements that an instruction touches: from the sum of operands `base`, as many as the product of `size`."""

    space: Space
    base: tuple[str, ...]
    size: tuple[str, ...]
    fixed: int = 1  # factor of the size


@dataclass(frozen=True, kw_only=True, slots=True)
class Instruction:
    name: str
    kind: Kind
    unit: Unit  # where it executes; a load or store of vectors uses that unit's scratchpad and the IO DMA
    operands: str
    meaning: Meaning  # (contents of `reads`, operand values, fraction bits) -> contents of `writes` or of the register
    summary: str
    reads: tuple[Region, ...] = ()
    writes: Region | None = None
    mark: Mark = "published"

    @property
    def forms(self) -> tuple[tuple[str, ...], ...]:
        """Operands of the two ways to write it, each with its sign; one way where nothing is optional."""
        return _forms(self.operands)

    @property
    def result(self) -> str | None:
        """The operand that names the register that is written."""
        return _result(self.operands)


@lru_cache
def _forms(operands: str) -> tuple[tuple[str, ...], ...]:
    words = operands.split()
    flexible = next((w for w in words if w[0] in "?@"), None)
    if flexible is None:
        return (tuple(words),)
    first = tuple(w[1:] if w == flexible else w for w in words)
    if flexible[0] == "@":
        return first, tuple(w for w in words if w != flexible)
    return first, tuple("#" + w[1:] if w == flexible else w for w in words)


@lru_cache
def _result(operands: str) -> str | None:
    return next((w[1:] for w in operands.split() if w[0] == "="), None)


def _v(base: str, *size: str) -> Region:
    return Region(space="vector", base=(base,), size=size)


def _m(base: str, *size: str) -> Region:
    return Region(space="matrix", base=(base,), size=size)


def _memory(*size: str, fixed: int = 1) -> Region:
    return Region(space="memory", base=("base", "offset"), size=size, fixed=fixed)


def _same(x: Sequence[Ints], o: Mapping[str, int], f: int) -> Ints:
    return x[0]


def _word(x: Sequence[Ints], o: Mapping[str, int], f: int) -> int:
    low, high = (int(element) for element in x[0])
    return high * 2**16 + low % 2**16


def _halves(x: Sequence[Ints], o: Mapping[str, int], f: int) -> Ints:
    value = o["value"]
    return np.array([(value + 2**15) % 2**16 - 2**15, value >> 16], np.int64)


def _nothing(x: Sequence[Ints], o: Mapping[str, int], f: int) -> int:
    return 0


def _transfer(name: str, unit: Unit, summary: str, mark: Mark = "published") -> Instruction:
    """A load, store or move of `size` elements of the unit's scratchpad."""
    own = _v if unit == "vector" else _m
    if name.endswith("MOVE"):
        reads, writes, operands = own("from", "size"), own("to", "size"), "to size from"
    elif name.endswith("LOAD"):
        reads, writes, operands = _memory("size"), own("to", "size"), "to size @base #offset"
    else:
        reads, writes, operands = own("from", "size"), _memory("size"), "from size @base #offset"
    return Instruction(
        name=name,
        kind="transfer",
        unit=unit,
        operands=operands,
        meaning=_same,
        summary=summary,
        reads=(reads,),
        writes=writes,
        mark=mark,
    )


def _each(
    name: str,
    inputs: str,
    meaning: Meaning,
    summary: str,
    *,
    kind: Kind = "vector",
    unit: Unit = "vector",
    more: str = "",
    mark: Mark = "published",
) -> Instruction:
    """Element by element: `inputs` are names of operands of `size` elements."""
    own = _v if unit == "vector" else _m
    return Instruction(
        name=name,
        kind=kind,
        unit=unit,
        operands=f"to size {inputs}{more}",
        meaning=meaning,
        summary=summary,
        reads=tuple(own(i, "size") for i in inputs.split()),
        writes=own("to", "size"),
        mark=mark,
    )


def _reduce(name: str, inputs: str, meaning: Meaning, summary: str) -> Instruction:
    return Instruction(
        name=name,
        kind="vector",
        unit="vector",
        operands=f"=to size {inputs}",
        meaning=meaning,
        summary=summary,
        reads=tuple(_v(i, "size") for i in inputs.split()),
        mark="unverified",
    )


def _scalar(name: str, operands: str, meaning: Meaning, summary: str, kind: Kind = "scalar") -> Instruction:
    return Instruction(
        name=name,
        kind=kind,
        unit="scalar",
        operands=operands,
        meaning=meaning,
        summary=summary,
        mark="published" if name in ("SADD", "SMOVE", "JUMP", "CB") else "unverified",
    )


def _through(inner: Callable[[Ints, int], Ints], value: int, f: int) -> int:
    """A function of one element, on a scalar held inside 16 bits."""
    return int(inner(do.saturate(np.array([value], np.int64)), f)[0])


_PRODUCT = (_m("matrix", "size", "inner"), _v("vector", "inner"))

TABLE = (
    _scalar("JUMP", "?offset", _nothing, "go to pc + offset", "control"),
    _scalar("CB", "?offset if", _nothing, "go to pc + offset where the register is above 0", "control"),
    _transfer("VLOAD", "vector", "main memory to the vector scratchpad"),
    _transfer("VSTORE", "vector", "vector scratchpad to main memory"),
    _transfer("VMOVE", "vector", "inside the vector scratchpad", "unverified"),
    _transfer("MLOAD", "matrix", "main memory to the matrix scratchpad"),
    _transfer("MSTORE", "matrix", "matrix scratchpad to main memory"),
    _transfer("MMOVE", "matrix", "inside the matrix scratchpad", "unverified"),
    Instruction(
        name="SLOAD",
        kind="transfer",
        unit="scalar",
        operands="=to @base #offset",
        meaning=_word,
        summary="a 32-bit register from two elements of main memory, the low one first",
        reads=(_memory(fixed=2),),
        mark="unverified",
    ),
    Instruction(
        name="SSTORE",
        kind="transfer",
        unit="scalar",
        operands="value @base #offset",
        meaning=_halves,
        summary="a register to two elements of main memory",
        writes=_memory(fixed=2),
        mark="unverified",
    ),
    _scalar("SMOVE", "=to ?from", lambda x, o, f: o["from"], "copy a register or an immediate", "transfer"),
    Instruction(
        name="MMV",
        kind="matrix",
        unit="matrix",
        operands="to size matrix vector inner",
        meaning=lambda x, o, f: do.dot(x[0].reshape(o["size"], o["inner"]), x[1], f),
        summary="matrix times vector, the matrix [size, inner] row by row",
        reads=_PRODUCT,
        writes=_v("to", "size"),
    ),
    Instruction(
        name="VMM",
        kind="matrix",
        unit="matrix",
        operands="to size matrix vector inner",
        meaning=lambda x, o, f: do.dot(x[0].reshape(o["inner"], o["size"]).T, x[1], f),
        summary="vector times matrix, the matrix [inner, size] row by row",
        reads=_PRODUCT,
        writes=_v("to", "size"),
    ),
    _each(
        "MMS",
        "a",
        lambda x, o, f: do.product(x[0], o["scalar"], f),
        "matrix times a fixed-point scalar",
        kind="matrix",
        unit="matrix",
        more=" ?scalar",
    ),
    Instruction(
        name="OP",
        kind="matrix",
        unit="matrix",
        operands="to left rows right columns",
        meaning=lambda x, o, f: do.product(np.multiply.outer(x[0], x[1]).ravel(), 1, f),
        summary="outer product: matrix [rows, columns] of two vectors",
        reads=(_v("left", "rows"), _v("right", "columns")),
        writes=_m("to", "rows", "columns"),
    ),
    _each("MAM", "a b", lambda x, o, f: do.saturate(x[0] + x[1]), "matrix sum", kind="matrix", unit="matrix"),
    _each("MSM", "a b", lambda x, o, f: do.saturate(x[0] - x[1]), "matrix difference", kind="matrix", unit="matrix"),
    _each("VAV", "a b", lambda x, o, f: do.saturate(x[0] + x[1]), "vector sum"),
    _each("VSV", "a b", lambda x, o, f: do.saturate(x[0] - x[1]), "vector difference"),
    _each("VMV", "a b", lambda x, o, f: do.product(x[0], x[1], f), "product of elements"),
    _each("VDV", "a b", lambda x, o, f: do.quotient(x[0], x[1], f), "quotient of elements"),
    _each("VAS", "a", lambda x, o, f: do.saturate(x[0] + o["scalar"]), "vector plus a scalar", more=" ?scalar"),
    _each("VEXP", "a", lambda x, o, f: do.exp(x[0], f), "e to each element"),
    _each("VLOG", "a", lambda x, o, f: do.log(x[0], f), "natural logarithm of each element"),
    _reduce("VDOT", "a b", lambda x, o, f: int(do.dot(x[0][None], x[1], f)[0]), "dot product, to a register"),
    Instruction(
        name="RV",
        kind="vector",
        unit="vector",
        operands="to size",
        meaning=lambda x, o, f: do.uniform(o["size"], o["key"], o["stream"], f),
        summary="uniform random numbers in [0, 1]; the simulator gives key and stream (how many RV came before)",
        writes=_v("to", "size"),
    ),
    _reduce("VMAX", "a", lambda x, o, f: int(x[0].max()), "largest element, to a register"),
    _reduce("VMIN", "a", lambda x, o, f: int(x[0].min()), "smallest element, to a register"),
    _scalar("SADD", "=to a ?b", lambda x, o, f: do.wrap(o["a"] + o["b"]), "sum of 32-bit integers"),
    _scalar("SMUL", "=to a ?b", lambda x, o, f: do.wrap(o["a"] * o["b"]), "low 32 bits of the product of integers"),
    _scalar("SDIV", "=to a ?b", lambda x, o, f: do.scalar_quotient(o["a"], o["b"]), "quotient towards zero"),
    _scalar("SEXP", "=to a", lambda x, o, f: _through(do.exp, o["a"], f), "e to a fixed-point scalar"),
    _scalar("SLOG", "=to a", lambda x, o, f: _through(do.log, o["a"], f), "natural logarithm of a fixed-point scalar"),
    _each("VGT", "a b", lambda x, o, f: do.truth(x[0] > x[1], f), "1.0 where a > b", kind="logic"),
    _each("VE", "a b", lambda x, o, f: do.truth(x[0] == x[1], f), "1.0 where a = b", kind="logic"),
    _each("VAND", "a b", lambda x, o, f: do.truth((x[0] != 0) & (x[1] != 0), f), "1.0 where both", kind="logic"),
    _each("VOR", "a b", lambda x, o, f: do.truth((x[0] != 0) | (x[1] != 0), f), "1.0 where either", kind="logic"),
    _each("VNOT", "a", lambda x, o, f: do.truth(x[0] == 0, f), "1.0 where a is 0", kind="logic"),
    _each("VGTM", "a b", lambda x, o, f: np.where(x[0] > x[1], x[0], x[1]), "the larger of two", kind="logic"),
    _scalar("SGT", "=to a ?b", lambda x, o, f: int(o["a"] > o["b"]), "1 where a > b", "logic"),
    _scalar("SE", "=to a ?b", lambda x, o, f: int(o["a"] == o["b"]), "1 where a = b", "logic"),
    _scalar("SAND", "=to a ?b", lambda x, o, f: int(o["a"] != 0 and o["b"] != 0), "1 where both", "logic"),
    _scalar("SOR", "=to a ?b", lambda x, o, f: int(o["a"] != 0 or o["b"] != 0), "1 where either", "logic"),
)

INSTRUCTIONS: dict[str, Instruction] = {instruction.name: instruction for instruction in TABLE}
OPCODES: dict[str, int] = {
    instruction.name: number for number, instruction in enumerate(TABLE, start=1)
}  # 0: undefined
