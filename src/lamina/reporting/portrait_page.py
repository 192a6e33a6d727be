"""The page of one network: what it is, its drawing, its layers. One file that needs nothing else."""

from collections.abc import Mapping

import lamina
from lamina.core.units import si
from lamina.ir import summary
from lamina.ir.network import Network
from lamina.reporting import style
from lamina.reporting.markup import Markup, table, tag
from lamina.reporting.page import POLICY
from lamina.reporting.portrait import svg
from lamina.reporting.words import DASH, count

_CSS = (
    ".drawing { overflow-x: auto; } .drawing svg { display: block; margin: 0 auto; }"
    "pre { overflow-x: auto; font-size: .8125rem; line-height: 1.4; }"
)


def page(network: Network, *, about: Mapping[str, str], lecture: str = "") -> str:
    """The page of `network` as HTML; `about` are facts in words, `lecture` what its file says of it."""
    facts = [
        f"{count(network.parameters)} parameters",
        f"{count(network.macs)} multiply-accumulates",
        f"{si(4 * network.parameters, 'B')} in float32",
    ]
    body = [
        tag("header", tag("h1", network.name), tag("p", ", ".join(facts), class_="lead")),
        tag(
            "main",
            _section("About", table("What it is", ("what", ""), [*about.items()])) if about else "",
            _section("Drawing", tag("div", Markup(svg(network)), class_="drawing", tabindex=0, role="region")),
            _section("Layers", _layers(network)),
            _section("What its file says", tag("pre", lecture)) if lecture else "",
        ),
        tag("footer", f"Written by Lamina {lamina.__version__}. It asks no server for anything."),
    ]
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("link", rel="icon", href="data:,"),
        tag("title", network.name),
        Markup(f"<style>{style.CSS}{_CSS}</style>"),
    ]
    return f"<!doctype html>\n{tag('html', tag('head', *head), tag('body', *body), lang='en')}\n"


def _section(title: str, *inside: Markup) -> Markup:
    return tag("section", tag("h2", title), *inside)


def _layers(network: Network) -> Markup:
    rows = [
        (
            row["layer"],
            row["operator"],
            "×".join(map(str, row["shape"])) or "scalar",
            count(row["macs"]),
            count(row["parameters"]),
            count(row["bytes"]),
            DASH if row["density"] is None else f"{row['density']:.3g}",
        )
        for row in summary.table(network)
    ]
    return table("Operation by operation", summary.COLUMNS, rows)
