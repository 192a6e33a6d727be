"""CIDEr-D: how near a caption is to its references, rare words counting more, without stemming.

    g(s)_w = count of n-gram w in s times log(N / max(1, df_w))           df: pictures with w in any of their references
    sim_n  = Σ_w min(g(c)_w, g(r)_w) g(r)_w / (|g(c)| |g(r)|) · exp(-(l_c - l_r)² / 2σ²)
    CIDEr-D = 10 · mean over references and n = 1..4 of sim_n, σ = 6

Clipping by the minimum and the Gaussian of the lengths keep a caption from gaining by repeated words. Words are taken
as they are given. The document frequencies are those of the references handed in: scores of different sets of pictures
are not comparable, and with one picture alone every weight is log 1 = 0.

Shapes    candidates: n sentences (lists of words); references: n lists of sentences; scores [n] in 0..10
Errors    `BadInput` for unequal counts and a candidate without a reference
Paper     Vedantam, Zitnick, Parikh, "CIDEr", CVPR 2015, https://arxiv.org/abs/1411.5726
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from lamina.tasks.bleu import Sentence, checked

ORDERS = 4
SIGMA = 6.0  # words
Vector = dict[tuple[str, ...], float]


def cider(candidates: Sequence[Sentence], references: Sequence[Sequence[Sentence]]) -> np.ndarray:
    """The score of each candidate [n]; their mean is the score of the set."""
    checked(candidates, references)
    frequency: Counter[tuple[str, ...]] = Counter()
    for several in references:
        frequency.update({gram for sentence in several for grams in _counts(sentence) for gram in grams})
    pictures = math.log(len(references))

    def weighted(sentence: Sentence) -> list[Vector]:
        return [
            {gram: count * (pictures - math.log(max(1, frequency[gram]))) for gram, count in grams.items()}
            for grams in _counts(sentence)
        ]

    scores = []
    for candidate, several in zip(candidates, references, strict=True):
        mine = weighted(candidate)
        each = [
            math.exp(-((len(candidate) - len(reference)) ** 2) / (2 * SIGMA**2))
            * sum(map(_similarity, mine, weighted(reference)))
            for reference in several
        ]
        scores.append(10 * sum(each) / (ORDERS * len(each)))
    return np.array(scores)


def _counts(sentence: Sentence) -> list[Counter[tuple[str, ...]]]:
    """Counts of the n-grams, n = 1..4."""
    return [
        Counter(tuple(sentence[start : start + n]) for start in range(len(sentence) - n + 1))
        for n in range(1, ORDERS + 1)
    ]


def _similarity(candidate: Vector, reference: Vector) -> float:
    norms = math.hypot(*candidate.values()) * math.hypot(*reference.values())
    shared = sum(
        min(value, reference[gram]) * reference[gram] for gram, value in candidate.items() if gram in reference
    )
    return shared / norms if norms else 0.0
