"""Errors a person can act on: what was given, what is allowed, the remedy.

Every error that Lamina raises on purpose is a `LaminaError`; the command line prints its one line and exits with
`exit_code` (INTERFACE: 1 what was checked does not hold, 2 bad input or unsupported work). Anything else is a bug.
"""

import difflib
from collections.abc import Iterable

MOST_NAMED = 30  # names in one message


class LaminaError(Exception):
    """Base class; `exit_code` is what the command returns."""

    exit_code = 2


class BadInput(LaminaError):
    """A file, shape, number or name that cannot be used."""


class Unsupported(LaminaError):
    """Work that is understood and not done: names itself, its share and what would help."""


class MissingExtra(LaminaError):
    """An optional package is absent: names the command that installs it."""


class CheckFailed(LaminaError):
    """It ran, and what it checked does not hold."""

    exit_code = 1


def unknown(kind: str, name: str, known: Iterable[str]) -> BadInput:
    """The error for a name that is not registered; suggests the nearest ones.

    >>> str(unknown("model", "lenet", ["lenet5", "lenet_300_100"]))
    "unknown model 'lenet': did you mean 'lenet5' or 'lenet_300_100'? known: lenet5, lenet_300_100"
    """
    names = sorted(known)
    near = difflib.get_close_matches(name[:100], names, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    told = ", ".join(names[:MOST_NAMED]) or "none"
    return BadInput(f"unknown {kind} {one_line(name, 60)!r}: {hint}known: {told}{more}")


def missing_extra(package: str, extra: str) -> MissingExtra:
    """The error for an absent optional `package` that the extra `extra` would bring."""
    return MissingExtra(f"this needs the package {package!r}, which is not installed: pip install 'lamina[{extra}]'")


def one_line(text: object, limit: int = 200) -> str:
    """`text` folded to one printable line of at most `limit` characters, for error messages that quote files."""
    line = " ".join(str(text).split())
    line = "".join(c if c.isprintable() else "?" for c in line)
    return line if len(line) <= limit else line[: limit - 1] + "…"
