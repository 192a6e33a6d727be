"""ONNX's own node suite through our reader, and what `docs/formats.md` says about it.

Each case is a small model with stored inputs and outputs. First nothing is closed; where the reader then wants an
operand known (a shape, axes, repeats) the case's own inputs close it. A result passes within the suite's tolerances. It
is close, which is neither passed nor wrong, within two units in the last place of its largest number: float16 and
bfloat16 are computed in float32 here, and sums that cancel leave noise of their own.

    .venv/bin/python -m tests.lowering.onnx_suite      writes the section
"""

import re
import textwrap
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import defs, numpy_helper
from onnx.backend.test.loader import load_model_tests

from lamina.core.errors import BadInput, Unsupported
from lamina.ir.types import Float
from lamina.lowering._onnx_fold import SIZES
from lamina.lowering._onnx_model import OPSETS
from lamina.lowering.onnx_reader import translate
from lamina.lowering.onnx_rules import RULES

FORMATS = Path(__file__).parents[2] / "docs" / "formats.md"
MARKERS = "<!-- onnx: python -m tests.lowering.onnx_suite -->", "<!-- /onnx -->"
UNITS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23}  # last place of numbers in 1..2


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    operators: tuple[str, ...]
    state: str  # "passed", "refused", or what went wrong
    close: bool = False  # not within the suite's tolerance, but within two units of the largest number's last place


def load() -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(load_model_tests(kind="node"))


def run(case: Any) -> Result:
    """Read and run one case."""
    operators = tuple(sorted({n.op_type for n in case.model.graph.node}))
    try:
        got, wanted = _computed(case)
    except (BadInput, Unsupported):
        return Result(case.name, operators, "refused")
    except Exception as e:
        return Result(case.name, operators, f"crashed: {type(e).__name__}: {e}")
    state = [_compared(g, w, case.rtol, case.atol) for g, w in zip(got, wanted, strict=True) if w is not None]
    wrong = [s for s in state if s not in ("equal", "close")]
    return Result(case.name, operators, wrong[0] if wrong else "passed", "close" in state)


def _plain(value: Any) -> Any:
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return np.asarray(value) if isinstance(value, np.generic) else value


def _computed(case: Any) -> tuple[list[np.ndarray], list[Any]]:
    inputs, outputs = ([_plain(v) for v in values] for values in case.data_sets[0])
    given = {i.name: v for i, v in zip(case.model.graph.input, inputs, strict=True) if v is not None}
    if any(not isinstance(v, np.ndarray) for v in given.values()):
        raise Unsupported("sequences and optional values")
    names = [*given]
    errors = []
    for closed in _closings(names, given):
        free = [n for n in names if n not in closed]
        try:
            network = translate(
                case.model,
                Path(),
                shapes={n: given[n].shape for n in free},
                values={n: given[n] for n in closed},
            )
            feed = {
                own: given[n].astype(np.float64 if isinstance(type_.element, Float) else np.int64)
                for n, (own, type_) in zip(free, network.inputs.items(), strict=True)
            }
            return [*network.run(feed).values()], outputs
        except (BadInput, Unsupported) as e:
            errors.append(e)
    raise errors[0]


def _closings(names: list[str], given: dict[str, np.ndarray]) -> list[list[str]]:
    """Which inputs are made known: none; whole numbers behind the first; all behind it; small ones; all but one."""
    whole = [n for n in names if given[n].dtype.kind in "iub"]
    tries = [[], [n for n in whole if n != names[0]], names[1:], [n for n in whole if given[n].ndim < 2], names[:-1]]
    return [t for at, t in enumerate(tries) if t not in tries[:at] and len(t) < max(len(names), 1)]


def _compared(got: np.ndarray, wanted: np.ndarray, rtol: float, atol: float) -> str:
    if got.shape != wanted.shape:
        return f"shape {got.shape}, {wanted.shape} is right"
    if wanted.dtype.kind in "iub":
        return "equal" if np.array_equal(got.astype(wanted.dtype), wanted) else "other integers"
    a, b = got.astype(np.float64), wanted.astype(np.float64)
    if np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True):
        return "equal"
    unit = UNITS.get(wanted.dtype.name, 0.0)
    if unit and np.allclose(a, b, rtol=2 * unit, atol=2 * unit * np.abs(b[np.isfinite(b)]).max(initial=0)):
        return "close"
    return f"differs by {np.nanmax(np.abs(a - b))}"


def section(results: list[Result]) -> str:
    """The block of `docs/formats.md`."""
    count = Counter(r.state for r in results)
    close = sum(r.close for r in results)
    total = len(results)
    passed = count["passed"] - close
    standard = sorted({s.name for s in defs.get_all_schemas() if not s.deprecated and not s.domain})
    works = {r.operators[0] for r in results if r.state == "passed" and len(r.operators) == 1}
    unread = [n for n in standard if n not in RULES and n not in works and n not in SIZES]
    folded = [n for n in standard if n not in RULES and n not in works and n in SIZES]
    read = [n for n in standard if n not in unread and n not in folded]
    lines = [
        f"Opsets {OPSETS[0]} to {OPSETS[1]}. ONNX's node suite (onnx {onnx.__version__}): {passed} of {total} cases "
        f"pass ({passed / total:.0%}), {close} more within two units in the last place of their largest number "
        f"(float16 and bfloat16 are computed in float32), {count['refused']} are refused, none is computed wrongly.",
        "",
        f"- **Read** ({len(read)}): {', '.join(read)}.",
        f"- **Read where their operands are known** ({len(folded)}): {', '.join(folded)}.",
        f"- **Not read** ({len(unread)}): {', '.join(unread)}.",
    ]
    return "\n".join(
        textwrap.fill(line, 120, subsequent_indent="  " if line.startswith("-") else "", break_long_words=False)
        for line in lines
    )


def written(text: str) -> str:
    """The block that `text` has between the markers."""
    found = re.search(f"{re.escape(MARKERS[0])}\n(.*?)\n{re.escape(MARKERS[1])}", text, re.S)
    assert found, f"{FORMATS} has no block between {MARKERS}"
    return found[1]


if __name__ == "__main__":
    block = section([run(case) for case in load()])
    text = FORMATS.read_text(encoding="utf-8")
    old, new = (f"{MARKERS[0]}\n{inside}\n{MARKERS[1]}" for inside in (written(text), block))
    FORMATS.write_text(text.replace(old, new), encoding="utf-8")
    print(block)
