"""Picture ranker: sentences and pictures in one space, where what belongs together lies near.

    u = CNN(x) / |CNN(x)|,  v = GRU(tokens) / |GRU(tokens)|,  s_ij = u_i · v_j
    loss = mean_i Σ_{j≠i} max(0, m - s_ii + s_ij) + max(0, m - s_ii + s_ji)

Every other caption of a batch is a wrong one, and every other picture; pairs whose captions are equal are left out of
the sum, for neither is wrong. One model answers both questions: which sentence for this picture, which picture for this
sentence.

Shapes     x [n, 1, 32, 32], tokens [n, t] int64 (1 begins, 2 ends, 0 pads); vectors [n, joint]; scores [n, m] in -1..1
Paper      Kiros, Salakhutdinov, Zemel, "Unifying Visual-Semantic Embeddings", 2014, https://arxiv.org/abs/1411.2539
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lamina.core.errors import BadInput
from lamina.models._captions import (
    Batch,
    CaptionConfig,
    PictureEncoder,
    SentenceEncoder,
    checked,
    initialise_captions,
    made_up,
)

ROWS = ("M37",)
INPUT_SHAPE = (1, 1, 32, 32)
# the encoder of pictures: 3x3 convolutions to 16@16x16, 32@8x8, 64@4x4, a layer of 1,024 to 128
COUNTS = (
    16 * 9 + 16 + 32 * 16 * 9 + 32 + 64 * 32 * 9 + 64 + 1024 * 128 + 128,  # 154,496
    16 * 9 * 256 + 32 * 16 * 9 * 64 + 64 * 32 * 9 * 16 + 1024 * 128,  # 757,760, and 128 of the length
)
PAPER = "Kiros et al., 2014, https://arxiv.org/abs/1411.2539"
SAMPLED_LOSS = True  # the wrong answers are the others of the batch


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(CaptionConfig):
    joint: int = 128  # numbers of the common space
    margin: float = 0.2


SMALL = Config(shape=(1, 8, 8), words=8, steps=5, channels=(2, 3), embedding=3, hidden=4, joint=4)


class PictureRanker(nn.Module):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        if config.joint < 1 or not config.margin > 0:
            raise BadInput(f"joint is {config.joint}, margin {config.margin}: at least 1, and above 0, are needed")
        self.config = config
        self.encoder = PictureEncoder(config)
        self.sentences = SentenceEncoder(config)
        self.of_picture = nn.Linear(config.features, config.joint)
        self.of_sentence = nn.Linear(config.hidden, config.joint)

    def picture(self, x: Tensor) -> Tensor:
        """Pictures [n, *shape] to unit vectors [n, joint]."""
        return _unit(self.of_picture(self.encoder(x).flatten(1)))

    def sentence(self, tokens: Tensor) -> Tensor:
        """Sentences [n, t] to unit vectors [n, joint]."""
        return _unit(self.of_sentence(self.sentences(tokens)))

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """The score of every picture with every sentence [pictures, sentences], in -1..1."""
        return self.picture(x) @ self.sentence(tokens).T

    def loss(self, batch: Batch, *, generator: torch.Generator | None = None) -> Tensor:
        """The hinge loss against all others of the batch; mean over it."""
        x, tokens = checked(batch, self.config)
        scores = self(x, tokens)
        right = scores.diagonal()
        wrong = (tokens[:, None] != tokens[None]).any(2)
        misses = torch.relu(self.config.margin - right[:, None] + scores)
        misses = misses + torch.relu(self.config.margin - right[None] + scores)
        return (misses * wrong).sum() / len(x)

    def metrics(self, batch: Batch) -> dict[str, float]:
        """Sums over the batch: `loss`, here 1 - the right pair's score, which needs no wrong pairs; `count`."""
        x, tokens = checked(batch, self.config)
        with torch.no_grad():
            right = (self.picture(x) * self.sentence(tokens)).sum(1)
        return {"loss": float((1 - right).sum()), "count": len(x)}

    def entries(self) -> dict[str, tuple[Callable[..., Any], Any]]:
        """Each side alone, on one picture and one sentence without padding."""
        given = example(self.config, 1, generator=torch.Generator().manual_seed(0))
        return {"picture": (self.picture, given["x"]), "sentence": (self._unpadded, given["tokens"])}

    def _unpadded(self, tokens: Tensor) -> Tensor:
        return _unit(self.of_sentence(self.sentences.unpadded(tokens)))


def _unit(x: Tensor) -> Tensor:
    return x / torch.sqrt((x * x).sum(1, keepdim=True) + 1e-12)


def example(config: Config, count: int, *, generator: torch.Generator) -> dict[str, Tensor]:
    """`count` pictures of noise with captions of any words."""
    return made_up(config, count, generator=generator)


def picture_ranker(config: Config = Config(), *, seed: int = 0) -> PictureRanker:
    """Kiros et al. 2014; initial weights from `seed`."""
    model = PictureRanker(config)
    initialise_captions(model, seed)
    return model
