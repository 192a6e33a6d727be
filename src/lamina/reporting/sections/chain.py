"""The chain of equal integers: every link against the interpreter, differing integers counted."""

from lamina.reporting._section import Section
from lamina.reporting.collect import Run
from lamina.reporting.markup import join, table, tag
from lamina.reporting.words import count


def section(run: Run) -> Section | None:
    links = run.summary.get("chain")
    if not links:
        return None
    rows, wrong, left_out = [], 0, 0
    for link in links:
        if link.get("differing") is None:
            left_out += 1
            verdict = tag("span", f"not run: {link.get('note', '')}", class_="none")
        else:
            wrong += link["differing"]
            verdict = tag(
                "span",
                "✓ equal" if link["differing"] == 0 else f"✗ {count(link['differing'])} differ",
                class_="good" if link["differing"] == 0 else "bad",
            )
        rows.append(
            (
                link["link"],
                link["against"],
                count(link.get("examples")),
                count(link.get("compared")),
                verdict,
                link.get("note", "") if link.get("differing") is not None else "",
            )
        )
    ran = len(links) - left_out
    lead = (
        f"{ran} links were compared number by number: "
        + ("not one integer differs." if wrong == 0 else f"{count(wrong)} integers differ.")
        + (f" {left_out} could not run here." if left_out else "")
    )
    columns = ("link", "against", "examples", "numbers compared", "result", "how")
    return Section(
        title="The same integers at every link",
        body=join([tag("p", lead), table("Links of the chain", columns, rows)]),
    )
