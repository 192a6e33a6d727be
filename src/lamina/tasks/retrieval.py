"""Retrieval: how far up the right answer stands when candidates are ranked by a score.

    rank(i) = 1 + number of candidates that score more + half of those that score the same
    R@k = share of queries with rank ≤ k            median rank = median over queries

Ties are shared: a model that scores all n candidates alike has rank (n + 1)/2, that of chance, and not 1. Where
several candidates are right (two pictures with one caption), the best of them counts.

Shapes    scores [queries, candidates]; right: the candidate of each query [queries], or a mask [queries, candidates]
Errors    `BadInput` for scores that are not finite, queries without a right candidate, k below 1
"""

import numpy as np

from lamina.core.errors import BadInput


def ranks(scores: np.ndarray, right: np.ndarray | None = None) -> np.ndarray:
    """The rank of each query's right candidate, from 1 up; `right` None: candidate i answers query i."""
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or 0 in scores.shape:
        raise BadInput(f"scores are {list(scores.shape)}: [queries, candidates] with one of each at least is needed")
    if not np.isfinite(scores).all():
        raise BadInput("scores hold numbers that are not finite: a rank is not defined")
    mask = _mask(scores.shape, right)
    best = np.where(mask, scores, -np.inf).max(1, keepdims=True)
    wrong = ~mask
    found: np.ndarray = 1 + ((scores > best) & wrong).sum(1) + ((scores == best) & wrong).sum(1) / 2
    return found


def _mask(shape: tuple[int, ...], right: np.ndarray | None) -> np.ndarray:
    queries, candidates = shape
    if right is None:
        if queries > candidates:
            raise BadInput(f"{queries} queries and {candidates} candidates: say which is right for each")
        right = np.arange(queries)
    right = np.asarray(right)
    if right.dtype != bool:
        if right.shape != (queries,) or right.min() < 0 or right.max() >= candidates:
            raise BadInput(
                f"right answers {list(right.shape)}: one of 0..{candidates - 1} for each of {queries} queries"
            )
        right = np.arange(candidates) == right[:, None]
    if right.shape != shape or not right.any(1).all():
        raise BadInput(f"right answers as a mask {list(right.shape)}: {list(shape)} with one in each row is needed")
    return right


def recall_at(scores: np.ndarray, k: int, right: np.ndarray | None = None) -> float:
    """The share of queries whose right candidate is among the first `k`."""
    if k < 1:
        raise BadInput(f"recall at {k}: k of at least 1 is needed")
    return float((ranks(scores, right) <= k).mean())


def median_rank(scores: np.ndarray, right: np.ndarray | None = None) -> float:
    """The median over queries of the right candidate's rank."""
    return float(np.median(ranks(scores, right)))
