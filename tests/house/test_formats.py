"""docs/formats.md says what is read and written, and where that is shown: the tests it names are there.

python -m tests.house.test_formats      write the lists of layers anew
"""

import ast
import re
import textwrap
from pathlib import Path

from lamina.api import sources
from lamina.export import EXPORTERS
from lamina.lowering import caffe_rules, keras_rules, torch7_rules
from lamina.lowering.keras_rules import activations, operations

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "formats.md"
TOOLS = ("TensorFlow", "Caffe", "Theano", "Keras", "PyTorch", "Lua Torch", "MXNet", "CNTK")  # the survey's table 1


def named(text: str) -> set[tuple[str, str]]:
    """(file, function) of every test that the page names."""
    return set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text))


def lists() -> dict[str, str]:
    """The page's lists of what is read, by the name of their markers."""
    kinds = {
        "keras layers": keras_rules.rules(),
        "keras activations": [*activations.FUNCTIONS, *activations.OVER_AXIS],
        "keras functions": operations.OPERATIONS,
        "caffe layers": caffe_rules.rules(),
        "torch7 modules": torch7_rules.rules(),
    }
    return {name: textwrap.fill(f"{', '.join(sorted(known))}.", 120) + "\n" for name, known in kinds.items()}


def between(name: str) -> "re.Pattern[str]":
    return re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)


def test_the_tests_that_are_named_exist() -> None:
    found = named(PAGE.read_text())
    assert len(found) > 20
    for file, function in sorted(found):
        assert (ROOT / file).exists(), f"{file} is named in docs/formats.md and does not exist"
        tree = ast.parse((ROOT / file).read_text())
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert function in names, f"{file} has no {function}"


def test_every_tool_of_the_table_has_a_row_with_a_test() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    for tool in TOOLS:
        row = next((row for row in rows if row.startswith(f"| {tool} ")), None)
        assert row is not None, f"{tool} has no row"
        assert named(row), f"the row of {tool} names no test"


def test_every_reader_and_exporter_is_described() -> None:
    text = PAGE.read_text()
    for suffix in sources.READERS:
        assert f"`{suffix}`" in text, f"files of kind {suffix} are read and not described"
    for name in EXPORTERS:
        assert f"`--to {name}`" in text, f"the exporter {name} is not described"


def test_the_lists_are_those_of_the_rules() -> None:
    text = PAGE.read_text()
    for name, kinds in lists().items():
        (written,) = between(name).findall(text)
        assert written == kinds, f"the list {name!r} is old: python -m tests.house.test_formats"


if __name__ == "__main__":
    page = PAGE.read_text()
    for marker, kinds in lists().items():
        page = between(marker).sub(lambda _, kinds=kinds: kinds, page)
    PAGE.write_text(page)
