"""The text form of Caffe's networks; texts and weights that cannot be read: one clear error each."""

from collections.abc import Iterator

import pytest

from lamina.core.errors import BadInput, Unsupported
from lamina.lowering import _caffe_text, caffe_reader
from tests.lowering.test_caffe import X, normal, one, run


def test_the_text_form() -> None:
    message = _caffe_text.parse(
        'a: 1 b: -2.5e-3 # comment\n c: MAX; d: [1, 0x10], e: "x\\"y" f { g: true } f: < g: false > h: \'z\' a: 2'
    )
    assert message.fields["a"] == [1, 2]
    assert message.number("b", 0) == -0.0025
    assert message.integers("d") == [1, 16]
    assert message.text("c") == "MAX"
    assert message.text("e") == 'x"y'
    assert [m.truth("g", False) for m in message.messages("f")] == [True, False]


def _lines() -> Iterator[tuple[str, type[Exception], str]]:
    net = 'input: "x" input_shape { dim: 1 dim: 4 dim: 5 dim: 5 }\n'
    yield "", BadInput, "no layer"
    yield "layer {", BadInput, "line 1: a block is opened"
    yield "a b", BadInput, "':' is needed"
    yield "a: }", BadInput, "where a value"
    yield "a: " + "9" * 400, BadInput, "400 digits"
    yield "a: 1e999", BadInput, "too large"
    yield "x { " * 50, BadInput, "nested deeper"
    yield net + one("LSTM"), Unsupported, "'LSTM'.*those that are read"
    yield net + one("Python"), Unsupported, "'Python'"
    yield "layers { layer { name: 'a' } }", Unsupported, "oldest form"
    yield net + one("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 }"), Unsupported, "STOCHASTIC"
    yield net + one("BatchNorm", "batch_norm_param { use_global_stats: false }"), Unsupported, "statistics"
    yield net + one("ReLU", bottoms=("misspelt",)), BadInput, "line 2, layer 'one'.*made by no layer"
    yield net + one("Convolution", "convolution_param { kernel_size: 3 }"), BadInput, "num_output is 0"
    yield net + one("Convolution", "convolution_param { num_output: 3 }"), BadInput, "kernel_size is given 0 times"
    yield net + one("Convolution", "convolution_param { num_output: 3 kernel_size: 9 }"), BadInput, "does not fit"
    yield net + one("Convolution", "convolution_param { num_output: 3 kernel_size: 1 group: 3 }"), BadInput, "groups"
    yield net + one("InnerProduct", "inner_product_param { num_output: 99999999999 }"), BadInput, "num_output"
    yield net + one("Pooling", "pooling_param { kernel_size: 2 pad: 2 }"), BadInput, "windows of"
    yield net + one("Reshape", "reshape_param { shape { dim: 3 dim: -1 } }"), BadInput, "do not fill"
    yield net + one("Slice", "slice_param { slice_point: 9 }", tops=("a", "b")), BadInput, "slice points"
    yield (
        net + one("Split", "", tops=("a",)) + one("Concat", "concat_param { axis: 7 }", ("a", "a")),
        BadInput,
        "axis 7",
    )
    yield net, BadInput, "no layer"
    yield net + one("Accuracy"), BadInput, "no layer that computes"
    yield 'input: "x" input_shape { dim: 0 dim: 4 }' + one("ReLU"), BadInput, "of shape"
    yield 'input: "x" input_shape { dim: 9999999 dim: 9999999 }' + one("ReLU"), BadInput, "of shape"
    yield 'input: "x" input_shape { dim: "a" }' + one("ReLU"), BadInput, "whole number"


@pytest.mark.parametrize(("text", "kind", "message"), list(_lines()))
def test_bad_texts(text: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        caffe_reader.network(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("blobs", "message"),
    [
        ({}, "0 blobs in the weights where weight is number 1"),
        ({"one": [normal(3, 4, 1, 2), normal(3)]}, r"weight has shape \[3, 4, 1, 2\] in the weights"),
        ({"one": [normal(3, 4, 1, 1)]}, "1 blobs in the weights where bias is number 2"),
    ],
)
def test_weights_that_do_not_fit(blobs: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        run(one("Convolution", "convolution_param { num_output: 3 kernel_size: 1 }"), X, blobs)
