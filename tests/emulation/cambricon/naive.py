"""Cambricon read aloud: one `if` an instruction, Python integers and fractions, nothing shared with the code.

Only names and operands come from a word; what it does is written here from the paper's words and the rounding rule.
"""

from decimal import Decimal, getcontext
from fractions import Fraction

F = 10
ONE = 2**F
ELEMENTS = set("MMS MAM MSM VAV VSV VMV VDV VAS VEXP VLOG VGT VE VAND VOR VNOT VGTM VDOT VMAX VMIN".split())  # noqa: SIM905


def fit(x):
    return max(-32768, min(32767, x))


def rounded(x: Fraction) -> int:
    return fit(round(x))  # Python rounds halves to even


def wrapped(x):
    x &= 0xFFFFFFFF
    return x - 2**32 if x & 0x80000000 else x


def exponential(x):
    getcontext().prec = 50
    if x > 20 * ONE:
        return 32767
    return fit(int(((Decimal(x) / ONE).exp() * ONE).to_integral_value("ROUND_HALF_EVEN")))


def logarithm(x):
    getcontext().prec = 50
    return -32768 if x <= 0 else fit(int(((Decimal(x) / ONE).ln() * ONE).to_integral_value("ROUND_HALF_EVEN")))


def divide(a, b):
    if b == 0:
        return 0 if a == 0 else 32767 if a > 0 else -32768
    return rounded(Fraction(a * ONE, b))


def run(program, memory, registers, vector_size, matrix_size):
    """Memory, registers, vector and matrix scratchpads after `program` (no RV: its numbers are tested on their own)."""
    mem, reg = [int(x) for x in memory], list(registers)
    vec, mat = [0] * vector_size, [0] * matrix_size
    pc = 0
    while pc < len(program):
        w = program[pc]
        o, name = w.operands, w.name
        immediate = next((f[1:] for f in w.fields if f[0] == "#"), None)

        def val(key, o=o, immediate=immediate):
            if key == "base" and key not in o:
                return 0
            return o[key] if key == immediate else reg[o[key]]

        step = 1
        if name == "JUMP":
            step = val("offset")
        elif name == "CB":
            step = val("offset") if val("if") > 0 else 1
        elif name in ("VLOAD", "MLOAD"):
            at, pad = val("base") + val("offset"), vec if name == "VLOAD" else mat
            for i in range(val("size")):
                pad[val("to") + i] = mem[at + i]
        elif name in ("VSTORE", "MSTORE"):
            at, pad = val("base") + val("offset"), vec if name == "VSTORE" else mat
            for i in range(val("size")):
                mem[at + i] = pad[val("from") + i]
        elif name in ("VMOVE", "MMOVE"):
            pad = vec if name == "VMOVE" else mat
            held = [pad[val("from") + i] for i in range(val("size"))]
            for i, x in enumerate(held):
                pad[val("to") + i] = x
        elif name == "SLOAD":
            at = val("base") + val("offset")
            reg[o["to"]] = wrapped(mem[at] % 65536 + 65536 * mem[at + 1])
        elif name == "SSTORE":
            at, bits = val("base") + val("offset"), val("value") % 2**32
            for i, half in enumerate((bits % 65536, bits // 65536)):
                mem[at + i] = half - 65536 if half >= 32768 else half
        elif name == "SMOVE":
            reg[o["to"]] = val("from")
        elif name in ("MMV", "VMM"):
            size, inner, m, v = val("size"), val("inner"), val("matrix"), val("vector")
            sums = []
            for i in range(size):
                total = 0
                for j in range(inner):
                    total += (mat[m + i * inner + j] if name == "MMV" else mat[m + j * size + i]) * vec[v + j]
                sums.append(rounded(Fraction(total, ONE)))
            for i, x in enumerate(sums):
                vec[val("to") + i] = x
        elif name == "OP":
            left = [vec[val("left") + i] for i in range(val("rows"))]
            right = [vec[val("right") + i] for i in range(val("columns"))]
            flat = [rounded(Fraction(a * b, ONE)) for a in left for b in right]
            for i, x in enumerate(flat):
                mat[val("to") + i] = x
        elif name in ELEMENTS:
            pad = mat if name[0] == "M" else vec
            size = val("size")
            a = [pad[val("a") + i] for i in range(size)]
            b = [pad[val("b") + i] for i in range(size)] if "b" in o else [0] * size
            if name in ("VDOT", "VMAX", "VMIN"):
                total = rounded(Fraction(sum(x * y for x, y in zip(a, b, strict=True)), ONE))
                reg[o["to"]] = {"VDOT": total, "VMAX": max(a), "VMIN": min(a)}[name]
            else:
                out = [each(name, x, y, val("scalar") if "scalar" in o else 0) for x, y in zip(a, b, strict=True)]
                for i, x in enumerate(out):
                    pad[val("to") + i] = x
        elif name in ("SADD", "SMUL", "SGT", "SE", "SAND", "SOR", "SDIV"):
            a, b = val("a"), val("b")
            if name == "SDIV":
                q = abs(a) // abs(b)
                reg[o["to"]] = wrapped(q if (a < 0) == (b < 0) else -q)
            else:
                reg[o["to"]] = {
                    "SADD": wrapped(a + b), "SMUL": wrapped(a * b), "SGT": int(a > b), "SE": int(a == b),
                    "SAND": int(bool(a) and bool(b)), "SOR": int(bool(a) or bool(b)),
                }[name]  # fmt: skip
        elif name in ("SEXP", "SLOG"):
            reg[o["to"]] = (exponential if name == "SEXP" else logarithm)(fit(val("a")))
        else:
            raise AssertionError(name)
        pc += step
    return mem, reg, vec, mat


def each(name, x, y, scalar):
    """One element of an elementwise instruction."""
    if name == "MMS":
        return rounded(Fraction(x * scalar, ONE))
    if name == "VMV":
        return rounded(Fraction(x * y, ONE))
    if name == "VDV":
        return divide(x, y)
    if name == "VEXP":
        return exponential(x)
    if name == "VLOG":
        return logarithm(x)
    if name == "VGTM":
        return max(x, y)
    if name in ("MAM", "VAV"):
        return fit(x + y)
    if name in ("MSM", "VSV"):
        return fit(x - y)
    if name == "VAS":
        return fit(x + scalar)
    holds = {"VGT": x > y, "VE": x == y, "VAND": x != 0 and y != 0, "VOR": x != 0 or y != 0, "VNOT": x == 0}[name]
    return ONE if holds else 0
