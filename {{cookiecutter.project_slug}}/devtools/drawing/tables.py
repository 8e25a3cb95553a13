"""Tables of text cells: as Markdown for documents, and as aligned lines for terminals. `page.py` writes their HTML."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text cells: title, column names, rows."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def markdown_lines(table: Table) -> Iterator[str]:
    """Yield the lines of a Markdown table, without the title."""
    yield f"| {' | '.join(table.header)} |"
    yield "|---" * len(table.header) + "|"
    yield from (f"| {' | '.join(cells)} |" for cells in table.rows)


def aligned_lines(table: Table) -> Iterator[str]:
    """Yield the header and the rows for a terminal, each column as wide as the widest cell."""
    rows = [table.header, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.header))]
    for row in rows:
        yield "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
