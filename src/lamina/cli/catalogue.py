"""list, show, data, machine, reproduce, doctor: words about what there is."""

from pathlib import Path
from typing import Annotated, Any

import typer

import lamina
from lamina.cli._closing import Shape, Value, shapes, values
from lamina.cli._verb import verb


def list_(
    kind: Annotated[str, typer.Argument(help="models, machines, data, recipes, exporters or rows.", metavar="KIND")],
    pattern: Annotated[str, typer.Argument(help="Only names that match.", metavar="PATTERN")] = "*",
) -> Any:
    """What there is; `rows` is the survey, row by row."""
    return lamina.list(kind, pattern)


def show(
    source: Annotated[str, typer.Argument(help="A network, a machine or a data set.", metavar="SOURCE")],
    svg: Annotated[Path | None, typer.Option("--svg", help="Its graph, drawn there.", metavar="FILE.svg")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Its portrait, as SVG and page.", metavar="DIR")] = None,
    shape: Shape = None,
    value: Value = None,
) -> Any:
    """One thing: a network's layers and drawing, a machine's data with sources, a data set with pictures."""
    return lamina.show(source, svg=svg, out=out, shapes=shapes(shape), values=values(value))


def fetch(name: Annotated[str, typer.Argument(help="See lamina list data.", metavar="NAME")]) -> Any:
    """Get and verify a data set."""
    return str(lamina.fetch(name))


def measure() -> Any:
    """Measure this computer's roofline."""
    return lamina.measure()


def check(file: Annotated[Path, typer.Argument(help="A machine file.", metavar="FILE.toml")]) -> Any:
    """Read a machine file strictly."""
    return lamina.check(file)


def reproduce(
    rows: Annotated[
        list[str] | None, typer.Argument(help="Rows, claims or machines; `claims` runs every study.", metavar="ROW")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="A folder for a page; of claims runs/claims.", metavar="DIR")
    ] = None,
) -> Any:
    """Published beside reproduced, the misses shown; exit 1 where one is not explained. A claim may fail."""
    return lamina.reproduce(*(rows or ()), out=out)


def doctor() -> Any:
    """Versions, extras, compiler, cores, cache, and what each missing thing would give."""
    return lamina.doctor()


def register(app: typer.Typer) -> None:
    app.command(name="list")(verb(list_))
    app.command(name="show")(verb(show))
    app.command(name="reproduce")(verb(reproduce))
    app.command(name="doctor")(verb(doctor))
    data = typer.Typer(help="Data sets.", no_args_is_help=True)
    data.command(name="fetch")(verb(fetch))
    app.add_typer(data, name="data")
    machine = typer.Typer(help="Machines.", no_args_is_help=True)
    machine.command(name="measure")(verb(measure))
    machine.command(name="check")(verb(check))
    app.add_typer(machine, name="machine")
