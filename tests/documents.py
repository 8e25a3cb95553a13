"""Reads the Markdown files of this repository: their links, code, and the paths and commands that they name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.repository import ROOT, SERVICE, tracked

FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (?!\{%)(.+)$", re.MULTILINE)

SUFFIXES = (".py", ".md", ".toml", ".yaml", ".yml", ".json", ".example", ".mako")
NAMES = {"Makefile", "Dockerfile", "LICENSE"}
MADE = {"uv.lock", ".env", ".cruft.json", "devtools/stock_stub.py"}
MADE_FOLDERS = (".uv/", ".venv/", ".build/", ".devtools/", "app/reviews/", "tests/reviews/")
"""Files that commands or developers create: documents may name these files, but a fresh checkout has none of these."""


@dataclass(frozen=True)
class Block:
    """A fenced code block."""

    info: str
    code: str

    @property
    def language(self) -> str:
        """The language of the code block, the first word after the fence."""
        return self.info.partition(" ")[0]

    @property
    def source(self) -> Path | None:
        """The file that the code block quotes: in the template for a path in `docs/`, otherwise in the service."""
        name = self.info.partition(" ")[2]
        return (ROOT if name.startswith("docs/") else SERVICE) / name if name else None


@dataclass(frozen=True)
class Document:
    """A Markdown file of this repository."""

    path: Path

    @property
    def name(self) -> str:
        """The document's path in the repository."""
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        """The text of the Markdown file."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def blocks(self) -> list[Block]:
        """The document's fenced code blocks, without the indentation of a list."""
        return [
            Block(info.strip(), re.sub(f"^{indent}", "", code, flags=re.MULTILINE))
            for indent, info, code in FENCE.findall(self.text)
        ]

    @cached_property
    def prose(self) -> str:
        """The document's text outside of code blocks."""
        return FENCE.sub("", self.text)

    @cached_property
    def spans(self) -> list[str]:
        """The code in backticks inside the document's sentences."""
        return SPAN.findall(self.prose)

    @cached_property
    def links(self) -> list[str]:
        """The targets of the document's links to files of this repository."""
        return [link for link in LINK.findall(self.prose) if "://" not in link]

    @cached_property
    def anchors(self) -> set[str]:
        """The anchors of the document's headings, to which links may point."""
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(self.prose)}

    def paths(self) -> Iterator[str]:
        """Yield each path that a sentence names, and each Python file in a drawing; placeholders are skipped."""
        for span in self.spans:
            yield from filter(is_path, span.split())
        for block in self.blocks:
            if block.language == "text":
                yield from re.findall(r"(?<![\w./])[\w./]+/\w+\.py\b", block.code)

    def commands(self) -> Iterator[str]:
        """Yield each line of a shell code block, and each code in backticks."""
        yield from self.spans
        for block in self.blocks:
            if block.language in {"sh", "bat"}:
                yield from block.code.splitlines()


def is_path(word: str) -> bool:
    """Tell whether a word names a file or folder that should exist."""
    if not re.fullmatch(r"[\w.\-]+(/[\w.\-]+)*/?", word) or word in MADE or word.startswith(MADE_FOLDERS):
        return False
    return word.endswith(SUFFIXES) or word in NAMES or "/" in word


def documents() -> list[Document]:
    """Return every Markdown file of this repository."""
    return [Document(path) for path in tracked(ROOT) if path.suffix == ".md"]


def find(name: str) -> Document:
    """Return a document by its path."""
    return Document(ROOT / name)


def exists(name: str) -> bool:
    """Tell whether a path exists in the template or in the service; a bare file name may be in any folder."""
    if (ROOT / name).exists() or (SERVICE / name).exists():
        return True
    return "/" not in name and any(path.name == name for path in tracked(ROOT))


def squeezed(text: str) -> str:
    """Return a text with each run of white space replaced by one space, so that indentation does not matter."""
    return " ".join(text.split())
