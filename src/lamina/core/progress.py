"""What people see while they wait: lines on stderr, a bar on a terminal only.

`say` prints one line unless `quiet`; `bar` counts steps. Results never go through here: they belong to stdout.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator

_verbosity = 1  # 0 quiet (-q), 1 normal, 2 verbose (-v); set once by the command line


def set_verbosity(level: int) -> None:
    """0: only errors; 1: what a person needs; 2: details too."""
    global _verbosity
    _verbosity = level


def say(text: str, *, level: int = 1) -> None:
    """Print `text` to stderr when the verbosity is at least `level`."""
    if _verbosity >= level:
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def bar(description: str, total: int, *, done: int = 0) -> Iterator[Callable[..., None]]:
    """A progress bar on a terminal, nothing elsewhere; yields `advance(steps, note)`."""
    if _verbosity < 1 or not sys.stderr.isatty():
        yield _nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=total, completed=done, note="")

        def advance(steps: int = 1, note: str = "") -> None:
            progress.update(task, advance=steps, note=note)

        yield advance


def _nothing(steps: int = 1, note: str = "") -> None:
    """Where there is no terminal there is no bar."""


def as_text(renderable: object, *, width: int | None = None) -> str:
    """A rich table or text as a string: in colour on a terminal, plain elsewhere; markup in cells is not read."""
    import io
    import shutil

    from rich.console import Console

    colour = sys.stdout.isatty()
    columns = width or (shutil.get_terminal_size().columns if colour else 120)
    console = Console(
        file=io.StringIO(),
        width=columns,
        force_terminal=colour,
        force_jupyter=False,
        markup=False,
        highlight=False,
        emoji=False,
    )
    console.print(renderable)
    stream = console.file
    assert isinstance(stream, io.StringIO)
    return stream.getvalue().rstrip("\n")
