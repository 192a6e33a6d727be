"""ResNet-18 as ZigZag's example workload has it: its sizes, with what differs from the network of the paper.

Windows of 3 x 3 in the shortcuts too, no padding (inputs are as large as the windows reach), no biases, 8-bit words.
Poolings and additions are nests of their own: 31 layers, 2,016 M multiply-accumulates in those that multiply.

Source    zigzag-dse 3.9, inputs/workload/resnet18.yaml, https://github.com/KULeuven-MICAS/zigzag
Paper     He et al., "Deep Residual Learning", CVPR 2016, https://doi.org/10.1109/CVPR.2016.90
"""

from dataclasses import replace

from lamina.ir.layer import Layer


def resnet18_zigzag() -> list[Layer]:
    """The 31 layers, named Layer0 to Layer30 as ZigZag names them."""
    block = [_conv(64, 64, 56, 3), _conv(64, 64, 56, 3), _add(64, 56)]
    found = [_conv(64, 3, 112, 7, 2), _pool(64, 56, 3, 2), *block, *block]
    for k, size in ((128, 28), (256, 14), (512, 7)):
        down, flat = _conv(k, k // 2, size, 3, 2), _conv(k, k, size, 3)
        found += [down, flat, down, _add(k, size), flat, flat, _add(k, size)]
    found += [_pool(512, 1, 7, 1), _conv(1000, 512, 1, 1)]
    return [replace(layer, name=f"Layer{number}") for number, layer in enumerate(found)]


def _conv(k: int, c: int, size: int, kernel: int, stride: int = 1) -> Layer:
    return Layer(k=k, c=c, p=size, q=size, r=kernel, s=kernel, stride=(stride, stride))


def _pool(channels: int, size: int, kernel: int, stride: int) -> Layer:
    return Layer(
        operator="max_pool2d",
        groups=channels,
        p=size,
        q=size,
        r=kernel,
        s=kernel,
        stride=(stride, stride),
        has_weights=False,
        ops=channels * size * size * kernel * kernel,
    )


def _add(channels: int, size: int) -> Layer:
    ops = channels * size * size
    return Layer(operator="add", groups=channels, p=size, q=size, has_weights=False, operands=2, ops=ops)
