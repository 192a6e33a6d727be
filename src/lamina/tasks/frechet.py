"""Fréchet distance between two sets of features, each taken for a Gaussian: how far made pictures are from real ones.

    d² = |m1 - m2|² + tr(C1 + C2 - 2 (C1^½ C2 C1^½)^½)

the square of the Wasserstein-2 distance of N(m1, C1) and N(m2, C2). FID is d² in the features of one Inception
network; with other features, such as a frozen LeNet's, the number can be compared with its own kind alone. It falls
with the number of samples: compare at equal numbers. C1^½ C2 C1^½ is symmetric where C1 C2 is not, so real
eigenvalues do, and a rounding below zero is cut off.

Shapes    features [n, d]; mean [d], covariance [d, d], float64
Errors    `BadInput` for features of other shapes, fewer than two, or not finite
Paper     Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NIPS 2017,
          https://arxiv.org/abs/1706.08500
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.core.errors import BadInput

Array = NDArray[np.float64]


def moments(features: Any) -> tuple[Array, Array]:
    """Mean [d] and unbiased covariance [d, d] of `features` [n, d], n >= 2; an array or a tensor."""
    values = np.asarray(features, dtype=np.float64)
    if values.ndim != 2 or len(values) < 2 or values.shape[1] < 1:
        raise BadInput(f"features are {list(values.shape)}: [n, d] with n >= 2 is needed")
    if not np.isfinite(values).all():
        raise BadInput("features hold numbers that are not finite")
    return values.mean(axis=0), np.atleast_2d(np.cov(values, rowvar=False))


def gaussian_distance(mean1: Array, covariance1: Array, mean2: Array, covariance2: Array) -> float:
    """d² of two Gaussians by their moments; 0 or more."""
    if not (mean1.shape == mean2.shape and covariance1.shape == covariance2.shape == (len(mean1), len(mean1))):
        shapes = ", ".join(str(list(a.shape)) for a in (mean1, covariance1, mean2, covariance2))
        raise BadInput(f"moments are {shapes}: [d], [d, d], [d], [d, d] are needed")
    values, vectors = np.linalg.eigh(covariance1)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    between = np.sqrt(np.linalg.eigvalsh(root @ covariance2 @ root).clip(min=0)).sum()
    squared = ((mean1 - mean2) ** 2).sum() + np.trace(covariance1) + np.trace(covariance2) - 2 * between
    return max(float(squared), 0.0)


def frechet_distance(real: Any, made: Any) -> float:
    """d² between two sets of features [n, d] and [m, d]."""
    return gaussian_distance(*moments(real), *moments(made))
