"""Sections of a document that a command writes: the text between two marks, which are Markdown comments."""

from pathlib import Path


class MissingSection(Exception):
    """A document lacks the marks of a section."""


def replace_section(document: Path, name: str, text: str) -> None:
    """Replace the text between the marks of a section.

    Raises:
        MissingSection: the document has no such marks.
    """
    before, _, after = _split(document, name)
    begin, end = _marks(name)
    document.write_text(f"{before}{begin}\n{text}\n{end}{after}", "utf-8")


def read_section(document: Path, name: str) -> str:
    """Return the text between the marks of a section.

    Raises:
        MissingSection: the document has no such marks.
    """
    return _split(document, name)[1].strip("\n")


def _split(document: Path, name: str) -> tuple[str, str, str]:
    """Return the parts of a document before, between and after the two marks of a section."""
    begin, end = _marks(name)
    before, opened, rest = document.read_text("utf-8").partition(begin)
    section, closed, after = rest.partition(end)
    if not (opened and closed):
        raise MissingSection(f"{document.name} has no section between {begin} and {end}.")
    return before, section, after


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
