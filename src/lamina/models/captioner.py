"""Captioner: a convolutional network looks at a picture, an LSTM writes the sentence, attending or not.

    a_i = places of CNN(x)                                        h_t, c_t = LSTM([E w_t, z_t], h_{t-1}, c_{t-1})
    none    h_0, c_0 = tanh(W a), z_t left out: the picture speaks through the first state alone    (Vinyals et al.)
    soft    h_0, c_0 = tanh(W mean a),  z_t = Σ_i α_i a_i,  α = softmax_i v·tanh(A a_i + B h_{t-1})       (Xu et al.)
    p(w_{t+1}) = softmax(O [h_t, z_t])

The loss is -log p of the whole caption, teacher-forced. Words come out greedily or by beam search over all pictures of
a batch together. The convolutional part is small and learns along; the papers take one trained on ImageNet.

Shapes     x [n, 1, 32, 32], tokens [n, t] int64 (1 begins, 2 ends, 0 pads); annotations [n, places, channels]; captions
           [n, steps]; scores [n] in nats
Paper      Vinyals et al., "Show and Tell", CVPR 2015, https://arxiv.org/abs/1411.4555; Xu et al., "Show, Attend and
           Tell", ICML 2015, https://arxiv.org/abs/1502.03044
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.models._beam import beam_search
from lamina.models._captions import (
    BEGIN,
    PAD,
    Batch,
    CaptionConfig,
    PictureEncoder,
    checked,
    initialise_captions,
    made_up,
)
from lamina.nn.recurrent import Recurrent
from lamina.nn.scan import scan

ROWS = ("M37",)
INPUT_SHAPE = (1, 1, 32, 32)
# the encoder: 3x3 convolutions to 16@16x16, 32@8x8, 64@4x4
COUNTS = (
    16 * 9 + 16 + 32 * 16 * 9 + 32 + 64 * 32 * 9 + 64,  # 23,296
    16 * 9 * 256 + 32 * 16 * 9 * 64 + 64 * 32 * 9 * 16,  # 626,688
)
PAPER = "Vinyals et al., CVPR 2015, https://arxiv.org/abs/1411.4555"
REFUSED = {"search": "beam search: its loop ends by what it finds, and its steps choose among all words by rank"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(CaptionConfig):
    attention: Literal["soft", "none"] = "soft"
    attending: int = 64  # units of the attention's hidden layer


SMALL = Config(shape=(1, 8, 8), words=8, steps=5, channels=(2, 3), embedding=3, hidden=4, attending=3)


class Captioner(nn.Module):
    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        self.config = config
        seen, soft = config.channels[-1], config.attention == "soft"
        self.encoder = PictureEncoder(config)
        whole = seen if soft else config.features  # a mean has no places: what is where has to be told at once
        self.begin_h = nn.Linear(whole, config.hidden)
        self.begin_c = nn.Linear(whole, config.hidden)
        self.embedding = nn.Embedding(config.words, config.embedding)
        self.lstm = Recurrent("lstm", config.embedding + soft * seen, config.hidden)
        self.output = nn.Linear(config.hidden + soft * seen, config.words)
        if soft:
            if config.attending < 1:
                raise BadInput(f"attending is {config.attending}: at least 1 unit is needed")
            self.of_place = nn.Linear(seen, config.attending, bias=False)
            self.of_state = nn.Linear(config.hidden, config.attending)
            self.of_both = nn.Linear(config.attending, 1, bias=False)

    def encode(self, x: Tensor) -> Tensor:
        """Pictures [n, *shape] to annotations [n, places, channels]."""
        return self.encoder(x).flatten(2).transpose(1, 2)

    def begin(self, annotations: Tensor) -> tuple[Tensor, Tensor]:
        """The state (h, c) before the first word."""
        whole = annotations.mean(1) if self.config.attention == "soft" else annotations.flatten(1)
        return torch.tanh(self.begin_h(whole)), torch.tanh(self.begin_c(whole))

    def attend(self, h: Tensor, annotations: Tensor) -> tuple[Tensor, Tensor]:
        """What is looked at [n, channels], and how much of each place it is made of [n, places]."""
        hidden = torch.tanh(self.of_place(annotations) + self.of_state(h)[:, None])
        share = torch.softmax(self.of_both(hidden)[..., 0], dim=1)
        return (share[..., None] * annotations).sum(1), share

    def step(self, words: Tensor, h: Tensor, c: Tensor, annotations: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One word [n] further: log-probabilities of the next [n, words], and the state."""
        (h, c), said = self._walk((h, c), self.embedding(words), annotations)
        return torch.log_softmax(self.output(said), dim=-1), h, c

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Log-probabilities [n, t - 1, words] of the token that follows each of `tokens` but the last."""
        annotations = self.encode(x)
        state, given = self.begin(annotations), self.embedding(tokens[:, :-1])
        if self.config.attention == "none":
            said, _ = self.lstm(given, state)
        else:
            _, steps = scan(lambda s, w: self._walk(s, w, annotations), given.transpose(0, 1), state)
            said = steps.transpose(0, 1)
        return torch.log_softmax(self.output(said), dim=-1)

    def loss(self, batch: Batch, *, generator: torch.Generator | None = None) -> Tensor:
        """-log p of a caption in nats, mean over the batch."""
        return self._each(batch).mean()

    def metrics(self, batch: Batch) -> dict[str, float]:
        """Sums over the batch: `loss` and `count` of captions, `words` that were said, their ends included."""
        with torch.no_grad():
            found = self._each(batch)
        words = float((batch["tokens"][:, 1:] != PAD).sum())
        return {"loss": float(found.sum()), "count": len(found), "words": words}

    def caption(self, x: Tensor, *, width: int = 1) -> tuple[Tensor, Tensor]:
        """The best captions [n, steps] that a beam of `width` finds, 1 being greedy, and their log-probabilities."""
        with torch.no_grad():
            annotations = self.encode(x)
            return beam_search(
                self._searched, (*self.begin(annotations), annotations), width=width, steps=self._longest
            )

    def entries(self) -> dict[str, tuple[Callable[..., Any], Any]]:
        """The encoder on one picture, one step of the decoder, and the search, which is no network."""
        given = example(self.config, 1, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            annotations = self.encode(given["x"])
            h, c = self.begin(annotations)
        step = {"words": given["tokens"][:, 0], "h": h, "c": c, "annotations": annotations}
        if self.config.attention == "none":
            del step["annotations"]
        return {
            "encode": (self.encode, given["x"]),
            "step": (self.step if self.config.attention == "soft" else self._blind_step, step),
            "search": (self.caption, given["x"]),
        }

    @property
    def _longest(self) -> int:
        return self.config.steps - 1  # the begin is given

    def _blind_step(self, words: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.step(words, h, c, h)

    def _searched(self, words: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        log_p, h, c = self.step(words, *state)
        return log_p, (h, c, state[2])

    def _walk(self, state: tuple[Tensor, Tensor], given: Tensor, annotations: Tensor) -> tuple[Any, Tensor]:
        """One step behind the embedding: the state, and what the output layer reads."""
        parts = [] if self.config.attention == "none" else [self.attend(state[0], annotations)[0]]
        a = F.linear(torch.cat([given, *parts], dim=-1), self.lstm.weight_ih, self.lstm.bias_ih)
        state, _ = self.lstm.step(state, a)
        return state, torch.cat([state[0], *parts], dim=-1)

    def _each(self, batch: Batch) -> Tensor:
        x, tokens = checked(batch, self.config)
        if tokens.shape[1] < 2 or bool((tokens[:, 0] != BEGIN).any()) or bool((tokens[:, 1] == PAD).any()):
            raise BadInput(
                f"a caption that does not begin with {BEGIN} and go on: [n, t] with t of at least 2 is needed"
            )
        wanted = tokens[:, 1:]
        found = self(x, tokens).gather(2, wanted[..., None])[..., 0]
        return -(found * (wanted != PAD)).sum(1)


def example(config: Config, count: int, *, generator: torch.Generator) -> dict[str, Tensor]:
    """`count` pictures of noise with captions of any words."""
    return made_up(config, count, generator=generator)


def captioner(config: Config = Config(), *, seed: int = 0) -> Captioner:
    """Vinyals et al. 2015, with the attention of Xu et al.; initial weights from `seed`."""
    model = Captioner(config)
    initialise_captions(model, seed)
    return model
