"""Write the networks of inference.py as .tflite files, float and int8: runs in the environment that has TensorFlow.

python _inference_tflite.py FOLDER        LeNet-5 and LeNet-300-100, weights random; int8 by LiteRT's own calibration;
                                          an LSTM of 512 cells over 100 steps; a dense layer of 9216 by 4096
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
import numpy as np
import tensorflow as tf

L = tf.keras.layers


def lenet5() -> tf.keras.Model:
    return tf.keras.Sequential(
        [
            tf.keras.Input((28, 28, 1), batch_size=1),
            L.Conv2D(6, 5, padding="same", activation="relu"),
            L.MaxPooling2D(2),
            L.Conv2D(16, 5, activation="relu"),
            L.MaxPooling2D(2),
            L.Flatten(),
            L.Dense(120, activation="relu"),
            L.Dense(84, activation="relu"),
            L.Dense(10),
        ]
    )


def lenet_300_100() -> tf.keras.Model:
    return tf.keras.Sequential(
        [
            tf.keras.Input((28, 28, 1), batch_size=1),
            L.Flatten(),
            L.Dense(300, activation="relu"),
            L.Dense(100, activation="relu"),
            L.Dense(10),
        ]
    )


def lstm() -> tf.keras.Model:
    return tf.keras.Sequential([tf.keras.Input((100, 128), batch_size=1), L.LSTM(512, return_sequences=True)])


def dense() -> tf.keras.Model:
    return tf.keras.Sequential([tf.keras.Input((9216,), batch_size=1), L.Dense(4096)])


def written(model: tf.keras.Model, path: Path, *, int8: bool) -> None:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if int8:
        shape = model.input_shape
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        rng = np.random.default_rng(0)
        converter.representative_dataset = lambda: ([rng.random(shape, np.float32)] for _ in range(16))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    path.write_bytes(converter.convert())


def main() -> None:
    folder = Path(sys.argv[1])
    for build in (lenet5, lenet_300_100, lstm, dense):
        model = build()
        written(model, folder / f"{build.__name__}_float.tflite", int8=False)
        if build in (lenet5, lenet_300_100):
            written(model, folder / f"{build.__name__}_int8.tflite", int8=True)


if __name__ == "__main__":
    main()
