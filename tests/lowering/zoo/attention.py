"""Attention: an encoder of torch's own layers, a causal language model, a vision transformer."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.lowering.zoo.entry import Entry, conv, dense


class Encoder(nn.Module):
    """Vaswani et al. 2017: torch's own encoder layers, here with normalisation first."""

    def __init__(self, words=60, size=16, length=10):
        super().__init__()
        self.embed, self.place = nn.Embedding(words, size), nn.Parameter(torch.randn(length, size))
        layer = nn.TransformerEncoderLayer(size, 4, 32, batch_first=True, norm_first=True, activation="gelu")
        self.layers = nn.ModuleList([layer, nn.TransformerEncoderLayer(size, 4, 32, batch_first=True)])
        self.classify = nn.Linear(size, 5)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens) + self.place[: tokens.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return self.classify(x.mean(1))


class Causal(nn.Module):
    """Radford et al. 2019: every word sees those before it; the guess by the embedding itself."""

    def __init__(self, words=50, size=24, heads=3, layers=2, length=12):
        super().__init__()
        self.embed, self.place = nn.Embedding(words, size), nn.Embedding(length, size)
        self.blocks = nn.ModuleList(Block(size, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(size)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens) + self.place(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.embed.weight)


class Block(nn.Module):
    """Attention of several heads and two layers, each beside a short cut."""

    def __init__(self, size, heads, causal=True):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.into, self.out = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.wide, self.narrow = nn.Linear(size, 4 * size), nn.Linear(4 * size, size)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.into(self.norm1(x)).chunk(3, -1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.narrow(F.gelu(self.wide(self.norm2(x)), approximate="tanh"))


class Vision(nn.Module):
    """Dosovitskiy et al. 2021: pieces of a picture as words, and one more that gathers the answer."""

    def __init__(self, size=24, piece=4, pieces=16):
        super().__init__()
        self.cut = nn.Conv2d(3, size, piece, piece)
        self.answer, self.place = nn.Parameter(torch.randn(1, 1, size)), nn.Parameter(torch.randn(1, pieces + 1, size))
        self.blocks = nn.Sequential(Block(size, 2, causal=False), Block(size, 2, causal=False))
        self.norm, self.classify = nn.LayerNorm(size), nn.Linear(size, 7)

    def forward(self, x: Tensor) -> Tensor:
        words = self.cut(x).flatten(2).transpose(1, 2)
        words = torch.cat([self.answer.expand(len(x), -1, -1), words], 1) + self.place
        return self.classify(self.norm(self.blocks(words))[:, 0])


def block(t: int, size: int, wide: int) -> int:
    """Multiply-accumulates of attention over t words and of the two layers behind it."""
    return t * (4 * size**2 + 2 * size * wide) + 2 * t * t * size


def weights(size: int, wide: int) -> int:
    """Numbers in a block: projections, two layers, two normalisations, with their biases."""
    return 4 * size**2 + 4 * size + 2 * size * wide + wide + size + 4 * size


ENTRIES = [
    Entry(
        name="transformer_encoder", full=Encoder,
        shape={"tokens": torch.zeros(1, 10, dtype=torch.int64, device="meta")},
        inputs={"tokens": torch.randint(60, (2, 7), generator=torch.Generator().manual_seed(0))},
        macs=2 * block(10, 16, 32) + dense(16, 5), parameters=960 + 160 + 2 * weights(16, 32) + 85,
    ),
    Entry(
        name="causal_transformer", full=Causal, shape={"tokens": torch.zeros(1, 12, dtype=torch.int64, device="meta")},
        inputs={"tokens": torch.randint(50, (2, 9), generator=torch.Generator().manual_seed(0))},
        macs=2 * block(12, 24, 96) + 12 * dense(24, 50), parameters=1200 + 288 + 2 * weights(24, 96) + 48,
    ),
    Entry(
        name="vision_transformer", full=Vision, shape=(1, 3, 16, 16), inputs={"x": torch.rand(2, 3, 16, 16)},
        macs=conv(4, 24, 3, 4) + 2 * block(17, 24, 96) + dense(24, 7),
        parameters=1176 + 24 + 17 * 24 + 2 * weights(24, 96) + 48 + 175,
    ),
]  # fmt: skip
