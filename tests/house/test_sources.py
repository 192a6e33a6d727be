"""What every source file keeps: a size that can be read, a docstring, and no way to run what a file says."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "lamina"
TREES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}
_LIMIT = 400  # lines of a file


def test_a_file_can_be_read_in_one_go():
    lines = {name: len((PACKAGE / name).read_text(encoding="utf-8").splitlines()) for name in TREES}
    assert {name: n for name, n in lines.items() if n > _LIMIT} == {}, "split these by idea"


def test_a_file_says_what_it_is():
    assert [name for name, tree in TREES.items() if not ast.get_docstring(tree)] == []


def test_public_functions_of_the_strict_rooms_say_what_they_do():
    silent = [
        f"{name}: {d.name}"
        for name, tree in TREES.items()
        if name.startswith(("core/", "ir/", "hw/"))
        for d in tree.body
        if isinstance(d, ast.FunctionDef) and not d.name.startswith("_") and not ast.get_docstring(d)
    ]
    assert silent == []


def test_nothing_is_unpickled():
    imports = {
        (name, module.split(".")[0])
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    unsafe = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
    assert [(name, module) for name, module in sorted(imports) if module in unsafe] == []
