"""Gives a generated service four pages of docs/, as `{{ page("glossary.md") }}`; loaded by cookiecutter.json.

The page of a service is rendered from the page of the template, so the repository has each sentence once.
"""

import re
import tomllib
from pathlib import Path

from jinja2 import Environment
from jinja2.ext import Extension

PAGES = ("glossary.md", "never-block.md", "owasp.md", "patterns.md")
"""The pages that a generated service has in the folder `docs/`."""

TEMPLATE = Path("..")
"""The folder of the template, relative to the current folder: cookiecutter renders inside the service's sources."""

LINK = re.compile(r"\[([^\]]+)\]\(([^)#\s]*)([^)\s]*)\)")
EXAMPLE = re.compile(r"\*\*Run\*\*\s+\[patterns/(\w+)\.py\]\(patterns/\w+\.py\)\s+as\s+`example\.py`\.")
SOURCES = "../{{cookiecutter.project_slug}}/"


class Pages(Extension):
    """An extension of Jinja that adds the function `page`, which returns a page of the template's docs."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals["page"] = page


def page(name: str) -> str:
    """Return a page of the template for a generated service: with the code of the examples, and with working links."""
    title, _, text = (TEMPLATE / "docs" / name).read_text("utf-8").partition("\n\n")
    version = tomllib.loads((TEMPLATE / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    note = (
        f"This page is from version {version} of the template; `.cruft.json`, if there is one, has the commit.\n"
        "It tells of a service that leaves nothing out: your answers may have dropped files and commands that it names."
    )
    return "\n\n".join([title, note, LINK.sub(_link, EXAMPLE.sub(_example, text)).rstrip()])


def _example(found: re.Match[str]) -> str:
    code = (TEMPLATE / "docs/patterns" / f"{found[1]}.py").read_text("utf-8")
    return f"**Run** this example as `example.py`:\n\n```python\n{code}```"


def _link(found: re.Match[str]) -> str:
    """Return a link that works in a service; of a link to a document that only the template has, return the words."""
    words, target, anchor = found.groups()
    if target.startswith(SOURCES):
        return f"[{words}](../{target.removeprefix(SOURCES)}{anchor})"
    return found[0] if not target or "://" in target or target in PAGES else words
