"""What each model was trained on here and how well it did: figures of result files, by model.

    "mnist.lenet5_error" ──▶ lenet5, MNIST            score: the figure's number, with its interval and unit

A table from figures to models, nothing else: no score is typed, and a figure without a result file shows nothing.
Where several figures speak for one model the first in the table is its score.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from lamina.recipes import _results
from lamina.recipes._results import Figure, Result

# RECIPE.FIGURE -> model, data set or task
SCORES: dict[str, tuple[str, str]] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    model: str
    data: str
    recipe: str
    figure: Figure


def scores(results: Iterable[Result] | None = None) -> dict[str, list[Score]]:
    """The scores of every model that has any, in the table's order."""
    stored = _results.read_all() if results is None else results
    figures = {f"{result.recipe}.{f.name}": (result.recipe, f) for result in stored for f in result.figures}
    found: dict[str, list[Score]] = {}
    for key, (model, data) in SCORES.items():
        if key in figures:
            recipe, figure = figures[key]
            found.setdefault(model, []).append(Score(model=model, data=data, recipe=recipe, figure=figure))
    return found
