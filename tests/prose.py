"""Judges the English of docstrings and comments in the service's code by the rule of CONTRIBUTING.md."""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.source import Source, sources

VAGUE = frozenset(
    ("who", "whoever", "whatever", "nobody", "somebody", "everybody", "others", "ours", "theirs", "ones", "another")
)
"""Vague words that stand for a noun. The word `one` is counted apart, as a number before a noun is not vague."""

AFTER_A_PRONOUN = frozenset(
    re.findall(
        r"\w+",
        "a again after also an and are as at because before but by can does else ends fails for from gets has have if "
        "in into is it may more must needs not of on or over so takes than that the then to too under unless until "
        "waits was "
        "were when where which while who will with without would",
    )
)
"""Words that follow `one` when `one` is a pronoun; before any other word, `one` is taken for a number."""

POINTING = frozenset(("it", "they", "them", "those", "its"))
"""Pronouns that point at a noun, which the first sentence of a docstring must not contain."""

DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Text:
    """A docstring or a comment of the judged code."""

    place: str
    """The file and the line at which the text begins."""
    words: str

    @property
    def first_sentence(self) -> str:
        """The first sentence of a docstring, which an editor shows first."""
        return re.split(r"(?<=[.!?])\s|\n\n|:\n", self.words.strip(), maxsplit=1)[0]


def docstrings(source: Source) -> Iterator[Text]:
    """Yield the docstrings of modules, classes and functions, and the docstrings below constants and fields."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield Text(f"{source.name}:{node.lineno}", node.value.value)


def comments(source: Source) -> Iterator[Text]:
    """Yield the comments, without the template's control lines and without instructions for tools."""
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and not re.match(r"# (\{%|isort:|yours below)|# type:", token.string):
            words = re.sub(r"# noqa: [A-Z0-9, ]+-?", "", token.string).strip("# ")
            yield Text(f"{source.name}:{token.start[0]}", words)


def vague_words(text: str) -> list[str]:
    """Return the vague words of a text."""
    words = re.findall(r"[A-Za-z']+", re.sub(r"`[^`]*`", "NAME", text).lower())
    found = [word for word in words if word in VAGUE]
    followers = zip(words, [*words[1:], "of"], strict=False)  # the last word of a text has no follower
    return found + ["one" for word, after in followers if word == "one" and after in AFTER_A_PRONOUN]


def points_outside(text: Text) -> bool:
    """Tell whether a docstring's first sentence has a pronoun whose noun may stand elsewhere."""
    return bool(POINTING.intersection(re.findall(r"[a-z']+", text.first_sentence.lower())))


def vague_per_thousand(found: Iterable[Source]) -> float:
    """Return the number of vague words per 1,000 words of docstrings and comments."""
    texts = [text.words for source in found for text in (*docstrings(source), *comments(source))]
    return 1000 * sum(len(vague_words(text)) for text in texts) / sum(len(text.split()) for text in texts)


def pointing_percentage(found: Iterable[Source]) -> float:
    """Return the percentage of docstrings whose first sentence has a pronoun whose noun may stand elsewhere."""
    texts = [text for source in found for text in docstrings(source)]
    return 100 * sum(points_outside(text) for text in texts) / len(texts)


def main() -> None:
    """Print each vague word, and each docstring with such a pronoun: `python -m tests.prose app/web`."""
    for source in sources(*(sys.argv[1:] or ["app/"])):
        for text in (*docstrings(source), *comments(source)):
            if found := vague_words(text.words):
                print(f"{text.place}: {', '.join(found)}: {text.words.strip()[:120]!r}")
        for text in docstrings(source):
            if points_outside(text):
                print(f"{text.place}: points outside: {text.first_sentence!r}")


if __name__ == "__main__":
    main()
