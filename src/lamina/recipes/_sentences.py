"""Sentences of the Brown corpus as rows of equal width, of words that are known.

begin the ? fox ? end padding        words beyond the most frequent ones are one token, longer sentences are left out
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

SPECIAL = 4  # tokens that are no words: padding, begin, end, unknown
UNKNOWN = 3  # stands for rare words, and where a word is hidden


def sentences(settings: Mapping[str, Any]) -> dict[str, "Tensor"]:
    """Token arrays [n, longest + 2] by split: sentences that are short enough and have a known word."""
    from lamina.recipes._work import data_set

    corpus, width = data_set("brown", None), settings["longest"] + 2
    found = {}
    for name in ("train", "validation", "test"):
        x = getattr(corpus, name).inputs
        x = x.masked_fill(x >= SPECIAL + settings["words"], UNKNOWN)[(x[:, width:] == 0).all(1)][:, :width]
        found[name] = x[(x >= SPECIAL).any(1)]
    found["train"] = found["train"][: settings["sentences"]]
    return found
