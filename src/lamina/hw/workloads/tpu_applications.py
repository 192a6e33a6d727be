"""Six inference applications of the TPU paper: what it prints, and layer shapes that are assumed where it prints none.

Printed (table 1): kinds and numbers of layers, weights, batch, multiply-accumulates per byte of weights:

    MLP0  5 fc               20 M  200   200        LSTM1  37 fc, 19 vector           34 M  96    96
    MLP1  4 fc                5 M  168   168        CNN0   16 conv                     8 M   8  2888
    LSTM0 24 fc, 34 vector   52 M   64    64        CNN1   72 conv, 13 pool, 4 fc    100 M  32  1750

and: a matrix of LSTM1 is 600 x 600 (section 7); one of the CNNs is AlphaGo, the other derives from Inception V2 (table
1, section 3), whose fc layers run at intensity 32 (section 4); LSTMs have 16-bit activations, which LSTM0's TOPS beside
its useful multiply-accumulates show (table 3).

Assumed: layers of an MLP or LSTM have equally many weights and are square, 600 x W / 600 in LSTM1; a vector layer acts
on one number for each row of a product. CNN0: 2888 / 8 = 361 = 19 x 19 points, AlphaGo's form (Silver et al., Nature
2016: 48 planes, 5 x 5 first, 3 x 3 after, 1 x 1 to one plane last), its depth from the printed weights. CNN1: Inception
V2 (Ioffe, Szegedy, ICML 2015, figure 5: 69 convolutions, 13 poolings), four square fc layers with the weights that are
left, and pictures of the size that brings the printed intensity nearest.

Paper     Jouppi et al., ISCA 2017, https://doi.org/10.1145/3079856.3080246
"""

from dataclasses import replace
from math import sqrt

from lamina.hw.workloads._shapes import conv, dense, pool
from lamina.ir.layer import Layer

WEIGHTS = {"mlp0": 20e6, "mlp1": 5e6, "lstm0": 52e6, "lstm1": 34e6, "cnn0": 8e6, "cnn1": 100e6}
MACS_PER_BYTE = {"mlp0": 200, "mlp1": 168, "lstm0": 64, "lstm1": 96, "cnn0": 2888, "cnn1": 1750}
BATCH = {"mlp0": 200, "mlp1": 168, "lstm0": 64, "lstm1": 96, "cnn0": 8, "cnn1": 32}
LSTM1_INPUTS = 600
BOARD, PLANES = 19, 48  # of Go
PICTURE = 352  # of CNN1
# 1 x 1; 3 x 3 behind its reduction; two 3 x 3 behind theirs; projection behind the pooling (0: none, stride 2)
INCEPTION = (
    (64, 64, 64, 64, 96, 32),
    (64, 64, 96, 64, 96, 64),
    (0, 128, 160, 64, 96, 0),
    (224, 64, 96, 96, 128, 128),
    (192, 96, 128, 96, 128, 128),
    (160, 128, 160, 128, 160, 96),
    (96, 128, 192, 160, 192, 96),
    (0, 128, 192, 192, 256, 0),
    (352, 192, 320, 160, 224, 128),
    (352, 192, 320, 192, 224, 128),
)


def mlp0(*, batch: int = BATCH["mlp0"]) -> list[Layer]:
    """Five square layers of 2000."""
    return _mlp("mlp0", 5, batch)


def mlp1(*, batch: int = BATCH["mlp1"]) -> list[Layer]:
    """Four square layers of 1118."""
    return _mlp("mlp1", 4, batch)


def lstm0() -> list[Layer]:
    """24 square layers of 1472 and 34 vector layers, 16-bit activations."""
    side = round(sqrt(WEIGHTS["lstm0"] / 24))
    return _lstm("lstm0", side, side, 24, 34)


def lstm1() -> list[Layer]:
    """37 layers of 600 inputs and 19 vector layers, 16-bit activations."""
    return _lstm("lstm1", LSTM1_INPUTS, round(WEIGHTS["lstm1"] / 37 / LSTM1_INPUTS), 37, 19)


def cnn0() -> list[Layer]:
    """AlphaGo's form in 16 convolutions on 19 x 19 points."""
    first, middle = 25 * PLANES, 9 * 14
    depth = round((sqrt(first**2 + 4 * middle * WEIGHTS["cnn0"]) - first) / (2 * middle))
    sizes = [(PLANES, depth, 5), *[(depth, depth, 3)] * 14, (depth, 1, 1)]
    return [
        conv(f"conv{i}", c, k, BOARD, r, padding=r // 2, batch=BATCH["cnn0"], bits=8)
        for i, (c, k, r) in enumerate(sizes, start=1)
    ]


def cnn1() -> list[Layer]:
    """Inception V2 with four large fully connected layers behind it."""
    batch, size = BATCH["cnn1"], PICTURE // 2
    layers = [
        conv("conv1", 3, 64, PICTURE, 7, stride=2, padding=3, batch=batch, bits=8),
        _pool("pool1", 64, size, 2, batch),
        conv("conv2a", 64, 64, size // 2, 1, batch=batch, bits=8),
        conv("conv2b", 64, 192, size // 2, 3, padding=1, batch=batch, bits=8),
        _pool("pool2", 192, size // 2, 2, batch),
    ]
    channels, size = 192, size // 4
    for number, widths in enumerate(INCEPTION, start=1):
        stride = 1 if widths[0] else 2
        layers += _module(f"inception{number}", channels, size, stride, widths, batch)
        size //= stride
        channels = widths[0] + widths[2] + widths[4] + (widths[5] or channels)
    layers.append(pool("pool", channels, size, size, operator="average_pool2d", batch=batch, bits=8))
    side = round(sqrt((WEIGHTS["cnn1"] - sum(layer.weights for layer in layers)) / 4))
    return layers + [dense(side, side, batch=batch, bits=8, name=f"fc{i}") for i in range(1, 5)]


APPLICATIONS = {"mlp0": mlp0, "mlp1": mlp1, "lstm0": lstm0, "lstm1": lstm1, "cnn0": cnn0, "cnn1": cnn1}


def _mlp(name: str, count: int, batch: int) -> list[Layer]:
    side = round(sqrt(WEIGHTS[name] / count))
    return [dense(side, side, batch=batch, bits=8, name=f"fc{i}") for i in range(1, count + 1)]


def _lstm(name: str, inputs: int, outputs: int, products: int, vectors: int) -> list[Layer]:
    """Products with the vector layers spread evenly behind them."""
    batch = BATCH[name]
    product = replace(dense(inputs, outputs, batch=batch, bits=8), input_bits=16, output_bits=16)
    vector = Layer(
        operator="multiply", n=batch, groups=outputs, has_weights=False, operands=2, ops=batch * outputs, input_bits=16,
        output_bits=16,
    )  # fmt: skip
    layers: list[Layer] = []
    for i in range(1, products + 1):
        layers.append(replace(product, name=f"fc{i}"))
        before, after = vectors * (i - 1) // products, vectors * i // products
        layers += [replace(vector, name=f"vector{j + 1}") for j in range(before, after)]
    return layers


def _module(
    name: str, channels: int, size: int, stride: int, widths: tuple[int, int, int, int, int, int], batch: int
) -> list[Layer]:
    """The branches of one module, one after another; `stride` of the last layer of each."""
    one, reduced, three, reduced_twice, twice, projected = widths
    parts = [
        ("1x1", channels, one, 1, 1),
        ("3x3r", channels, reduced, 1, 1),
        ("3x3", reduced, three, 3, stride),
        ("double_r", channels, reduced_twice, 1, 1),
        ("double_a", reduced_twice, twice, 3, 1),
        ("double_b", twice, twice, 3, stride),
        ("projection", channels, projected, 1, 1),
    ]
    return [
        *[
            conv(f"{name}/{part}", c, k, size, r, stride=by, padding=r // 2, batch=batch, bits=8)
            for part, c, k, r, by in parts
            if k
        ],
        _pool(f"{name}/pool", channels, size, stride, batch),
    ]


def _pool(name: str, channels: int, size: int, stride: int, batch: int) -> Layer:
    """Windows of 3 x 3 that keep the size, or halve it."""
    whole = pool(name, channels, size, 3, stride=1, batch=batch, bits=8)
    p = size // stride
    return replace(
        whole, p=p, q=p, stride=(stride, stride), padding=(1, 2 - stride, 1, 2 - stride),
        ops=batch * channels * p * p * 9,
    )  # fmt: skip
