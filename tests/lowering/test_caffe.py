"""Caffe's texts and weights: the published networks' counts, each layer against torch or Caffe's own rule in loops."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from lamina.core.errors import BadInput
from lamina.ir import Network
from lamina.lowering import _caffe_weights, caffe_reader
from tests.lowering import wire

TEXTS = Path(__file__).parent / "prototxt"

# Parameters as published with the networks; multiply-accumulates by hand from the tables, batch 1.
LENET = (431_080, 24 * 24 * 20 * 25 + 8 * 8 * 50 * 20 * 25 + 800 * 500 + 500 * 10)
CAFFENET = (
    60_965_224,
    55 * 55 * 96 * 363 + 27 * 27 * 256 * 1200 + 13 * 13 * (384 * 2304 + 384 * 1728 + 256 * 1728)
    + 9216 * 4096 + 4096 * 4096 + 4096 * 1000,
)  # fmt: skip
VGG16 = (
    138_357_544,
    9 * 224**2 * (3 * 64 + 64 * 64) + 9 * 112**2 * (64 * 128 + 128 * 128) + 9 * 56**2 * (128 * 256 + 2 * 256 * 256)
    + 9 * 28**2 * (256 * 512 + 2 * 512 * 512) + 9 * 14**2 * 3 * 512 * 512 + 25088 * 4096 + 4096 * 4096 + 4096 * 1000,
)  # fmt: skip
INCEPTIONS = (  # size, channels in, 1x1, 3x3 reduced, 3x3, 5x5 reduced, 5x5, behind the pool
    (28, 192, 64, 96, 128, 16, 32, 32), (28, 256, 128, 128, 192, 32, 96, 64), (14, 480, 192, 96, 208, 16, 48, 64),
    (14, 512, 160, 112, 224, 24, 64, 64), (14, 512, 128, 128, 256, 24, 64, 64), (14, 512, 112, 144, 288, 32, 64, 64),
    (14, 528, 256, 160, 320, 32, 128, 128), (7, 832, 256, 160, 320, 32, 128, 128),
    (7, 832, 384, 192, 384, 48, 128, 128),
)  # fmt: skip
GOOGLENET = (
    6_998_552,
    112**2 * 64 * 147 + 56**2 * (64 * 64 + 64 * 192 * 9) + 1024 * 1000
    + sum(s * s * (c * (a + r + t + p) + 9 * r * b + 25 * t * d) for s, c, a, r, b, t, d, p in INCEPTIONS),
)  # fmt: skip
PUBLISHED = {
    "lenet_train_test": (LENET, (1, 1, 28, 28)),
    "caffenet_deploy": (CAFFENET, (1, 3, 227, 227)),
    "vgg16_deploy": (VGG16, (1, 3, 224, 224)),
    "googlenet_deploy": (GOOGLENET, (1, 3, 224, 224)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts(name: str) -> None:
    """Shapes alone: no weights are given, and none are made up."""
    counts, shape = PUBLISHED[name]
    network = caffe_reader.read(TEXTS / f"{name}.prototxt", shapes={"data": shape})
    assert (network.parameters, network.macs) == counts
    assert all(network.constants[weight].data is None for weight in network.weights)
    assert sum(layer.macs for layer in network.layers()) == network.macs
    with pytest.raises(BadInput, match="no weights"):
        network.run({"data": np.zeros(shape, np.float32)})


def test_the_batch_of_the_text_is_kept() -> None:
    network = caffe_reader.read(TEXTS / "vgg16_deploy.prototxt")
    assert network.batch == 10
    assert network.macs == 10 * VGG16[1]


def test_training_texts_are_read_as_they_are_tested() -> None:
    """Both auxiliary classifiers of GoogLeNet, their losses gone; the data layers of one phase only; no label."""
    with pytest.raises(BadInput, match=r"how large 'data' is.*--shape data="):
        caffe_reader.read(TEXTS / "googlenet_train_val.prototxt")
    network = caffe_reader.read(TEXTS / "googlenet_train_val.prototxt", shapes={"data": (1, 3, 224, 224)})
    assert list(network.inputs) == ["data"]
    assert list(network.outputs) == ["loss1/classifier", "loss2/classifier", "loss3/classifier"]
    heads = sum(c * 128 + 128 + 2048 * 1024 + 1024 + 1024 * 1000 + 1000 for c in (512, 528))
    assert network.parameters == GOOGLENET[0] + heads


def random_weights(network: Network, seed: int = 0) -> dict[str, list[np.ndarray]]:
    """Blobs for every layer, in the shapes of the constants."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[np.ndarray]] = {}
    for name, constant in network.constants.items():
        layer, _, part = name.rpartition(".")
        if part in ("weight", "bias"):
            shape = constant.type.shape
            scale = np.sqrt(2 / np.prod(shape[1:])) if part == "weight" else 0.1
            found.setdefault(layer, []).append(rng.normal(0, scale, shape).astype(np.float32))
    return found


def lenet(w: dict, x: torch.Tensor) -> torch.Tensor:
    x = F.max_pool2d(F.conv2d(x, *w["conv1"]), 2)
    x = F.max_pool2d(F.conv2d(x, *w["conv2"]), 2)
    return F.linear(F.relu(F.linear(x.flatten(1), *w["ip1"])), *w["ip2"])


def caffenet(w: dict, x: torch.Tensor) -> torch.Tensor:
    x = F.local_response_norm(F.max_pool2d(F.relu(F.conv2d(x, *w["conv1"], stride=4)), 3, 2, ceil_mode=True), 5, k=1)
    x = F.relu(F.conv2d(x, *w["conv2"], padding=2, groups=2))
    x = F.local_response_norm(F.max_pool2d(x, 3, 2, ceil_mode=True), 5, k=1)
    x = F.relu(F.conv2d(x, *w["conv3"], padding=1))
    x = F.relu(F.conv2d(x, *w["conv4"], padding=1, groups=2))
    x = F.max_pool2d(F.relu(F.conv2d(x, *w["conv5"], padding=1, groups=2)), 3, 2, ceil_mode=True).flatten(1)
    x = F.relu(F.linear(F.relu(F.linear(x, *w["fc6"])), *w["fc7"]))
    return F.softmax(F.linear(x, *w["fc8"]), 1)


def vgg16(w: dict, x: torch.Tensor) -> torch.Tensor:
    for stage, count in enumerate((2, 2, 3, 3, 3), start=1):
        for i in range(1, count + 1):
            x = F.relu(F.conv2d(x, *w[f"conv{stage}_{i}"], padding=1))
        x = F.max_pool2d(x, 2)
    x = F.relu(F.linear(F.relu(F.linear(x.flatten(1), *w["fc6"])), *w["fc7"]))
    return F.softmax(F.linear(x, *w["fc8"]), 1)


def googlenet(w: dict, x: torch.Tensor) -> torch.Tensor:
    def conv(name: str, x: torch.Tensor, padding: int = 0, stride: int = 1) -> torch.Tensor:
        return F.relu(F.conv2d(x, *w[name], padding=padding, stride=stride))

    def pool(x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(x, 3, 2, ceil_mode=True)

    x = F.local_response_norm(pool(conv("conv1/7x7_s2", x, 3, 2)), 5, k=1)
    x = conv("conv2/3x3", conv("conv2/3x3_reduce", x), 1)
    x = pool(F.local_response_norm(x, 5, k=1))
    for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        at = f"inception_{name}/"
        parts = [
            conv(at + "1x1", x),
            conv(at + "3x3", conv(at + "3x3_reduce", x), 1),
            conv(at + "5x5", conv(at + "5x5_reduce", x), 2),
            conv(at + "pool_proj", F.max_pool2d(x, 3, 1, 1)),
        ]
        x = torch.cat(parts, 1)
        x = pool(x) if name in ("3b", "4e") else x
    return F.softmax(F.linear(F.avg_pool2d(x, 7).flatten(1), *w["loss3/classifier"]), 1)


MODULES = {"lenet_train_test": lenet, "caffenet_deploy": caffenet, "vgg16_deploy": vgg16, "googlenet_deploy": googlenet}


@pytest.mark.parametrize("name", MODULES)
def test_outputs_equal_torch(name: str) -> None:
    """The same random weights in both; for time VGG-16 at 32 x 32, and 64 neurons where the two largest have 4096."""
    shape = PUBLISHED[name][1]
    text = (TEXTS / f"{name}.prototxt").read_text()
    text = text.replace("4096", "64")
    if name == "vgg16_deploy":
        shape = (1, 3, 32, 32)
    blobs = random_weights(caffe_reader.network(text, shapes={"data": shape}))
    network = caffe_reader.network(text, weights=blobs, shapes={"data": shape})
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    (found,) = network.run({"data": x}).values()
    wanted = MODULES[name]({k: [torch.from_numpy(b) for b in v] for k, v in blobs.items()}, torch.from_numpy(x)).numpy()
    assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()
    assert np.ptp(wanted) > 0.1 * np.abs(wanted).max()


def run(
    layers: str, x: np.ndarray, weights: dict | None = None, others: dict[str, np.ndarray] | None = None
) -> np.ndarray:
    """The last output of layers on an input x."""
    inputs = {"x": x, **(others or {})}
    sizes = {name: " ".join(f"dim: {size}" for size in array.shape) for name, array in inputs.items()}
    text = "".join(
        f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}'
        for name, dims in sizes.items()
    )
    network = caffe_reader.network(text + layers, weights=weights or {})
    return list(network.run(inputs).values())[-1]


def one(kind: str, settings: str = "", bottoms: Sequence[str] = ("x",), tops: Sequence[str] = ("y",)) -> str:
    names = " ".join([*(f'bottom: "{b}"' for b in bottoms), *(f'top: "{t}"' for t in tops)])
    return f'layer {{ name: "one" type: "{kind}" {names} {settings} }}'


X = np.random.default_rng(3).normal(size=(2, 4, 7, 6)).astype(np.float32)
T = torch.from_numpy(X)


def caffe_pool(x: np.ndarray, kernel: int, stride: int, pad: int, kind: str) -> np.ndarray:
    """Caffe's pooling loops."""
    h, w = x.shape[2:]
    sizes = []
    for size in (h, w):
        count = -(-(size + 2 * pad - kernel) // stride) + 1
        if pad and (count - 1) * stride >= size + pad:
            count -= 1
        sizes.append(count)
    y = np.zeros((*x.shape[:2], *sizes), x.dtype)
    for i in range(sizes[0]):
        for j in range(sizes[1]):
            top, left = i * stride - pad, j * stride - pad
            bottom, right = min(top + kernel, h + pad), min(left + kernel, w + pad)
            area = (bottom - top) * (right - left)
            part = x[:, :, max(0, top) : min(bottom, h), max(0, left) : min(right, w)]
            y[:, :, i, j] = part.max((2, 3)) if kind == "MAX" else part.sum((2, 3)) / area
    return y


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.sampled_from(["MAX", "AVE"]), st.data())
def test_pooling_windows_are_caffes(kernel: int, stride: int, pad: int, kind: str, data: st.DataObject) -> None:
    pad, stride = min(pad, kernel - 1), min(stride, kernel)
    h, w = (data.draw(st.integers(max(1, kernel - 2 * pad), 9)) for _ in range(2))
    x = np.random.default_rng(h * w).normal(size=(1, 2, h, w)).astype(np.float32)
    settings = f"pooling_param {{ pool: {kind} kernel_size: {kernel} stride: {stride} pad: {pad} }}"
    np.testing.assert_allclose(
        run(one("Pooling", settings), x), caffe_pool(x, kernel, stride, pad, kind), rtol=1e-5, atol=1e-6
    )


POINTWISE = {
    "relu": (one("ReLU"), F.relu(T)),
    "leaky": (one("ReLU", "relu_param { negative_slope: 0.1 }"), F.leaky_relu(T, 0.1)),
    "elu": (one("ELU", "elu_param { alpha: 0.5 }"), F.elu(T, 0.5)),
    "sigmoid": (one("Sigmoid"), T.sigmoid()),
    "tanh": (one("TanH"), T.tanh()),
    "softplus": (one("BNLL"), F.softplus(T)),
    "absolute": (one("AbsVal"), T.abs()),
    "power": (
        one("AbsVal", tops=("a",)) + one("Power", "power_param { power: 1.5 scale: 0.5 shift: 2 }", ("a",)),
        (2 + 0.5 * T.abs()) ** 1.5,
    ),
    "exp": (one("Exp", "exp_param { base: 2 scale: 0.5 shift: 1 }"), 2 ** (1 + 0.5 * T)),
    "exp natural": (one("Exp"), T.exp()),
    "log": (
        one("AbsVal", tops=("a",)) + one("Log", "log_param { base: 10 shift: 1 }", ("a",)),
        torch.log10(1 + T.abs()),
    ),
    "clip": (one("Clip", "clip_param { min: -0.5 max: 1 }"), T.clip(-0.5, 1)),
    "swish": (one("Swish", "swish_param { beta: 2 }"), T * (2 * T).sigmoid()),
    "threshold": (one("Threshold", "threshold_param { threshold: 0.5 }"), (T > 0.5).float()),
    "softmax": (one("Softmax"), F.softmax(T, 1)),
    "softmax axis": (one("Softmax", "softmax_param { axis: -1 }"), F.softmax(T, 3)),
    "lrn": (
        one("LRN", "lrn_param { local_size: 3 alpha: 2 beta: 0.5 k: 1.5 }"),
        F.local_response_norm(T, 3, 2, 0.5, 1.5),
    ),
    "lrn within": (
        one("LRN", "lrn_param { local_size: 3 alpha: 2 beta: 0.5 norm_region: WITHIN_CHANNEL }"),
        T / (1 + 2 * F.avg_pool2d(T * T, 3, 1, 1)) ** 0.5,
    ),
    "mvn": (one("MVN"), (T - T.mean((2, 3), True)) / (T.std((2, 3), unbiased=False, keepdim=True) + 1e-9)),
    "mvn across": (
        one("MVN", "mvn_param { across_channels: true normalize_variance: false }"),
        T - T.mean((1, 2, 3), True),
    ),
    "global": (one("Pooling", "pooling_param { pool: AVE global_pooling: true }"), T.mean((2, 3), True)),
    "flatten": (one("Flatten"), T.flatten(1)),
    "flatten middle": (one("Flatten", "flatten_param { axis: 1 end_axis: 2 }"), T.flatten(1, 2)),
    "reshape": (one("Reshape", "reshape_param { shape { dim: 0 dim: 2 dim: -1 } }"), T.reshape(2, 2, -1)),
    "reshape inner": (
        one("Reshape", "reshape_param { axis: 1 num_axes: 1 shape { dim: 2 dim: 2 } }"),
        T.reshape(2, 2, 2, 7, 6),
    ),
    "permute": (one("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }"), T.permute(0, 2, 3, 1)),
    "tile": (one("Tile", "tile_param { axis: 2 tiles: 3 }"), T.repeat(1, 1, 3, 1)),
    "reduction": (
        one("Reduction", "reduction_param { operation: SUMSQ axis: 2 coeff: 0.5 }"),
        0.5 * (T * T).sum((2, 3)),
    ),
    "argmax": (one("ArgMax", "argmax_param { axis: 1 }"), T.argmax(1, True)),
    "argmax whole": (one("ArgMax"), T.flatten(1).argmax(1)[:, None, None, None]),
    "dropout": (one("Dropout"), T),
    "concat": (one("Concat", "concat_param { axis: 2 }", ("x", "x")), torch.cat([T, T], 2)),
    "slice": (one("Slice", "slice_param { slice_point: 1 slice_point: 3 }", tops=("a", "b", "c")), T[:, 3:]),
    "slice equal": (one("Slice", "slice_param { axis: 3 }", tops=("a", "b")), T[..., 3:]),
    "sum": (one("Eltwise", "eltwise_param { operation: SUM coeff: 1 coeff: -0.5 }", ("x", "x")), T - 0.5 * T),
    "product": (one("Eltwise", "eltwise_param { operation: PROD }", ("x", "x")), T * T),
}  # fmt: skip


@pytest.mark.parametrize("name", POINTWISE)
def test_layers_without_weights(name: str) -> None:
    layers, wanted = POINTWISE[name]
    found = run(layers, X)
    assert found.shape == tuple(wanted.shape)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-5, atol=1e-6)


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def test_convolutions() -> None:
    w, b = normal(6, 2, 3, 2), normal(6)
    sizes = "kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 pad: 1 dilation: 2"
    settings = f"convolution_param {{ num_output: 6 {sizes} group: 2 }}"
    wanted = F.conv2d(T, torch.from_numpy(w), torch.from_numpy(b), (2, 1), 1, 2, 2)
    np.testing.assert_allclose(run(one("Convolution", settings), X, {"one": [w, b]}), wanted, rtol=1e-4, atol=1e-5)
    w = normal(4, 3, 4, 4)
    settings = "convolution_param { num_output: 6 kernel_size: 4 stride: 2 pad: 1 group: 2 bias_term: false }"
    wanted = F.conv_transpose2d(T, torch.from_numpy(w), None, 2, 1, 0, 2)
    np.testing.assert_allclose(run(one("Deconvolution", settings), X, {"one": [w]}), wanted, rtol=1e-4, atol=1e-5)


def test_inner_products() -> None:
    w, b = normal(5, 4 * 7 * 6), normal(5)
    wanted = F.linear(T.flatten(1), torch.from_numpy(w), torch.from_numpy(b))
    settings = "inner_product_param { num_output: 5 }"
    blobs = {"one": [w.reshape(1, 1, 5, -1), b.reshape(1, 1, 1, 5)]}  # the old form's four sizes
    np.testing.assert_allclose(run(one("InnerProduct", settings), X, blobs), wanted, rtol=1e-4, atol=1e-5)
    settings = "inner_product_param { num_output: 5 transpose: true bias_term: false axis: 3 }"
    w = normal(6, 5)
    wanted = T @ torch.from_numpy(w)
    np.testing.assert_allclose(run(one("InnerProduct", settings), X, {"one": [w]}), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scaled", ["", "in place", "elsewhere too"])
def test_batch_normalisation(scaled: str) -> None:
    """A BatchNorm and the Scale behind it are one operation, unless something else reads what is between them."""
    mean, variance, factor = normal(4), np.abs(normal(4, 1)[:, 0]) + 0.5, np.float32(2)
    gamma, beta = normal(4), normal(4, 2)[:, 0]
    blobs = {"n": [mean * factor, variance * factor, np.array([factor])], "s": [gamma, beta]}
    layers = 'layer { name: "n" type: "BatchNorm" bottom: "x" top: "y" batch_norm_param { eps: 0.01 } }'
    wanted = F.batch_norm(T, torch.from_numpy(mean), torch.from_numpy(variance), eps=0.01)
    if scaled:
        top = "y" if scaled == "in place" else "z"
        layers += f'layer {{ name: "s" type: "Scale" bottom: "y" top: "{top}" scale_param {{ bias_term: true }} }}'
        wanted_scaled = wanted * torch.from_numpy(gamma)[:, None, None] + torch.from_numpy(beta)[:, None, None]
    if scaled == "elsewhere too":
        layers += 'layer { name: "t" type: "Eltwise" bottom: "y" bottom: "z" top: "t" }'
        wanted_scaled = wanted + wanted_scaled
    text = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 4 dim: 7 dim: 6 } } }'
    network = caffe_reader.network(text + layers, weights=blobs)
    np.testing.assert_allclose(run(layers, X, blobs), wanted_scaled if scaled else wanted, rtol=1e-4, atol=1e-5)
    assert [o.operator for o in network.operations][:1] == ["batch_norm"]
    assert len(network.operations) == (4 if scaled == "elsewhere too" else 1)


def test_scale_bias_and_prelu() -> None:
    g, b = normal(4, 7), normal(4, 7, 1)[..., 0]
    settings = "scale_param { axis: 1 num_axes: 2 bias_term: true }"
    wanted = X * g[:, :, None] + b[:, :, None]
    np.testing.assert_allclose(run(one("Scale", settings), X, {"one": [g, b]}), wanted, rtol=1e-5)
    np.testing.assert_allclose(run(one("Scale", "scale_param { axis: 0 }", ("x", "s")), X, others={"s": X[:, :, 0, 0]}),
                               X * X[:, :, :1, :1], rtol=1e-5)  # fmt: skip
    np.testing.assert_allclose(
        run(one("Bias", "bias_param { axis: -1 }"), X, {"one": [normal(6)]}), X + normal(6), rtol=1e-5
    )
    wanted = F.prelu(T, torch.from_numpy(normal(4)))
    np.testing.assert_allclose(run(one("PReLU"), X, {"one": [normal(4)]}), wanted, rtol=1e-5)
    shared = run(one("PReLU", "prelu_param { channel_shared: true }"), X, {"one": [np.float32([0.3])]})
    np.testing.assert_allclose(shared, F.leaky_relu(T, 0.3), rtol=1e-5)


def test_crop_and_embed() -> None:
    like = np.zeros((2, 4, 3, 2), np.float32)
    found = run(one("Crop", "crop_param { axis: 2 offset: 1 offset: 3 }", ("x", "like")), X, others={"like": like})
    np.testing.assert_array_equal(found, X[:, :, 1:4, 3:5])
    places, rows, bias = np.float32([[0, 3], [2, 2]]), normal(5, 3), normal(3)
    settings = "embed_param { input_dim: 5 num_output: 3 }"
    found = run(one("Embed", settings), places, {"one": [rows, bias]})
    np.testing.assert_allclose(found, rows[places.astype(int)] + bias)


def test_shared_parameters_are_one_constant() -> None:
    layers = "".join(
        f'layer {{ name: "{n}" type: "InnerProduct" bottom: "x" top: "{n}" param {{ name: "w" }} '
        "inner_product_param { num_output: 3 bias_term: false } }"
        for n in ("a", "b")
    )
    text = 'input: "x" input_shape { dim: 1 dim: 4 }'
    assert caffe_reader.network(text + layers).parameters == 12


def test_weights_lie_beside_the_text(tmp_path: Path) -> None:
    """Both forms of a caffemodel, written by the protobuf package from Caffe's field numbers."""
    text = (TEXTS / "lenet_train_test.prototxt").read_text()
    (tmp_path / "net.prototxt").write_text(text)
    shapes = {"data": (1, 1, 28, 28)}
    blobs = random_weights(caffe_reader.network(text, shapes=shapes))
    x = normal(1, 1, 28, 28)
    wanted = caffe_reader.network(text, weights=blobs, shapes=shapes).run({"data": x})["ip2"]
    for old in (False, True):
        (tmp_path / "net.caffemodel").write_bytes(wire.caffemodel(blobs, old=old))
        network = caffe_reader.read(tmp_path / "net.prototxt", shapes=shapes)
        np.testing.assert_array_equal(network.run({"data": x})["ip2"], wanted)
    given = caffe_reader.read(tmp_path / "net.prototxt", shapes=shapes, weights=blobs)
    np.testing.assert_array_equal(given.run({"data": x})["ip2"], wanted)


@given(st.lists(st.integers(1, 3), max_size=4), st.booleans(), st.booleans())
def test_blobs_are_read_as_protobuf_writes_them(shape: list[int], old: bool, double: bool) -> None:
    data = np.arange(np.prod(shape), dtype=np.float64 if double else np.float32).reshape(shape) / 3
    ((name, (found,)),) = _caffe_weights.parse(wire.caffemodel({"a": [data]}, old=old, double=double)).items()
    assert name == "a"
    assert found.dtype == data.dtype
    np.testing.assert_array_equal(found.reshape(-1), data.reshape(-1))
    assert [s for s in found.shape if s > 1] == [s for s in shape if s > 1]
