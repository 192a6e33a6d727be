"""Eyeriss's published figures: AlexNet within 15 % in every layer, ISCA's energies too; what misses has a reason."""

import pytest

from lamina.recipes._reproduced.eyeriss import ALEXNET, NORMALISED, figures
from lamina.recipes._reproduction import geometric_mean

FIGURES = {f.name: f for f in figures()}


@pytest.mark.parametrize("layer", [*ALEXNET, "all"])
@pytest.mark.parametrize("quantity", ["w", "total_s", "processing_s", "glb_bytes", "dram_bytes"])
def test_alexnet_is_within_15_per_cent_in_every_layer(layer, quantity):
    assert FIGURES[f"{layer}_{quantity}"].within


@pytest.mark.parametrize("layer", ALEXNET)
def test_elements_at_work_are_exact_and_buffer_accesses_within_2_per_cent(layer):
    assert FIGURES[f"{layer}_elements"].ratio == 1
    assert FIGURES[f"{layer}_glb_bytes"].ratio == pytest.approx(1, rel=0.02)


def test_frames_a_second_within_1_per_cent():
    assert FIGURES["fps"].ratio == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("layer", NORMALISED)
@pytest.mark.parametrize("part", ["dram", "registers"])
def test_the_energies_of_another_array_with_the_same_model(layer, part):
    assert FIGURES[f"isca_{layer}_{part}"].within


def test_misses_have_reasons():
    misses = {name for name, figure in FIGURES.items() if not figure.within}
    assert misses == {"conv3_pass", "vgg16_fps", "conv1_mac_share", "conv1_registers_share", "conv5_mac_share"}
    assert all(len(FIGURES[name].reason) > 20 for name in misses)


def test_the_one_constant_taken_from_a_figure_says_so():
    assert {name for name, figure in FIGURES.items() if figure.fitted} == {
        "vgg16_w",
        "conv5_clock_share",
        *(f"{layer}_w" for layer in (*ALEXNET, "all")),
    }


def test_the_figures_lean_to_no_side():
    assert geometric_mean([f.ratio for f in FIGURES.values()]) == pytest.approx(1, abs=0.03)
