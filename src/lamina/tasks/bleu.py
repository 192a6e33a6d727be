"""BLEU: how many runs of words a sentence shares with its references, by sacrebleu.

    BLEU = 100 b exp(Σ_{n=1..4} log p_n / 4),  b = min(1, exp(1 - r/c))

p_n is the share of the candidates' n-grams that a reference has too, each counted at most as often as there; c and r
are the lengths of all candidates and of the references nearest in length. Everything is computed by sacrebleu on words
as they are given (its own tokeniser is off, and so is smoothing), so that a figure can be compared with other people's.

Shapes    candidates: n sentences (lists of words); references: n lists of sentences; the answer in 0..100
Errors    `BadInput` for unequal counts and a candidate without a reference; `MissingExtra` where sacrebleu is absent
Papers    Papineni et al., ACL 2002, https://aclanthology.org/P02-1040; Post (sacrebleu), WMT 2018,
          https://arxiv.org/abs/1804.08771
"""

from collections.abc import Sequence
from typing import Any

from lamina.core.errors import BadInput, missing_extra

Sentence = Sequence[str]


def bleu(candidates: Sequence[Sentence], references: Sequence[Sequence[Sentence]], *, order: int = 4) -> float:
    """Corpus BLEU with n-grams up to `order`, 0..100."""
    checked(candidates, references)
    try:
        from sacrebleu.metrics import BLEU
    except ImportError as e:
        raise missing_extra("sacrebleu", "text") from e
    most = max(map(len, references))
    # sacrebleu wants the k-th references of all candidates together; a missing one is None
    columns: Any = [[" ".join(several[k]) if k < len(several) else None for several in references] for k in range(most)]
    metric = BLEU(tokenize="none", smooth_method="none", max_ngram_order=order, force=True)
    return float(metric.corpus_score([" ".join(sentence) for sentence in candidates], columns).score)


def checked(candidates: Sequence[Sentence], references: Sequence[Sequence[Sentence]]) -> None:
    """Raise `BadInput` unless each of one candidate or more has a reference."""
    if not candidates or len(candidates) != len(references):
        raise BadInput(f"{len(candidates)} sentences with {len(references)} lists of references: one list for each")
    if empty := [number for number, several in enumerate(references) if not several]:
        raise BadInput(f"sentence {empty[0]} has no reference: at least 1 is needed")
