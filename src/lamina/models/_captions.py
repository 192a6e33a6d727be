"""What models of pictures and their captions share: both encoders, the checks, made-up examples.

    pictures    x ─(conv 3x3, stride 2, relu) for each of `channels`─▶ annotations: one vector a place
    sentences   tokens ─embedding─▶ GRU ─▶ the state behind the end

Tokens are those of `tasks/tokenising.py`: 0 pads, 1 begins, 2 ends, 3 is unknown. The convolutions begin with He's
weights: with narrower ones the picture is a tenth of what the first state is made of, and its words come late or never.

Shapes    x [n, *shape] in [0, 1], tokens [n, t] int64; maps [n, channels, h, w], a sentence's state [n, hidden]
Errors    `BadInput` for a caption without a picture or the other way round, tokens outside the vocabulary, sentences of
          length 0, pictures of another shape
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput
from lamina.models._he import initialise_he
from lamina.models._initial import initialise
from lamina.models._pictures import checked_shape
from lamina.nn.recurrent import Recurrent

Batch = Mapping[str, Tensor]
PAD, BEGIN, END, FIRST = 0, 1, 2, 4


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionConfig:
    """Defaults: the composed scenes of data/composed_scenes.py."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one picture; sides that halve at every convolution
    words: int = 20  # of the vocabulary, the four special tokens included
    steps: int = 10  # tokens of the longest caption, begin and end included
    channels: tuple[int, ...] = (16, 32, 64)
    embedding: int = 32
    hidden: int = 128

    def __post_init__(self) -> None:
        for name, least in (("words", FIRST + 1), ("steps", 3), ("embedding", 1), ("hidden", 1)):
            if getattr(self, name) < least:
                raise BadInput(f"{name} is {getattr(self, name)}: at least {least} is needed")
        if not self.channels or min(self.channels) < 1:
            raise BadInput(f"channels are {self.channels}: one convolution or more is needed")
        halvings = 2 ** len(self.channels)
        if len(self.shape) != 3 or any(side < halvings or side % halvings for side in self.shape[1:]):
            raise BadInput(f"pictures are {self.shape}: (channels, height, width), sides in multiples of {halvings}")

    @property
    def places(self) -> tuple[int, int]:
        """Rows and columns of the last feature map."""
        return self.shape[1] >> len(self.channels), self.shape[2] >> len(self.channels)

    @property
    def features(self) -> int:
        """Numbers of the last feature map."""
        return prod(self.places) * self.channels[-1]


class PictureEncoder(nn.Module):
    def __init__(self, config: CaptionConfig) -> None:
        super().__init__()
        self.shape = config.shape
        channels = (config.shape[0], *config.channels)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in itertools.pairwise(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Pictures [n, *shape] to feature maps [n, channels, height, width]."""
        checked_shape(x, self.shape)
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


def initialise_captions(model: nn.Module, seed: int) -> None:
    """Draw the weights of a model with an `encoder` of pictures."""
    initialise(model, seed)
    initialise_he(model.get_submodule("encoder"), seed, last="")


class SentenceEncoder(nn.Module):
    def __init__(self, config: CaptionConfig) -> None:
        super().__init__()
        self.words = config.words
        self.embedding = nn.Embedding(config.words, config.embedding)
        self.gru = Recurrent("gru", config.embedding, config.hidden)

    def forward(self, tokens: Tensor) -> Tensor:
        """Sentences [n, t], padding behind their end, to the state [n, hidden] behind their last word."""
        checked_tokens(tokens, self.words)
        y, _ = self.gru(self.embedding(tokens))
        last = (tokens != PAD).sum(1) - 1
        return y[torch.arange(len(y)), last]

    def unpadded(self, tokens: Tensor) -> Tensor:
        """The same for sentences of one length, without padding: what is lowered."""
        return self.gru(self.embedding(tokens))[0][:, -1]


def checked_tokens(tokens: Tensor, words: int) -> None:
    """Raise `BadInput` unless tokens are sentences [n, t] of known words, padded behind alone."""
    if tokens.dim() != 2 or tokens.shape[1] < 1 or tokens.dtype != torch.int64:
        raise BadInput(f"captions are {tokens.dtype} {list(tokens.shape)}: int64 [n, t] with t of at least 1 is needed")
    if not tokens.numel():
        return
    low, high = (int(x) for x in torch.aminmax(tokens))
    if low < 0 or high >= words:
        raise BadInput(f"tokens {low}..{high} in captions: the vocabulary has 0..{words - 1}")
    real = tokens != PAD
    if not bool(real[:, 0].all()):
        raise BadInput(f"caption {int((~real[:, 0]).nonzero()[0])} has length 0: at least 1 token is needed")
    if bool((real[:, 1:] & ~real[:, :-1]).any()):
        raise BadInput("a caption has words behind its padding: padding stands at the end alone")


def checked(batch: Batch, config: CaptionConfig) -> tuple[Tensor, Tensor]:
    """Pictures and captions of a batch; raises `BadInput` where one of them is missing or they do not fit."""
    for name, what in (("x", "a caption without a picture"), ("tokens", "a picture without a caption")):
        if name not in batch:
            raise BadInput(f"{what}: the batch has {', '.join(batch) or 'nothing'}, 'x' and 'tokens' are needed")
    x, tokens = batch["x"], batch["tokens"]
    checked_shape(x, config.shape)
    checked_tokens(tokens, config.words)
    if len(x) != len(tokens):
        raise BadInput(f"{len(x)} pictures with {len(tokens)} captions: one caption a picture is needed")
    return x, tokens


def made_up(config: Any, count: int, *, generator: torch.Generator) -> dict[str, Tensor]:
    """Noise, and captions of any words in different lengths, the first of the full one."""
    tokens = torch.randint(FIRST, config.words, (count, config.steps), generator=generator)
    tokens[:, 0] = BEGIN
    for row in range(count):
        end = config.steps - 1 - row % (config.steps - 2)
        tokens[row, end] = END
        tokens[row, end + 1 :] = PAD
    return {"x": torch.rand(count, *config.shape, generator=generator), "tokens": tokens}
