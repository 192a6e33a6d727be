"""Text to image: a picture from a sentence and noise, by a conditional variational autoencoder.

    c = GRU(tokens)        q(z | x, c) = N(μ, σ²),  [μ, log σ²] = L [CNN(x), c]        z = μ + σ ε
    p(x | z, c) = Bernoulli(sigmoid(D(z, c)))       D: a layer to the smallest maps, then transposed convolutions
    loss = -log p(x | z, c) + KL(q(z | x, c) || N(0, 1))

The sentence says what is in the picture; z what the sentence leaves open (handwriting, place). To draw, z is taken from
N(0, 1) and the CNN is not needed. Pixels come out as means, so pictures are smooth where z cannot tell.

Shapes     x [n, 1, 32, 32] in [0, 1], tokens [n, t] int64 (1 begins, 2 ends, 0 pads), z [n, latent]; drawn as x
Paper      Sohn, Lee, Yan, "Learning Structured Output Representation using Deep Conditional Generative Models", NIPS
           2015, https://papers.nips.cc/paper/5775; Mansimov et al., "Generating Images from Captions with Attention",
           ICLR 2016, https://arxiv.org/abs/1511.02793
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.models._captions import (
    Batch,
    CaptionConfig,
    PictureEncoder,
    SentenceEncoder,
    checked,
    checked_tokens,
    initialise_captions,
    made_up,
)

ROWS = ("M38",)
INPUT_SHAPE = (1, 16)
_GRU = 20 * 32, 3 * 128 * (32 + 128), 6 * 128  # the words, both products of a step, biases
# the drawer: the sentence (10 steps), 144 to 64@4x4, transposed convolutions 4x4 to 32@8x8, 16@16x16, 1@32x32
COUNTS = (
    sum(_GRU) + 144 * 1024 + 1024 + 64 * 32 * 16 + 32 + 32 * 16 * 16 + 16 + 16 * 16 + 1,  # 252,593
    10 * _GRU[1] + 144 * 1024 + 64 * 32 * 16 * 16 + 32 * 16 * 16 * 64 + 16 * 16 * 256,  # 1,875,968
)
PAPER = "Sohn, Lee, Yan, NIPS 2015, https://papers.nips.cc/paper/5775"
SAMPLED_LOSS = True  # z is drawn


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(CaptionConfig):
    latent: int = 16


SMALL = Config(shape=(1, 8, 8), words=8, steps=5, channels=(2, 3), embedding=3, hidden=4, latent=2)


class TextToImage(nn.Module):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        if config.latent < 1:
            raise BadInput(f"latent is {config.latent}: at least 1 is needed")
        self.config = config
        self.sentences = SentenceEncoder(config)
        self.encoder = PictureEncoder(config)
        self.posterior = nn.Linear(config.features + config.hidden, 2 * config.latent)
        self.first = nn.Linear(config.latent + config.hidden, config.features)
        channels = (*config.channels[::-1], config.shape[0])
        self.layers = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, stride=2, padding=1) for a, b in itertools.pairwise(channels)
        )

    def recognise(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance [n, latent] of what pictures hold beyond their sentences' states [n, hidden]."""
        both = torch.cat([self.encoder(x).flatten(1), condition], dim=1)
        mean, log_variance = self.posterior(both).chunk(2, dim=1)
        return mean, log_variance

    def draw(self, z: Tensor, condition: Tensor) -> Tensor:
        """The logits of pictures [n, *shape] from z [n, latent] and their sentences' states [n, hidden]."""
        h = torch.relu(self.first(torch.cat([z, condition], dim=1)))
        h = h.unflatten(1, (self.config.channels[-1], *self.config.places))
        for layer in self.layers[:-1]:
            h = torch.relu(layer(h))
        return self.layers[-1](h)

    def forward(self, z: Tensor, tokens: Tensor) -> Tensor:
        """Pictures [n, *shape] in (0, 1) from z [n, latent] and sentences [n, t]."""
        return torch.sigmoid(self.draw(z, self.sentences(tokens)))

    def sample(self, tokens: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """One drawn picture for each sentence."""
        checked_tokens(tokens, self.config.words)
        with torch.no_grad():
            return self(torch.randn(len(tokens), self.config.latent, generator=generator), tokens)

    def loss(self, batch: Batch, *, generator: torch.Generator | None = None) -> Tensor:
        """The bound on -log p of a picture given its sentence, in nats, with one draw of z; mean over the batch."""
        return self._each(batch, lambda shape: torch.randn(shape, generator=generator)).mean()

    def metrics(self, batch: Batch) -> dict[str, float]:
        """Sums over the batch: `loss` with z at its mean, and `count`."""
        with torch.no_grad():
            found = self._each(batch, torch.zeros)
        return {"loss": float(found.sum()), "count": len(found)}

    def entries(self) -> dict[str, tuple[Callable[..., Any], Any]]:
        """The drawer on one sentence without padding; the recognition of one picture."""
        drawn = torch.Generator().manual_seed(0)
        given = example(self.config, 1, generator=drawn)
        z = torch.randn(1, self.config.latent, generator=drawn)
        return {
            "draw": (self._unpadded, {"z": z, "tokens": given["tokens"]}),
            "recognise": (self.recognise, {"x": given["x"], "condition": torch.zeros(1, self.config.hidden)}),
        }

    def _unpadded(self, z: Tensor, tokens: Tensor) -> Tensor:
        return torch.sigmoid(self.draw(z, self.sentences.unpadded(tokens)))

    def _each(self, batch: Batch, noise: Callable[[torch.Size], Tensor]) -> Tensor:
        x, tokens = checked(batch, self.config)
        condition = self.sentences(tokens)
        mean, log_variance = self.recognise(x, condition)
        z = mean + torch.exp(log_variance / 2) * noise(mean.shape)
        missed = F.binary_cross_entropy_with_logits(self.draw(z, condition), x, reduction="none").flatten(1).sum(1)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
        return missed + divergence


def example(config: Config, count: int, *, generator: torch.Generator) -> dict[str, Tensor]:
    """`count` pictures of noise with captions of any words."""
    return made_up(config, count, generator=generator)


def text_to_image(config: Config = Config(), *, seed: int = 0) -> TextToImage:
    """Sohn et al. 2015 with a sentence as the condition; initial weights from `seed`."""
    model = TextToImage(config)
    initialise_captions(model, seed)
    return model
