"""Names: what the package promises can be reached, and what is written in examples is true."""

import doctest
import importlib
import inspect
import pkgutil

import pytest
import typer

import lamina
from lamina.cli import catalogue, networks, training
from tests.house.tool import ROOT, load

ROOMS = [m.name for m in pkgutil.iter_modules(lamina.__path__, "lamina.") if m.ispkg]
WITH_EXAMPLES = [
    path
    for path in sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "tools").glob("*.py")])
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", lamina.__all__)
def test_every_public_name_can_be_reached(name):
    assert getattr(lamina, name).__doc__


def test_every_verb_is_also_a_function():
    """The last word of each command is the function's name: `lamina data fetch` is `lamina.fetch`."""
    app = typer.Typer()
    for module in (catalogue, networks, training):
        module.register(app)

    def verbs(command):
        inner = getattr(command, "commands", {})
        return {name for found in inner.values() for name in verbs(found)} if inner else {command.name}

    found = verbs(typer.main.get_command(app))
    assert {"run", "train", "cost", "fetch", "doctor"} <= found
    assert found - set(lamina.__all__) == set()


@pytest.mark.parametrize("name", ROOMS)
def test_the_face_of_a_room_says_which_names_are_public(name):
    """What a room imports from its own files is re-exported on purpose: `from x import y as y`, or in __all__."""
    module = importlib.import_module(name)
    source = inspect.getsource(module)
    for public, value in vars(module).items():
        origin = getattr(value, "__module__", "") or ""
        if public.startswith("_") or inspect.ismodule(value) or not origin.startswith(f"{name}."):
            continue
        assert f"{public} as {public}" in source or public in getattr(module, "__all__", ()), f"{name}.{public}"


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.stem)
def test_examples_in_docstrings_are_true(path):
    if path.is_relative_to(ROOT / "src"):
        module = importlib.import_module(".".join(path.relative_to(ROOT / "src").with_suffix("").parts))
    else:
        module = load(path.stem)
    assert doctest.testmod(module).failed == 0
