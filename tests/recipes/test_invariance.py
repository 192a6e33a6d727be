"""What convolution resists: moves are exact, LeNet-5 and a dense net are judged on the same, the interval decides."""

import json
import math

import pytest
import torch

from lamina.core.errors import BadInput
from lamina.data import _fetch
from lamina.recipes import invariance
from lamina.recipes._work import model_module

TINY = invariance.Config(seeds=2, digits=200, judged=50, epochs=1)


def pictures():
    return torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def moved(move, size):
    return [invariance.warped(pictures(), way) for way in invariance.maps(move, size)]


def test_shifts_go_to_the_four_sides_by_whole_pixels():
    x = pictures()
    right, left, down, up = moved("shift", 3)
    assert torch.allclose(right[..., 3:], x[..., :-3], atol=1e-5)
    assert torch.allclose(left[..., :-3], x[..., 3:], atol=1e-5)
    assert torch.allclose(down[:, :, 3:], x[:, :, :-3], atol=1e-5)
    assert torch.allclose(up[:, :, :-3], x[:, :, 3:], atol=1e-5)
    assert right[..., :3].abs().max() < 1e-5, "what comes in is empty"


def test_turns_go_to_both_sides():
    x = pictures()
    one, other = moved("rotation", 90)
    quarters = (torch.rot90(x, 1, (2, 3)), torch.rot90(x, -1, (2, 3)))
    assert {
        (turn, quarter)
        for turn, picture in enumerate((one, other))
        for quarter, exact in enumerate(quarters)
        if torch.allclose(picture, exact, atol=1e-4)
    } in ({(0, 0), (1, 1)}, {(0, 1), (1, 0)})


def test_a_scale_above_one_makes_digits_larger():
    bar = torch.zeros(1, 1, 28, 28)
    bar[..., 10:18, 10:18] = 1
    for size in (0.5, 1.5):
        (way,) = invariance.maps("scale", size)
        assert float(invariance.warped(bar, way).sum()) == pytest.approx(64 * size**2, rel=0.05)


def test_what_does_not_move_stays_to_the_bit():
    for move, still in invariance.STILL.items():
        (same,) = moved(move, still)
        assert torch.equal(same, pictures())


def test_neighbours_are_alike_in_smooth_filters_and_as_chance_has_it_in_random_ones():
    ramp = torch.arange(5.0).view(1, 1, 1, 5).expand(4, 1, 5, 5)
    assert invariance.neighbours(ramp) > 0.6
    checks = torch.tensor([[(-1.0) ** (a + b) for a in range(5)] for b in range(5)]).view(1, 1, 5, 5)
    assert invariance.neighbours(checks) < -0.9
    drawn = torch.randn(4000, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    assert abs(invariance.neighbours(drawn)) < 0.01


def test_convolution_commutes_with_shifts_and_with_turns_only_if_its_filters_do():
    conv = model_module("lenet5").lenet5(seed=1).conv1
    found = invariance.commutes(conv, pictures())
    assert found["shift_apart"] < 1e-12
    assert found["turn_apart"] > 0.1
    with torch.no_grad():
        conv.weight.copy_(sum(torch.rot90(conv.weight, turn, (2, 3)) for turn in range(4)) / 4)
    assert invariance.commutes(conv, pictures())["turn_apart"] < 1e-6, "summed in singles"


def test_shared_weights_are_counted_as_the_paper_counts_connections():
    found = invariance.shared(model_module("lenet5").lenet5(), pictures())
    assert (found["conv1"], found["conv1_untied"]) == (156, 122_304)  # LeCun et al. 1998, section II.B
    assert found["whole"] == 61_706
    assert found["whole_untied"] == 61_706 + 122_304 - 156 + 2_416 * 100 - 2_416


def test_a_trial_judges_both_nets_in_every_position(tmp_path, monkeypatch):
    if not _fetch.folder_of("mnist").exists():
        pytest.skip("mnist is not here: lamina data fetch mnist")
    monkeypatch.setattr(invariance, "MOVES", {"shift": (0, 2), "rotation": (0, 30), "scale": (0.8, 1)})
    (first, _) = invariance.plan(TINY)
    found = invariance.trial(first.settings, tmp_path)
    for net in invariance.NETS:
        at = found[net]
        assert at["shift"][0] == at["rotation"][0] == at["scale"][1], "unmoved is unmoved"
        assert all(0 <= share <= 100 for shares in at.values() for share in shares)
    assert found["lenet5"] != found["mlp"]
    assert found["shift_apart"] < 1e-12 < 0.1 < found["turn_apart"]
    json.dumps(found)


def made_up(lenet, mlp):
    """What trials would find where a net keeps `lenet` or `mlp` (by move) of 98 or 95 % under any change."""
    kept = {"lenet5": (98.0, lenet), "mlp": (95.0, mlp)}
    found = {}
    for seed in range(TINY.seeds):
        accuracies = {
            net: {
                move: [
                    whole if size == invariance.STILL[move] else whole * (share[move] + 0.001 * seed)
                    for size in sizes
                ]
                for move, sizes in invariance.MOVES.items()
            }
            for net, (whole, share) in kept.items()
        }  # fmt: skip
        shared = {"conv1": 156, "conv1_untied": 122_304, "whole": 61_706, "whole_untied": 423_038}
        found[f"nets-{seed}"] = accuracies | {
            "neighbours": 0.3 + 0.01 * seed, "shift_apart": 0.0, "turn_apart": 1.0 + seed / 100, "shared": shared
        }  # fmt: skip
    return found


def test_figures_judge_each_move_by_itself():
    found = made_up(
        lenet={"shift": 0.95, "rotation": 0.7, "scale": 0.92}, mlp={"shift": 0.6, "rotation": 0.7, "scale": 0.95}
    )
    figures = {figure.name: figure for figure in invariance.figures(TINY, found)}
    assert figures["shift_kept_over_mlp"].values == pytest.approx((35, 35))
    assert figures["rotation_kept_over_mlp"].values == pytest.approx((0, 0))
    assert figures["scale_kept_over_mlp"].verdict == "does not hold"
    assert figures["shift_2_kept"].values == pytest.approx((95, 95.1))
    verdicts = {name: figures[name].verdict for name in ("shift_4_kept", "rotation_30_kept", "scale_0_8_kept")}
    assert list(verdicts.values()) == ["holds", "does not hold", "holds"]
    assert figures["shift_commutes"].holds
    assert figures["turn_commutes"].verdict == "does not hold"
    assert figures["conv1_uses"].measured == figures["conv1_uses"].published == 784
    assert figures["sharing_saves"].measured == pytest.approx(6.8557, abs=1e-3)
    assert all(figure.claim == "C16" and figure.row == "M28" and figure.title_zh for figure in figures.values())


def test_curves_are_accuracies_with_intervals():
    found = made_up(*[{"shift": 0.9, "rotation": 0.7, "scale": 0.8}] * 2)
    drawn = invariance.curves(TINY, found)
    assert [curve.title for curve in drawn] == ["Accuracy by shift", "Accuracy by rotation", "Accuracy by scale"]
    lenet, mlp = drawn[0].lines
    assert (lenet.y[0], mlp.y[0]) == (98.0, 95.0)
    assert lenet.low[1] < lenet.y[1] < lenet.high[1]
    assert math.isclose(lenet.y[1], 98 * 0.9005)


@pytest.mark.parametrize(("settings", "complaint"), [({"digits": 0}, "digits is 0"), ({"judged": 20_000}, "judged is")])
def test_settings_out_of_range_are_refused(settings, complaint):
    with pytest.raises(BadInput, match=complaint):
        invariance.Config(**settings)
