"""Words on the command line, nothing else: `lamina VERB ...` (INTERFACE, section 1).

Each verb is one function in `training.py`, `networks.py` or `catalogue.py`; `_verb.py` gives all the common options.
"""

from typing import NoReturn

import typer

app = typer.Typer(
    name="lamina",
    help="One network, carried from data to silicon.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> NoReturn:
    """The command `lamina`."""
    from lamina.cli import catalogue, networks, training

    for module in (training, networks, catalogue):
        module.register(app)
    raise SystemExit(app())
