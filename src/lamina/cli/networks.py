"""lower, cost, map, sweep, emulate, export, diff: words about one network."""

from pathlib import Path
from typing import Annotated, Any

import typer

import lamina
from lamina.cli._closing import Shape, Value, shapes, values
from lamina.cli._verb import verb

Source = Annotated[
    str,
    typer.Argument(help="A run folder, FILE.lamina, .lmn, .onnx, .prototxt, ..., or a model's name.", metavar="SOURCE"),
]
ON = typer.Option("--on", help="Names or .toml files, fields after a colon.", metavar="MACHINE[,MACHINE]")
Data = Annotated[str, typer.Option("--data", help="Data set; see lamina list data.", metavar="NAME")]


def lower(
    source: Source,
    out: Annotated[Path, typer.Option("--out", help="The text; weights go beside it.", metavar="FILE.lamina")],
    shape: Shape = None,
    value: Value = None,
) -> Any:
    """The network as text, weights beside it in safetensors."""
    return str(lamina.lower(source, out=out, shapes=shapes(shape), values=values(value)))


def cost(
    source: Source,
    on: Annotated[str | None, ON] = None,
    batch: Annotated[int | None, typer.Option("--batch", help="Examples at once; the source's own.", min=1)] = None,
    bits: Annotated[int | None, typer.Option("--bits", help="Word length where the network has none; 8.")] = None,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Layers a machine cannot run: say so.")
    ] = False,
    mode: Annotated[str, typer.Option("--mode", help="inference, or training: one step.")] = "inference",
    shape: Shape = None,
    value: Value = None,
    out: Annotated[Path | None, typer.Option("--out", help="The table, its layers and plots.", metavar="DIR")] = None,
) -> Any:
    """What the network costs on each machine: latency, energy, area, bytes; HOST+ACCELERATOR@LINK cuts it in two."""
    closed: dict[str, Any] = {"shapes": shapes(shape), "values": values(value), "out": out}
    return lamina.cost(source, on, batch=batch, bits=bits, allow_partial=allow_partial, mode=mode, **closed)


def sweep(
    source: Source,
    on: Annotated[str, typer.Option("--on", help="A machine, fields after a colon.", metavar="MACHINE")],
    vary: Annotated[
        list[str],
        typer.Option("--vary", help="rows=8..64, rows=8..64*2, rows=8,16; repeatable.", metavar="FIELD=VALUES"),
    ],
    out: Annotated[Path | None, typer.Option("--out", help="Default runs/sweep-...", metavar="DIR")] = None,
    objectives: Annotated[
        str, typer.Option("--objectives", help="Of the Pareto front: latency_s, energy_j, area_m2, dram_bytes, cycles.")
    ] = "latency_s,energy_j",
    batch: Annotated[int | None, typer.Option("--batch", help="Examples at once; the source's own.", min=1)] = None,
    bits: Annotated[int | None, typer.Option("--bits", help="Word length where the network has none; 8.")] = None,
    engine: Annotated[str, typer.Option("--engine", help="processes, or ray: a cluster of machines.")] = "processes",
    jobs: Annotated[int | None, typer.Option("--jobs", help="Processes; as many as there are cores.", min=1)] = None,
    shape: Shape = None,
    value: Value = None,
) -> Any:
    """One row a point of a machine's design space, and its Pareto front; killed, the same command goes on."""
    wanted = [name.strip() for name in objectives.split(",") if name.strip()]
    told: dict[str, Any] = {"out": out, "batch": batch, "bits": bits, "engine": engine, "jobs": jobs}
    return lamina.sweep(source, on, vary, objectives=wanted, shapes=shapes(shape), values=values(value), **told)


def map_(
    source: Source,
    on: Annotated[str, typer.Option("--on", help="A machine of family hierarchy, or its file.", metavar="MACHINE")],
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="How long to search; without it a fixed number of mappings.")
    ] = None,
    objective: Annotated[str, typer.Option("--objective", help="latency, energy, edp or traffic.")] = "latency",
    dataflow: Annotated[str | None, typer.Option("--dataflow", help="weight_stationary, ...; any.")] = None,
    spatial: Annotated[
        list[str] | None,
        typer.Option("--spatial", help="rows=k:32: what lies along a dimension.", metavar="DIM=LOOP:N"),
    ] = None,
    order: Annotated[str | None, typer.Option("--order", help="Loops from the innermost: q,p,k.")] = None,
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="One that --out wrote.", metavar="FILE.json")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Keep it there.", metavar="FILE.json")] = None,
    batch: Annotated[int | None, typer.Option("--batch", help="Examples at once; the source's own.", min=1)] = None,
    bits: Annotated[int | None, typer.Option("--bits", help="Word length where the network has none; 8.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the search.", min=0)] = 0,
    shape: Shape = None,
    value: Value = None,
) -> Any:
    """The best mapping found of a network's loops onto an array and its memories, beside the lower bounds."""
    fixed = dict(part.partition("=")[::2] for part in spatial or ())
    told: dict[str, Any] = {"mapping": mapping, "out": out, "batch": batch, "bits": bits, "seed": seed}
    return lamina.map(
        source,
        on,
        seconds=seconds,
        objective=objective,
        dataflow=dataflow,
        spatial=fixed or None,
        order=[loop.strip() for loop in order.split(",")] if order else None,
        shapes=shapes(shape),
        values=values(value),
        **told,
    )


def emulate(
    source: Source,
    on: Annotated[str, ON] = "systolic",
    data: Data = "digits",
    limit: Annotated[int, typer.Option("--limit", help="Test examples to run.", min=1)] = 1000,
    trace: Annotated[
        Path | None, typer.Option("--trace", help="The first example, instruction by instruction.", metavar="FILE")
    ] = None,
) -> Any:
    """Accuracy under the machine's own arithmetic; whether bits and cycles agree."""
    return lamina.emulate(source, on, data=data, limit=limit, trace=trace)


def export(
    source: Source,
    to: Annotated[str, typer.Option("--to", help="See lamina list exporters.", metavar="FORMAT")],
    out: Annotated[Path, typer.Option("--out", help="The folder to write.", metavar="DIR")],
    shape: Shape = None,
    value: Value = None,
) -> Any:
    """Write the network as C, ONNX or another tool's input."""
    from lamina.api.networks import write

    return write(source, to, out, shapes=shapes(shape), values=values(value))


def diff(
    a: Annotated[str, typer.Argument(help="One link: a SOURCE or an exported folder.", metavar="A")],
    b: Annotated[str, typer.Argument(help="The other.", metavar="B")],
    data: Annotated[str | None, typer.Option("--data", help="Data set; else digits or a draw.", metavar="NAME")] = None,
    limit: Annotated[int, typer.Option("--limit", help="Test examples to run.", min=1)] = 100,
    seed: Annotated[int, typer.Option("--seed", help="Of the draw, where no data set fits.")] = 0,
) -> Any:
    """The first layer where two links of the chain differ, with the values; exit 1 when they do."""
    return lamina.diff(a, b, data=data, limit=limit, seed=seed)


def register(app: typer.Typer) -> None:
    for function in (lower, cost, map_, sweep, emulate, export, diff):
        app.command(name=function.__name__.rstrip("_"))(verb(function))
