"""PuDianNao's published figures: exact counts, the saving by tiling, and misses with their reasons."""

import pytest

from lamina.recipes._reproduced.pudiannao import figures

FIGURES = {f.name: f for f in figures()}


@pytest.mark.parametrize(("name", "value"), [("ops_per_cycle", 1056), ("k_means_instructions", 2048)])
def test_counts_are_exact(name, value):
    assert FIGURES[name].ours == FIGURES[name].published == value


def test_tiling_saves_what_the_paper_says():
    assert FIGURES["k_nn_saved"].ratio == pytest.approx(1, abs=5e-3)


def test_misses_have_reasons():
    misses = {name for name, figure in FIGURES.items() if not figure.within}
    assert misses == {"speed_k20m", "energy_k20m"}
    assert all(len(FIGURES[name].reason) > 20 for name in misses)
