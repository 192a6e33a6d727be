"""Recurrent nets: tagger, bidirectional GRU, peephole LSTM, language model, CNN-LSTM-CTC, translator, captioner."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.nn import scan
from tests.lowering.zoo.entry import Entry, conv, dense


class Tagger(nn.Module):
    """A label for every word."""

    def __init__(self, words=100, labels=9):
        super().__init__()
        self.embed, self.lstm = nn.Embedding(words, 16), nn.LSTM(16, 24, batch_first=True)
        self.label = nn.Linear(24, labels)

    def forward(self, tokens: Tensor) -> Tensor:
        return F.log_softmax(self.label(self.lstm(self.embed(tokens))[0]), -1)


class Bidirectional(nn.Module):
    """A class for a whole sequence, read in both directions by two layers (Schuster and Paliwal 1997; Cho 2014)."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(6, 10, 2, bidirectional=True)
        self.classify = nn.Linear(20, 4)

    def forward(self, x: Tensor) -> Tensor:
        _, last = self.gru(x)
        return self.classify(torch.cat([last[-2], last[-1]], 1))


class Peephole(nn.Module):
    """Gers and Schmidhuber 2000: gates see the cell state; input, forget and output gate each by a diagonal."""

    def __init__(self, inputs=5, cells=8, classes=3):
        super().__init__()
        self.cells = cells
        self.from_input, self.from_state = nn.Linear(inputs, 4 * cells), nn.Linear(cells, 4 * cells, bias=False)
        self.peepholes = nn.Parameter(torch.randn(3, cells))
        self.classify = nn.Linear(cells, classes)

    def cell(self, state, x):
        h, c = state
        i, f, g, o = (self.from_input(x) + self.from_state(h)).chunk(4, -1)
        kept = torch.sigmoid(f + self.peepholes[0] * c) * c
        c = kept + torch.sigmoid(i + self.peepholes[1] * c) * torch.tanh(g)
        h = torch.sigmoid(o + self.peepholes[2] * c) * torch.tanh(c)
        return (h, c), h

    def forward(self, x: Tensor) -> Tensor:
        zero = x.new_zeros(x.shape[1], self.cells)
        _, y = scan(self.cell, x, (zero, zero))
        return self.classify(y)


class Language(nn.Module):
    """Zaremba et al. 2014, medium: the next word by two layers of 650; states handed in and out."""

    def __init__(self, words=10_000, cells=650):
        super().__init__()
        self.embed, self.lstm = nn.Embedding(words, cells), nn.LSTM(cells, cells, 2, dropout=0.5)
        self.guess = nn.Linear(cells, words)

    def forward(self, tokens: Tensor, h: Tensor, c: Tensor) -> dict[str, Tensor]:
        y, (h, c) = self.lstm(F.dropout(self.embed(tokens), 0.5, self.training), (h, c))
        return {"logits": self.guess(y), "last_h": h, "last_c": c}


class Recogniser(nn.Module):
    """Shi et al. 2017: a line of writing through convolutions, then an LSTM both ways along it, ready for CTC."""

    def __init__(self, signs=11):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.lstm, self.label = nn.LSTM(16 * 4, 20, bidirectional=True), nn.Linear(40, signs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.norm(self.conv2(x))), (2, 1))
        y, _ = self.lstm(x.flatten(1, 2).permute(2, 0, 1))  # every column is a step
        return F.log_softmax(self.label(y), -1)


class Translator(nn.Module):
    """Bahdanau et al. 2015: the decoder looks at every word of the source, weighted anew at every step."""

    def __init__(self, words=40, size=12):
        super().__init__()
        self.source, self.target = nn.Embedding(words, size), nn.Embedding(words, size)
        self.encode = nn.GRU(size, size, bidirectional=True, batch_first=True)
        self.bridge, self.keys = nn.Linear(size, size), nn.Linear(2 * size, size, bias=False)
        self.query, self.score = nn.Linear(size, size), nn.Linear(size, 1, bias=False)
        self.decode, self.guess = nn.GRUCell(3 * size, size), nn.Linear(size, words)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        seen, last = self.encode(self.source(source))
        keys = self.keys(seen)

        def cell(h, word):
            scores = self.score(torch.tanh(keys + self.query(h)[:, None])).squeeze(-1)
            context = (F.softmax(scores, -1)[:, None] @ seen).squeeze(1)
            h = self.decode(torch.cat([word, context], 1), h)
            return h, h

        words = self.target(target).transpose(0, 1)
        _, y = scan(cell, words, torch.tanh(self.bridge(last[1])))
        return self.guess(y.transpose(0, 1))


class Captioner(nn.Module):
    """Vinyals et al. 2015: a picture is the first state of an LSTM, which is fed its own best word at every step."""

    def __init__(self, words=30, size=16, length=6):
        super().__init__()
        self.length = length
        self.look, self.project = nn.Conv2d(3, 8, 5, 2), nn.Linear(8, size)
        self.embed, self.lstm, self.guess = nn.Embedding(words, size), nn.LSTMCell(size, size), nn.Linear(size, words)

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        seen = torch.tanh(self.project(F.relu(self.look(picture)).mean((2, 3))))

        def cell(state, _):
            h, c, word = state
            h, c = self.lstm(self.embed(word), (h, c))
            logits = self.guess(h)
            word = logits.argmax(1)
            return (h, c, word), (word, logits)

        first = torch.zeros(len(picture), dtype=torch.int64)
        _, (sentence, logits) = scan(cell, torch.arange(self.length), (seen, torch.zeros_like(seen), first))
        return {"words": sentence.T, "logits": logits}


class Reservoir(nn.Module):
    """Jaeger 2001: a fixed random net with leaky units, only its readout learned."""

    def __init__(self, inputs=3, units=40, leak=0.3):
        super().__init__()
        self.register_buffer("into", torch.rand(inputs, units) - 0.5)
        self.register_buffer("inside", (torch.rand(units, units) - 0.5) / 4)
        self.readout, self.leak = nn.Linear(units, 2), leak

    def forward(self, x: Tensor) -> Tensor:
        def cell(s, u):
            s = (1 - self.leak) * s + self.leak * torch.tanh(u @ self.into + s @ self.inside)
            return s, s

        _, states = scan(cell, x, x.new_zeros(x.shape[1], len(self.inside)))
        return self.readout(states)


def lstm(i: int, h: int) -> int:
    return 4 * h * (i + h)


def gru(i: int, h: int) -> int:
    return 3 * h * (i + h)


GENERATOR = torch.Generator().manual_seed(0)
LANGUAGE = {"tokens": torch.zeros(35, 1, dtype=torch.int64, device="meta"), "h": (2, 1, 650), "c": (2, 1, 650)}

ENTRIES = [
    Entry(
        name="lstm_tagger", full=Tagger, shape={"tokens": torch.zeros(1, 7, dtype=torch.int64, device="meta")},
        inputs={"tokens": torch.randint(100, (2, 5), generator=GENERATOR)},
        macs=7 * (lstm(16, 24) + dense(24, 9)), parameters=1600 + lstm(16, 24) + 2 * 96 + (24 * 9 + 9),
    ),
    Entry(
        name="bidirectional_gru", full=Bidirectional, shape=(9, 1, 6), inputs={"x": torch.rand(7, 2, 6)},
        macs=9 * 2 * (gru(6, 10) + gru(20, 10)) + dense(20, 4),
        parameters=2 * (gru(6, 10) + gru(20, 10) + 2 * 60) + 84,
    ),
    Entry(
        name="peephole_lstm", full=Peephole, shape=(9, 1, 5), inputs={"x": torch.rand(7, 2, 5)},
        macs=9 * (lstm(5, 8) + dense(8, 3)), parameters=lstm(5, 8) + 32 + 3 * 8 + 27,
    ),
    Entry(
        name="lstm_language_model", full=Language, shape=LANGUAGE, source="Zaremba et al. 2014, medium: 20 M",
        macs=35 * (2 * lstm(650, 650) + dense(650, 10_000)),
        parameters=6_500_000 + 2 * (lstm(650, 650) + 2 * 2600) + 6_510_000, small=lambda: Language(50, 12),
        inputs={
            "tokens": torch.randint(50, (5, 2), generator=GENERATOR),
            "h": torch.rand(2, 2, 12), "c": torch.rand(2, 2, 12),
        },
    ),
    Entry(
        name="cnn_lstm_ctc", full=Recogniser, shape=(1, 1, 16, 40), inputs={"x": torch.rand(2, 1, 16, 20)},
        macs=conv((16, 40), 8, 1, 3) + conv((8, 20), 16, 8, 3) + 20 * (2 * lstm(64, 20) + dense(40, 11)),
        parameters=80 + 1168 + 32 + 2 * (lstm(64, 20) + 160) + 451,
    ),
    Entry(
        name="encoder_decoder_with_attention", full=Translator,
        shape={k: torch.zeros(1, n, dtype=torch.int64, device="meta") for k, n in (("source", 6), ("target", 4))},
        inputs={k: torch.randint(40, (2, n), generator=GENERATOR) for k, n in (("source", 6), ("target", 4))},
        # encoder both ways, its keys, the bridge; then a step: query, scores, their mean, decoder; and the guess
        macs=6 * 2 * gru(12, 12) + 6 * dense(24, 12) + 144 + 4 * (144 + 6 * 12 + 6 * 24 + gru(36, 12) + dense(12, 40)),
        parameters=2 * 480 + 2 * (gru(12, 12) + 72) + 156 + 288 + 156 + 12 + gru(36, 12) + 72 + 520,
    ),
    Entry(
        name="captioner", full=Captioner, shape=(1, 3, 17, 17), inputs={"picture": torch.rand(2, 3, 13, 13)},
        macs=conv(7, 8, 3, 5) + dense(8, 16) + 6 * lstm(16, 16) + 6 * dense(16, 30),
        parameters=608 + 144 + 480 + lstm(16, 16) + 128 + 510,
    ),
    Entry(
        name="reservoir", full=Reservoir, shape=(9, 1, 3), inputs={"x": torch.rand(7, 2, 3)},
        macs=9 * (dense(3, 40) + dense(40, 40) + dense(40, 2)), parameters=120 + 1600 + 82,
        source="counted by hand, with the weights that are not learned",
    ),
]  # fmt: skip
