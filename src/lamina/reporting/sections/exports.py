"""Files written for other programs, with what they need where they run."""

from lamina.reporting._section import Section
from lamina.reporting.collect import Run
from lamina.reporting.markup import table
from lamina.reporting.words import size


def section(run: Run) -> Section | None:
    files = run.summary.get("exports")
    if not files:
        return None
    rows = [
        (
            entry["file"],
            entry["format"],
            size(entry.get("bytes")),
            size(entry.get("flash_bytes")),
            size(entry.get("ram_bytes")),
            entry.get("note", ""),
        )
        for entry in files
    ]
    columns = ("file", "format", "size", "flash needed", "RAM needed", "checked")
    return Section(title="Files for other programs", body=table("Exported files", columns, rows))
