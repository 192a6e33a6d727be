"""HTML from text: everything is escaped here, once, and nowhere else.

`Markup` is a string that is already HTML; `text` escapes anything that is not. Elements are written by `tag`, so that
no other file concatenates untrusted text into a page.
"""

import html
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

_PLAIN = re.compile(r"<[^>]*>")
_PROSE = 40  # characters from which a cell holds a sentence


class Markup(str):
    """Text that is HTML already."""


def text(value: object) -> Markup:
    """`value` as HTML text: escaped unless it is markup."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value), quote=True))


def join(parts: Iterable[object]) -> Markup:
    """The parts one after another, each escaped unless it is markup."""
    return Markup("".join(text(part) for part in parts))


def tag(name: str, /, *inside: object, **attributes: object) -> Markup:
    """`<name ...>inside</name>`; a trailing underscore of an attribute is dropped, other underscores become hyphens."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in ("img", "meta", "link", "br"):
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(inside)}</{name}>")


def script_json(value: Any) -> Markup:
    """`value` as JSON that cannot end the script element it stands in; NaN and infinities raise ValueError."""
    written = json.dumps(value, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return Markup(written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _kind(cell: object) -> str | None:
    """Prose gets room, so that it does not become a column one word wide."""
    return "prose" if len(_PLAIN.sub("", str(cell))) > _PROSE else None


def table(caption: object, columns: Sequence[object], rows: Iterable[Sequence[object]], *, note: object = "") -> Markup:
    """A table with its caption; the first cell of a row is its heading. Wide ones scroll inside their own box."""
    head = tag("tr", *(tag("th", column, scope="col") for column in columns))
    body = [
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell, class_=_kind(cell)) for cell in row[1:]))
        for row in rows
        if len(row)
    ]
    made = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body))
    box = tag("div", made, class_="wide", tabindex=0, role="region", aria_label=caption)
    return join([box, tag("p", note, class_="note")]) if note else box
