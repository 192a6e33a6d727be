"""Every source with its mark: where the machines' constants and the published numbers come from."""

from lamina.reporting._section import Section
from lamina.reporting.collect import Run
from lamina.reporting.markup import Markup, join, table, tag
from lamina.reporting.words import MARKS, mark


def section(run: Run) -> Section | None:
    sources = run.summary.get("sources")
    if not sources:
        return None
    rows = [(entry["of"], entry["quantity"], mark(entry["mark"]), _linked(str(entry["citation"]))) for entry in sources]
    legend = tag(
        "dl", *(tag("div", tag("dt", mark(name)), tag("dd", says)) for name, says in MARKS.items()), class_="marks"
    )
    return Section(
        title="Sources",
        body=join([legend, table("Where the numbers come from", ("of", "quantity", "mark", "source"), rows)]),
    )


def _linked(citation: str) -> Markup:
    """`citation` with its https addresses as links."""
    parts: list[object] = []
    for word in citation.split(" "):
        address = word.rstrip(".,;)")
        if address.startswith("https://"):
            parts += [tag("a", address, href=address, rel="noreferrer"), word[len(address) :], " "]
        else:
            parts.append(f"{word} ")
    return join(parts)
