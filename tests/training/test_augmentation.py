"""Augmentation against closed forms: whole pixels, quarter turns, moments of what is drawn."""

import math

import pytest
import torch

from lamina.core.errors import BadInput
from lamina.data._dataset import Split
from lamina.training.augmentation import Augmentation, colour_axes, displacements, tint, warp

ALL = Augmentation(translate=2, rotate=0.2, scale=0.1, shear=0.1, elastic=0.5)


def pictures(count=5, channels=2, high=7, wide=9, seed=0):
    return torch.rand(count, channels, high, wide, generator=torch.Generator().manual_seed(seed))


def keyed(seed):
    return torch.Generator().manual_seed(seed)


def same(map_, count=5):
    return torch.tensor(map_, dtype=torch.float32).expand(count, 2, 3)


def test_nothing_asked_changes_nothing():
    batch = {"x": pictures(), "y": torch.arange(5)}
    after = Augmentation()(batch, generator=keyed(0))
    assert after["x"] is batch["x"]
    assert after["y"] is batch["y"]
    assert torch.allclose(warp(batch["x"], None, torch.zeros(5, 2, 7, 9)), batch["x"], atol=1e-5)


def test_whole_pixels_are_a_slice():
    x = pictures()
    moved = warp(x, same([[1, 0, 2], [0, 1, -1]]))
    assert torch.allclose(moved[:, :, 1:, :-2], x[:, :, :-1, 2:], atol=2e-6)
    assert moved[:, :, 0].abs().max() < 2e-6
    assert moved[:, :, :, -2:].abs().max() < 2e-6
    displacement = torch.tensor([2.0, -1.0])[:, None, None].expand(5, 2, 7, 9)
    assert torch.allclose(warp(x, None, displacement), moved, atol=5e-6)


def test_a_quarter_turn_is_a_transposition():
    x = pictures(high=8, wide=8)
    assert torch.allclose(warp(x, same([[0, -1, 0], [1, 0, 0]])), torch.rot90(x, 1, (2, 3)), atol=5e-6)
    assert torch.allclose(warp(x, same([[-1, 0, 0], [0, -1, 0]])), x.flip(2, 3), atol=5e-6)


def test_half_a_pixel_is_the_mean_of_two_and_doubling_reads_every_second():
    x = pictures()
    half = warp(x, same([[1, 0, 0.5], [0, 1, 0]]))
    assert torch.allclose(half[..., :-1], (x[..., :-1] + x[..., 1:]) / 2, atol=5e-6)
    shrunk = warp(x, same([[2, 0, 0], [0, 1, 0]]))  # new places -2..2 are old places -4, -2, 0, 2, 4
    assert torch.allclose(shrunk[..., 2:7], x[..., ::2], atol=5e-6)


def test_maps_are_rotation_shear_scale_and_shift_within_their_bounds():
    turned = Augmentation(rotate=0.3).maps(4000, keyed(1))
    linear = turned[:, :, :2]
    assert torch.allclose(linear @ linear.transpose(1, 2), torch.eye(2).expand(4000, 2, 2), atol=1e-6)
    angles = torch.atan2(linear[:, 1, 0], linear[:, 0, 0])
    assert 0.29 < angles.abs().max() <= 0.3 + 1e-6
    assert float(angles.var()) == pytest.approx(0.3**2 / 3, rel=0.1)
    scaled = Augmentation(scale=0.2).maps(4000, keyed(2))
    assert torch.equal(scaled[:, 0, 1], torch.zeros(4000))
    assert float((scaled[:, 0, 0] - 1).var()) == pytest.approx(0.2**2 / 3, rel=0.1)
    assert abs(float(torch.corrcoef(torch.stack([scaled[:, 0, 0], scaled[:, 1, 1]]))[0, 1])) < 0.05
    sheared = Augmentation(shear=0.5).maps(4000, keyed(3))[:, :, :2]
    assert torch.allclose(torch.linalg.det(sheared), torch.ones(4000), atol=1e-6)
    assert float(sheared[:, 0, 1].var()) == pytest.approx(0.5**2 / 3, rel=0.1)
    shifted = Augmentation(translate=3).maps(4000, keyed(4))
    assert float(shifted[:, :, 2].abs().max()) <= 3
    assert float(shifted[:, :, 2].var()) == pytest.approx(3, rel=0.1)
    every = ALL.maps(1, keyed(5))[0]
    draws = torch.rand(6, 1, generator=keyed(5))[:, 0] * 2 - 1
    angle, shear = 0.2 * draws[0], 0.1 * draws[1]
    wanted = (
        torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
        @ torch.tensor([[1, shear], [0, 1]])
        @ torch.diag(1 + 0.1 * draws[2:4])
    )
    assert torch.allclose(every[:, :2], wanted, atol=1e-6)


def test_a_share_of_the_pictures_is_mirrored_and_shifts_may_be_of_whole_pixels():
    x = pictures(3000, 1, 6, 5)
    mirrored = Augmentation(flip=0.3)({"x": x}, generator=keyed(6))["x"]
    same, other = ((mirrored - y).abs().flatten(1).amax(1) < 5e-6 for y in (x, x.flip(3)))
    assert (same ^ other).all()
    assert float(other.float().mean()) == pytest.approx(0.3, abs=0.03)
    maps = Augmentation(translate=2, whole=True).maps(5000, keyed(7))
    shifts, counts = maps[:, :, 2].unique(return_counts=True)
    assert shifts.tolist() == [-2, -1, 0, 1, 2]
    assert ((counts / 10_000 - 0.2).abs() < 0.02).all()
    assert abs(float(torch.corrcoef(maps[:, :, 2].T)[0, 1])) < 0.05
    both = Augmentation(translate=2, whole=True, flip=1)
    (across, down), found = both.maps(1, keyed(8))[0, :, 2].int().tolist(), both({"x": x[:1]}, generator=keyed(8))["x"]
    padded = torch.nn.functional.pad(x[:1], (2, 2, 2, 2)).flip(3)
    wanted = padded[:, :, 2 + down : 8 + down, 2 - across : 7 - across]
    assert (across, down) != (0, 0)
    assert torch.allclose(found, wanted, atol=5e-6)


def test_elastic_displacements_have_the_spread_asked_for_and_are_smooth():
    found = displacements((3000, 1, 20, 24), 1.5, 3.0, keyed(0))
    assert found.shape == (3000, 2, 20, 24)
    assert torch.allclose(found.std(0), torch.full((2, 20, 24), 1.5), rtol=0.08)
    assert found.mean(0).abs().max() < 0.15
    # smoothing by a Gaussian twice as wide in variance: neighbours at distance k agree by exp(-k²/(4 σ²))
    for k in (1, 3, 6):
        a, b = found[:, 0, 10, 9], found[:, 0, 10, 9 + k]
        agreed = float((a * b).mean() / (a.square().mean() * b.square().mean()).sqrt())
        assert agreed == pytest.approx(math.exp(-(k**2) / 36), abs=0.05)
    one = displacements((3000, 1, 20, 24), 1.0, 3.0, keyed(1))
    assert abs(float((one[:, 0] * one[:, 1]).mean())) < 0.02


def test_tints_have_the_covariance_of_the_colours():
    mix = torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.5, 0.0], [0.2, 0.1, 0.3]])
    x = torch.einsum("ij,njhw->nihw", mix, torch.randn(40, 3, 16, 16, generator=keyed(0)))
    covariance = torch.cov(x.transpose(0, 1).flatten(1))
    axes = colour_axes(x)
    rows = torch.tensor(axes)
    assert torch.allclose(rows.T @ rows, covariance, atol=1e-5)
    assert torch.allclose(rows @ rows.T, torch.diag(rows.norm(dim=1) ** 2), atol=1e-5)
    assert rows.norm(dim=1).tolist() == sorted(rows.norm(dim=1).tolist(), reverse=True)
    added = tint(torch.zeros(60000, 3, 1, 1), axes, 0.1, keyed(1))[:, :, 0, 0]
    assert torch.allclose(torch.cov(added.T), 0.01 * covariance, atol=4e-4)
    tinted = Augmentation(colour=0.1, axes=axes)({"x": x}, generator=keyed(2))["x"] - x
    assert torch.allclose(tinted, tinted[:, :, :1, :1].expand_as(tinted), atol=1e-6)


def test_draws_follow_from_the_generator_and_differ_within_a_batch():
    batch = {"x": pictures(1).expand(4, 2, 7, 9).contiguous()}
    first, again = (ALL(batch, generator=keyed(7))["x"] for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, ALL(batch, generator=keyed(8))["x"])
    assert not torch.allclose(first[0], first[1])
    assert first.dtype == torch.float32


def test_moving_and_bending_at_once_is_one_after_the_other_in_place():
    x, maps = pictures(), ALL.maps(5, keyed(0))
    displacement = displacements(x.shape, 0.7, 2.0, keyed(1))
    found = warp(x, maps, displacement)
    n, row, column = 3, 3, 5  # near the middle: all four pixels lie within
    u = torch.tensor([column - 4.0, row - 3.0]) + displacement[n, :, row, column]
    place = maps[n, :, :2] @ u + maps[n, :, 2] + torch.tensor([4.0, 3.0])
    left, top = (int(v) for v in place.floor())
    a, b = (float(v) for v in place - place.floor())
    wanted = sum(
        weight * x[n, :, top + dy, left + dx]
        for dx, dy, weight in [(0, 0, (1 - a) * (1 - b)), (1, 0, a * (1 - b)), (0, 1, (1 - a) * b), (1, 1, a * b)]
    )
    assert torch.allclose(found[n, :, row, column], wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Augmentation(rotate=-1), "rotate is -1"),
        (lambda: Augmentation(scale=1.0), "scale is 1.0"),
        (lambda: Augmentation(flip=1.5), "flip is 1.5"),
        (lambda: Augmentation(translate=1.5, whole=True), "whole number of pixels"),
        (lambda: Augmentation(elastic=float("nan")), "elastic is nan"),
        (lambda: Augmentation(smoothness=0), "smoothness is 0"),
        (lambda: Augmentation(colour=0.1), "without axes"),
        (lambda: ALL({"y": torch.zeros(2)}), "x is nothing"),
        (lambda: ALL({"x": torch.zeros(2, 3)}), r"\[2, 3\]"),
        (lambda: tint(pictures(), ((1.0,),), 1.0, None), "axes of 1 colours"),
        (lambda: colour_axes(torch.full((1, 3, 2, 2), float("nan"))), "finite"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(BadInput, match=message):
        call()


def test_fit_trains_on_augmented_pictures():
    from types import SimpleNamespace

    from lamina.training import FitConfig, fit

    class Seen(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.batches = torch.nn.Parameter(torch.ones(())), []

        def loss(self, batch, *, generator):
            self.batches.append(batch["x"])
            return (self.w * batch["x"].mean(dim=(1, 2, 3))).square().mean()

        def metrics(self, batch):
            return {"loss": 0.0, "count": len(batch["x"])}

    split = Split(tensors={"x": pictures(6), "y": torch.arange(6)})
    data = SimpleNamespace(name="made", checksum="0" * 64, classes=(), train=split, validation=split.first(0))
    runs = [Seen(), Seen()]
    for model in runs:
        fit(model, data, config=FitConfig(epochs=2, batch_size=3), augment=ALL)
    assert len(runs[0].batches) == 4
    assert all(torch.equal(a, b) for a, b in zip(runs[0].batches, runs[1].batches, strict=True))
    assert not any(torch.equal(seen[:1], split.inputs[:1]) for seen in runs[0].batches)
