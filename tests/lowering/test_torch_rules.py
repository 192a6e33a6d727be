"""Every rule that lowers a torch operator gives torch's own numbers, for each of its forms."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lamina.lowering import lower

X = torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(0))
SEQ = torch.randn(2, 4, 9, generator=torch.Generator().manual_seed(1))
ROW = torch.randn(3, 6, generator=torch.Generator().manual_seed(2))
POSITIVE = ROW.abs() + 0.1
UNIT = torch.sigmoid(ROW) * 1.8 - 0.9
WHOLE = torch.tensor([[3, 0, 5, 1, 2, 4], [1, 1, 0, 2, 5, 3]])
TRUTH = ROW > 0
W2 = torch.randn(6, 2, 3, 2, generator=torch.Generator().manual_seed(3))
WT = torch.randn(4, 3, 3, 2, generator=torch.Generator().manual_seed(4))
W1 = torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(5))
SQUARE = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(6))

CASES = {
    # convolution
    "conv2d": (lambda x: F.conv2d(x, W2, torch.ones(6), (2, 1), (1, 2), (2, 1), 2), X),
    "conv2d same": (lambda x: F.conv2d(x, W2[..., :1], padding="same", groups=2), X),
    "conv2d valid": (lambda x: F.conv2d(x, W2, padding="valid", groups=2), X),
    "conv2d unbatched": (lambda x: F.conv2d(x[0], W2, groups=2), X),
    "conv1d": (lambda x: F.conv1d(x, W1, torch.ones(6), 2, 1, 2, 2), SEQ),
    "conv1d same": (lambda x: F.conv1d(x, W1, padding="same", groups=2), SEQ),
    "conv2d of a computed kernel": (lambda x: F.conv2d(x, torch.tanh(x[:, :, :3, :3])), X),
    "transposed": (lambda x: F.conv_transpose2d(x, WT, torch.ones(6), (2, 3), (1, 0), (1, 2), 2, (1, 1)), X),
    "transposed dilated": (lambda x: F.conv_transpose2d(x, WT, dilation=2), X),
    "transposed 1-d": (lambda x: F.conv_transpose1d(x, WT[:, :, 0], None, 2, 1, 1), SEQ),
    # pooling
    "max_pool2d": (lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 0), (2, 1)), X),
    "max_pool2d ceil": (lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True), X),
    "max_pool2d ceil, wide stride": (lambda x: F.max_pool2d(x, 2, 3, ceil_mode=True), X),
    "max_pool1d": (lambda x: F.max_pool1d(x, 3, 2, ceil_mode=True), SEQ),
    "max_pool2d with places": (lambda x: F.max_pool2d(x, 2, return_indices=True), X),
    "max_pool1d with places": (lambda x: F.max_pool1d(x, 2, return_indices=True), SEQ),
    "unpool": (lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2, output_size=x.shape[2:]), X),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, (3, 2), (2, 1), (1, 0)), X),
    "avg_pool2d uncounted": (lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), X),
    "avg_pool2d ceil": (lambda x: F.avg_pool2d(x, 3, 2, ceil_mode=True), X),
    "avg_pool2d ceil, padded": (lambda x: F.avg_pool2d(x, (3, 2), 2, 1, ceil_mode=True), X),
    "avg_pool2d ceil, padded, uncounted": (lambda x: F.avg_pool2d(x, (3, 2), 2, 1, True, False), X),
    "avg_pool2d divisor": (lambda x: F.avg_pool2d(x, 2, divisor_override=3), X),
    "avg_pool1d": (lambda x: F.avg_pool1d(x, 3, 2, 1, count_include_pad=False), SEQ),
    "avg_pool3d": (lambda x: (F.avg_pool3d(x, (3, 1, 1), 1), F.avg_pool3d(x, (1, 2, 2))), X[None]),
    "adaptive average": (lambda x: F.adaptive_avg_pool2d(x, (3, 1)), X),
    "adaptive average, bins that differ": (lambda x: F.adaptive_avg_pool2d(x, (4, 3)), X),
    "adaptive average of a row": (lambda x: F.adaptive_avg_pool1d(x, 4), SEQ),
    "adaptive average keeps": (lambda x: F.adaptive_avg_pool2d(x, (None, 2)), X),
    "adaptive maximum": (lambda x: F.adaptive_max_pool2d(x, (3, 5), True), X),
    "adaptive maximum, bins that differ": (lambda x: F.adaptive_max_pool2d(x, (4, 3)), X),
    "adaptive maximum of a row": (lambda x: F.adaptive_max_pool1d(x, 3), SEQ),
    # normalisation
    "batch_norm": (lambda x: F.batch_norm(x, torch.arange(4.0), torch.arange(1, 5.0), torch.ones(4), torch.ones(4)), X),
    "batch_norm plain": (lambda x: F.batch_norm(x, torch.arange(4.0), torch.arange(1, 5.0)), SEQ),
    "layer_norm": (lambda x: F.layer_norm(x, (6, 5), torch.ones(6, 5) * 2, torch.ones(6, 5)), X),
    "layer_norm plain": (lambda x: F.layer_norm(x, (5,)), X),
    "group_norm": (lambda x: F.group_norm(x, 2, torch.arange(4.0), torch.arange(4.0)), X),
    "instance_norm": (lambda x: F.instance_norm(x, weight=torch.arange(4.0), bias=torch.ones(4)), X),
    "instance_norm of a row": (lambda x: F.instance_norm(x), SEQ),
    "rms_norm": (lambda x: F.rms_norm(x, (6,), torch.arange(6.0)), ROW),
    "local response": (lambda x: F.local_response_norm(x, 3, 0.1, 0.5, 2.0), X),
    "local response of a row": (lambda x: F.local_response_norm(x, 2), SEQ),
    "softmax": (lambda x: F.softmax(x, 1), X),
    "log_softmax": (lambda x: F.log_softmax(x, -1), ROW),
    "softmin": (lambda x: F.softmin(x, 0), ROW),
    "normalize": (lambda x: F.normalize(x), ROW),
    # functions of one value
    **{
        name: (getattr(torch, name), ROW)
        for name in [
            "relu",
            "tanh",
            "sigmoid",
            "exp",
            "neg",
            "abs",
            "floor",
            "ceil",
            "round",
            "sign",
            "erf",
            "erfc",
            "sin",
            "cos",
            "tan",
            "atan",
            "sinh",
            "cosh",
            "asinh",
            "square",
            "trunc",
            "frac",
            "expm1",
            "exp2",
            "selu",
            "deg2rad",
            "rad2deg",
        ]
    },
    **{
        name: (getattr(torch, name), POSITIVE)
        for name in ["log", "sqrt", "reciprocal", "rsqrt", "log1p", "log2", "log10"]
    },
    **{name: (getattr(torch, name), UNIT) for name in ["asin", "acos", "atanh"]},
    "acosh": (torch.acosh, POSITIVE + 1),
    **{
        name: (getattr(F, name), ROW * 3)
        for name in [
            "silu",
            "gelu",
            "elu",
            "celu",
            "leaky_relu",
            "rrelu",
            "relu6",
            "hardtanh",
            "hardsigmoid",
            "hardswish",
            "mish",
            "softplus",
            "logsigmoid",
            "softsign",
            "tanhshrink",
            "hardshrink",
            "softshrink",
            "glu",
        ]
    },
    "gelu tanh": (lambda x: F.gelu(x, approximate="tanh"), ROW),
    "elu alpha": (lambda x: F.elu(x, 0.5), ROW),
    "celu alpha": (lambda x: F.celu(x, 0.5), ROW),
    "softplus beta": (lambda x: F.softplus(x, 2.0), ROW),
    "threshold": (lambda x: F.threshold(x, 0.1, 20.0), ROW),
    "prelu": (lambda x: F.prelu(x, torch.tensor([0.1, 0.2, 0.3, 0.4])), X),
    "prelu of one": (lambda x: F.prelu(x, torch.tensor([0.1])), ROW),
    "clamp": (lambda x: (x.clamp(-0.5, 0.5), x.clamp(min=0), x.clamp_max(0.1)), ROW),
    "clamp by tensors": (lambda x: x.clamp(torch.zeros(6), torch.ones(6)), ROW),
    "round decimals": (lambda x: torch.round(x, decimals=1), ROW),
    "isnan isinf": (lambda x: (torch.isnan(x), torch.isinf(x / 0.0)), ROW),
    "of integers": (lambda t: (torch.sin(t), torch.relu(t - 2), t.sqrt()), WHOLE),
    # two values
    "arithmetic": (lambda x: (x + x[0], x - 2, 3 - x, x * x, x / 2, 1 / (x + 9), x.add(x, alpha=3), -x), ROW),
    "integers": (lambda t: (t + 1, t * 2.5, t / 2, t // 2, t % 3, t - t.float(), -t // 4, torch.fmod(-t, 3)), WHOLE),
    "division": (lambda x: (x // 0.3, torch.div(x, 0.3, rounding_mode="trunc"), x % 0.7, torch.fmod(x, 0.7)), ROW),
    "powers": (lambda x: (x**2, x**3, x**0.5, x**-1, x**-0.5, x**1.7, 2**x, x**x, x**0.0 + x**1), POSITIVE),
    "extremes": (lambda x: (torch.maximum(x, x[0]), torch.minimum(x, x[0]), torch.max(x, x[1])), ROW),
    "compared": (lambda x: (x < x[0], x <= 0, x > 0.5, x >= x[0], x == x[0], x != x[0]), ROW),
    "logic": (
        lambda x: ((x > 0) & (x < 1), (x > 0) | (x < -1), ~(x > 0), (x > 0) ^ (x > 1), torch.logical_or(x, x)),
        ROW,
    ),
    "chosen": (lambda x: (torch.where(x > 0, x, 0.0), torch.where(x > 0, x, -x), x.masked_fill(x > 0, 7)), ROW),
    "masked by a tensor": (lambda x: x.masked_fill(x > 0, torch.tensor(2.0)), ROW),
    "mixed": (
        lambda x: (torch.addcmul(x, x, x, value=0.5), torch.addcdiv(x, x, x + 9), torch.lerp(x, x * 2, 0.3)),
        ROW,
    ),
    "promotion": (lambda x: (x * torch.arange(6), x > 1, (x > 0) + x, (x > 0) * 2, x.double() + x), ROW),
    # products
    "matmul": (lambda x: (x @ x.transpose(1, 2), x @ x[0], x @ x[0, 0], x[0, 0] @ x, x[0, 0] @ x[0, 1]), SQUARE),
    "matmul of weights": (
        lambda x: (x @ SQUARE[0], torch.mm(x[0], SQUARE[1]), torch.addmm(SQUARE[2, 0], x[0], SQUARE[1])),
        SQUARE,
    ),
    "addmm": (lambda x: torch.addmm(x[0], x[1], x[2], beta=0.5, alpha=2), SQUARE),
    "bmm": (lambda x: (torch.bmm(x, x), torch.baddbmm(x, x, x, beta=2, alpha=0.5), torch.mv(x[0], x[1, 0])), SQUARE),
    "linear of a vector": (lambda x: F.linear(x[0], torch.ones(2, 6), torch.ones(2)), ROW),
    "outer": (lambda x: torch.outer(x[0], x[1]), ROW),
    "bilinear": (lambda x: F.bilinear(x, x, torch.ones(2, 6, 6), torch.ones(2)), ROW),
    **{
        f"einsum {e}": (lambda x, e=e: torch.einsum(e, *[x] * (e.count(",") + 1)), SQUARE)
        for e in (
            "bij,bjk->bik",
            "bij,bkj->kib",
            "bij,cjk->bcik",
            "bij->ji",
            "bij,bij->b",
            "bij,bij",
            "bij,bjk,bkl->il",
        )
    },
    "attention": (lambda x: F.scaled_dot_product_attention(x, x, x), SQUARE),
    "attention causal": (lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True, scale=0.3), SQUARE),
    "attention masked": (lambda x: F.scaled_dot_product_attention(x, x, x, torch.ones(4, 4).tril().bool()), SQUARE),
    "attention biased": (lambda x: F.scaled_dot_product_attention(x, x, x, x), SQUARE),
    # reductions
    "sums": (lambda x: (x.sum(), x.sum(1), x.sum((0, -1), keepdim=True), x.mean(), x.mean(2), x.prod(1)), X),
    "counts": (
        lambda t: (t.sum(), (t > 1).sum(1), t.prod(0), (t > 2).any(1), (t >= 0).all(), t.count_nonzero()),
        WHOLE,
    ),
    "largest": (lambda x: (x.max(), x.max(1), x.amax((1, 2)), x.min(), x.min(-1, keepdim=True), x.amin(0)), X),
    "places": (lambda x: (x.argmax(1), x.argmin(), x.argmax(-1, keepdim=True), x.argmin(0)), ROW),
    "spread": (
        lambda x: (x.var(), x.var(1), x.std(1, keepdim=True), x.var(0, correction=0), torch.var_mean(x, 1)),
        ROW,
    ),
    "norms": (
        lambda x: (x.norm(), x.norm(dim=1), x.norm(1, 1), torch.linalg.vector_norm(x, math.inf, 1), x.norm(3, 1)),
        ROW,
    ),
    "logsumexp": (lambda x: (torch.logsumexp(x, 1), torch.logsumexp(x, 0, True)), ROW),
    "cumsum": (lambda x: (x.cumsum(1), x.cumsum(0)), ROW),
    "topk": (lambda x: (x.topk(3), x.topk(2, 0, False), x.sort(1, True), x.sort(0), x.argsort(1)), ROW),
    "similarity": (lambda x: (F.cosine_similarity(x, x.roll(1, 0)), F.pairwise_distance(x, x.roll(1, 0))), ROW),
    # shapes
    "views": (lambda x: (x.view(2, -1), x.flatten(), x.flatten(1, 2), x.reshape(4, -1), x.unflatten(1, (2, -1))), X),
    "ones": (
        lambda x: (x[:, None], x[None].squeeze(0), x[:, :1].squeeze(), x[:, :1].squeeze((1, 2)), x.unsqueeze(-1)),
        X,
    ),
    "orders": (
        lambda x: (x.permute(3, 0, -2, 1), x.transpose(1, 2), x.movedim(1, -1), x[0, 0].t(), x[0, 0].T, x.mT),
        X,
    ),
    "wider": (lambda x: (x[:, :1].expand(-1, 3, 6, 5), x.expand(3, 2, 4, 6, 5), x[:1].expand_as(x)), X),
    "repeated": (
        lambda x: (x.repeat(2, 3), x.repeat(2, 1, 1), x.tile(2), x.repeat_interleave(2, 1), x.repeat_interleave(2)),
        ROW,
    ),
    "parts": (lambda x: (x.split(2, 1), x.split([1, 3], 1), x.chunk(2, -1), x.unbind(0), x.tensor_split(4, 2)), X),
    "slices": (lambda x: (x[1], x[:, -1], x[:, 1:3], x[..., ::2], x[:, :, -2:], x.narrow(2, 1, 3), x.select(1, 2)), X),
    "joined": (lambda x: (torch.cat([x, x * 2], 1), torch.stack([x, x], -1), torch.cat([x > 0, x], 0)), ROW),
    "turned": (lambda x: (x.flip(1), x.flip(0, -1), x.roll(1, 1), x.roll((1, -2), (0, 1)), x.roll(3)), ROW),
    "padded": (lambda x: (F.pad(x, (1, 2)), F.pad(x, (1, 0, 2, 1), value=3), F.pad(x, (-1, 1, 0, -1))), X),
    "padded by itself": (
        lambda x: (
            F.pad(x, (2, 1, 1, 2), "reflect"),
            F.pad(x, (2, 1, 0, 1), "replicate"),
            F.pad(x, (1, 2, 0, 0), "circular"),
        ),
        X,
    ),
    "shuffled": (lambda x: (F.pixel_shuffle(x, 2), F.pixel_unshuffle(x[..., :4], 2), F.channel_shuffle(x, 2)), X),
    "types": (
        lambda x: (x.double(), x.long(), x.bool(), (x > 0).float(), x.int() + 1, x.to(x.dtype), (x > 0).type_as(x)),
        ROW,
    ),
    "same": (lambda x: (x.clone() + 0, x.contiguous() * 1, F.dropout(x, 0.5, False) + 0, x.detach() + 0), ROW),
    # places
    "embedding": (lambda t: F.embedding(t, ROW.T), WHOLE),
    "taken": (lambda x: (x.index_select(1, WHOLE[0]), x.gather(1, WHOLE), x.take_along_dim(WHOLE[:1], 1)), ROW),
    "indexed": (
        lambda x: (x[:, [0, 2]], x[[1, 0], [0, 1]], x[:, [0, 1], [2, 3]], x[[0, 1], :, [1, 2]], x[WHOLE % 2]),
        X,
    ),
    "written": (lambda x: (x.scatter(1, WHOLE, 2.0), x.scatter(1, WHOLE, x), x.scatter_add(1, WHOLE[:, :2], x)), ROW),
    "reduced into": (lambda x: x.scatter_reduce(1, WHOLE, x[:2], "amax"), ROW),
    "one_hot": (lambda t: F.one_hot(t, 6), WHOLE),
    "triangles": (lambda x: (x.tril(), x.triu(1), (x > 0).tril(-1)), SQUARE),
    "constants": (
        lambda x: (
            x + torch.zeros(6) + torch.ones(3, 1) + torch.full((6,), 2.0) + torch.eye(3, 6) + torch.linspace(0, 1, 6),
            x * torch.arange(6)
            + torch.arange(0, 1.2, 0.2)
            + x.new_ones(6)
            + torch.zeros_like(x)
            + x.new_full((6,), 3.0),
            x + torch.ones(3, 6).tril() + torch.full_like(x, 0.5) + torch.tensor([1.0, 2, 3, 4, 5, 6]),
        ),
        ROW,
    ),
    # sizes
    "nearest": (
        lambda x: (F.interpolate(x, scale_factor=2), F.interpolate(x, (7, 3)), F.interpolate(x, scale_factor=1.3)),
        X,
    ),
    "nearest exact": (lambda x: F.interpolate(x, (9, 4), mode="nearest-exact"), X),
    "nearest of a row": (lambda x: F.interpolate(x, 13), SEQ),
    "bilinear size": (lambda x: F.interpolate(x, (9, 4), mode="bilinear"), X),
    "bilinear factor": (lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear"), X),
    "bilinear corners": (lambda x: F.interpolate(x, (9, 4), mode="bilinear", align_corners=True), X),
    "linear of a row": (lambda x: F.interpolate(x, 20, mode="linear"), SEQ),
    "bicubic": (
        lambda x: (
            F.interpolate(x, (9, 4), mode="bicubic"),
            F.interpolate(x, (9, 4), mode="bicubic", align_corners=True),
        ),
        X,
    ),
}


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def flat(value):
    if isinstance(value, torch.Tensor):
        return [value]
    return [tensor for part in value for tensor in flat(part)]


def agree(network, inputs, expected):
    """Shapes and whole numbers equal, real ones to 1e-5 of the largest."""
    results = network.run({k: v.numpy() for k, v in inputs.items()})
    assert len(results) == len(expected)
    for (name, found), wanted in zip(results.items(), expected, strict=True):
        wanted = wanted.detach().numpy()
        assert found.shape == wanted.shape, name
        if wanted.dtype.kind == "f":
            finite = np.isfinite(wanted)
            assert (np.isfinite(found) == finite).all(), name
            assert abs(found - wanted)[finite].max(initial=0) <= 1e-5 * max(abs(wanted[finite]).max(initial=0), 1e-3), (
                name
            )
        else:
            assert (found == wanted).all(), name


@pytest.mark.parametrize("name", CASES)
def test_rule(name):
    function, x = CASES[name]
    module = Function(function)
    agree(lower(module, inputs={"x": x}), {"x": x}, flat(function(x)))
