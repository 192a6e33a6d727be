"""ONNX's node suite: what is read is right, what is not right is refused; docs/formats.md says how much that is."""

import onnx
import pytest

from tests.lowering import onnx_suite


@pytest.fixture(scope="module")
def results():
    return [onnx_suite.run(case) for case in onnx_suite.load()]


def test_no_case_is_computed_wrongly(results):
    assert [r for r in results if r.state not in ("passed", "refused")] == []


def test_more_than_three_quarters_of_the_suite_pass(results):
    passed = sum(r.state == "passed" and not r.close for r in results)
    assert passed >= 0.75 * len(results), f"{passed} of {len(results)}"


def test_the_documentation_says_what_was_counted(results):
    text = onnx_suite.written(onnx_suite.FORMATS.read_text(encoding="utf-8"))
    if f"(onnx {onnx.__version__})" not in text:
        pytest.skip(f"docs/formats.md counts the suite of another version than {onnx.__version__}")
    assert text == onnx_suite.section(results), "run: .venv/bin/python -m tests.lowering.onnx_suite"


@pytest.mark.parametrize("operator", ["Conv", "LSTM", "Resize", "QLinearConv", "Loop", "Scan", "Einsum", "Attention"])
def test_an_operator_that_is_listed_has_cases_that_pass(results, operator):
    own = [r for r in results if operator in r.operators]
    assert [r for r in own if r.state == "passed"]
