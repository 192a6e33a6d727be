"""What models were trained on and how well they did: from result files, of models and figures that exist."""

import pytest

import lamina.models
import lamina.recipes
from lamina.api import sources
from lamina.core import registry
from lamina.recipes import _results, _rows
from lamina.recipes._results import Figure, Result
from lamina.recipes._scores import SCORES, scores

MODELS = registry.names(lamina.models)


def test_every_score_is_of_a_model_and_of_a_figure_of_its_recipe():
    stored = {result.recipe: {figure.name for figure in result.figures} for result in _results.read_all()}
    for key, (model, _) in SCORES.items():
        recipe, _, figure = key.partition(".")
        assert model in MODELS, key
        assert recipe in registry.names(lamina.recipes), key
        assert recipe not in stored or figure in stored[recipe], key


def test_a_row_asks_only_for_figures_that_its_results_have():
    """Where a row has a result of each recipe that names it, all that it needs is in one of them."""
    stored = {result.recipe for result in _results.read_all()}
    recipes = {
        name: _rows.declared(_rows.PACKAGE / "recipes" / f"{name}.py") for name in registry.names(lamina.recipes)
    }
    for row in _rows.rows():
        own = [name for name, named in recipes.items() if row.id in named]
        if row.id.startswith("M") and own and stored.issuperset(own):
            there = {figure.name for figure in row.figures}
            needed = set(_rows.needed(row.id))
            assert needed <= there, (row.id, needed - there)


def test_a_score_is_the_figure_of_a_result_file():
    figure = Figure(row="M23", name="mlp_error", title="error", unit="%", measured=1.4, rule="at_most", limit=1.6)
    result = Result(recipe="mnist", commit="a" * 40, configuration="b" * 64, figures=(figure,))
    found = scores([result])
    assert list(found) == ["mlp"]
    assert (found["mlp"][0].data, found["mlp"][0].figure.measured) == ("MNIST", 1.4)
    assert scores([]) == {}


@pytest.mark.parametrize("name", ["lenet_300_100", "vgg16"])
def test_a_model_is_listed_with_its_score(name):
    told = sources.describe_model(name)
    found = scores().get(name)
    assert (told["trained_on"] is None) == (told["score"] is None) == (found is None)
    if found:
        assert told["trained_on"] == "MNIST"
        assert f"{found[0].figure.measured:.4g}" in told["score"]
