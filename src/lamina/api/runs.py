"""What makes or reads a run folder: fit, train, compress, quantise, run, report."""

import copy
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.api import sources
from lamina.api.listing import Listing
from lamina.core import files, registry
from lamina.core.configuration import replace
from lamina.core.errors import BadInput, unknown
from lamina.core.progress import say
from lamina.core.run_folder import RunFolder, open_run
from lamina.ir.network import Network

if TYPE_CHECKING:
    from torch import nn

    from lamina.training import FitConfig

METHODS = ("deep_compression",)


def data_set(name: str) -> Any:
    """Registered data set `name`, read and verified."""
    import lamina.data as package

    registry.member(package, name, "data set")
    return getattr(package, name)()


def fit(
    model: "nn.Module",
    data: Any,
    *,
    out: Path | str | None = None,
    config: "FitConfig | None" = None,
    loss: Any = None,
    seed: int = 0,
    resume: bool = False,
) -> Any:
    """Train `model` in place on `data`; with `out` the run resumes where it was killed, to the same bits."""
    from lamina import training

    return training.fit(
        model, data, out=out, config=config or training.FitConfig(), loss=loss, seed=seed, resume=resume
    )


def train(
    model: str,
    *,
    data: str = "digits",
    out: Path | str | None = None,
    seed: int = 0,
    resume: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> Listing:
    """Train registered model `model` into a run folder; `settings` are fields of the model's Config or of FitConfig."""
    from lamina import training

    module = sources.model_module(model)
    own, fitting = _divided(dict(settings or {}), module.Config, training.FitConfig)
    built = sources.build(model, own, seed=seed)
    config = replace(training.FitConfig(), fitting)
    path = Path(out) if out is not None else Path("runs") / model
    chosen = data_set(data)
    done = training.fit(built, chosen, out=path, config=config, seed=seed, resume=resume)
    found = training.evaluate(built, chosen.test)
    _write_network(path, built, model, module.INPUT_SHAPE)
    summary = {
        "schema": 1,
        "model": model,
        "data": data,
        "seed": seed,
        "epochs": len(done.history),
        "validation_accuracy": done.validation_accuracy,
        "test_accuracy": found["accuracy"],
    }
    files.write_json(path / "summary.json", summary)
    return Listing([summary | {"run": str(path)}], ("run", "epochs", "validation_accuracy", "test_accuracy"))


def _divided(settings: dict[str, Any], *configs: Any) -> list[dict[str, Any]]:
    """`settings` shared out among dataclasses by field; one that none of them has is an error with the nearest."""
    from dataclasses import fields

    shares: list[dict[str, Any]] = [{} for _ in configs]
    known = [f.name for config in configs for f in fields(config)]
    for name, value in settings.items():
        owners = [i for i, config in enumerate(configs) if name in {f.name for f in fields(config)}]
        if not owners:
            raise unknown("setting", name, known)
        shares[owners[0]][name] = value
    return shares


def _write_network(path: Path, model: "nn.Module", name: str, input_shape: tuple[int, ...]) -> None:
    from lamina.ir import store
    from lamina.lowering import lower

    store.save([lower(model, input_shape=input_shape, name=name)], path / "network.lamina")


def compress(
    source: "Path | str | nn.Module",
    data: Any = None,
    *,
    out: Path | str | None = None,
    method: str = "deep_compression",
    max_drop: str | float | None = None,
    target: str | float | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> Any:
    """A smaller network. A module and its data give (module, report); a run folder gives a smaller run at `out`.

    `max_drop` is the validation accuracy that may be lost ("0.1%" or 0.001), `target` how many times smaller than
    float32 ("40x" or 40). `settings` are fields of the method's Config or of FitConfig (the retraining).
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    wanted = {"max_drop": _number(max_drop, "%", "max-drop"), "target_ratio": _number(target, "x", "target")}
    given = dict(settings or {}) | {k: v for k, v in wanted.items() if v is not None}
    compression, retraining = _compression_settings(given)
    if not isinstance(source, str | Path):
        return _deep_compression(source, data, compression, retraining, seed)
    run = Path(source)
    model, configuration = sources.load_model(run)
    chosen = data_set(configuration["data"]["name"]) if data is None else data
    path = Path(out) if out is not None else run.with_name(f"{run.name}_compressed")
    whole = {
        **configuration,
        "verb": "compress",
        "seed": seed,
        "weights": files.sha256(run / "weights.safetensors"),
        "compress": asdict(compression),
        "retrain": asdict(retraining),
    }
    with open_run(path, whole) as folder:
        if not folder.file("summary.json").exists():
            _finish_compressed(folder, *_deep_compression(model, chosen, compression, retraining, seed), chosen)
        return Listing(files.read_json(folder.file("summary.json"))["stages"], ("name", "bytes", "ratio", "accuracy"))


def _compression_settings(given: dict[str, Any]) -> tuple[Any, "FitConfig"]:
    """The method's Config and the retraining's, from settings of either."""
    from lamina.compression.deep_compression import Config
    from lamina.training import FitConfig

    own, fitting = _divided(given, Config, FitConfig)
    return replace(Config(), own), replace(FitConfig(epochs=8, learning_rate=1e-3), fitting)


def _deep_compression(
    model: "nn.Module", data: Any, config: Any, retraining: "FitConfig", seed: int
) -> "tuple[nn.Module, Any]":
    from lamina.compression.deep_compression import deep_compression
    from lamina.training import evaluate, retrainer

    if data is None:
        raise BadInput("compress(model, data): the data to retrain on is needed")
    return deep_compression(
        copy.deepcopy(model),
        retrain=retrainer(data, retraining, seed=seed),
        evaluate=lambda m: evaluate(m, data.validation)["accuracy"],
        config=config,
    )


def _finish_compressed(folder: RunFolder, small: "nn.Module", report: Any, data: Any) -> None:
    """Write weights, network, packed file and, last, the summary of a compressed run."""
    from safetensors.torch import save as to_bytes

    from lamina.compression import packed
    from lamina.ir import store, text
    from lamina.lowering import lower
    from lamina.training import evaluate

    name = folder.settings["configuration"]["model"]["name"]
    weights = {k: v.detach().contiguous() for k, v in small.state_dict().items()}
    files.write(folder.file("weights.safetensors"), to_bytes(weights))
    network = lower(small, input_shape=(1, *data.train.inputs.shape[1:]), name=name)
    store.save([network], folder.file("network.lamina"))
    packed.write(folder.file("packed.lmn"), text.print_file([network]), store.tensors([network]))
    size = folder.file("packed.lmn").stat().st_size
    stages = [asdict(stage) for stage in report.stages]
    stages[-1] |= {"bytes": size, "ratio": stages[0]["bytes"] / size}
    found = evaluate(small, data.test)
    files.write_json(
        folder.file("summary.json"),
        {
            "schema": 1,
            "model": name,
            "data": data.name,
            "validation_accuracy": report.stages[-1].accuracy,
            "test_accuracy": found["accuracy"],
            "packed_bytes": size,
            "ratio": stages[-1]["ratio"],
            "stages": stages,
        },
    )


def _number(value: str | float | None, unit: str, what: str) -> float | None:
    """ "0.1%" or "40x" as a number; percent become shares."""
    if value is None:
        return None
    text = str(value).strip()
    try:
        number = float(text.removesuffix(unit))
    except ValueError as e:
        raise BadInput(f"--{what} {value!r}: a number is needed, such as {'0.1%' if unit == '%' else '40x'}") from e
    if not 0 <= number < float("inf"):
        raise BadInput(f"--{what} {value!r}: it cannot be negative or infinite")
    return number / 100 if unit == "%" and text.endswith(unit) else number


def quantise(
    source: "Path | str | Network | nn.Module",
    data: Any = None,
    *,
    out: Path | str | None = None,
    bits: int = 8,
    scales: str = "power_of_two",
    per_channel: bool = False,
    calibration: int = 500,
    **settings: Any,
) -> Any:
    """An integer network. A module and its data give (module, report); a run folder gives a run that has one.

    The grids are chosen on the first `calibration` training examples. A network or a file of one gives (network,
    report), the network written to `out`; `settings` are then those of `ir.quantise`: method, weight_bits, state_bits,
    mixed, functions, shapes, values.
    """
    if isinstance(source, Network) or (isinstance(source, str | Path) and Path(source).suffix in sources.READERS):
        from lamina.api.networks import quantise_network

        own: dict[str, Any] = {"bits": bits, "scales": scales, "per_channel": per_channel, "calibration": calibration}
        return quantise_network(source, out=out, data=data, **own, **settings)
    for name in settings:
        raise BadInput(f"{name} is for networks in files: {source} is quantised with bits, scales and per_channel")
    from lamina.compression.quantise import Config, quantise

    config = Config(bits=bits, scales=scales, per_channel=per_channel)  # type: ignore[arg-type]
    if not isinstance(source, str | Path):
        if data is None:
            raise BadInput("quantise(model, data): the data to calibrate on is needed")
        return quantise(source, data.train.inputs[:calibration], config)
    run = Path(source)
    model, configuration = sources.load_model(run)
    chosen = data_set(configuration["data"]["name"]) if data is None else data
    path = Path(out) if out is not None else run.with_name(f"{run.name}_int{bits}")
    whole = {
        **configuration,
        "verb": "quantise",
        "weights": files.sha256(run / "weights.safetensors"),
        "quantise": asdict(config),
        "calibration": calibration,
    }
    with open_run(path, whole) as folder:
        if not folder.file("summary.json").exists():
            small, _ = quantise(model, chosen.train.inputs[:calibration], config)
            _finish_quantised(folder, small, chosen, run)
        summary = files.read_json(folder.file("summary.json"))
        return Listing(
            [summary | {"run": str(path)}], ("run", "bits", "scales", "validation_accuracy", "test_accuracy")
        )


def _finish_quantised(folder: RunFolder, small: "nn.Module", data: Any, source: Path) -> None:
    from lamina.ir import store
    from lamina.lowering import lower
    from lamina.training import evaluate

    configuration = folder.settings["configuration"]
    name = configuration["model"]["name"]
    # the float weights it came from stay beside it, so that the run can be quantised otherwise
    files.write(folder.file("weights.safetensors"), files.read(source / "weights.safetensors"))
    network = lower(
        small, input_shape=(1, *data.train.inputs.shape[1:]), name=f"{name}_int{configuration['quantise']['bits']}"
    )
    store.save([network], folder.file("network.lamina"))
    files.write_json(
        folder.file("summary.json"),
        {
            "schema": 1,
            "model": name,
            "data": data.name,
            "bits": configuration["quantise"]["bits"],
            "scales": configuration["quantise"]["scales"],
            "validation_accuracy": evaluate(small, data.validation)["accuracy"],
            "test_accuracy": evaluate(small, data.test)["accuracy"],
        },
    )


def run(
    recipe: str,
    *,
    out: Path | str | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> Any:
    """Registered recipe `recipe` into the folder `out` (default runs/NAME); `settings` are fields of its Config."""
    import lamina.recipes as package

    module = registry.member(package, recipe, "recipe")
    config = replace(module.Config(), {"seed": seed, **(settings or {})}, f"setting of recipe {recipe}")
    path = Path(out) if out is not None else Path("runs") / recipe
    return getattr(module, recipe)(path, config)


def report(source: Path | str) -> Path:
    """(Re)write report.html of a run folder; where it is."""
    from lamina.reporting import report as write

    path = write(Path(source))
    say(f"report: {path}")
    return path
