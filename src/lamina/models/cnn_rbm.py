"""CNN + RBM: convolutions make features, and a restricted Boltzmann machine over features and class reads them.

    x ─conv 5x5, ReLU, max 2─▶ 16 ─conv 5x5, ReLU, max 2─▶ 32@7x7 ─linear, sigmoid─▶ v ─▶ h ◀─ y
    E(v, y, h) = -a'v - d_y - b'h - h'W v - h'U_y
    p(y | v) = softmax_y( d_y + Σ_j log(1 + exp(b_j + U_jy + W_j v)) )

The hidden units can be summed out for each class, so the posterior of the class is exact, and its slope goes on into
the convolutions: the whole is tuned together, as by Sun et al. for faces. `generative` adds contrastive divergence
on (v, y), which takes v for data and leaves the convolutions alone: features that could move would become constant, the
cheapest thing to model. By default 227,990 parameters of the classifier and 3,035,904 multiply-accumulates on 28 x 28.

Shapes     x_BCHW [n, channels, size, size], size a multiple of 4; v_BV [n, visible], y [n] int64; logits [n, classes]
Paper      Sun, Wang and Tang, "Hybrid Deep Learning for Face Verification", ICCV 2013,
           https://doi.org/10.1109/ICCV.2013.188; the top is Larochelle and Bengio's, ICML 2008,
           https://doi.org/10.1145/1390156.1390224
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamina.core.errors import BadInput
from lamina.core.seeds import derive
from lamina.models._classifier import Batch, Classifier
from lamina.models._initial import initialise
from lamina.models._pictures import checked_labels, checked_shape, made_up

ROWS = ("M39",)
INPUT_SHAPE = (1, 1, 28, 28)
COUNTS = (
    # W [100, 128], b [100], U [10, 100], d [10]; the visible biases do not enter the posterior
    16 * 25 + 16 + 32 * 400 + 32 + 1568 * 128 + 128 + 128 * 100 + 100 + 10 * 100 + 10,
    16 * 25 * 28 * 28 + 32 * 400 * 14 * 14 + 1568 * 128 + 128 * 100,
)
PAPER = "Sun, Wang and Tang, ICCV 2013, https://doi.org/10.1109/ICCV.2013.188"
SAMPLED_LOSS = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    channels: int = 1
    size: int = 28  # pixels of a side, a multiple of 4
    widths: tuple[int, int] = (16, 32)  # maps of the two convolutions
    visible: int = 128  # features, each in [0, 1]
    hidden: int = 100
    classes: int = 10
    generative: float = 0.01  # weight of the generative part, 0 or more
    k: int = 1  # Gibbs steps of it


SMALL = Config(size=8, widths=(2, 3), visible=6, hidden=5)


class CnnRbm(nn.Module):
    metrics = Classifier.metrics

    def __init__(self, config: Config = Config()) -> None:
        super().__init__()
        if config.size < 4 or config.size % 4:
            raise BadInput(f"pictures of {config.size} x {config.size}: the side must be a multiple of 4")
        if config.generative < 0 or config.k < 1:
            raise BadInput(f"generative {config.generative} and k {config.k}: 0 or more and 1 or more are needed")
        self.config = config
        first, second = config.widths
        self.conv1 = nn.Conv2d(config.channels, first, 5, padding=2)
        self.conv2 = nn.Conv2d(first, second, 5, padding=2)
        self.feature = nn.Linear(second * (config.size // 4) ** 2, config.visible)
        self.weight = nn.Parameter(torch.zeros(config.hidden, config.visible))
        self.class_weight = nn.Parameter(torch.zeros(config.classes, config.hidden))
        self.visible_bias = nn.Parameter(torch.zeros(config.visible))
        self.hidden_bias = nn.Parameter(torch.zeros(config.hidden))
        self.class_bias = nn.Parameter(torch.zeros(config.classes))

    def features(self, x_BCHW: Tensor) -> Tensor:
        """What the machine sees, v [n, visible], each a probability."""
        checked_shape(x_BCHW, (self.config.channels, self.config.size, self.config.size))
        h = F.max_pool2d(torch.relu(self.conv1(x_BCHW)), 2)
        h = F.max_pool2d(torch.relu(self.conv2(h)), 2).flatten(1)
        return torch.sigmoid(self.feature(h))

    def posterior(self, v_BV: Tensor) -> Tensor:
        """log p(y | v) for every class but for a constant, [n, classes]."""
        drive_BH = F.linear(v_BV, self.weight, self.hidden_bias)
        return self.class_bias + F.softplus(drive_BH[:, None] + self.class_weight[None]).sum(dim=2)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.posterior(self.features(x_BCHW))

    def free_energy(self, v_BV: Tensor, y: Tensor) -> Tensor:
        """-log Σ_h exp(-E(v, y, h)) [n]."""
        drive_BH = F.linear(v_BV, self.weight, self.hidden_bias) + self.class_weight[y]
        return -(v_BV @ self.visible_bias) - self.class_bias[y] - F.softplus(drive_BH).sum(dim=1)

    @torch.no_grad()
    def gibbs_step(self, v_BV: Tensor, y: Tensor, *, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """h given (v, y), then v and y given h, all drawn."""
        drive_BH = F.linear(v_BV, self.weight, self.hidden_bias) + self.class_weight[y]
        h_BH = torch.bernoulli(torch.sigmoid(drive_BH), generator=generator)
        v_BV = torch.bernoulli(torch.sigmoid(F.linear(h_BH, self.weight.T, self.visible_bias)), generator=generator)
        chances = torch.softmax(F.linear(h_BH, self.class_weight, self.class_bias), dim=1)
        return v_BV, torch.multinomial(chances, 1, generator=generator)[:, 0]

    def contrastive(self, v_BV: Tensor, y: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """A number whose slope is CD-k's on (v, y): free energy of the data less that of k Gibbs steps on."""
        v_BV = v_BV.detach()
        end_BV, end = v_BV, y
        for _ in range(self.config.k):
            end_BV, end = self.gibbs_step(end_BV, end, generator=generator)
        return (self.free_energy(v_BV, y) - self.free_energy(end_BV, end)).mean()

    def loss(self, batch: Batch, *, generator: torch.Generator | None = None) -> Tensor:
        """-log p(y | v) in nats and `generative` of the contrastive part, mean over the batch."""
        y, v_BV = batch["y"], self.features(batch["x"])
        checked_labels(y, self.config.classes)
        loss = F.cross_entropy(self.posterior(v_BV), y)
        if self.config.generative == 0:
            return loss
        return loss + self.config.generative * self.contrastive(v_BV, y, generator=generator)

    def entries(self) -> dict[str, tuple[Callable[..., Any], Any]]:
        """The classifier whole, and its features alone."""
        config = self.config
        shape = (1, config.channels, config.size, config.size)
        x = torch.rand(*shape, generator=torch.Generator().manual_seed(0))
        return {"main": (self.forward, x), "features": (self.features, x)}


def example(config: Config, count: int, *, generator: torch.Generator) -> Batch:
    return made_up((config.channels, config.size, config.size), config.classes, count, generator)


def cnn_rbm(config: Config = Config(), *, seed: int = 0) -> CnnRbm:
    """Convolutions uniform, the machine's weights from N(0, 1/sqrt(fan-in)), biases 0; all from `seed`."""
    model = CnnRbm(config)
    initialise(model, seed)
    for name in ("weight", "class_weight"):
        generator = torch.Generator().manual_seed(derive(seed, "initial", name))
        parameter = getattr(model, name)
        with torch.no_grad():
            parameter.normal_(0, parameter.shape[1] ** -0.5, generator=generator)
    return model
