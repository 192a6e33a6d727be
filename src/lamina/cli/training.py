"""run, train, compress, quantise, report: words that make or read a run folder."""

from pathlib import Path
from typing import Annotated, Any

import typer

import lamina
from lamina.cli._closing import Shape, Value, shapes, values
from lamina.cli._verb import verb

Out = Annotated[Path | None, typer.Option("--out", help="The run folder; default runs/NAME.", metavar="DIR")]
Seed = Annotated[int, typer.Option("--seed", help="Everything random follows from it.", min=0)]
Data = Annotated[str, typer.Option("--data", help="Data set; see lamina list data.", metavar="NAME")]
Run = Annotated[Path, typer.Argument(help="A run folder.", metavar="RUN")]


def run(
    recipe: Annotated[str, typer.Argument(help="See lamina list recipes.", metavar="RECIPE")],
    settings: dict[str, Any],
    out: Out = None,
    seed: Seed = 0,
    data: Annotated[str | None, typer.Option("--data", help="Another data set.", metavar="NAME")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Another model.", metavar="NAME")] = None,
) -> Any:
    """A complete recipe; `run digits` is the main job."""
    chosen = {key: value for key, value in (("data", data), ("model", model)) if value is not None}
    return lamina.run(recipe, out=out, seed=seed, settings={**settings, **chosen})


def train(
    model: Annotated[str, typer.Argument(help="See lamina list models.", metavar="MODEL")],
    settings: dict[str, Any],
    data: Data = "digits",
    out: Out = None,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="There must be a run to go on with.")] = False,
) -> Any:
    """Train one model; killed at any moment, the same command goes on to the same bits."""
    return lamina.train(model, data=data, out=out, seed=seed, resume=resume, settings=settings)


def compress(
    run: Run,
    settings: dict[str, Any],
    out: Out = None,
    method: Annotated[str, typer.Option("--method", help="deep_compression.")] = "deep_compression",
    max_drop: Annotated[
        str | None, typer.Option("--max-drop", help="Accuracy that may be lost, such as 0.1%.", metavar="PERCENT")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", help="Times smaller than float32, such as 40x.", metavar="RATIO")
    ] = None,
    seed: Seed = 0,
) -> Any:
    """A smaller run: prune, share weights, pack."""
    return lamina.compress(run, out=out, method=method, max_drop=max_drop, target=target, seed=seed, settings=settings)


def quantise(
    source: Annotated[Path, typer.Argument(help="A run folder, or a file with a network.", metavar="RUN|FILE")],
    out: Annotated[Path | None, typer.Option("--out", help="A run folder; for a file FILE.lamina.")] = None,
    bits: Annotated[int, typer.Option("--bits", help="Of weights and activations, 2 to 8; in files to 16.")] = 8,
    scales: Annotated[str, typer.Option("--scales", help="power_of_two or float.")] = "power_of_two",
    per_channel: Annotated[bool, typer.Option("--per-channel", help="A weight scale per output channel.")] = False,
    method: Annotated[str | None, typer.Option("--method", help="min_max, percentile, mse or kl (files).")] = None,
    state_bits: Annotated[int | None, typer.Option("--state-bits", help="Of recurrent cells (files).")] = None,
    data: Annotated[str | None, typer.Option("--data", help="To calibrate on; else a draw (files).")] = None,
    shape: Shape = None,
    value: Value = None,
) -> Any:
    """An integer network from a trained run, or from a file of any format."""
    asked: dict[str, Any] = {
        "method": method,
        "state_bits": state_bits,
        "shapes": shapes(shape),
        "values": values(value),
    }
    given = {name: found for name, found in asked.items() if found}
    found = lamina.quantise(source, data, out=out, bits=bits, scales=scales, per_channel=per_channel, **given)
    return found[1] if isinstance(found, tuple) else found


def report(run: Run) -> Any:
    """(Re)write report.html."""
    return str(lamina.report(run))


def register(app: typer.Typer) -> None:
    for function in (run, train, compress, quantise, report):
        app.command(name=function.__name__)(verb(function))
