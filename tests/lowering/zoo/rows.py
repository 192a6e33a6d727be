"""Nets over one axis, over sets and over pairs: WaveNet-like, text CNN, keyword spotter, siamese, points, highway."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.lowering.zoo.entry import Entry, conv, dense


class Waves(nn.Module):
    """van den Oord et al. 2016: causal convolutions, twice as far apart at every layer, gated, all of them heard."""

    def __init__(self, c=8, layers=4, levels=16):
        super().__init__()
        self.into = nn.Conv1d(levels, c, 1)
        self.pairs = nn.ModuleList(nn.Conv1d(c, 2 * c, 2, dilation=1 << i) for i in range(layers))
        self.back = nn.ModuleList(nn.Conv1d(c, 2 * c, 1) for _ in range(layers))
        self.out = nn.Sequential(nn.ReLU(), nn.Conv1d(c, c, 1), nn.ReLU(), nn.Conv1d(c, levels, 1))

    def forward(self, x: Tensor) -> Tensor:
        x, heard = self.into(x), 0
        for i, (pair, back) in enumerate(zip(self.pairs, self.back, strict=True)):
            value, gate = pair(F.pad(x, (1 << i, 0))).chunk(2, 1)
            more, skip = back(torch.tanh(value) * torch.sigmoid(gate)).chunk(2, 1)
            x, heard = x + more, heard + skip
        return self.out(heard)


class Sentences(nn.Module):
    """Kim 2014: windows of three widths over the words of a sentence, the strongest of each kept."""

    def __init__(self, words=80, size=12, kinds=6):
        super().__init__()
        self.embed = nn.Embedding(words, size, padding_idx=0)
        self.windows = nn.ModuleList(nn.Conv1d(size, kinds, w) for w in (3, 4, 5))
        self.classify = nn.Linear(3 * kinds, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens).transpose(1, 2)
        best = [F.relu(window(x)).max(2).values for window in self.windows]
        return self.classify(F.dropout(torch.cat(best, 1), 0.5, self.training))


class Siamese(nn.Module):
    """Koch et al. 2015: one net looks at both pictures; are they of the same kind?"""

    def __init__(self):
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 12, 3), nn.ReLU(), nn.Flatten()
        )
        self.code, self.judge = nn.Linear(12 * 16, 20), nn.Linear(20, 1)

    def forward(self, left: Tensor, right: Tensor) -> dict[str, Tensor]:
        a, b = (torch.sigmoid(self.code(self.look(x))) for x in (left, right))
        return {"same": torch.sigmoid(self.judge((a - b).abs())), "near": F.cosine_similarity(a, b)}


class Points(nn.Module):
    """Qi et al. 2017: points without order, turned by a matrix that a small net finds, the largest of each feature."""

    def __init__(self):
        super().__init__()
        self.see, self.turn = nn.Conv1d(3, 16, 1), nn.Linear(16, 9)
        self.rise, self.norm, self.classify = nn.Conv1d(3, 24, 1), nn.BatchNorm1d(24), nn.Linear(24, 4)

    def forward(self, points: Tensor) -> Tensor:
        turn = self.turn(F.relu(self.see(points)).amax(2)).view(-1, 3, 3)
        turned = torch.bmm(turn, points)
        return self.classify(F.relu(self.norm(self.rise(turned))).max(2).values)


class Highway(nn.Module):
    """Srivastava et al. 2015: gates decide what passes a layer unchanged."""

    def __init__(self, size=20, depth=3):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(size, size) for _ in range(depth))
        self.gates = nn.ModuleList(nn.Linear(size, size) for _ in range(depth))
        self.out = nn.Linear(size, 3)

    def forward(self, x: Tensor) -> Tensor:
        for layer, gate in zip(self.layers, self.gates, strict=True):
            share = torch.sigmoid(gate(x))
            x = share * F.elu(layer(x)) + (1 - share) * x
        return F.softmax(self.out(x), 1)


class Keywords(nn.Module):
    """Sainath and Parada 2015: a spoken word from 40 bands of sound over a second, by two convolutions."""

    def __init__(self, words=12):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 16, (20, 8)), nn.Conv2d(16, 16, (10, 4))
        self.norm = nn.GroupNorm(4, 16)
        self.words = nn.Linear(16 * 2 * 4, words)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.silu(self.conv1(x.unsqueeze(1))), (1, 3))
        x = F.adaptive_avg_pool2d(self.norm(F.relu(self.conv2(x))), (2, 4))  # bins that divide
        return self.words(x.flatten(1))


ENTRIES = [
    Entry(
        name="dilated_causal", full=Waves, shape=(1, 16, 50), inputs={"x": torch.rand(2, 16, 20)},
        macs=50 * (16 * 8 + 4 * (2 * 8 * 16 + 8 * 16) + 8 * 8 + 8 * 16),
        parameters=136 + 4 * (2 * 8 * 16 + 16 + 8 * 16 + 16) + 72 + 144,
    ),
    Entry(
        name="text_cnn", full=Sentences, shape={"tokens": torch.zeros(1, 20, dtype=torch.int64, device="meta")},
        inputs={"tokens": torch.randint(80, (2, 9), generator=torch.Generator().manual_seed(0))},
        macs=12 * 6 * (18 * 3 + 17 * 4 + 16 * 5) + dense(18, 2), parameters=960 + 12 * 6 * 12 + 18 + 38,
    ),
    Entry(
        name="siamese", full=Siamese, shape={"left": (1, 1, 16, 16), "right": (1, 1, 16, 16)},
        inputs={"left": torch.rand(2, 1, 16, 16), "right": torch.rand(2, 1, 16, 16)},
        macs=2 * (conv(12, 8, 1, 5) + conv(4, 12, 8, 3) + dense(192, 20)) + 20, parameters=208 + 876 + 3860 + 21,
    ),
    Entry(
        name="points", full=Points, shape=(1, 3, 32), inputs={"points": torch.rand(2, 3, 20)},
        macs=32 * 3 * 16 + dense(16, 9) + 32 * 9 + 32 * 3 * 24 + dense(24, 4), parameters=64 + 153 + 96 + 48 + 100,
    ),
    Entry(
        name="highway", full=Highway, shape=(1, 20), inputs={"x": torch.rand(3, 20)},
        macs=dense(20, *[20] * 6) + dense(20, 3), parameters=6 * 420 + 63,
    ),
    Entry(
        name="keyword_spotter", full=Keywords, shape=(1, 98, 40), inputs={"x": torch.rand(2, 40, 40)},
        macs=conv((79, 33), 16, 1, (20, 8)) + conv((70, 8), 16, 16, (10, 4)) + dense(128, 12),
        parameters=(20 * 8 * 16 + 16) + (16 * 16 * 40 + 16) + 32 + 1548,
    ),
]  # fmt: skip
