"""Files at random for the readers: half of them well formed with odd contents, half damaged ones of the former.

Every generator gives the bytes of one file from a random generator. What is well formed is written by other code than
the readers' (protobuf, h5py, json, the tests' own writer of t7), so that the inside of the readers is reached.
"""

import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from tests.lowering import t7, wire
from tests.lowering.t7 import Sizes, Thing

Rng = np.random.Generator


def pick(rng: Rng, *choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


def odd(rng: Rng, usual: int = 4) -> Any:
    """Mostly a small size, now and then a number that no size is."""
    if rng.random() < 0.8:
        return int(rng.integers(1, usual + 1))
    return pick(rng, 0, -1, 7, 10**6, 2**31 - 1, 2**40, -(2**31), 10**30, 10**350, 1.5, float(rng.normal()))


def words(text: str) -> list[str]:
    return text.split()


def damaged(rng: Rng, data: bytes) -> bytes:
    """Bytes turned over, cut out, doubled, moved; or the end lost."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        if not changed:
            break
        at, length = int(rng.integers(len(changed))), int(rng.integers(1, 17))
        kind = int(rng.integers(6))
        if kind == 0:
            changed[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            changed[at] = int(rng.integers(256))
        elif kind == 2:
            del changed[at : at + length]
        elif kind == 3:
            changed[at:at] = changed[at : at + length]
        elif kind == 4:
            changed[at : at + 4] = pick(rng, b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\xff\xff\xff\x7f", b"99999")
        else:
            del changed[at:]
    return bytes(changed)


# prototxt and caffemodel

KINDS = words(
    """
    Convolution Deconvolution InnerProduct Pooling LRN ReLU PReLU Sigmoid TanH ELU Power Exp Log BatchNorm Scale
    Concat Eltwise Slice Split Dropout Softmax SoftmaxWithLoss Accuracy Flatten Reshape Crop Permute Bias Embed Tile
    Reduction ArgMax MVN Clip Swish Threshold Silence Input Data BNLL AbsVal LSTM
    """
)
FIELDS = words(
    """
    num_output kernel_size kernel_h kernel_w stride pad dilation group axis num_axes end_axis local_size alpha beta
    k negative_slope power scale shift base eps slice_point offset dim order tiles top_k coeff input_dim min max
    """
)
WORDS = (
    "bias_term: false",
    "global_pooling: true",
    "pool: AVE",
    "operation: PROD",
    "norm_region: WITHIN_CHANNEL",
    "transpose: true",
)


def prototxt(rng: Rng) -> bytes:
    blobs = ["data"]
    lines = ['name: "net"', 'input: "data"', *(f"input_dim: {odd(rng, 6)}" for _ in range(4))]
    for i in range(int(rng.integers(1, 7))):
        kind = pick(rng, *KINDS)
        bottoms = [pick(rng, *blobs) for _ in range(1 if rng.random() < 0.8 else int(rng.integers(0, 4)))]
        tops = [pick(rng, f"b{i}", bottoms[0] if bottoms else f"b{i}") for _ in range(1 if rng.random() < 0.8 else 2)]
        settings = [f"{pick(rng, *FIELDS)}: {odd(rng)}" for _ in range(int(rng.integers(0, 5)))]
        settings += [pick(rng, *WORDS)] if rng.random() < 0.3 else []
        settings += [f"shape {{ dim: {odd(rng)} dim: -1 }}"] if kind in ("Reshape", "Input") else []
        if kind in ("Convolution", "Deconvolution", "InnerProduct"):
            settings += ["num_output: 4"] if rng.random() < 0.7 else []
            settings += ["kernel_size: 2"] if kind != "InnerProduct" and rng.random() < 0.7 else []
        name = {"InnerProduct": "inner_product", "BatchNorm": "batch_norm", "Deconvolution": "convolution"}.get(
            kind, kind.lower()
        )
        ends = " ".join([*(f'bottom: "{b}"' for b in bottoms), *(f'top: "{t}"' for t in tops)])
        lines.append(f'layer {{ name: "l{i}" type: "{kind}" {ends} {name}_param {{ {" ".join(settings)} }} }}')
        blobs += tops
    return "\n".join(lines).encode()


def caffemodel(rng: Rng) -> bytes:
    """Weights for the text of `test_hostile.py`, now and then of another shape."""
    right = {"c": [(4, 3, 3, 3), (4,)], "i": [(5, 6)]}
    blobs: dict[str, list[np.ndarray]] = {}
    for name, shapes in right.items():
        if rng.random() < 0.95:
            other = tuple(int(s) for s in rng.integers(0, 4, rng.integers(0, 5)))
            blobs[name] = [np.ones(other if rng.random() < 0.1 else shape, np.float32) for shape in shapes]
    if rng.random() < 0.3:
        blobs["other"] = [np.ones(3, np.float32)]
    return wire.caffemodel(blobs, old=bool(rng.random() < 0.3))


# t7

MODULES = words(
    """
    Linear SpatialConvolution SpatialConvolutionMM SpatialMaxPooling SpatialAveragePooling ReLU Tanh Sigmoid View
    Reshape Dropout SoftMax LogSoftMax BatchNormalization SpatialBatchNormalization SpatialFullConvolution
    SpatialZeroPadding Identity Threshold LookupTable CAddTable JoinTable SplitTable SelectTable Narrow Select
    Transpose Squeeze Unsqueeze Mul CMul Add MulConstant PReLU TemporalConvolution SpatialCrossMapLRN
    SpatialUpSamplingNearest Sum Power SoftPlus gModule
    """
)
NUMBERS = words(
    """
    nInputPlane nOutputPlane kW kH dW dH padW padH pad_l pad_r pad_t pad_b dimension index length offset nInputDims
    size alpha beta k eps threshold val p constant_scalar scale_factor numInputDims dim pos pow inputFrameSize
    outputFrameSize
    """
)
TENSORS = ("weight", "bias", "running_mean", "running_var")


def _module(rng: Rng, depth: int = 0) -> Thing:
    if depth < 4 and rng.random() < 0.35:
        kind = pick(rng, "Sequential", "Concat", "ConcatTable", "ParallelTable")
        return Thing(
            f"nn.{kind}", {"modules": [_module(rng, depth + 1) for _ in range(int(rng.integers(0, 4)))], "dimension": 2}
        )
    fields: dict[str, Any] = {name: min(odd(rng), 10**300) for name in NUMBERS if rng.random() < 0.6}
    for name in TENSORS:
        if rng.random() < 0.7:
            shape = pick(
                rng,
                (3, 4),
                (4,),
                (3,),
                (4, 4),
                (3, 4, 2, 2),
                tuple(int(s) for s in rng.integers(0, 4, rng.integers(0, 5))),
            )
            fields[name] = pick(rng, np.ones(shape), np.ones(shape, np.float32), min(odd(rng), 10**300), "text")
    if rng.random() < 0.5:
        fields["size"] = Sizes(tuple(int(s) for s in rng.integers(-1, 5, rng.integers(0, 4))))
    return Thing(f"nn.{pick(rng, *MODULES)}", fields)


def torch7(rng: Rng) -> bytes:
    held: Any = _module(rng)
    if rng.random() < 0.2:
        held = {"model": held, "epoch": 3, "others": [True, None, "text", np.arange(4)]}
    return t7.write(held, ascii=bool(rng.random() < 0.3))


# keras

LAYERS = words(
    """
    Dense Conv1D Conv2D Conv2DTranspose DepthwiseConv2D SeparableConv2D BatchNormalization LayerNormalization
    GroupNormalization MaxPooling2D AveragePooling1D GlobalAveragePooling2D ZeroPadding2D Cropping2D UpSampling2D
    Flatten Reshape Permute RepeatVector Activation ReLU LeakyReLU PReLU Softmax Dropout Add Concatenate Dot
    Embedding LSTM GRU SimpleRNN Bidirectional TimeDistributed MultiHeadAttention Attention Rescaling Normalization
    Resizing Lambda Sequential
    """
)
SETTINGS = words(
    """
    units filters groups axis epsilon n dims target_shape kernel_size strides pool_size padding cropping size
    dilation_rate activation use_bias data_format depth_multiplier num_heads key_dim input_dim output_dim height
    width mean variance scale offset axes layer layers output_padding return_sequences merge_mode center
    negative_slope max_value
    """
)


def _setting(rng: Rng, depth: int) -> Any:
    if depth < 3 and rng.random() < 0.08:
        return _layer(rng, depth + 1)
    plain = (odd(rng), odd(rng), "same", "valid", "relu", "softmax", "channels_first", True, False, None)
    return pick(
        rng, *plain, [odd(rng), odd(rng)], [[1, 0], [2, 1]], [-1, 2], {"class_name": "function", "config": "tanh"}
    )


def _layer(rng: Rng, depth: int = 0) -> dict[str, Any]:
    config: dict[str, Any] = {name: _setting(rng, depth) for name in SETTINGS if rng.random() < 0.25}
    config |= {name: 3 for name in ("units", "filters", "kernel_size") if rng.random() < 0.7}
    kind = pick(rng, *LAYERS)
    return {
        "module": pick(rng, *["keras.layers"] * 9, "os"),
        "class_name": kind,
        "config": {"name": f"l{rng.integers(5)}", **config},
    }


@cache
def _weights() -> bytes:
    """A file with a variable of some shape for the first layers of many classes."""
    import h5py

    file = io.BytesIO()
    rng = np.random.default_rng(0)
    with h5py.File(file, "w") as held:
        for kind in ("dense", "conv2d", "conv1d", "batch_normalization", "lstm", "gru", "embedding", "p_re_lu"):
            for path in (f"layers/{kind}", f"layers/{kind}_1", f"layers/{kind}/cell"):
                for i in range(4):
                    held[f"{path}/vars/{i}"] = np.ones(pick(rng, (4, 3), (3,), (4,), (3, 3, 4, 3)), np.float32)
    return file.getvalue()


def keras(rng: Rng) -> bytes:
    """A Sequential or functional model; its weights well formed, or damaged in one case of eight."""
    shape = [None, *(int(s) for s in rng.integers(1, 6, rng.integers(1, 4)))]
    if rng.random() < 0.1:
        shape[0 if len(shape) < 2 else 1] = odd(rng)
    first = {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": {"batch_shape": shape, "name": "x"},
        "name": "x",
    }
    layers = [_layer(rng) for _ in range(int(rng.integers(1, 5)))]
    config: dict[str, Any] = {"name": "m", "layers": [first, *layers]}
    kind = "Sequential"
    if rng.random() < 0.4:
        kind = "Functional"
        names = ["x"]
        for i, layer in enumerate(layers):
            calls = [
                {"args": [[_tensor(pick(rng, *names)) for _ in range(int(rng.integers(1, 3)))]], "kwargs": {}}
                for _ in range(int(rng.integers(1, 3)))
            ]
            layer |= {"name": f"l{i}", "inbound_nodes": calls}
            names.append(pick(rng, *[f"l{i}"] * 9, "nobody"))
        config |= {"input_layers": ["x", 0, 0], "output_layers": [names[-1], 0, 0]}
    weights = damaged(rng, _weights()) if rng.random() < 0.125 else _weights()
    return _archive(json.dumps({"module": "keras", "class_name": kind, "config": config}), weights)


def _tensor(name: str) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}


def _archive(config: str, weights: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", config)
        archive.writestr("model.weights.h5", weights)
    return file.getvalue()


def topology(rng: Rng) -> bytes:
    lines = ["Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,"]
    for i in range(int(rng.integers(1, 6))):
        sizes = [*rng.integers(5, 30, 2), *rng.integers(1, 5, 2), *rng.integers(1, 9, 3)]
        if rng.random() < 0.1:
            sizes[rng.integers(7)] = odd(rng, 9)
        if rng.random() < 0.05:
            sizes = sizes[: rng.integers(8)]
        lines.append(f"{pick(rng, 'conv', 'DP', 'a b')}{i}," + ",".join(map(str, sizes)) + ",")
    return "\n".join(lines).encode()


GENERATORS: dict[str, Callable[[Rng], bytes]] = {
    ".prototxt": prototxt,
    ".caffemodel": caffemodel,
    ".t7": torch7,
    ".keras": keras,
    ".csv": topology,
}
