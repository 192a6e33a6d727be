"""Each module of Lua Torch beside the same function of torch: (module, input, what torch gives)."""

import numpy as np
import torch
import torch.nn.functional as F

from tests.lowering.t7 import Sizes, Thing, module, sequential


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([*shape, seed]).normal(size=shape)


def positive(*shape: int) -> np.ndarray:
    return np.abs(normal(*shape)) + 0.5


def T(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array)


CONV = {"nInputPlane": 4, "nOutputPlane": 6, "kW": 3, "kH": 2, "dW": 1, "dH": 2, "padW": 1, "padH": 0}
WEIGHT, BIAS = normal(6, 4, 2, 3), normal(6)
POOL = {"kW": 3, "kH": 2, "dW": 2, "dH": 2}
X = normal(2, 4, 7, 6)
STATISTICS = {"running_mean": normal(4), "running_var": positive(4), "eps": 1e-3}
MODULES = {
    "Linear": (
        module("Linear", weight=normal(5, 6), bias=normal(5)),
        X[:, 0, 0],
        F.linear(T(X[:, 0, 0]), T(normal(5, 6)), T(normal(5))),
    ),
    "SpatialConvolution": (
        module("SpatialConvolution", **CONV, weight=WEIGHT, bias=BIAS),
        X,
        F.conv2d(T(X), T(WEIGHT), T(BIAS), (2, 1), (0, 1)),
    ),
    "SpatialConvolutionMM": (
        module("SpatialConvolutionMM", **CONV, weight=WEIGHT.reshape(6, -1), bias=BIAS),
        X,
        F.conv2d(T(X), T(WEIGHT), T(BIAS), (2, 1), (0, 1)),
    ),
    "cudnn": (
        Thing("cudnn.SpatialConvolution", {**CONV, "weight": WEIGHT[:, :2], "groups": 2}),
        X,
        F.conv2d(T(X), T(WEIGHT[:, :2]), None, (2, 1), (0, 1), 1, 2),
    ),
    "SpatialDilatedConvolution": (
        module("SpatialDilatedConvolution", **CONV, weight=WEIGHT, bias=BIAS, dilationW=2, dilationH=3),
        X,
        F.conv2d(T(X), T(WEIGHT), T(BIAS), (2, 1), (0, 1), (3, 2)),
    ),
    "SpatialFullConvolution": (
        module("SpatialFullConvolution", **CONV, weight=normal(4, 6, 2, 3), bias=BIAS, adjH=1),
        X,
        F.conv_transpose2d(T(X), T(normal(4, 6, 2, 3)), T(BIAS), (2, 1), (0, 1), (1, 0)),
    ),
    "TemporalConvolution": (
        module(
            "TemporalConvolution", inputFrameSize=6, outputFrameSize=5, kW=3, dW=2, weight=normal(5, 18), bias=normal(5)
        ),
        X[:, 0],
        F.conv1d(T(X[:, 0]).mT, T(normal(5, 18)).view(5, 3, 6).mT, T(normal(5)), 2).mT,
    ),
    "TemporalMaxPooling": (module("TemporalMaxPooling", kW=3, dW=2), X[:, 0], F.max_pool1d(T(X[:, 0]).mT, 3, 2).mT),
    "SpatialMaxPooling": (module("SpatialMaxPooling", **POOL, padW=1), X, F.max_pool2d(T(X), (2, 3), 2, (0, 1))),
    "SpatialMaxPooling ceil": (
        module("SpatialMaxPooling", **POOL, padW=1, ceil_mode=True),
        X,
        F.max_pool2d(T(X), (2, 3), 2, (0, 1), ceil_mode=True),
    ),
    "SpatialAveragePooling": (
        module("SpatialAveragePooling", **POOL, padW=1),
        X,
        F.avg_pool2d(T(X), (2, 3), 2, (0, 1)),
    ),
    "SpatialAveragePooling ceil": (
        module("SpatialAveragePooling", **POOL, padW=1, ceil_mode=True),
        X,
        F.avg_pool2d(T(X), (2, 3), 2, (0, 1), ceil_mode=True),
    ),
    "SpatialAveragePooling inside": (
        module("SpatialAveragePooling", **POOL, padW=1, ceil_mode=True, count_include_pad=False),
        X,
        F.avg_pool2d(T(X), (2, 3), 2, (0, 1), ceil_mode=True, count_include_pad=False),
    ),
    "SpatialAdaptiveAveragePooling": (
        module("SpatialAdaptiveAveragePooling", W=3, H=1),
        X,
        F.adaptive_avg_pool2d(T(X), (1, 3)),
    ),
    "SpatialAdaptiveMaxPooling": (
        module("SpatialAdaptiveMaxPooling", W=2, H=7),
        X,
        F.adaptive_max_pool2d(T(X), (7, 2)),
    ),
    "SpatialBatchNormalization": (
        module("SpatialBatchNormalization", **STATISTICS, weight=normal(4), bias=normal(4, seed=1)),
        X,
        F.batch_norm(T(X), T(normal(4)), T(positive(4)), T(normal(4)), T(normal(4, seed=1)), eps=1e-3),
    ),
    "BatchNormalization": (
        module("BatchNormalization", **STATISTICS),
        X[:, :, 0, 0],
        F.batch_norm(T(X[:, :, 0, 0]), T(normal(4)), T(positive(4)), eps=1e-3),
    ),
    "BatchNormalization old": (
        module("BatchNormalization", running_mean=normal(4), running_std=1 / np.sqrt(positive(4) + 1e-3), eps=1e-3),
        X[:, :, 0, 0],
        F.batch_norm(T(X[:, :, 0, 0]), T(normal(4)), T(positive(4)), eps=1e-3),
    ),
    "SpatialCrossMapLRN": (
        module("SpatialCrossMapLRN", size=3, alpha=0.5, beta=0.75, k=2),
        X,
        F.local_response_norm(T(X), 3, 0.5, 0.75, 2),
    ),
    "ReLU": (module("ReLU", threshold=0, val=0), X, F.relu(T(X))),
    "ReLU6": (module("ReLU6"), 5 * X, F.relu6(T(5 * X))),
    "Threshold": (module("Threshold", threshold=0.5, val=-1), X, F.threshold(T(X), 0.5, -1)),
    "Tanh": (module("Tanh"), X, torch.tanh(T(X))),
    "Sigmoid": (module("Sigmoid"), X, torch.sigmoid(T(X))),
    "LogSigmoid": (module("LogSigmoid"), X, F.logsigmoid(T(X))),
    "SoftPlus": (module("SoftPlus", beta=2), X, F.softplus(T(X), 2)),
    "SoftSign": (module("SoftSign"), X, F.softsign(T(X))),
    "HardTanh": (module("HardTanh", min_val=-0.5, max_val=1), X, F.hardtanh(T(X), -0.5, 1)),
    "ELU": (module("ELU", alpha=0.5), X, F.elu(T(X), 0.5)),
    "LeakyReLU": (module("LeakyReLU", negval=0.2), X, F.leaky_relu(T(X), 0.2)),
    "PReLU": (module("PReLU", nOutputPlane=4, weight=normal(4)), X, F.prelu(T(X), T(normal(4)))),
    "PReLU shared": (module("PReLU", nOutputPlane=0, weight=np.array([0.3])), X, F.leaky_relu(T(X), 0.3)),
    "SoftMax": (module("SoftMax"), X, F.softmax(T(X), 1)),
    "LogSoftMax": (module("LogSoftMax"), X[:, 0, 0], F.log_softmax(T(X[:, 0, 0]), 1)),
    "Abs": (module("Abs"), X, T(X).abs()),
    "Square": (module("Square"), X, T(X) ** 2),
    "Power": (sequential(module("Abs"), module("Power", pow=1.5)), X, T(X).abs() ** 1.5),
    "Exp": (module("Exp"), X, T(X).exp()),
    "MulConstant": (module("MulConstant", constant_scalar=3), X, 3 * T(X)),
    "AddConstant": (module("AddConstant", constant_scalar=3), X, 3 + T(X)),
    "Mul": (module("Mul", weight=np.array([2.5])), X, 2.5 * T(X)),
    "CMul": (module("CMul", weight=normal(1, 4, 1, 1), size=Sizes((1, 4, 1, 1))), X, T(X) * T(normal(1, 4, 1, 1))),
    "Add": (module("Add", bias=normal(6)), X[:, 0, 0], T(X[:, 0, 0]) + T(normal(6))),
    "Dropout": (module("Dropout", p=0.4, v2=True), X, T(X)),
    "Dropout first version": (module("Dropout", p=0.4), X, T(X) * 0.6),
    "SpatialDropout": (module("SpatialDropout", p=0.4), X, T(X) * 0.6),
    "View": (module("View", size=Sizes((28, 6))), X, T(X).view(2, 28, 6)),
    "View of the rest": (module("View", size=Sizes((-1,)), numInputDims=3), X, T(X).view(2, -1)),
    "View of one": (module("View", size=Sizes((168,))), X[:1], T(X[:1]).view(1, 168)),
    "Reshape": (module("Reshape", size=Sizes((6, 28)), nelement=168), X, T(X).view(2, 6, 28)),
    "Reshape of one": (module("Reshape", size=Sizes((168,)), nelement=168), X[:1], T(X[:1]).view(1, 168)),
    "Squeeze": (module("Squeeze", dim=2), X[:, :1], T(X[:, 0])),
    "Unsqueeze": (module("Unsqueeze", pos=1, numInputDims=3), X, T(X)[:, None]),
    "Transpose": (module("Transpose", permutations=[[2, 3], [3, 4]]), X, T(X).transpose(1, 2).transpose(2, 3)),
    "Narrow": (module("Narrow", dimension=3, index=2, length=4), X, T(X)[:, :, 1:5]),
    "Select": (module("Select", dimension=2, index=-1), X, T(X)[:, -1]),
    "Sum": (module("Sum", dimension=1, nInputDims=3), X, T(X).sum(1)),
    "Mean": (module("Mean", dimension=3), X, T(X).mean(2)),
    "Max": (module("Max", dimension=2), X, T(X).amax(1)),
    "SpatialZeroPadding": (
        module("SpatialZeroPadding", pad_l=1, pad_r=-2, pad_t=0, pad_b=3),
        X,
        F.pad(T(X), (1, -2, 0, 3)),
    ),
    "SpatialReflectionPadding": (
        module("SpatialReflectionPadding", pad_l=1, pad_r=2, pad_t=0, pad_b=3),
        X,
        F.pad(T(X), (1, 2, 0, 3), "reflect"),
    ),
    "SpatialReplicationPadding": (
        module("SpatialReplicationPadding", pad_l=1, pad_r=2, pad_t=0, pad_b=3),
        X,
        F.pad(T(X), (1, 2, 0, 3), "replicate"),
    ),
    "SpatialUpSamplingNearest": (
        module("SpatialUpSamplingNearest", scale_factor=2),
        X,
        F.interpolate(T(X), scale_factor=2),
    ),
    "Concat": (
        module("Concat", dimension=2, modules=[module("Identity"), module("Square")]),
        X,
        torch.cat([T(X), T(X) ** 2], 1),
    ),
    "ConcatTable": (
        sequential(module("ConcatTable", modules=[module("Identity"), module("Square")]), module("CSubTable")),
        X,
        T(X) - T(X) ** 2,
    ),
    "JoinTable": (
        sequential(
            module("ConcatTable", modules=[module("Exp"), module("Square")]),
            module("JoinTable", dimension=1, nInputDims=3),
        ),
        X,
        torch.cat([T(X).exp(), T(X) ** 2], 1),
    ),
    "ParallelTable": (
        sequential(
            module("SplitTable", dimension=1, nInputDims=3),
            module("NarrowTable", offset=2, length=2),
            module("ParallelTable", modules=[module("Exp"), module("Square")]),
            module("CMulTable"),
        ),
        X,
        T(X)[:, 1].exp() * T(X)[:, 2] ** 2,
    ),
    "nested tables": (
        sequential(
            module(
                "ConcatTable", modules=[module("ConcatTable", modules=[module("Exp"), module("Abs")]), module("Square")]
            ),
            module("FlattenTable"),
            module("SelectTable", index=2),
        ),
        X,
        T(X).abs(),
    ),
}
