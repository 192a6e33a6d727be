"""What every verb of the command line has: its common options, its one line on failure, its result on stdout.

A verb is a function that returns something with `to_json()` and `__str__`, or plain data, or None. `verb` adds the
options that INTERFACE promises everywhere, prints the result (JSON with `--json`), and turns what goes wrong into one
line on stderr and an exit code: 1 a check that does not hold (a result whose `holds` is false is printed first), 2 bad
input, 130 interrupted.
"""

import inspect
import json
import os
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from lamina.core import files, progress
from lamina.core.errors import BadInput, LaminaError, one_line

_COMMON = {
    "json_": (bool, False, typer.Option("--json", help="Print one JSON value on stdout, nothing else there.")),
    "quiet": (bool, False, typer.Option("-q", "--quiet", help="Only errors.")),
    "verbose": (bool, False, typer.Option("-v", "--verbose", help="Details too.")),
    "debug": (bool, False, typer.Option("--debug", help="Show the traceback of an error.")),
}
_SETTINGS = {
    "config": (Path | None, None, typer.Option("--config", help="TOML file of settings.", metavar="FILE.toml")),
    "set_": (list[str] | None, None, typer.Option("--set", help="One setting; repeatable.", metavar="KEY=VALUE")),
}


def verb(function: Callable[..., Any]) -> Callable[..., None]:
    """Wrap `function` as a verb; a parameter called `settings` receives what --config and --set say."""
    signature = inspect.signature(function)
    takes_settings = "settings" in signature.parameters
    added = _COMMON | (_SETTINGS if takes_settings else {})

    def run(**given: Any) -> None:
        common = {name: given.pop(name) for name in added}
        progress.set_verbosity(0 if common["quiet"] else 2 if common["verbose"] else 1)
        with _reported(common["debug"]):
            if takes_settings:
                given["settings"] = settings(common["config"], common["set_"] or [])
            result = function(**given)
            show(result, as_json=common["json_"])
            if not getattr(result, "holds", True):
                raise typer.Exit(1)

    own = [p for name, p in signature.parameters.items() if name != "settings"]
    extra = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])
        for name, (kind, default, option) in added.items()
    ]
    run.__signature__ = signature.replace(parameters=[*own, *extra])  # type: ignore[attr-defined]
    run.__doc__, run.__name__ = function.__doc__, function.__name__
    return run


class _reported:
    """Turn exceptions into one line and an exit code."""

    def __init__(self, debug: bool) -> None:
        self.debug = debug

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if error is None or self.debug or isinstance(error, typer.Exit | SystemExit):
            return
        if isinstance(error, LaminaError):
            raise typer.Exit(_say(str(error), error.exit_code)) from None
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(_say("interrupted: the run can be resumed with the same command", 130)) from None
        if isinstance(error, BrokenPipeError):
            # the reader has gone (`| head`): nothing is left to say, and Python must not say it at exit either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        if isinstance(error, OSError | MemoryError):
            raise typer.Exit(_say(one_line(error) or type(error).__name__, 2)) from None


def _say(text: str, code: int) -> int:
    print(f"lamina: {text}", file=sys.stderr)
    return code


def show(result: Any, *, as_json: bool) -> None:
    """Print a verb's result: JSON, or its text."""
    if as_json:
        value = result.to_json() if hasattr(result, "to_json") else result
        print(json.dumps(value, allow_nan=False, ensure_ascii=False))
    elif result is not None:
        print(result)
    sys.stdout.flush()


def settings(config: Path | None, pairs: list[str]) -> dict[str, Any]:
    """The settings of --config, overridden by those of --set."""
    given: dict[str, Any] = {}
    if config is not None:
        try:
            given = tomllib.loads(files.read(config).decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
            raise BadInput(f"{config}: not valid TOML: {one_line(e)}") from e
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise BadInput(f"--set {pair!r}: KEY=VALUE is needed, such as --set epochs=5")
        given[key] = value
    return given
