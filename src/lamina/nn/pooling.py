"""Pooling of every kind: what a window of a map is summed up to.

    max            y = max x_i             and its switch, the place of the maximum, by which `unpool` puts y back
    average        y = mean x_i
    overlapping    max, windows wider than their stride (Krizhevsky et al. 2012: 3 and 2)
    stochastic     p_i = x_i / sum x_j;    training: y = x_i with probability p_i;    inference: y = sum p_i x_i

Stochastic pooling needs x >= 0 (behind a ReLU); a window of zeros gives 0. At inference its sum is a quotient of two
averages, mean(x^2) / mean(x). Switches are places in the flat plane [h w], torch's own numbering.

Shapes    x [n, c, h, w]; y [n, c, p, q], p = (h + 2 padding - window) // stride + 1
Errors    windows that do not fit; negative values under stochastic pooling
Papers    Zeiler and Fergus, "Stochastic Pooling", ICLR 2013, https://arxiv.org/abs/1301.3557; switches: Zeiler and
          Fergus, ECCV 2014, https://arxiv.org/abs/1311.2901
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from lamina.core.errors import BadInput

ROWS = ("M25",)
TINY = 1e-20  # beside the mean of a window: above 0 in float32, below what any window of numbers means


def max_pool(x: Tensor, window: int = 2, stride: int | None = None, padding: int = 0) -> Tensor:
    """The largest of each window; `stride` is the window's size unless given."""
    _fits(x, window, padding)
    return F.max_pool2d(x, window, stride or window, padding)


def max_pool_with_switches(x: Tensor, window: int = 2, stride: int | None = None) -> tuple[Tensor, Tensor]:
    """(y, switches): the largest of each window and its place in the plane, int64."""
    _fits(x, window, 0)
    y, switches = F.max_pool2d(x, window, stride or window, return_indices=True)
    return y, switches


def unpool(y: Tensor, switches: Tensor, height: int, width: int) -> Tensor:
    """A map of zeros with each y at its switch; where windows that overlap share a switch, y is put there once."""
    if y.shape != switches.shape:
        raise BadInput(f"pooled values are {list(y.shape)} and switches {list(switches.shape)}: one switch each")
    if switches.numel() and int(switches.max()) >= height * width:
        raise BadInput(f"switch {int(switches.max())} lies outside a map of {height} x {width}")
    flat = y.new_zeros(*y.shape[:2], height * width)
    return flat.scatter(2, switches.flatten(2), y.flatten(2)).reshape(*y.shape[:2], height, width)


def average_pool(x: Tensor, window: int = 2, stride: int | None = None) -> Tensor:
    """The mean of each window."""
    _fits(x, window, 0)
    return F.avg_pool2d(x, window, stride or window)


def overlapping_pool(x: Tensor, window: int = 3, stride: int = 2, padding: int = 0) -> Tensor:
    """The largest of each window, neighbouring windows sharing `window - stride` rows and columns."""
    if window <= stride:
        raise BadInput(f"windows of {window} at a stride of {stride} do not overlap: a smaller stride is needed")
    return max_pool(x, window, stride, padding)


def stochastic_pool(
    x: Tensor,
    window: int = 2,
    stride: int | None = None,
    *,
    training: bool,
    generator: torch.Generator | None = None,
) -> Tensor:
    """One value of each window, drawn in proportion to its size, while `training`; else the mean of such draws."""
    _fits(x, window, 0)
    stride = stride or window
    if not training:
        return F.avg_pool2d(x * x, window, stride) / (F.avg_pool2d(x, window, stride) + TINY)
    if bool((x < 0).any()):
        raise BadInput(f"stochastic pooling of a value {float(x.min()):.3g}: it must be at least 0, as behind a ReLU")
    windows = x.unfold(2, window, stride).unfold(3, window, stride).flatten(4)
    with torch.no_grad():  # the draw has no slope; the gradient goes to the value that was drawn
        reached = windows.cumsum(-1)
        drawn = torch.rand(reached.shape[:-1], generator=generator, dtype=x.dtype) * reached[..., -1]
        # the first place whose running sum lies above the draw; rounding may leave none, then the last that counts
        above = (reached <= drawn[..., None]).sum(-1, keepdim=True)
        last = (windows > 0).to(torch.int64) * torch.arange(1, window**2 + 1)
        place = torch.minimum(above, (last.amax(-1, keepdim=True) - 1).clamp(min=0))
    return windows.gather(-1, place)[..., 0]


def _fits(x: Tensor, window: int, padding: int) -> None:
    if x.dim() != 4 or window < 1 or min(x.shape[2:]) + 2 * padding < window:
        raise BadInput(f"windows of {window} x {window} do not fit {list(x.shape)}: [n, c, h, w], at least as large")
