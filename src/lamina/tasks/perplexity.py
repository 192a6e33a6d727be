"""Perplexity: between how many equally likely words a model still has to choose.

    perplexity = exp(-mean ln p(word | the words before))

1 is certainty, the size of the vocabulary is a guess. Comparable only between models of the same words.

Shapes     logits [..., vocabulary], tokens int64 [...]
Errors     `BadInput` for other shapes, no token, or tokens outside the vocabulary
Paper      Jelinek, Mercer, Bahl and Baker, J. Acoustical Society of America 62, 1977, S63
"""

import torch
from torch import Tensor

from lamina.core.errors import BadInput


def perplexity(logits: Tensor, tokens: Tensor) -> float:
    """Of a model that gave `logits` where `tokens` came."""
    if logits.dim() < 1 or logits.shape[:-1] != tokens.shape or tokens.numel() == 0:
        needed = "[..., vocabulary] and [...] with a token at least are needed"
        raise BadInput(f"logits {list(logits.shape)} and tokens {list(tokens.shape)}: {needed}")
    low, high, size = int(tokens.min()), int(tokens.max()), logits.shape[-1]
    if not 0 <= low <= high < size:
        raise BadInput(f"tokens {low}..{high}: the vocabulary is 0..{size - 1}")
    chosen = torch.log_softmax(logits.double(), dim=-1).gather(-1, tokens[..., None])
    return float(torch.exp(-chosen.mean()))
