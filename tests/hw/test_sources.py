"""Every number of every machine and component has a source: a mark and a citation. A new file is tested by itself."""

import dataclasses
import importlib
import pkgutil

import pytest

import lamina.hw.components
import lamina.hw.families
from lamina.core import registry as folder
from lamina.core import units
from lamina.hw import registry
from lamina.hw.cost import MARKS, weakest

COMPONENTS = [
    importlib.import_module(f"lamina.hw.components.{m.name}")
    for m in pkgutil.iter_modules(lamina.hw.components.__path__)
]
FAMILIES = [importlib.import_module(f"lamina.hw.families.{n}") for n in folder.names(lamina.hw.families)]


@pytest.fixture(scope="module", params=[name for name in registry.names() if name != "cpu"])
def machine(request):
    return registry.find(request.param)


def test_every_field_of_a_machine_has_a_source(machine):
    names = {field.name for field in dataclasses.fields(machine.parameters)}
    assert set(machine.sources) == names
    for mark, citation in machine.sources.values():
        assert mark in MARKS
        assert len(citation) > 5
    assert "https://" in machine.paper
    assert machine.published.keys() <= set(dir(machine.parameters))


def test_a_machine_with_an_assumed_constant_says_so(machine):
    """It ends in _like; an array or a cluster whose shape is the user's to choose is no machine that anyone made."""
    if machine.name not in ("systolic", "cluster") and any(mark == "assumed" for mark, _ in machine.sources.values()):
        assert machine.name.endswith("_like")


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda c: c.__name__)
def test_every_constant_of_a_component_has_a_source(component):
    """Constants are the module's names in capitals: each is the name, or the start of the name, of a source."""
    constants = (
        {
            name
            for name, value in vars(component).items()
            if name.isupper() and name[0] != "_" and isinstance(value, int | float | tuple | dict)
        }
        - {"SOURCES", "CONSTANTS"}
        - set(vars(units))
    )
    assert constants == set(component.CONSTANTS), "CONSTANTS says which sources each constant has"
    for keys in component.CONSTANTS.values():
        assert keys
        for key in keys:
            mark, citation = component.SOURCES[key]
            assert mark in MARKS
            assert len(citation) > 5


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_every_quantity_names_what_it_depends_on(family):
    """A name in USES is a field of the family or a source of one of its components; no field is without a reader."""
    kind = getattr(family, "".join(map(str.capitalize, family.__name__.rpartition(".")[2].split("_"))))
    known = {f.name for f in dataclasses.fields(kind)}.union(*(c.SOURCES for c in family.COMPONENTS))
    for quantity, names in family.USES.items():
        assert names, quantity
        assert set(names) <= known, quantity


def test_a_chain_is_as_sure_as_its_least_sure_link():
    assert weakest(["measured", "published", "modelled"]) == "modelled"
    assert weakest(["assumed", "unverified"]) == "assumed"
