"""Beam search: the likeliest sentence of a model that says one word at a time, for many pictures at once.

    kept     W sentences a picture, best first;  each one grown by every word;  the W best of all are kept
    score    Σ_t log p(w_t | w_<t, picture), not divided by the length; a sentence that has ended stays as it is

W = 1 is greedy; W of all sentences there are is exhaustive. Scores only fall, so a picture is done once its best
sentence has ended. Pictures do not see each other: together they get what each would get alone.

Shapes    state: tensors [n, ...]; words [n, steps] int64, padded behind the end; scores [n]
Errors    `BadInput` for a width or a number of steps below 1
Paper     Graves, "Sequence Transduction with Recurrent Neural Networks", 2012, https://arxiv.org/abs/1211.3711
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lamina.core.errors import BadInput

State = tuple[Tensor, ...]
Step = Callable[[Tensor, State], tuple[Tensor, State]]
PAD, BEGIN, END = 0, 1, 2  # as in tasks/tokenising.py


def beam_search(step: Step, state: State, *, width: int, steps: int) -> tuple[Tensor, Tensor]:
    """The best sentences of up to `steps` words, their end counted, and their log-probabilities.

    `step(words [m], state)` gives log-probabilities [m, words] and the next state. Pad and begin are never said.
    """
    if width < 1 or steps < 1:
        raise BadInput(f"a beam of {width} over {steps} steps: at least 1 of each is needed")
    count = len(state[0])
    state = tuple(tensor.repeat_interleave(width, 0) for tensor in state)
    words = torch.full((count, width, steps), PAD)
    scores = torch.full((count, width), -torch.inf)
    scores[:, 0] = 0  # all begin alike: one of them counts
    last = torch.full((count, width), BEGIN)
    rows = torch.arange(count)[:, None] * width
    for t in range(steps):
        log_p, state = step(last.flatten(), state)
        log_p = log_p.unflatten(0, (count, width)).clone()
        log_p[..., [PAD, BEGIN]] = -torch.inf
        ended = (last == END) | (last == PAD)
        log_p[ended] = -torch.inf
        log_p[..., PAD] = torch.where(ended, 0.0, log_p[..., PAD])
        scores, chosen = (scores[..., None] + log_p).flatten(1).topk(width, dim=1)
        parent, last = chosen // log_p.shape[-1], chosen % log_p.shape[-1]
        words = words.gather(1, parent[..., None].expand_as(words))
        words[..., t] = last
        flat = (rows + parent).flatten()
        state = tuple(tensor[flat] for tensor in state)
        if bool(((last[:, 0] == END) | (last[:, 0] == PAD)).all()):
            break
    return words[:, 0], scores[:, 0]
