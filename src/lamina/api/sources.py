"""SOURCE: what a person may name where a network is wanted (INTERFACE, section 1).

    a run folder        its network.lamina
    FILE.lamina         text, weights beside it
    FILE.lmn            the packed file
    FILE.csv            a SCALE-Sim topology: shapes without weights
    a registered model  built with its defaults and lowered at its published input

A file with several networks gives the first; `FILE#name` chooses another. Each reader is imported when it is needed,
so a file is costed without torch.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.core import files, registry
from lamina.core.errors import BadInput, unknown
from lamina.ir.network import Network

if TYPE_CHECKING:
    from torch import nn

Shapes = Mapping[str, Sequence[int]]


def networks(source: str | Path) -> list[Network]:
    """Every network that `source` holds."""
    path = Path(source)
    if path.is_dir():
        if (path / "network.lamina").exists():
            return _lamina(path / "network.lamina")
        raise BadInput(f"{path}: has no network.lamina: is it a run folder? lamina train and lamina lower write one")
    if path.suffix in READERS:
        if not path.exists():
            raise BadInput(f"{path}: no such file")
        return READERS[path.suffix](path)
    if path.suffix and path.exists():
        raise BadInput(f"{path}: files of kind {path.suffix!r} are not read; those that are: {', '.join(READERS)}")
    return [model_network(str(source))]


def network(source: "str | Path | Network") -> Network:
    """The one network that `source` names; `FILE#name` chooses among several."""
    if isinstance(source, Network):
        return source
    text, _, chosen = str(source).partition("#")
    found = networks(text)
    if not chosen:
        return found[0]
    named = {n.name: n for n in found}
    if chosen not in named:
        raise unknown("network", chosen, named)
    return named[chosen]


def _lamina(path: Path) -> list[Network]:
    from lamina.ir import store

    return store.load(path)


def _packed(path: Path) -> list[Network]:
    from lamina.compression import packed
    from lamina.ir import text

    written, tensors = packed.read(path)
    try:
        return text.parse(written, tensors)
    except BadInput as e:
        raise BadInput(f"{path}: {e}") from e


def _scalesim(path: Path) -> list[Network]:
    from lamina.lowering import scalesim

    return [scalesim.read(path)]


READERS: dict[str, Callable[[Path], list[Network]]] = {".lamina": _lamina, ".lmn": _packed, ".csv": _scalesim}


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
    from lamina.lowering import lower

    module = model_module(name)
    return lower(build(name, settings), input_shape=module.INPUT_SHAPE, name=name)


def describe_model(name: str) -> dict[str, Any]:
    """What `lamina list models` says of a model."""
    module = model_module(name)
    lowered = model_network(name)
    return {
        "name": name,
        "summary": registry.summary(module),
        "paper": module.PAPER,
        "parameters": lowered.parameters,
        "macs": lowered.macs,
        "input_shape": [*module.INPUT_SHAPE],
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
