"""Keras files against Keras itself: every layer that is read, whole models, keras.applications with random weights."""

import os
from pathlib import Path

import numpy as np
import pytest

os.environ["KERAS_BACKEND"] = "torch"
keras = pytest.importorskip("keras")
pytest.importorskip("h5py")

from lamina.core.errors import LaminaError, Unsupported  # noqa: E402
from lamina.ir import Network  # noqa: E402
from lamina.ir.types import INDEX  # noqa: E402
from lamina.lowering import keras_reader  # noqa: E402

L, Input, Model = keras.layers, keras.Input, keras.Model
# Keras's own torch backend converts Parameters in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def scatter(model: "keras.Model", seed: int = 0) -> None:
    """Weights that say something: a new normalisation has ones and zeros, which hide mistakes."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if not str(variable.dtype).startswith("float"):
            continue
        shape = tuple(variable.shape)
        if variable.path.endswith("variance"):
            variable.assign(rng.uniform(0.5, 2, shape))
        elif len(shape) > 1:
            variable.assign(rng.normal(0, 1 / np.sqrt(max(1, np.prod(shape[:-1]))), shape))
        else:
            variable.assign(rng.uniform(0.3, 1.2, shape))


def read(model: "keras.Model", folder: Path, **options: object) -> Network:
    model.save(folder / "model.keras")
    return keras_reader.read(folder / "model.keras", **options)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Keras draws initial weights from a generator of its own; a relu may be given nothing but negative numbers."""
    keras.utils.set_random_seed(0)


def largest_difference(model: "keras.Model", network: Network, seed: int = 0) -> float:
    """The largest difference of any output, over that output's largest number."""
    rng = np.random.default_rng(seed)
    inputs = {
        name: rng.integers(0, 4, t.shape) if t.element == INDEX else rng.normal(size=t.shape).astype(np.float32)
        for name, t in network.inputs.items()
    }
    values = list(inputs.values())
    wanted = model(values if len(values) > 1 else values[0], training=False)
    wanted = wanted if isinstance(wanted, list | tuple) else [wanted]
    found = list(network.run(inputs).values())
    assert len(found) == len(wanted)
    worst = 0.0
    for mine, theirs in zip(found, map(keras.ops.convert_to_numpy, wanted), strict=True):
        assert mine.shape == theirs.shape
        assert np.abs(theirs).max() > 0
        worst = max(worst, float(np.abs(mine - theirs).max() / np.abs(theirs).max()))
    return worst


PICTURE, SEQUENCE, VECTOR = (9, 8, 4), (7, 6), (5,)
LAYERS = {
    "Dense": (VECTOR, lambda: L.Dense(3, activation="tanh")),
    "Dense of a sequence": (SEQUENCE, lambda: L.Dense(3, use_bias=False)),
    "Conv2D": (PICTURE, lambda: L.Conv2D(6, 3, strides=2, activation="relu")),
    "Conv2D same": (PICTURE, lambda: L.Conv2D(6, (3, 4), strides=(2, 1), padding="same")),
    "Conv2D grouped and dilated": (PICTURE, lambda: L.Conv2D(6, 3, groups=2, dilation_rate=(2, 1), padding="same")),
    "Conv2D channels first": ((4, 9, 8), lambda: L.Conv2D(6, 3, data_format="channels_first")),
    "Conv1D": (SEQUENCE, lambda: L.Conv1D(5, 3, strides=2, padding="same")),
    "Conv1D causal": (SEQUENCE, lambda: L.Conv1D(5, 3, dilation_rate=2, padding="causal", activation="swish")),
    "Conv2DTranspose": (PICTURE, lambda: L.Conv2DTranspose(3, 3, strides=2, padding="same", activation="elu")),
    "Conv2DTranspose valid": (PICTURE, lambda: L.Conv2DTranspose(3, (2, 3), strides=(3, 2))),
    "Conv2DTranspose even": (PICTURE, lambda: L.Conv2DTranspose(3, 4, strides=2, padding="same")),
    "Conv2DTranspose output padding": (
        PICTURE,
        lambda: L.Conv2DTranspose(3, 3, strides=2, padding="same", output_padding=1),
    ),
    "Conv1DTranspose": (SEQUENCE, lambda: L.Conv1DTranspose(3, 5, strides=2, padding="same")),
    "DepthwiseConv2D": (PICTURE, lambda: L.DepthwiseConv2D(3, depth_multiplier=2, padding="same")),
    "DepthwiseConv1D": (SEQUENCE, lambda: L.DepthwiseConv1D(3, depth_multiplier=2)),
    "SeparableConv2D": (PICTURE, lambda: L.SeparableConv2D(5, 3, depth_multiplier=2, padding="same")),
    "SeparableConv1D": (SEQUENCE, lambda: L.SeparableConv1D(5, 3)),
    "BatchNormalization": (PICTURE, lambda: L.BatchNormalization()),
    "BatchNormalization of an inner axis": (PICTURE, lambda: L.BatchNormalization(axis=1, center=False)),
    "BatchNormalization of vectors": (VECTOR, lambda: L.BatchNormalization(scale=False)),
    "LayerNormalization": (SEQUENCE, lambda: L.LayerNormalization()),
    "LayerNormalization of two axes": (PICTURE, lambda: L.LayerNormalization(axis=[-2, -1], center=False)),
    "GroupNormalization": (PICTURE, lambda: L.GroupNormalization(groups=2)),
    "instance normalisation": (PICTURE, lambda: L.GroupNormalization(groups=-1)),
    "RMSNormalization": (SEQUENCE, lambda: L.RMSNormalization()),
    "UnitNormalization": (PICTURE, lambda: L.UnitNormalization(axis=[1, 2])),
    "MaxPooling2D": (PICTURE, lambda: L.MaxPooling2D()),
    "MaxPooling2D same": (PICTURE, lambda: L.MaxPooling2D((3, 2), strides=2, padding="same")),
    "MaxPooling1D": (SEQUENCE, lambda: L.MaxPooling1D(3, strides=1)),
    "AveragePooling2D": (PICTURE, lambda: L.AveragePooling2D(3, strides=2)),
    "AveragePooling2D same": ((9, 9, 2), lambda: L.AveragePooling2D(3, strides=2, padding="same")),
    "AveragePooling1D": (SEQUENCE, lambda: L.AveragePooling1D(2)),
    "GlobalAveragePooling2D": (PICTURE, lambda: L.GlobalAveragePooling2D()),
    "GlobalMaxPooling2D": (PICTURE, lambda: L.GlobalMaxPooling2D(keepdims=True)),
    "GlobalAveragePooling1D": (SEQUENCE, lambda: L.GlobalAveragePooling1D()),
    "GlobalMaxPooling1D": (SEQUENCE, lambda: L.GlobalMaxPooling1D()),
    "ZeroPadding2D": (PICTURE, lambda: L.ZeroPadding2D(((1, 0), (2, 3)))),
    "ZeroPadding1D": (SEQUENCE, lambda: L.ZeroPadding1D((1, 2))),
    "Cropping2D": (PICTURE, lambda: L.Cropping2D(((1, 2), (0, 3)))),
    "Cropping1D": (SEQUENCE, lambda: L.Cropping1D(2)),
    "UpSampling2D": (PICTURE, lambda: L.UpSampling2D((2, 3))),
    "UpSampling2D bilinear": (PICTURE, lambda: L.UpSampling2D(2, interpolation="bilinear")),
    "UpSampling1D": (SEQUENCE, lambda: L.UpSampling1D(3)),
    "Resizing": (PICTURE, lambda: L.Resizing(6, 13)),
    "Flatten": (PICTURE, lambda: L.Flatten()),
    "Flatten channels first": (PICTURE, lambda: L.Flatten(data_format="channels_first")),
    "Reshape": (PICTURE, lambda: L.Reshape((6, -1))),
    "Permute": (PICTURE, lambda: L.Permute((3, 1, 2))),
    "RepeatVector": (VECTOR, lambda: L.RepeatVector(4)),
    "Dropout": (VECTOR, lambda: L.Dropout(0.3)),
    "ReLU": (VECTOR, lambda: L.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2)),
    "ReLU6": (VECTOR, lambda: L.ReLU(6.0)),
    "LeakyReLU": (VECTOR, lambda: L.LeakyReLU(negative_slope=0.2)),
    "ELU": (VECTOR, lambda: L.ELU(0.7)),
    "PReLU": (PICTURE, lambda: L.PReLU(shared_axes=[1, 2])),
    "Softmax": (PICTURE, lambda: L.Softmax(axis=1)),
    "Rescaling": (PICTURE, lambda: L.Rescaling(0.5, offset=-1.0)),
    "Rescaling of channels": (PICTURE, lambda: L.Rescaling([1.0, 2.0, 0.5, 3.0], offset=[0.0, 1.0, 2.0, 3.0])),
    "Normalization": (PICTURE, lambda: L.Normalization(mean=[1.0, 2.0, 3.0, 4.0], variance=[1.0, 0.5, 2.0, 4.0])),
    "SimpleRNN": (SEQUENCE, lambda: L.SimpleRNN(4)),
    "LSTM": (SEQUENCE, lambda: L.LSTM(4)),
    "LSTM of sequences": (SEQUENCE, lambda: L.LSTM(4, return_sequences=True, return_state=True)),
    "LSTM backwards": (SEQUENCE, lambda: L.LSTM(4, return_sequences=True, go_backwards=True)),
    "GRU": (SEQUENCE, lambda: L.GRU(4, return_sequences=True)),
    "GRU reset before": (SEQUENCE, lambda: L.GRU(4, reset_after=False, activation="relu")),
    "GRU without bias": (SEQUENCE, lambda: L.GRU(4, use_bias=False)),
    "Bidirectional": (SEQUENCE, lambda: L.Bidirectional(L.LSTM(4, return_sequences=True))),
    "Bidirectional sum": (SEQUENCE, lambda: L.Bidirectional(L.GRU(4), merge_mode="sum")),
    "TimeDistributed": ((3, 9, 8, 4), lambda: L.TimeDistributed(L.Conv2D(2, 3))),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name: str, tmp_path: Path) -> None:
    shape, layer = LAYERS[name]
    x = Input(shape, batch_size=2, name="x")
    model = Model(x, layer()(x))
    scatter(model)
    assert largest_difference(model, read(model, tmp_path)) < 1e-5


ACTIVATIONS = (
    "celu elu exponential gelu hard_sigmoid hard_silu hard_tanh leaky_relu linear log_sigmoid log_softmax mish relu "
    "relu6 selu sigmoid silu softmax softplus softsign tanh"
)


def test_activations(tmp_path: Path) -> None:
    x = Input((3, 7), name="x")
    model = Model(x, [L.Activation(name)(x) for name in ACTIVATIONS.split()])
    assert largest_difference(model, read(model, tmp_path)) < 1e-5


def test_merging(tmp_path: Path) -> None:
    """Layers of several inputs, some lying channels first and some not, one of them small and broadcast."""
    x, small = Input((6, 6, 4), name="x"), Input((1, 1, 4), name="small")
    y = L.Conv2D(4, 3, padding="same")(x)
    ends = [L.Add()([x, y]), L.Subtract()([y, x]), L.Multiply()([y, small]), L.Average()([x, y, x])]
    ends += [L.Maximum()([x, y]), L.Minimum()([y, x]), L.Concatenate()([x, y]), L.Concatenate(axis=1)([y, y])]
    flat = L.Reshape((9, 16))
    ends += [L.Dot(axes=1)([flat(x), flat(y)]), L.Dot(axes=(2, 2))([flat(x), flat(y)])]
    model = Model([x, small], ends)
    assert largest_difference(model, read(model, tmp_path)) < 1e-5


def test_attention(tmp_path: Path) -> None:
    q, v = Input((5, 8), name="q"), Input((7, 8), name="v")
    ends = [
        L.MultiHeadAttention(2, 4)(q, v),
        L.MultiHeadAttention(2, 3, value_dim=5, output_shape=6, use_bias=False)(q, q, use_causal_mask=True),
        L.Attention(use_scale=True)([q, v]),
        L.AdditiveAttention()([q, v]),
    ]
    model = Model([q, v], ends)
    scatter(model)
    assert largest_difference(model, read(model, tmp_path)) < 1e-5


def test_embedding_and_states(tmp_path: Path) -> None:
    """An encoder whose final states begin a decoder."""
    source, target = Input((6,), dtype="int32", name="source"), Input((4,), dtype="int32", name="target")
    table = L.Embedding(5, 8)
    _, h, c = L.LSTM(8, return_state=True)(table(source))
    y = L.LSTM(8, return_sequences=True)(table(target), initial_state=[h, c])
    model = Model([source, target], L.Dense(5, activation="softmax")(y))
    scatter(model)
    network = read(model, tmp_path)
    assert largest_difference(model, network) < 1e-5
    assert [t.element for t in network.inputs.values()] == [INDEX, INDEX]
    assert network.parameters == model.count_params()  # the shared table is one constant


MASKED = {
    "LSTM": lambda: [L.LSTM(4)],
    "LSTM of sequences": lambda: [L.LSTM(4, return_sequences=True), L.Dropout(0.1), L.Dense(3), L.GRU(5)],
    "LSTM backwards": lambda: [L.LSTM(4, return_sequences=True, go_backwards=True)],
    "zeros": lambda: [L.GRU(4, zero_output_for_mask=True), L.Dense(2)],
    "states": lambda: [L.SimpleRNN(4, return_state=True)],
    "Bidirectional": lambda: [L.Bidirectional(L.LSTM(4, return_sequences=True)), L.Bidirectional(L.GRU(3))],
    "mean": lambda: [L.LayerNormalization(), L.GlobalAveragePooling1D()],
    "dropped": lambda: [L.Conv1D(4, 3), L.LSTM(3)],
}


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("from_zero", [True, False])
@pytest.mark.filterwarnings("ignore:.*does not support masking:UserWarning")
def test_masks(name: str, from_zero: bool, tmp_path: Path) -> None:
    """Steps that do not count: place 0 of an embedding, or rows of zeros; at the end, in the middle, at the front."""
    if from_zero:
        x = Input((6,), batch_size=4, dtype="int32", name="x")
        y = L.Embedding(5, 3, mask_zero=True)(x)
        values = np.array([[1, 2, 3, 4, 0, 0], [1, 0, 2, 0, 3, 4], [0, 0, 1, 2, 3, 4], [4, 3, 2, 1, 2, 3]])
    else:
        x = Input((6, 3), batch_size=4, name="x")
        y = L.Masking()(x)
        values = np.random.default_rng(0).normal(size=(4, 6, 3)).astype(np.float32)
        values[0, 4:] = values[1, 2] = values[2, :2] = 0
    for layer in MASKED[name]():
        y = layer(y)
    model = Model(x, y)
    scatter(model)
    network = read(model, tmp_path)
    wanted = model(values, training=False)
    for mine, theirs in zip(
        network.run({"x": values}).values(), wanted if isinstance(wanted, list | tuple) else [wanted], strict=True
    ):
        np.testing.assert_allclose(mine, keras.ops.convert_to_numpy(theirs), rtol=1e-4, atol=1e-5)


def test_masks_of_a_sequential_model(tmp_path: Path) -> None:
    """Here no call names the mask: it goes from layer to layer."""
    layers = [L.Embedding(5, 3, mask_zero=True), L.Dropout(0.1), L.LSTM(4, return_sequences=True), L.GRU(3)]
    model = keras.Sequential([Input((6,), batch_size=2, dtype="int32"), *layers])
    scatter(model)
    values = np.array([[1, 2, 0, 4, 0, 0], [0, 0, 2, 0, 3, 4]])
    network = read(model, tmp_path)
    (found,) = network.run(dict.fromkeys(network.inputs, values)).values()
    np.testing.assert_allclose(found, keras.ops.convert_to_numpy(model(values)), rtol=1e-4, atol=1e-5)


def test_functions_between_layers(tmp_path: Path) -> None:
    x = Input((4, 6), name="x")
    y = keras.ops.softmax(x * 2 + 1 - x / 3, axis=1)
    y = keras.ops.concatenate([y, keras.ops.sqrt(keras.ops.abs(-x))], axis=-1)
    y = keras.ops.mean(keras.ops.transpose(y, (0, 2, 1)), axis=1, keepdims=True) + keras.ops.sum(x)
    y = keras.ops.matmul(y, keras.ops.expand_dims(keras.ops.max(x, axis=2), -1))
    model = Model(x, keras.ops.reshape(y, (-1, 1)))
    assert largest_difference(model, read(model, tmp_path)) < 1e-5


def test_whole_numbers_are_promoted(tmp_path: Path) -> None:
    """Bytes of pictures, and places that meet numbers with fractions."""
    picture, places = Input((4, 4, 3), dtype="uint8", name="picture"), Input((3,), dtype="int32", name="places")
    scaled = L.Rescaling(1 / 255, offset=-0.5)(picture)
    ends = [L.Conv2D(2, 3)(scaled), L.Dense(2)(places), places * 2, places * 0.5 + 1, places / 2]
    ends += [keras.ops.mean(places, axis=1), L.Flatten()(picture)]
    model = Model([picture, places], ends)
    scatter(model)
    network = read(model, tmp_path)
    values = {"picture": np.arange(48).reshape(1, 4, 4, 3) * 5, "places": np.array([[3, 0, 7]])}
    wanted = model([values["picture"].astype(np.uint8), values["places"].astype(np.int32)])
    for mine, theirs in zip(network.run(values).values(), wanted, strict=True):
        np.testing.assert_allclose(mine, keras.ops.convert_to_numpy(theirs), rtol=1e-5, atol=1e-6)


def test_models_in_models(tmp_path: Path) -> None:
    """Nested models, one of them used twice, and a layer that is shared."""
    inner_x = Input((6, 6, 3))
    inner = Model(inner_x, L.BatchNormalization()(L.Conv2D(3, 3, padding="same")(inner_x)), name="inner")
    tail = keras.Sequential([Input((6, 6, 3)), L.Flatten(), L.Dense(4), L.Dense(4)], name="tail")
    x = Input((6, 6, 3), name="x")
    shared = L.Conv2D(3, 1, name="shared")
    model = Model(x, [tail(shared(inner(inner(shared(x))))), inner(x)])
    scatter(model)
    network = read(model, tmp_path)
    assert largest_difference(model, network) < 1e-5
    assert network.parameters == model.count_params() - 6  # but for the running statistics


def test_sequential_without_an_input_layer(tmp_path: Path) -> None:
    model = keras.Sequential([L.Dense(4, activation="relu"), L.Dense(2)])
    model.build((None, 3))
    assert largest_difference(model, read(model, tmp_path)) < 1e-5


def test_convolutions_run_channels_first_without_transposes_between(tmp_path: Path) -> None:
    x = Input((12, 12, 3), name="x")
    y = L.Conv2D(4, 3, padding="same", activation="relu")(x)
    y = L.MaxPooling2D()(L.Add()([y, L.BatchNormalization()(L.Conv2D(4, 3, padding="same")(y))]))
    y = L.Concatenate()([y, L.ZeroPadding2D(1)(L.Conv2D(2, 3)(y))])
    y = L.Multiply()([y, L.Conv2D(6, 1, activation="sigmoid")(L.Reshape((1, 1, 6))(L.GlobalAveragePooling2D()(y)))])
    model = Model(x, L.Dense(3)(L.Flatten()(y)))
    scatter(model)
    network = read(model, tmp_path)
    assert largest_difference(model, network) < 1e-5
    assert next(iter(network.inputs.values())).shape == (1, 12, 12, 3)
    # one at the border, one before Flatten, which wants Keras's order
    assert [o.operator for o in network.operations].count("transpose") == 2


def test_average_pooling_divides_by_what_is_inside(tmp_path: Path) -> None:
    """Unequal sides: Keras's torch backend repeats the edge there, TensorFlow and JAX leave padding out; so do we."""
    x = Input((4, 4, 1), name="x")
    network = read(Model(x, L.AveragePooling2D(3, strides=2, padding="same")(x)), tmp_path)
    values = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    (found,) = network.run({"x": values}).values()
    picture = values[0, :, :, 0]
    wanted = [[picture[a : a + 3, b : b + 3].mean() for b in (0, 2)] for a in (0, 2)]
    np.testing.assert_allclose(found[0, :, :, 0], wanted, rtol=1e-6)


def test_open_sizes_are_given(tmp_path: Path) -> None:
    model = Model(x := Input((None, None, 3), name="x"), L.GlobalAveragePooling2D()(L.Conv2D(4, 3)(x)))
    with pytest.raises(LaminaError, match=r"input 'x' open .*--shape x="):
        read(model, tmp_path)
    network = read(model, tmp_path, shapes={"x": (2, 7, 5, 3)})
    assert largest_difference(model, network) < 1e-5
    with pytest.raises(LaminaError, match="the model takes"):
        read(model, tmp_path, shapes={"x": (2, 7, 5, 4)})
    with pytest.raises(LaminaError, match="no inputs"):
        read(model, tmp_path, shapes={"x": (2, 7, 5, 3), "y": (1,)})


def test_code_is_refused(tmp_path: Path) -> None:
    x = Input((3,), name="x")
    with pytest.raises(Unsupported, match="Lambda: its Python code is not executed"):
        read(Model(x, L.Lambda(lambda v: v + 1)(x)), tmp_path)

    class Own(L.Layer):
        def call(self, inputs):
            return inputs

    with pytest.raises(Unsupported, match=r"'own' is a custom object"):
        read(Model(x, Own()(x)), tmp_path)

    class Subclassed(keras.Model):
        def call(self, inputs):
            return inputs

    model = Subclassed()
    model(np.zeros((1, 3), np.float32))
    with pytest.raises(Unsupported):
        read(model, tmp_path)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda x: L.Softmax()(L.Embedding(4, 3, mask_zero=True)(x)), "mask_zero or Masking"),
        (lambda x: L.LSTM(3, stateful=True)(L.Reshape((1, 3))(x)), "stateful"),
        (lambda x: L.UpSampling2D(2, interpolation="bicubic")(L.Reshape((1, 1, 3))(x)), "bicubic"),
        (lambda x: L.SpectralNormalization(L.Dense(2))(x), "SpectralNormalization"),
    ],
)
def test_what_has_no_rule_is_named(build, message: str, tmp_path: Path) -> None:
    x = Input((3,), batch_size=1, name="x")
    with pytest.raises(Unsupported, match=message):
        read(Model(x, build(x)), tmp_path)


# Families of keras.applications and the size of the picture that they are shown.
FAMILIES = {
    "VGG16": 32,
    "ResNet50": 32,
    "ResNet50V2": 32,
    "MobileNet": 32,
    "MobileNetV2": 32,
    "MobileNetV3Small": 32,
    "DenseNet121": 32,
    "EfficientNetB0": 32,
    "EfficientNetV2B0": 32,
    "InceptionV3": 75,
    "InceptionResNetV2": 75,
    "Xception": 71,
    "ConvNeXtTiny": 32,
}
FAST = ("MobileNet", "MobileNetV2")


@pytest.mark.parametrize("name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in FAMILIES])
def test_applications(name: str, tmp_path: Path) -> None:
    """Logits of a network with random weights and statistics; 1e-5 for all of them."""
    size = FAMILIES[name]
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(size, size, 3), classes=10, classifier_activation=None
    )
    scatter(model)
    network = read(model, tmp_path)
    assert largest_difference(model, network) < 1e-5
