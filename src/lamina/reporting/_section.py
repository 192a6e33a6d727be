"""One section of the page: a heading, HTML, and the figures that its plots are drawn from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lamina.reporting.figures import Figure
from lamina.reporting.markup import Markup, tag


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    title: str
    body: Markup
    figures: Mapping[str, Figure] = field(default_factory=dict)  # element id -> figure


def plot(name: str, figure: Figure, caption: object, *, width: str = "100%") -> Markup:
    """The place where figure `name` is drawn, at most `width` (CSS) wide, with what it says in words below it."""
    title = figure["layout"]["title"]["text"]
    height = figure["layout"]["height"]
    box = tag(
        "div", id=name, class_="plot", role="img", aria_label=title, style=f"min-height:{height}px;max-width:{width}"
    )
    return tag("figure", box, tag("figcaption", caption))
