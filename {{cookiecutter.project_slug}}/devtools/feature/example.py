"""The files of a new feature: the example, cut down to what every feature has, under other names.

`example.toml` lists the names that stay. What is special about the example, such as its states and its downstream, has
no name there.
"""

import ast
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))

NOUN = re.compile(r"(?<![A-Za-z\0])(Orders?|ORDER|orders|(?<!in )order)(?![a-z\0]|_by)")
"""The noun of the example; `order_by` is SQLAlchemy's, and "in order" English."""

PROSE = re.compile(r'""".*?"""|# [^\n]*|(?<=f")[A-Z][^"{]*', re.DOTALL)
"""A docstring, a comment, and the words of a message."""


@dataclass(frozen=True)
class Feature:
    """The names of a new feature, and its fields with their types."""

    name: str
    plural: str
    fields: Mapping[str, str]

    @property
    def words(self) -> Mapping[str, str]:
        """The forms of this feature's name, by the form of the noun in the example."""
        words = {"order": self.name, "orders": self.plural, "Orders": self.plural.capitalize()}
        return words | {"ORDER": self.name.upper(), "Order": self.name.title().replace("_", "")}

    def files(self, service: Path) -> Iterator[tuple[str, str]]:
        """Yield the path and the text of each file, from the example of a service.

        Raises:
            SystemExit: the example lacks a part, or has the name of the feature for a different thing.
        """
        for file, kept in TABLE["keep"].items():
            source, types = (service / file).read_text("utf-8"), {None, *self.fields.values()}
            wanted = {name: self.filled(text) for name, text in kept.items() if TABLE["only"].get(name) in types}
            text = "\n".join([*cut(source.splitlines(), ast.parse(source).body, wanted), ""])
            if wanted:
                raise SystemExit(f"{file} has no {' and no '.join(wanted)}, which every feature has.")
            for pattern, words in TABLE["phrases"].items():
                text = re.sub(pattern, words, text)
            for word in sorted(words_of(text).intersection(self.words.values())):
                raise SystemExit(f"`{word}` is a name in the code of every feature: choose a different name.")
            yield file.replace("orders", self.plural), self.named(text)

    def filled(self, text: str) -> str:
        """Return a text of the table with the fields of this feature."""
        joint, types = "\n" if text.startswith("@[") else ", ", TABLE["types"]

        def each(found: re.Match[str]) -> str:
            return joint.join(found[1].format(field, *types[kind]) for field, kind in self.fields.items())

        return re.sub(r"@\[(.*?)\]@", each, text).strip("\n")

    def named(self, text: str) -> str:
        """Return code under the names of this feature; in prose, a name of two words has a space."""

        def spaced(prose: re.Match[str]) -> str:
            pattern = rf"(?<![_/`]){NOUN.pattern}(?![_`])"
            return re.sub(pattern, lambda noun: self.words[noun[0]].replace("_", "\0"), prose[0])

        text = re.sub(r"(?<![A-Za-z])([Aa])n(?=[ _]order)", r"\1" + "n" * (self.name[0] in "aeiou"), text)
        return NOUN.sub(lambda noun: self.words[noun[0]], PROSE.sub(spaced, text)).replace("\0", " ")


def words_of(code: str) -> set[str]:
    """Return the names that some code sets, imports and passes; a feature may be called like a word of SQLAlchemy."""
    parts = (part for part in ast.parse(code).body if getattr(part, "module", "") != "sqlalchemy")
    nodes = (node for part in parts for node in ast.walk(part) if not isinstance(getattr(node, "ctx", None), ast.Load))
    return {getattr(node, key, "") for node in nodes for key in ("id", "arg", "name", "asname")}


def cut(lines: list[str], body: list[ast.stmt], wanted: dict[str, str], prefix: str = "") -> Iterator[str]:
    """Yield the lines of the wanted names with the comments above them, and take these names out of `wanted`."""
    end, stays = body[0].lineno - 1, True  # a body begins with a docstring
    for node in body:
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))]) - 1
        above, own, end = lines[end:first], lines[first : node.end_lineno], node.end_lineno or 0
        target = getattr(node, "targets", [getattr(node, "target", node)])[0]
        name = prefix + str(getattr(target, "name", getattr(target, "id", "")))
        if isinstance(node, ast.ClassDef) and any(one.startswith(f"{name}.") for one in wanted):
            yield from [*above, *lines[first : node.body[0].lineno - 1]]
            yield from cut(lines, node.body, wanted, f"{name}.")
            continue
        if not isinstance(node, ast.Expr):  # the string below a name belongs to it
            stays = isinstance(node, ast.Import | ast.ImportFrom) or name in wanted
        if stays:
            yield from [*above, *(textwrap.indent(wanted.pop(name, ""), " " * node.col_offset).splitlines() or own)]
