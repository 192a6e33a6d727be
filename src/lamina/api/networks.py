"""What is done with a network: lower, cost, emulate, write, diff."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.api import sources
from lamina.api.runs import data_set
from lamina.api.sources import Shapes, Values
from lamina.core.errors import BadInput, LaminaError, unknown
from lamina.core.progress import say
from lamina.core.seeds import numpy_generator
from lamina.ir.network import Array, Network
from lamina.ir.types import Float

if TYPE_CHECKING:
    from torch import nn


DEFAULT_MACHINES = ("cpu", "diannao", "systolic")


def lower(
    source: "str | Path | Network | nn.Module",
    *,
    input_shape: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
    inputs: Sequence[Any] | Mapping[str, Any] | None = None,
    shapes: Shapes | None = None,
    values: Values | None = None,
    out: Path | str | None = None,
    name: str | None = None,
) -> Network:
    """The network of a torch module (`input_shape` with its batch), or of a SOURCE; written to `out` (.lamina).

    `inputs` are example tensors of a module instead, by name or in order: token ids, truth values, tuples of states.
    `shapes` closes dimensions that a file leaves open, `values` turns an input of it into a constant.
    """
    if isinstance(source, str | Path | Network):
        network = sources.network(source, shapes=shapes, values=values)
    else:
        from lamina.lowering import lower as lower_module

        network = lower_module(source, input_shape=input_shape, inputs=inputs, name=name)
    if out is not None:
        _save(network, Path(out))
    return network


def _save(network: Network, path: Path) -> None:
    from lamina.ir import store

    if path.suffix != ".lamina":
        raise BadInput(f"--out {path}: the file's name ends in .lamina")
    store.save([network], path)


def cost(
    source: "str | Path | Network",
    machines: str | Sequence[str] | None = None,
    *,
    batch: int | None = None,
    bits: int | None = None,
    allow_partial: bool = False,
    mode: str = "inference",
    shapes: Shapes | None = None,
    values: Values | None = None,
    out: Path | str | None = None,
) -> Any:
    """The table of what `source` costs on each of `machines`; prints as text, `.to_json()` is INTERFACE section 2.

    `HOST+ACCELERATOR@LINK` cuts the network between two machines for the least latency: "cpu+k20m@pcie3_x16".
    Where the network carries no word length (float), its layers are costed at `bits` (default 8) and the table says so.
    `mode="training"` costs one step of training: forward, backward and update by plain gradient descent, of cross
    entropy where the result is one row of scores an example, of the mean squared error elsewhere.
    `out` is a folder for the table, its layers, a step of training beside it, and a page with the plots.
    Left out, the batch is the source's own; and without `machines` three are asked, whose coverage is told where they
    cannot run a layer.
    """
    from lamina.hw import registry, table
    from lamina.hw.offload import pair_of

    network = sources.network(source, shapes=shapes, values=values)
    if batch is not None:
        network = network.with_batch(batch)
    if mode not in ("inference", "training"):
        raise unknown("mode", mode, ("inference", "training"))
    wanted = training_step(network) if mode == "training" else network
    names = registry.split_list(machines) if isinstance(machines, str) else list(machines or DEFAULT_MACHINES)
    partial = allow_partial or machines is None
    chosen = [pair_of(n, registry.find) or registry.find(n) for n in names]
    found = table.cost(wanted, chosen, bits=bits, allow_partial=partial)
    if out is not None:
        step = _step_table(network, chosen, bits) if mode == "inference" else None
        _write_costs(Path(out), found, step, names)
    return found


def _step_table(network: Network, machines: Sequence[Any], bits: int | None) -> Any:
    """What one step of training costs where it can be told; None for a network that has no gradients."""
    from lamina.hw import table

    try:
        return table.cost(training_step(network), machines, bits=bits, allow_partial=True)
    except LaminaError as e:
        say(f"no cost of training is shown: {e}", level=2)
        return None


def _write_costs(folder: Path, found: Any, step: Any, machines: Sequence[str]) -> None:
    """cost.json, layers.csv, training_cost.json, report.html; a folder that holds another table is refused."""
    from lamina.core import files
    from lamina.core.run_folder import open_run
    from lamina.hw import table
    from lamina.reporting import report

    told = found.to_json()
    configuration = {"recipe": "cost", "network": told["network"]["name"], "machines": list(machines)}
    with open_run(folder, {**configuration, "batch": told["network"]["batch"], "bits": told["network"]["bits"]}) as run:
        files.write_json(run.file("cost.json"), told)
        files.write(run.file("layers.csv"), table.layers_csv(told["results"]))
        if step is not None:
            files.write_json(run.file("training_cost.json"), step.to_json())
        report(folder)


def training_step(network: Network) -> Network:
    """One step of training `network` by gradient descent, the loss chosen by the result's axes."""
    from lamina.ir.training import training

    first = network.types[next(iter(network.outputs.values()))]
    loss = "cross_entropy" if len(first.shape) == 2 and first.shape[1] > 1 else "mean_squared_error"
    return training(network, loss=loss, optimiser="sgd", learning_rate=0.01, output=next(iter(network.outputs)))


def emulate(
    source: "str | Path | Network",
    machine: str,
    *,
    data: str = "digits",
    limit: int = 1000,
    trace: Path | str | None = None,
) -> Any:
    """Accuracy of `source` under the machine's arithmetic on `limit` test examples; bits and cycles are checked.

    `trace` is a file for the run of the first example, instruction by instruction, on a machine that has instructions.
    """
    from lamina import emulation
    from lamina.hw import registry

    network = sources.network(source)
    chosen = data_set(data)
    if isinstance(source, str | Path):
        _refuse_training_pictures(Path(source), chosen)
    inputs, labels = examples(network, chosen, limit)
    found = emulation.emulate(network, registry.find(machine), inputs, labels=labels)
    if trace is not None:
        emulation.trace_first(network, registry.find(machine), inputs, Path(trace))
    return found


def _refuse_training_pictures(run: Path, data: Any) -> None:
    """Raise `BadInput` where the test pictures of `data` are among those that the run folder `run` was trained on."""
    from lamina.core.run_folder import read_settings

    if not (run / "run.toml").is_file():
        return
    trained_on = read_settings(run)["configuration"].get("data")
    name = trained_on.get("name") if isinstance(trained_on, dict) else trained_on
    if isinstance(name, str):
        from lamina.data._overlap import check_tested_on

        check_tested_on(data, trained_on=name)


def quantise_network(
    source: "str | Path | Network",
    *,
    out: Path | str | None = None,
    data: Any = None,
    calibration: int = 100,
    shapes: Shapes | None = None,
    values: Values | None = None,
    **settings: Any,
) -> Any:
    """(integer network, report) of any float network, calibrated on training examples of `data`; see `ir.quantise`.

    Without data whose examples fit, `calibration` inputs are drawn, and the ranges are those of the draw. A network is
    written to `out` (.lamina).
    """
    from lamina.ir.quantise import quantise

    network = sources.network(source, shapes=shapes, values=values)
    if data is None and not _takes_digits(network):
        say("no data set was named: ranges are those of inputs drawn at random, which real inputs may leave")
        inputs = [drawn(network, seed) for seed in range(calibration)]
    else:
        named = "digits" if data is None else data
        chosen = data_set(named) if isinstance(named, str) else named
        given, _ = examples(network, chosen, calibration, split="train")
        inputs = [{name: array[i : i + 1] for name, array in given.items()} for i in range(calibration)]
    integer, report = quantise(network, inputs, **settings)
    if out is not None:
        _save(integer, Path(out))
    return integer, report


def write(
    source: "str | Path | Network",
    to: str,
    out: Path | str,
    *,
    shapes: Shapes | None = None,
    values: Values | None = None,
) -> Any:
    """Export `source` in format `to` (see `lamina list exporters`) into the folder `out`; the exporter's report."""
    from lamina import export

    if to not in export.EXPORTERS:
        raise unknown("exporter", to, export.EXPORTERS)
    function, _ = export.EXPORTERS[to]
    return function(sources.network(source, shapes=shapes, values=values), Path(out))


def diff(
    a: "str | Path | Network",
    b: "str | Path | Network",
    *,
    data: str | None = None,
    limit: int = 100,
    seed: int = 0,
) -> Any:
    """Run two links of the chain on the same inputs; the first value, in the order of `a`, that differs.

    The inputs are test examples of `data`; left out, those of digits where they fit, else one draw from `seed`.
    """
    from lamina.api import links

    first, second = links.open_link(a), links.open_link(b)
    network = first.network or second.network
    if network is None:
        raise BadInput("neither side is a network: one of the two must be a SOURCE")
    if data is not None or _takes_digits(network):
        inputs, _ = examples(network, data_set(data or "digits"), limit)
    else:
        inputs = drawn(network, seed)
    return links.compare(first, second, inputs)


def _takes_digits(network: Network) -> bool:
    return [type_.shape[1:] for type_ in network.inputs.values()] == [(1, 28, 28)]


def drawn(network: Network, seed: int) -> dict[str, Array]:
    """One set of inputs from `seed`: normal floats, integers over the whole of a small type, 0 and 1 for others."""
    generator = numpy_generator(seed, "inputs", network.name)
    found = {}
    for name, type_ in network.inputs.items():
        element = type_.element
        if isinstance(element, Float):
            found[name] = generator.standard_normal(type_.shape).astype(element.storage)
        else:
            low, high = (element.low, element.high) if element.bits <= 16 else (0, 1)
            found[name] = generator.integers(low, high + 1, type_.shape).astype(element.storage)
    return found


def examples(network: Network, data: Any, limit: int, *, split: str = "test") -> tuple[dict[str, Array], Array]:
    """Inputs of the data set `data` by the network's input name, and their labels."""
    part = getattr(data, split)
    name, type_ = next(iter(network.inputs.items()))
    x = part.inputs[:limit].numpy()
    if len(network.inputs) != 1 or x.shape[1:] != type_.shape[1:]:
        raise BadInput(
            f"data set {data.name!r} has inputs of shape {list(x.shape[1:])}, the network takes {list(type_.shape[1:])}"
        )
    return {name: x}, part.labels[:limit].numpy()
