"""The stages that write files for other programs, and compare: every link of the chain against the interpreter.

    fake-quantised torch = interpreter = onnxruntime = C = emulator

An integer network's outputs are compared as the integers before its last dequantise, q = rint(y / s) + z, which is
exact. Up to `examples` test pictures go through every link; the accuracies and the confusion matrix are of the whole
test split, which is read here and in the emulation for the first time. What is not installed is left out and said.

Files      export/c/ (integers), export/c_float/, export/onnx/, evaluation.json
"""

import base64
import importlib.util
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.core import files
from lamina.core.errors import CheckFailed
from lamina.core.units import si
from lamina.ir.network import Network
from lamina.recipes import _host_test
from lamina.recipes._learning import FINAL, PACKED, PRUNED, TRAINED
from lamina.recipes._stages import Done
from lamina.recipes._work import Work

EVALUATION = "evaluation.json"
C_FOLDERS = ("export/c", "export/c_float")  # of the integer network, of the float one
AGAINST = "interpreter"
Array = NDArray[Any]


def export(work: Work) -> Done:
    """Both networks as C, its host test run, and, where the package onnx is installed, as ONNX."""
    from lamina import export as exporters

    written: list[dict[str, Any]] = []
    names: list[str] = []
    for network, folder in zip(work.networks(), C_FOLDERS, strict=True):
        report = exporters.c(network, work.run.file(folder))
        names += [str(path.relative_to(work.run.path)) for path in report.files]
        source = next(path for path in report.files if path.name == f"{report.name}.c")
        written.append(
            {
                "network": network.name,
                "format": "C99",
                "file": str(source.relative_to(work.run.path)),
                "bytes": source.stat().st_size,
                "flash_bytes": report.flash_bytes,
                "ram_bytes": report.ram_bytes,
                "note": _host_test.host_test(work.run.file(folder), report.name) or "",
            }
        )
        if importlib.util.find_spec("onnx") is not None:
            path = exporters.onnx(network, work.run.file(f"export/onnx/{network.name}.onnx"))
            names.append(str(path.relative_to(work.run.path)))
            written.append({"network": network.name, "format": "ONNX", "file": names[-1], "bytes": path.stat().st_size})
    first = written[0]
    says = f"{len(set(names))} files; {first['network']} in C wants {si(first['flash_bytes'], 'B')} of flash, "
    says += f"{si(first['ram_bytes'], 'B')} of RAM"
    if not any(entry["format"] == "ONNX" for entry in written):
        says += "; no ONNX, the package onnx is not installed"
    return Done(outputs=list(dict.fromkeys(names)), says=says, result={"exports": written})


def check(work: Work) -> Done:
    """Run every link on the same test examples and count the integers that differ."""
    integer, float_ = work.networks()
    split = work.data.test.first(work.config.examples)
    x = split.inputs.numpy()
    wanted = stored(integer, _only(integer.run({_input(integer): x})))
    quantised = work.integer_model()
    links = [_link("fake-quantised torch", wanted, stored(integer, _torch(quantised, split)))]
    links.append(_onnx(work, integer, x, wanted))
    links += [_c(work, integer, x, wanted), _packed(work, float_)]
    evaluation, accuracies = _evaluate(work, quantised)
    files.write_json(work.run.file(EVALUATION), evaluation)
    ran = [link for link in links if link["differing"] is not None]
    wrong = sum(link["differing"] for link in ran)
    last = accuracies[-1]
    says = f"{len(ran)} links on {len(x)} test examples, {wrong} differing integers; {last['correct']} of "
    says += f"{last['examples']} test examples right"
    return Done(outputs=[EVALUATION], says=says, result={"links": links, "accuracies": accuracies})


def stored(network: Network, outputs: Array) -> Array:
    """The integers that the float `outputs` of an integer network stand for; floats where its end is float."""
    end = network.producer(next(iter(network.outputs.values())))
    if end is None or end.operator != "dequantise":
        return outputs
    element: Any = network.types[end.inputs[0]].element
    return np.asarray(np.rint(outputs.astype(np.float64) / element.scale[0]) + element.zero_point, np.int64)


def _link(name: str, wanted: Array, got: Array, note: str = "") -> dict[str, Any]:
    differing = int((wanted != got).sum()) if wanted.shape == got.shape else wanted.size
    return {
        "link": name,
        "against": AGAINST,
        "examples": len(wanted),
        "compared": int(wanted.size),
        "differing": differing,
        "note": note,
    }


def _left_out(name: str, why: str) -> dict[str, Any]:
    return {"link": name, "against": AGAINST, "examples": None, "compared": None, "differing": None, "note": why}


def _torch(model: Any, split: Any) -> Array:
    from lamina.training import predictions

    outputs: Array = predictions(model, split).numpy()
    return outputs


def _onnx(work: Work, network: Network, x: Array, wanted: Array) -> dict[str, Any]:
    path = work.run.file(f"export/onnx/{network.name}.onnx")
    if importlib.util.find_spec("onnxruntime") is None or not path.exists():
        return _left_out("onnxruntime", "onnx and onnxruntime are not installed: pip install 'lamina[onnx]'")
    import onnxruntime

    from lamina.export import session

    got = session(path).run(None, {_input(network): x})[0]
    return _link(
        "onnxruntime", wanted, stored(network, got), f"version {onnxruntime.__version__}, QDQ, all optimisations"
    )


def _c(work: Work, network: Network, x: Array, wanted: Array) -> dict[str, Any]:
    """The integer core in C: pixels are quantised on the way in, stored integers come out."""
    from lamina.export import c_source

    found = _host_test.compiler()
    if found is None:
        return _left_out("C", "no C compiler is installed: apt-get install gcc")
    got = _only(c_source.run(work.run.file(C_FOLDERS[0]), {_input(network): x}))
    note = f"{found.rpartition('/')[2]} -O3, integers of {got.dtype}"
    return _link("C", wanted, got.astype(np.int64).reshape(wanted.shape), note)


def _packed(work: Work, network: Network) -> dict[str, Any]:
    """The packed file, read again: its numbers against the float network's."""
    from lamina.compression import packed
    from lamina.ir import text

    written, tensors = packed.read(work.run.file(PACKED))
    again = text.parse(written, tensors)[0]
    pairs = [(network.data(name), again.data(name)) for name in network.constants]
    if [*again.constants] != [*network.constants] or any(a.shape != b.shape for a, b in pairs):
        raise CheckFailed(f"{work.run.file(PACKED)}: does not hold the tensors of {network.name}")
    return {
        "link": "packed file, read again",
        "against": "the float network's weights",
        "examples": None,
        "compared": sum(a.size for a, _ in pairs),
        "differing": sum(int((a != b).sum()) for a, b in pairs),
        "note": f"{again.name} in {PACKED}",
    }


def _evaluate(work: Work, quantised: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The whole test split through the float and the integer networks; the confusion matrix is the integer one's."""
    split, classes = work.data.test, work.data.classes
    labels = split.labels.numpy()
    bits = f"{work.config.bits}-bit integers"
    models: Mapping[str, Any] = {
        "trained, float32": work.model(TRAINED),
        "pruned, float32": work.model(PRUNED),
        "pruned and shared, float32": work.model(FINAL),
        f"pruned and shared, {bits}": quantised,
    }
    accuracies, guessed = [], labels
    for name, model in models.items():
        guessed = _torch(model, split).argmax(axis=1)
        right = int((guessed == labels).sum())
        accuracies.append({"network": name, "correct": right, "examples": len(labels), "split": "test"})
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (labels, guessed), 1)
    pixels = np.rint(split.inputs.numpy() * 255).astype(np.uint8)
    wrong = [
        {
            "index": int(i),
            "label": classes[labels[i]],
            "predicted": classes[guessed[i]],
            "shape": list(pixels[i, 0].shape),
            "pixels": base64.b64encode(pixels[i, 0].tobytes()).decode(),
        }
        for i in np.flatnonzero(guessed != labels)
    ]
    found = {
        "schema": 1,
        "network": f"the network in {bits}",
        "labels": list(classes),
        "confusion": confusion.tolist(),
        "wrong": wrong,
    }
    return found, accuracies


def _input(network: Network) -> str:
    return next(iter(network.inputs))


def _only(values: Mapping[str, Array]) -> Array:
    return next(iter(values.values()))
