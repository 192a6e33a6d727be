"""The Fréchet distance against closed forms and scipy's square root of a matrix."""

import numpy as np
import pytest
import torch

from lamina.core.errors import BadInput
from lamina.tasks.frechet import frechet_distance, gaussian_distance, moments


def features(count, size, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, size)) @ rng.normal(size=(size, size)) + rng.normal(size=size)


def test_it_is_what_scipy_s_matrix_root_gives():
    linalg = pytest.importorskip("scipy.linalg")
    a, b = features(200, 12, 0), features(150, 12, 1)
    (m1, c1), (m2, c2) = moments(a), moments(b)
    wanted = ((m1 - m2) ** 2).sum() + np.trace(c1 + c2 - 2 * linalg.sqrtm(c1 @ c2).real)
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=1e-8)
    assert frechet_distance(b, a) == pytest.approx(wanted, rel=1e-8)


def test_closed_forms():
    one, three = np.array([[1.0]]), np.array([[9.0]])
    assert gaussian_distance(np.zeros(1), one, np.array([2.0]), three) == pytest.approx(4 + (3 - 1) ** 2)
    spread = np.array([1.0, 4.0, 0.25])
    found = gaussian_distance(np.zeros(3), np.diag(spread), np.ones(3), np.diag(spread[::-1]))
    assert found == pytest.approx(3 + ((np.sqrt(spread) - np.sqrt(spread[::-1])) ** 2).sum())
    a = features(100, 5, 2)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-8)
    assert frechet_distance(a, a + 2.0) == pytest.approx(5 * 4, rel=1e-8)
    assert frechet_distance(torch.from_numpy(a), torch.from_numpy(3 * a)) > 0


def test_fewer_samples_than_features_are_no_trouble():
    a, b = features(4, 10, 3), features(5, 10, 4)
    assert 0 < frechet_distance(a, b) < np.inf
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_moments_are_those_of_numpy():
    a = features(30, 3, 5)
    mean, covariance = moments(a)
    assert np.allclose(mean, a.sum(axis=0) / 30)
    assert np.allclose(covariance, (a - mean).T @ (a - mean) / 29)
    assert moments(a[:, :1])[1].shape == (1, 1)


@pytest.mark.parametrize("bad", [np.zeros((1, 3)), np.zeros(4), np.zeros((3, 0)), np.full((3, 2), np.nan)])
def test_features_that_are_none_are_named(bad):
    with pytest.raises(BadInput, match=r"is needed|not finite"):
        frechet_distance(bad, bad)


def test_moments_of_different_sizes_are_named():
    with pytest.raises(BadInput, match=r"\[2\], \[2, 2\], \[3\], \[3, 3\]"):
        frechet_distance(np.zeros((4, 2)), np.zeros((4, 3)))
