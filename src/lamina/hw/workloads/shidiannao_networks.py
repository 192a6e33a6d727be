"""The ten convolutional networks that ShiDianNao was measured on: layers without biases, 16-bit words.

    cnp face_recognition face_align     faces           gabor cff conv_nn       faces in regions of a picture
    lenet5 simple_conv neo              characters      mpcnn                   gestures

Sizes are recalled from the paper's table 1, unverified. Second convolutions of most networks join each output map to
some input maps only; `joined` says how many kernels there are. LeNet-5 has 60 (LeCun 1998, table 1), CNP 61 (Farabet
2009); the other counts, and NEO's layers, are the whole numbers that make up the storage recalled from table 2, which
our tests repeat. First fully connected layers take every number of the maps before them; for SimpleConv, MPCNN, NEO and
FaceRecognition the paper counts one weight a map, so that SimpleConv and MPCNN need more than the machine's 128 KiB of
synapses here. CNP's F5 has 305 kernels in the paper: here zeros fill the rest. Subsampling is the mean of 2 x 2
windows, the maximum in MPCNN; `with_functions` adds the tanh behind every layer that multiplies.

Paper     Du et al., "ShiDianNao", ISCA 2015, tables 1 and 2, https://doi.org/10.1145/2749469.2750389
"""

from collections.abc import Callable

from lamina.hw.workloads._shapes import conv, dense, pool
from lamina.ir.layer import Layer

Size = tuple[int, int]


def joined(
    name: str, channels: int, filters: int, kernels: int, size: int | Size, kernel: int, **more: int
) -> list[Layer]:
    """A convolution of `channels` to `filters` maps with `kernels` kernels in all, shared out as evenly as can be.

    Two layers of different fan-in, the first with one input map more; which maps they read changes no count.
    """
    fan_in, wider = divmod(kernels, filters)
    assert 0 < fan_in + bool(wider) <= channels
    parts = [(fan_in + 1, wider), (fan_in, filters - wider)]
    return [
        conv(name if not wider else f"{name}{'ab'[part]}", inputs, outputs, size, kernel, bias=False, **more)
        for part, (inputs, outputs) in enumerate(parts)
        if outputs
    ]


def _conv(name: str, channels: int, filters: int, size: int | Size, kernel: int, stride: int = 1) -> list[Layer]:
    return [conv(name, channels, filters, size, kernel, stride=stride, bias=False)]


def _halve(name: str, channels: int, size: int | Size, operator: str = "average_pool2d") -> list[Layer]:
    """Subsampling by 2 x 2 windows; an odd row or column is padded, as the printed sizes (21 x 26 to 11 x 13) need."""
    h, w = (size, size) if isinstance(size, int) else size
    return [pool(name, channels, (h + h % 2, w + w % 2), 2, operator=operator)]


def _dense(inputs: int, *outputs: int, first: int) -> list[Layer]:
    sizes = (inputs, *outputs)
    return [dense(sizes[i], sizes[i + 1], bits=16, name=f"F{first + i}") for i in range(len(outputs))]


def cnp() -> list[Layer]:
    """Convolutional network processor: faces in 42 x 42 pixels."""
    return [
        *_conv("C1", 1, 6, 42, 7),
        *_halve("S2", 6, 36),
        *joined("C3", 6, 16, 61, 18, 7),
        *_halve("S4", 16, 12),
        *_dense(16 * 6 * 6, 80, 2, first=5),
    ]


def mpcnn() -> list[Layer]:
    """Max-pooling CNN: hand gestures in 32 x 32 pixels."""
    return [
        *_conv("C1", 1, 20, 32, 5),
        *_halve("S2", 20, 28, "max_pool2d"),
        *_conv("C3", 20, 20, 14, 5),
        *_halve("S4", 20, 10, "max_pool2d"),
        *_conv("C5", 20, 20, 5, 3),
        *_dense(20 * 3 * 3, 300, 6, first=6),
    ]


def face_recognition() -> list[Layer]:
    """Faces of 40 people in 23 x 28 pixels."""
    return [
        *_conv("C1", 1, 20, (23, 28), 3),
        *_halve("S2", 20, (21, 26)),
        *joined("C3", 20, 25, 125, (11, 13), 3),
        *_halve("S4", 25, (9, 11)),
        *_dense(25 * 5 * 6, 40, first=5),
    ]


def lenet5() -> list[Layer]:
    """LeNet-5: digits in 32 x 32 pixels, C3 with LeCun's 60 kernels."""
    return [
        *_conv("C1", 1, 6, 32, 5),
        *_halve("S2", 6, 28),
        *joined("C3", 6, 16, 60, 14, 5),
        *_halve("S4", 16, 10),
        *_dense(16 * 5 * 5, 120, 84, 10, first=5),
    ]


def simple_conv() -> list[Layer]:
    """Simard's: digits in 29 x 29 pixels, two convolutions of stride 2, no subsampling."""
    return [
        *_conv("C1", 1, 5, 29, 5, stride=2),
        *_conv("C2", 5, 50, 13, 5, stride=2),
        *_dense(50 * 5 * 5, 100, 10, first=3),
    ]


def cff() -> list[Layer]:
    """Convolutional face finder: 32 x 36 pixels."""
    return [
        *_conv("C1", 1, 4, (32, 36), 5),
        *_halve("S2", 4, (28, 32)),
        *joined("C3", 4, 14, 20, (14, 16), 3),
        *_halve("S4", 14, (12, 14)),
        *_one_a_map(14, (6, 7)),
        *_dense(14, 1, first=6),
    ]


def neo() -> list[Layer]:
    """Neocognitron-like: 24 x 24 pixels; its subsamplings have weights and change the number of maps."""
    return [
        conv("C1", 1, 4, 24, 5, padding=2, bias=False),
        *joined("S2", 4, 6, 6, 24, 3, stride=2, padding=1),
        *joined("C3", 6, 14, 56, 12, 5, padding=2),
        *joined("S4", 14, 16, 16, 12, 3, stride=2, padding=1),
        *_dense(16 * 6 * 6, 10, first=5),
    ]


def conv_nn() -> list[Layer]:
    """Faces in colour regions of 64 x 36 pixels of a video."""
    return [
        conv("C1", 3, 12, (64, 36), 5, groups=3, bias=False),  # each kernel sees one colour
        *_halve("S2", 12, (60, 32)),
        *joined("C3", 12, 14, 60, (30, 16), 3),
        *_halve("S4", 14, (28, 14)),
        *_one_a_map(14, (14, 7)),
        *_dense(14, 1, first=6),
    ]


def gabor() -> list[Layer]:
    """Faces by Gabor-like filters: 20 x 20 pixels."""
    return [
        *_conv("C1", 1, 4, 20, 5),
        *_halve("S2", 4, 16),
        *joined("C3", 4, 14, 20, 8, 3),
        *_halve("S4", 14, 6),
        *_one_a_map(14, (3, 3)),
        *_dense(14, 1, first=6),
    ]


def face_align() -> list[Layer]:
    """Places of eyes and mouth in 46 x 56 pixels of a face."""
    return [
        *_conv("C1", 1, 4, (46, 56), 7),
        *_halve("S2", 4, (40, 50)),
        *joined("C3", 4, 3, 6, (20, 25), 5),
        *_halve("S4", 3, (16, 21)),
        *_dense(3 * 8 * 10, 60, 4, first=5),
    ]


def _one_a_map(maps: int, size: Size) -> list[Layer]:
    """One neuron for each map, with a weight for each of its numbers."""
    h, w = size
    return [
        Layer(
            name="F5", k=1, c=1, groups=maps, r=h, s=w, height=h, width=w, input_bits=16, weight_bits=16,
            output_bits=16,
        )
    ]  # fmt: skip


def with_functions(layers: list[Layer]) -> list[Layer]:
    """`layers` with a tanh of every result behind each layer that multiplies."""
    found: list[Layer] = []
    for layer in layers:
        found.append(layer)
        if layer.macs:
            maps = layer.groups * layer.k
            found.append(
                Layer(
                    name=f"{layer.name} tanh", operator="tanh", groups=maps, p=layer.p, q=layer.q, has_weights=False,
                    ops=layer.outputs, input_bits=16, output_bits=16,
                )
            )  # fmt: skip
    return found


NETWORKS: dict[str, Callable[[], list[Layer]]] = {
    "cnp": cnp,
    "mpcnn": mpcnn,
    "face_recognition": face_recognition,
    "lenet5": lenet5,
    "simple_conv": simple_conv,
    "cff": cff,
    "neo": neo,
    "conv_nn": conv_nn,
    "gabor": gabor,
    "face_align": face_align,
}
