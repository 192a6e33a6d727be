"""SOURCE: what a person may name where a network is wanted (INTERFACE, section 1).

    a run folder        its network.lamina
    FILE.lamina         text, weights beside it
    FILE.lmn            the packed file
    FILE.csv            a SCALE-Sim topology: shapes without weights
    FILE.onnx, .keras   what other tools write, as data; nothing in them is executed; .pt2 of torch.export likewise
    FILE.prototxt, .t7  Caffe (a .caffemodel of the same name beside it) and Lua Torch
    a registered model  built with its defaults and lowered at its published input

A file with several networks gives the first; `FILE#name` chooses another. `shapes` closes dimensions that a file leaves
open (input name to shape), `values` turns an input into a constant. Each reader is imported when it is needed, so a
file is costed without torch.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.core import files, registry
from lamina.core.errors import BadInput, unknown
from lamina.ir.network import Array, Network

if TYPE_CHECKING:
    from torch import nn

ROWS = ("T0",)
Shapes = Mapping[str, Sequence[int]]
Values = Mapping[str, Array]
Reader = Callable[[Path, Shapes, Values], list[Network]]


def networks(source: str | Path, *, shapes: Shapes | None = None, values: Values | None = None) -> list[Network]:
    """Every network that `source` holds, its open dimensions closed."""
    path = Path(source)
    if path.is_dir():
        if (path / "network.lamina").exists():
            return _lamina(path / "network.lamina", shapes or {}, values or {})
        raise BadInput(f"{path}: has no network.lamina: is it a run folder? lamina train and lamina lower write one")
    if path.suffix in READERS:
        if not path.exists():
            raise BadInput(f"{path}: no such file")
        return READERS[path.suffix](path, shapes or {}, values or {})
    if path.suffix and path.exists():
        raise BadInput(f"{path}: files of kind {path.suffix!r} are not read; those that are: {', '.join(READERS)}")
    _closed(source, shapes or {}, values or {})
    return model_networks(str(source))


def network(source: "str | Path | Network", *, shapes: Shapes | None = None, values: Values | None = None) -> Network:
    """The one network that `source` names; `FILE#name` chooses among several."""
    if isinstance(source, Network):
        _closed(source.name, shapes or {}, values or {})
        return source
    text, _, chosen = str(source).partition("#")
    found = networks(text, shapes=shapes, values=values)
    if not chosen:
        return found[0]
    named = {n.name: n for n in found}
    if chosen not in named:
        raise unknown("network", chosen, named)
    return named[chosen]


def _closed(source: object, shapes: Shapes, values: Values) -> None:
    """Raise where something is to be closed in a source that leaves nothing open."""
    for name in (*shapes, *values):
        raise BadInput(f"{source} leaves no dimension and no input open: leave --shape and --value {name}=... away")


def _lamina(path: Path, shapes: Shapes, values: Values) -> list[Network]:
    from lamina.ir import store

    _closed(path, shapes, values)
    return store.load(path)


def _packed(path: Path, shapes: Shapes, values: Values) -> list[Network]:
    from lamina.compression import packed
    from lamina.ir import text

    _closed(path, shapes, values)
    written, tensors = packed.read(path)
    try:
        return text.parse(written, tensors)
    except BadInput as e:
        raise BadInput(f"{path}: {e}") from e


def _scalesim(path: Path, shapes: Shapes, values: Values) -> list[Network]:
    from lamina.lowering import scalesim

    _closed(path, shapes, values)
    return [scalesim.read(path)]


def _onnx(path: Path, shapes: Shapes, values: Values) -> list[Network]:
    from lamina.lowering import onnx_reader

    return [onnx_reader.read(path, shapes={n: tuple(s) for n, s in shapes.items()}, values=values)]


def _shaped(reader: str) -> Reader:
    """`read(path, shapes=...)` of `lamina.lowering.READER`, whose files hold one network and no input to close."""

    def read(path: Path, shapes: Shapes, values: Values) -> list[Network]:
        _closed(path, {}, values)
        return [importlib.import_module(f"lamina.lowering.{reader}").read(path, shapes=shapes)]

    return read


def _pt2(path: Path, shapes: Shapes, values: Values) -> list[Network]:
    from lamina.lowering import pt2

    _closed(path, shapes, values)
    return pt2.read(path)


READERS: dict[str, Reader] = {
    ".lamina": _lamina,
    ".lmn": _packed,
    ".csv": _scalesim,
    ".onnx": _onnx,
    ".keras": _shaped("keras_reader"),
    ".prototxt": _shaped("caffe_reader"),
    ".t7": _shaped("torch7_reader"),
    ".pt2": _pt2,
}


def model_module(name: str) -> Any:
    """The file of registered model `name`; an unknown name says what a SOURCE can be."""
    import lamina.models as package

    known = registry.names(package)
    if name not in known:
        error = unknown("model", name, known)
        raise BadInput(f"{error}; a SOURCE is a run folder, a file ({', '.join(READERS)}) or one of these")
    return registry.member(package, name, "model")


def build(name: str, settings: Mapping[str, Any] | None = None, *, seed: int = 0) -> "nn.Module":
    """Registered model `name` with `settings` over its defaults; settings may be text, unknown ones are refused."""
    from lamina.core.configuration import replace

    module = model_module(name)
    config = replace(module.Config(), dict(settings or {}), f"setting of {name}")
    built: nn.Module = getattr(module, name)(config=config, seed=seed)
    return built


def model_network(name: str, settings: Mapping[str, Any] | None = None) -> Network:
    """Registered model `name`, lowered at its published input."""
    return model_networks(name, settings)[0]


def model_networks(name: str, settings: Mapping[str, Any] | None = None) -> list[Network]:
    """Every entry of registered model `name` that can be written as a network, the model's face first."""
    from lamina.lowering import lower_all

    module = model_module(name)
    model = build(name, settings).eval()
    refused = getattr(module, "REFUSED", {})
    if hasattr(model, "entries"):
        wanted = {key: value for key, value in model.entries().items() if key not in refused}
        model.entries = lambda: wanted
    return lower_all(model, input_shape=module.INPUT_SHAPE, name=name)


def describe_model(name: str) -> dict[str, Any]:
    """What `lamina list models` says of a model."""
    from lamina.recipes._scores import scores
    from lamina.recipes._survey import found

    module = model_module(name)
    parameters, macs = module.COUNTS  # of the published form; tests/contract counts them
    best = next(iter(scores().get(name, ())), None)
    return {
        "name": name,
        "summary": registry.summary(module),
        "paper": module.PAPER,
        "by": module.PAPER.partition(", http")[0],
        "parameters": parameters,
        "macs": macs,
        "input_shape": [*module.INPUT_SHAPE],
        "trained_on": None if best is None else best.data,
        "score": None if best is None else f"{best.figure.title}: {found(best.figure, best.figure.unit)}",
    }


def load_model(run: Path) -> "tuple[nn.Module, dict[str, Any]]":
    """The trained model of run folder `run` and the run's configuration.

    Raises `BadInput` where the run trained a module that is not registered, or its weights do not fit.
    """
    import torch

    from lamina.core.run_folder import read_settings
    from lamina.ir.store import read_safetensors

    settings = read_settings(run)["configuration"]
    described = settings.get("model")
    if not isinstance(described, dict) or "name" not in described:
        raise BadInput(f"{run}: its run.toml names no registered model: load the weights into your own module instead")
    model = build(described["name"], described.get("settings"))
    path = run / "weights.safetensors"
    if not path.exists():
        raise BadInput(f"{run}: has no weights.safetensors: the run is not finished, resume it first")
    arrays = read_safetensors(files.read(path), path)
    try:
        model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    except RuntimeError as e:
        raise BadInput(f"{path}: the weights do not fit {described['name']}: the file is not of this run") from e
    return model.eval(), settings
