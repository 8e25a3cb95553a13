"""One vocabulary: each word of docs/glossary.md is in the code, and no banned synonym of such a word is."""

import ast
import re
from collections.abc import Iterable, Iterator

import pytest

from tests.documents import HEADING, Document, documents, find
from tests.repository import SERVICE
from tests.source import Source, sources, template_sources

CODE = ("app/", "devtools/", "tests/")
"""The folders of the service whose names (of functions, variables, classes) are checked for banned words."""

TEMPLATE_CODE = ("tests", "benchmarks", "lab")
"""The folders of the template, outside the service, whose names are checked for banned words."""

OTHER_MEANINGS = {
    "test_the_build_sees_only_what_the_dockerfile_copies": "a verb: a Dockerfile copies files",
}
"""Names in the template's own code that contain a banned word with a different meaning, each with the reason."""

TWINS = find("docs/glossary.md").text.partition("## Words that are not used")[2]
BANNED = {
    word: "*alone*" in cell
    for cell in re.findall(r"^\| ([^|]+) \| [^|]+ \|$", TWINS, re.MULTILINE)[1:]
    for word in re.findall(r"\w+", cell.partition("*")[0])
}
"""Each banned word, and whether the word is banned only as a whole name, not as a part of a name."""


def words_of(name: str) -> list[str]:
    """Split a name in snake case or camel case, or a sentence, and return the words in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def banned_in(name: str) -> list[str]:
    """Return the words of a name or a sentence that the glossary bans."""
    words = words_of(name)
    return [word for word in words if word in BANNED and (not BANNED[word] or words == [word])]


def names_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of each name that a file defines, of the dictionary keys, and of the log events."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Dict):
            yield from texts(node.keys)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log."):
            yield from ((node.lineno, word.arg) for word in node.keywords if word.arg)
            yield from texts(node.args[:1])


def texts(nodes: Iterable[ast.expr | None]) -> Iterator[tuple[int, str]]:
    """Yield line and text of each string constant among nodes of a syntax tree."""
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def found_in(source: Source) -> list[str]:
    """Return file and line of each banned name that a file defines."""
    named = [(1, source.name), *names_in(source.tree)]
    return [f"{source.name}:{line}: {name}" for line, name in named if banned_in(name)]


def test_the_glossary_has_each_word_once_and_in_order() -> None:
    words = [word.lower() for word, _ in entries()]

    assert len(words) >= 40
    assert words == sorted(set(words))


def entries() -> list[tuple[str, str]]:
    """Return each word of the glossary, with the file that the glossary names as the word's origin."""
    return re.findall(r"^\| ([^|]+) \| [^|]+\. \| \[([^\]]+)\]\(.+\) \|$", find("docs/glossary.md").text, re.MULTILINE)


@pytest.mark.parametrize(("word", "file"), entries())
def test_the_file_of_a_word_has_the_word(word: str, file: str) -> None:
    text = (SERVICE / file).read_text(encoding="utf-8")

    assert re.search(re.sub(r"[ -]", r"[ _\\n-]+", word), text, re.IGNORECASE)


@pytest.mark.parametrize("folder", CODE)
def test_names_keys_and_log_lines_have_no_second_word(folder: str) -> None:
    assert [place for source in sources(folder) for place in found_in(source)] == []


@pytest.mark.parametrize("folder", TEMPLATE_CODE)
def test_names_in_the_template_have_no_second_word(folder: str) -> None:
    found = [place for source in template_sources(folder) for place in found_in(source)]

    assert [place for place in found if place.rpartition(": ")[2] not in OTHER_MEANINGS] == []


def test_each_exception_is_a_name_with_a_second_word() -> None:
    code = [source for folder in TEMPLATE_CODE for source in template_sources(folder)]
    names = {name for source in code for _, name in names_in(source.tree)}

    assert [name for name in OTHER_MEANINGS if name not in names or not banned_in(name)] == []


def test_settings_have_no_second_word() -> None:
    variables = re.findall(r"^#? ?([A-Z_]+)=", (SERVICE / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)

    assert len(variables) > len(BANNED)
    assert [variable for variable in variables if banned_in(variable)] == []


@pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)
def test_headings_have_no_second_word(document: Document) -> None:
    assert [heading for heading in HEADING.findall(document.prose) if banned_in(heading)] == []


@pytest.mark.parametrize("name", ["the_gate", "RouteFamily", "copies of a service", "budget", "MAX_PLACES"])
def test_a_second_word_is_found_in_any_spelling(name: str) -> None:
    assert banned_in(name)


@pytest.mark.parametrize("name", ["aggregate", "retry_budget", "share_of_time", "replicas"])
def test_other_words_are_left_alone(name: str) -> None:
    assert banned_in(name) == []
