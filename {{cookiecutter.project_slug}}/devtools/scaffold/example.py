"""Makes the files of a new feature or downstream from the example, under other names.

The tables `feature.toml` and `downstream.toml` list the classes, functions and constants to copy. The rest of the
example, such as the states of an order, is not on the list.
"""

import ast
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

PROSE = re.compile(r'""".*?"""|# [^\n]*|(?<=f")[A-Z][^"{]*', re.DOTALL)
"""Matches prose in code: a docstring, a comment, or the words of a message."""


TYPED = 5
"""The largest number of fields for which a new feature gets typed rows.

With more fields, SQLAlchemy's row type has no fixed length, and does not match the response class.
"""


def forms(noun: str, name: str) -> dict[str, str]:
    """Return the new name as `name`, `NAME` and `Name`, each by the same form of the example's noun."""
    return {noun: name, noun.upper(): name.upper(), noun.title(): name.title().replace("_", "")}


@dataclass(frozen=True)
class Copy:
    """The instructions for a copy of the example: the replacement of each word, and the new feature's fields."""

    kind: str
    words: Mapping[str, str]
    fields: Mapping[str, str]

    @cached_property
    def table(self) -> dict[str, Any]:
        """The TOML table that lists the parts of the example to copy, for a feature or for a downstream."""
        return tomllib.loads(Path(__file__).with_name(f"{self.kind}.toml").read_text("utf-8"))

    @property
    def names(self) -> list[str]:
        """The names of the new feature or downstream: the singular, and the plural if there is one."""
        return [self.words[noun] for noun in self.table["nouns"]]

    def files(self, service: Path) -> Iterator[tuple[str, str]]:
        """Yield path and text of each new file, copied from a service's example.

        Raises:
            SystemExit: the example lacks a part, or its code uses one of the new names already.
        """
        for file, kept in self.table["keep"].items():
            source, types = (service / file).read_text("utf-8"), {None, *self.fields.values()}
            only = self.table.get("only", {})
            wanted = {name: self.filled(text) for name, text in kept.items() if only.get(name) in types}
            text = "\n".join([*cut(source.splitlines(), ast.parse(source).body, wanted), ""])
            if wanted:
                raise SystemExit(f"{file} has no {' and no '.join(wanted)}, which every {self.kind} has.")
            path = file
            for pattern, words in self.table["phrases"].items():
                path, text = re.sub(pattern, words, path), re.sub(pattern, words, text)
            for word in sorted(words_of(text).intersection(self.words.values())):
                raise SystemExit(f"`{word}` is a name in the code of every {self.kind}: choose a different name.")
            yield self.named(path), self.named(text)

    def filled(self, text: str) -> str:
        """Return a text of the TOML table with the new feature's fields in place of the marks `@[...]@`."""
        joint = "\n" if text.startswith("@[") else ", "
        text = text.replace("@any@", ": Any" * (len(self.fields) > TYPED))  # rows of more than TYPED fields are untyped

        def each(found: re.Match[str]) -> str:
            types = self.table["types"]
            return joint.join(found[1].format(field, *types[kind]) for field, kind in self.fields.items())

        return re.sub(r"@\[(.*?)\]@", each, text).strip("\n")

    def named(self, text: str) -> str:
        """Return example code under the new names; in docstrings and comments, spaces separate the words of a name."""
        noun, name = self.table["pattern"], self.names[0]

        def spaced(prose: re.Match[str]) -> str:
            pattern = rf"(?<![_/`]){noun}(?![_`])"
            return re.sub(pattern, lambda found: self.words[found[0]].replace("_", "\0"), prose[0])

        text = re.sub(r"(?<![A-Za-z])([Aa])n(?=[ _]order)", r"\1" + "n" * (name[0] in "aeiou"), text)
        return re.sub(noun, lambda found: self.words[found[0]], PROSE.sub(spaced, text)).replace("\0", " ")


def words_of(code: str) -> set[str]:
    """Return the names that code sets, imports and passes: a new feature must not have one of these names."""
    parts = (part for part in ast.parse(code).body if getattr(part, "module", "") != "sqlalchemy")
    nodes = (node for part in parts for node in ast.walk(part) if not isinstance(getattr(node, "ctx", None), ast.Load))
    return {getattr(node, key, "") for node in nodes for key in ("id", "arg", "name", "asname")}


def cut(lines: list[str], body: list[ast.stmt], wanted: dict[str, str], prefix: str = "") -> Iterator[str]:
    """Yield the code of the definitions named in `wanted`, with comments, and remove each found name from `wanted`."""
    end, stays = body[0].lineno - 1, True  # keep the docstring of a class
    for node in body:
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))]) - 1
        above, own, end = lines[end:first], lines[first : node.end_lineno], node.end_lineno or 0
        target = getattr(node, "targets", [getattr(node, "target", node)])[0]
        name = prefix + str(getattr(target, "name", getattr(target, "id", "")))
        if isinstance(node, ast.ClassDef) and any(one.startswith(f"{name}.") for one in wanted):
            yield from [*above, *lines[first : node.body[0].lineno - 1]]
            yield from cut(lines, node.body, wanted, f"{name}.")
            continue
        if not isinstance(node, ast.Expr):  # a string below a constant is its docstring
            stays = isinstance(node, ast.Import | ast.ImportFrom) or name in wanted
        if stays:
            yield from [*above, *(textwrap.indent(wanted.pop(name, ""), " " * node.col_offset).splitlines() or own)]
