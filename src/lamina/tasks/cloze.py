"""Cloze: fill in the word that is missing from a sentence.

    the cat ▢ on the mat    ─▶  scores of every word for the gap    ─▶    accuracy: how often the right one is first

One word of each sentence is hidden, chosen by a seed; it is never padding or another special token. The text around it
stays, so that a model may read it from both sides. Accuracy is told beside that of always saying the most frequent
word, which anybody can have.

Shapes    tokens [n, t] int64; hidden tokens [n, t], places [n], answers [n]; scores [n, words]
Errors    `BadInput` for sentences without a word to hide, answers outside the scores' words, unequal counts
"""

from dataclasses import dataclass

import numpy as np

from lamina.core.errors import BadInput
from lamina.core.seeds import numpy_generator


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Gaps:
    """Sentences with one word hidden in each."""

    tokens: np.ndarray  # [n, t], `mask` where the word was
    places: np.ndarray  # [n]
    answers: np.ndarray  # [n]


def hide(tokens: np.ndarray, *, mask: int, special: int, seed: int = 0) -> Gaps:
    """Hide one word of each sentence behind the token `mask`; tokens below `special` are never hidden."""
    tokens = np.asarray(tokens)
    if tokens.ndim != 2 or 0 in tokens.shape:
        raise BadInput(f"tokens are {list(tokens.shape)}: [n, t] with t of at least 1 is needed")
    words = tokens >= special
    if not words.any(1).all():
        raise BadInput(f"sentence {int(np.argmin(words.any(1)))} has no word to hide: leave it out")
    drawn = numpy_generator(seed, "cloze").random(tokens.shape)
    places = np.where(words, drawn, -1).argmax(1)
    rows = np.arange(len(tokens))
    hidden = tokens.copy()
    hidden[rows, places] = mask
    return Gaps(tokens=hidden, places=places, answers=tokens[rows, places])


def accuracy(scores: np.ndarray, answers: np.ndarray, *, k: int = 1) -> float:
    """The share of gaps whose answer is among the `k` best scores; a tie with a wrong word counts as lost."""
    scores, answers = np.asarray(scores), np.asarray(answers)
    if scores.ndim != 2 or answers.shape != scores.shape[:1] or not len(answers):
        raise BadInput(f"scores {list(scores.shape)} with answers {list(answers.shape)}: [n, words] and [n] are needed")
    if answers.min() < 0 or answers.max() >= scores.shape[1]:
        raise BadInput(f"answers {answers.min()}..{answers.max()}: the words are 0..{scores.shape[1] - 1}")
    right = np.take_along_axis(scores, answers[:, None], 1)
    return float(((scores >= right).sum(1) <= k).mean())


def most_frequent(training: np.ndarray, answers: np.ndarray) -> float:
    """Accuracy of always saying the most frequent of the `training` answers."""
    if not len(training) or not len(answers):
        raise BadInput(f"{len(training)} answers to learn from, {len(answers)} to give: at least 1 of each is needed")
    return float((answers == np.bincount(training).argmax()).mean())
