"""A generated service has the pages about patterns, the event loop and the glossary, made from the template's pages."""

import re
import tomllib
from pathlib import Path

import pytest

from service_pages import PAGES
from tests.documents import FENCE, HEADING, LINK
from tests.patterns import EXAMPLES
from tests.repository import ROOT, SERVICE, render


@pytest.fixture(scope="module")
def docs(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder `docs/` of a service with the default answers."""
    return render(template, tmp_path_factory.mktemp("pages"), {}) / "docs"


def test_each_page_is_named_once_and_has_no_source_of_its_own() -> None:
    stubs = {path.name: path.read_text("utf-8") for path in (SERVICE / "docs").iterdir()}

    assert stubs == {name: f'{{{{ page("{name}") }}}}\n' for name in PAGES}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_all_sections_of_the_template_and_its_version(docs: Path, name: str) -> None:
    source, text = (ROOT / "docs" / name).read_text("utf-8"), (docs / name).read_text("utf-8")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]

    assert HEADING.findall(FENCE.sub("", text)) == HEADING.findall(FENCE.sub("", source))
    assert f"from version {version} of the template" in text


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_is_to_a_page_or_to_a_file_of_the_template(docs: Path, name: str) -> None:
    """Every link of a page leads to a page or to a file of the template.

    Answers may leave out a linked file in a service, as the page says.
    """
    targets = {link.partition("#")[0] for link in LINK.findall((docs / name).read_text("utf-8"))}

    assert [
        target
        for target in targets - {"", *PAGES}
        if "://" not in target and not (SERVICE / "docs" / target).resolve().exists()
    ] == []


def test_the_examples_are_on_the_page(docs: Path) -> None:
    page = (docs / "patterns.md").read_text("utf-8")

    examples = [path.read_text("utf-8") for path in EXAMPLES.glob("*.py")]
    assert len(examples) > 30
    assert [example for example in examples if f"```python\n{example}```" not in page] == []


@pytest.mark.parametrize("document", ["README.md", "AGENTS.md"])
def test_the_documents_of_a_service_link_to_its_pages(docs: Path, document: str) -> None:
    linked = re.findall(r"\(docs/([^)]+)\)", (docs.parent / document).read_text("utf-8"))

    assert set(linked) == set(PAGES)
