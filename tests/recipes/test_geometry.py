"""What geometry is worth: pixels shuffled, parameters equal, and where a dense net reaches LeNet-5's error."""

import functools
import json

import pytest
import torch

from lamina.core.errors import BadInput
from lamina.data import _fetch
from lamina.recipes import _digit_nets as nets
from lamina.recipes import geometry
from lamina.recipes._work import model_module

TINY = geometry.Config(seeds=2, digits=400, judged=400, epochs=2, widths=(24, 200))


def needs_mnist():
    if not _fetch.folder_of("mnist").exists():
        pytest.skip("mnist is not here: lamina data fetch mnist")


@functools.cache
def counts():
    return geometry.trial({"net": "alexnet"}, None)


def made_up(config, lenet, mlp, shuffle=(4.0, 0.0), widest=None):
    """What trials would find: errors by seed, with what shuffling adds to each net's."""
    found = {"counts": counts()}
    for seed in range(config.seeds):
        spread = 0.01 * seed
        found[f"lenet5-{seed}"] = {"error": lenet + spread}
        found[f"lenet5_shuffled-{seed}"] = {"error": lenet + shuffle[0]}
        found[f"mlp_{geometry.EQUAL}_shuffled-{seed}"] = {"error": mlp + shuffle[1]}
        for width in (geometry.EQUAL, *config.widths):
            found[f"mlp_{width}-{seed}"] = {"error": mlp + spread}
        if widest is not None:
            found[f"mlp_{max(config.widths)}-{seed}"] = {"error": widest + spread}
    return found


def by_name(config, found):
    return {figure.name: figure for figure in geometry.figures(config, found)}


@pytest.mark.parametrize("width", [24, geometry.EQUAL, 200])
def test_parameters_of_a_dense_net_are_those_of_the_model(width):
    with torch.device("meta"):
        module = model_module("mlp")
        built = module.Mlp(module.Config(hidden=(width, width)))
    assert sum(p.numel() for p in built.parameters()) == nets.dense_parameters(width)


def test_the_equal_width_is_the_least_that_is_not_smaller():
    assert model_module("lenet5").COUNTS[0] == nets.LENET5
    for parameters in (1, 806, 807, 808, 5000, nets.LENET5, 62_506, 62_507, 10**6):
        width = nets.equal_width(parameters)
        assert nets.dense_parameters(width) >= parameters
        assert width == 1 or nets.dense_parameters(width - 1) < parameters


def test_counts_are_those_of_the_paper_and_of_arithmetic():
    found = counts()
    assert found["conv1_parameters"] == 96 * (11 * 11 * 3 + 1)  # Krizhevsky et al. 2012
    assert found["dense_parameters"] == [1000 * (3 * side**2 + 1) for side in geometry.SIDES]
    dense = 9216 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000
    assert found["dense_share"] == pytest.approx(dense / 60_965_224)


def test_shuffling_is_one_order_of_the_pixels_for_all():
    x = torch.arange(784.0).view(1, 1, 28, 28)
    once = nets.shuffled(x)
    assert torch.equal(once, nets.shuffled(torch.cat([x, x]))[1:])
    assert not torch.equal(once, x)
    assert torch.equal(once.flatten().sort().values, x.flatten())


def test_the_arms_of_a_seed_have_the_same_digits_and_the_same_trial_the_same_error(tmp_path):
    needs_mnist()
    one, other = nets.digits(3, 50), nets.digits(3, 50)
    assert torch.equal(one[0], other[0])
    assert not torch.equal(one[0], nets.digits(4, 50)[0])
    plan = {trial.name: trial.settings for trial in geometry.plan(TINY)}
    assert len(plan) == 1 + 2 * 6
    assert {trial["digits"] for name, trial in plan.items() if name != "counts"} == {TINY.digits}
    found = {
        name: geometry.trial(plan[name], tmp_path)
        for name in ("lenet5-0", "lenet5_shuffled-0", "mlp_72-0", "mlp_72_shuffled-0")
    }
    assert found["lenet5-0"]["parameters"] == nets.LENET5
    assert found["mlp_72-0"]["parameters"] == nets.dense_parameters(geometry.EQUAL)
    assert found["lenet5-0"]["error"] < found["lenet5_shuffled-0"]["error"] < 90
    moved = found["mlp_72_shuffled-0"]["error"] - found["mlp_72-0"]["error"]
    assert 0 < abs(moved) < 20, "shuffled alike where it learns and where it is judged"
    assert geometry.trial(plan["mlp_72-0"], tmp_path) == found["mlp_72-0"]
    json.dumps(found)


def test_figures_are_differences_seed_by_seed():
    config = geometry.Config(seeds=3)
    found = by_name(config, made_up(config, lenet=2.0, mlp=4.5, shuffle=(4.0, -0.2)))
    assert found["mlp_over_lenet5"].values == pytest.approx([2.5] * 3)
    assert found["widest_mlp_over_lenet5"].values == pytest.approx([2.5] * 3)
    assert found["lead_lost_by_shuffling"].values == pytest.approx([2.5 - (4.3 - 6.0)] * 3)
    assert found["lenet5_hurt_by_shuffling"].values == pytest.approx([4.0, 3.99, 3.98])
    assert found["mlp_moved_by_shuffling"].values == pytest.approx([0.2, 0.21, 0.22])
    assert found["dense_over_conv1"].measured == pytest.approx(150_529_000 / 34_944, abs=0.05)
    assert all(figure.holds and figure.claim == "C15" and figure.title_zh for figure in found.values())


def test_a_lead_that_shuffling_leaves_is_no_lead_of_geometry():
    found = by_name(TINY, made_up(TINY, lenet=2.0, mlp=4.5, shuffle=(0.0, 0.7)))
    verdicts = {name: figure.verdict for name, figure in found.items()}
    assert verdicts["mlp_over_lenet5"] == "holds"
    assert verdicts["lead_lost_by_shuffling"] == verdicts["mlp_moved_by_shuffling"] == "does not hold"


def test_parameters_at_equal_error_lie_between_two_widths_or_are_bounds():
    most = nets.dense_parameters(200)

    def ratio(**errors):
        return by_name(TINY, made_up(TINY, **errors))["parameters_at_equal_error"]

    assert ratio(lenet=2.0, mlp=4.5).values == pytest.approx([most / nets.LENET5] * 2)  # none reaches: the most tried
    halfway = (most * nets.dense_parameters(geometry.EQUAL)) ** 0.5  # on the logarithm, halfway in error
    assert ratio(lenet=3.0, mlp=4.0, widest=2.0).values == pytest.approx([halfway / nets.LENET5] * 2)
    least = ratio(lenet=5.0, mlp=4.0)  # the smallest reaches
    assert least.values == pytest.approx([nets.dense_parameters(24) / nets.LENET5] * 2)
    assert least.verdict == "does not hold"


def test_curves_have_a_point_for_every_width():
    errors, sizes = geometry.curves(TINY, made_up(TINY, lenet=2.0, mlp=4.5))
    assert list(errors.lines[0].x) == [nets.dense_parameters(width) for width in (24, geometry.EQUAL, 200)]
    assert errors.lines[0].low[0] < errors.lines[0].y[0] < errors.lines[0].high[0]
    assert [len(line.y) for line in sizes.lines] == [len(geometry.SIDES)] * 2


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"digits": 0}, "digits is 0: 1 to 55,000"),
        ({"digits": 60_000}, "digits is 60000"),
        ({"epochs": 0}, "epochs is 0"),
        ({"judged": 10_001}, "judged is 10001"),
        ({"widths": ()}, "widths is"),
        ({"widths": (24, 72)}, "none of them 72"),
        ({"widths": (24, 24)}, "each once"),
    ],
)
def test_settings_out_of_range_are_refused(settings, complaint):
    with pytest.raises(BadInput, match=complaint):
        geometry.Config(**settings)
