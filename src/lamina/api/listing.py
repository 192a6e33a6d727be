"""Rows for people and for programs: one list of plain dictionaries, printed as a table or as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lamina.core.progress import as_text


@dataclass(frozen=True, slots=True)
class Listing:
    """`rows` in order; `columns` names what the printed table shows, JSON has every key."""

    rows: Sequence[dict[str, Any]]
    columns: Sequence[str]
    title: str = ""

    def to_json(self) -> list[dict[str, Any]]:
        return list(self.rows)

    def __str__(self) -> str:
        from rich import box
        from rich.table import Table

        table = Table(title=self.title or None, box=box.SIMPLE_HEAD, title_justify="left")
        for column in self.columns:
            table.add_column(column, overflow="fold")
        for row in self.rows:
            table.add_row(*("–" if row.get(c) is None else str(row[c]) for c in self.columns))
        return as_text(table)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Any:
        return iter(self.rows)
