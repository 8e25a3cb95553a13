"""The guides are followed to the letter in a generated service, and all checks pass afterwards.

A feature and a downstream are added twice: under a name that sorts before all of the service's own names, and under a
name that sorts after them. Where a guide deletes the example, the files must equal those of a service generated without
the example, whose checks run in `test_generated.py` and `test_generated_suites.py`.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.programs import must
from tests.repository import EVERYTHING, ROOT, Answers, files_in, render

PATTERNS = (ROOT / "docs/patterns.md").read_text("utf-8")

NAMES = (
    {"review": "account", "stock": "abacus"},
    {"review": "zone", "stock": "zoology"},
)
"""Names that replace the names in a guide: the first in the alphabet, then the last."""

HEADINGS = ("Add a feature", "Add a downstream", "Write, call, write again")

MARK = "# yours below\n"

STEP = re.compile(r"^\d+\. (.*?)(?=^\d+\. |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^ +```(\w+)\n(.*?)^ +```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A numbered step of a guide: its sentences and its code blocks."""

    text: str

    @property
    def file(self) -> str:
        """The first path of a file that the step names."""
        first: str = re.findall(r"`([\w./]+)`", self.text)[0]
        return first

    @property
    def blocks(self) -> list[str]:
        """The code blocks of the step, without the indentation of the list."""
        return [textwrap.dedent(code) for _language, code in BLOCK.findall(self.text)]


def steps(heading: str, names: dict[str, str]) -> list[Step]:
    """Return the steps of a guide in docs/patterns.md, with the guide's names replaced by other names."""
    section = PATTERNS.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    for theirs, ours in names.items():
        section = section.replace(theirs, ours).replace(theirs.title(), ours.title())
    return [Step(text) for text in STEP.findall(section)]


def follow(step: Step, folder: Path) -> None:
    """Perform a step of a guide: run the commands, insert the lines below a mark, or write the file."""
    if "```sh" in step.text:
        for command in "".join(step.blocks).splitlines():
            must(["sh", "-ec", command], folder)
    elif "`# yours below`" in step.text:
        file = folder / step.file
        first, *rest = file.read_text("utf-8").split(MARK)
        for code, after in zip(step.blocks, rest, strict=True):
            indent = first.rpartition("\n")[2]
            first += MARK + textwrap.indent(code, indent) + after
        file.write_text(first, "utf-8")
    elif step.blocks:
        (code,) = step.blocks
        (folder / step.file).parent.mkdir(parents=True, exist_ok=True)
        (folder / step.file).write_text(code, "utf-8")


def checks(folder: Path) -> Iterator[str]:
    """Run the commands of `make check` in a service, and yield the output of each command."""
    for command in ("format", "lint", "types", "test"):
        yield must(["make", command], folder)


def test_features_and_downstreams_are_added_as_the_guides_say(copied: Path) -> None:
    for names in NAMES:
        for heading in HEADINGS:
            for step in steps(heading, names):
                follow(step, copied)
    before = (copied / "app/main.py").read_text("utf-8")

    *_, tested = checks(copied)

    main = (copied / "app/main.py").read_text("utf-8")
    assert main.index("as orders") < main.index(MARK) < main.index("as accounts") < main.index("as zones")
    assert sorted(main) == sorted(before)  # `make format` has only moved imports
    assert " passed" in tested


def commands(folder: Path, heading: str) -> list[str]:
    """Return the shell commands in a section of a service's README."""
    section = (folder / "README.md").read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return section.partition("```sh\n")[2].partition("```")[0].splitlines()


def contents(folder: Path) -> dict[str, list[str]]:
    """Return the lines of a service's files, without blank lines and marks that only separate imports."""
    found = {}
    for path in files_in(folder):
        name = path.relative_to(folder).as_posix()
        if not re.match(r"\.venv|\.uv/|\.devtools|\..*_cache/|uv\.lock|.*__pycache__", name):
            found[name] = [line for line in path.read_text("utf-8").splitlines() if line not in {"", "# isort: split"}]
    return found


def test_the_example_is_deleted_as_the_readme_says(template: Path, copied: Path, tmp_path: Path) -> None:
    *by_hand, last = commands(copied, "Delete the example")
    for command in by_hand:
        must(["sh", "-ec", command], copied)
    without, deleted = contents(render(template, tmp_path, {"example": "no"})), contents(copied)

    assert last == "make check"
    must(["make", "lint"], copied)
    must(["uv", "run", "python", "-m", "pytest", "-n0", "tests/test_documents.py"], copied)
    assert_only_the_way_is_gone(deleted.pop("README.md"), without.pop("README.md"))
    assert deleted == without


def assert_only_the_way_is_gone(deleted: list[str], without: list[str]) -> None:
    """Compare the READMEs after a deletion and without the example: lines may be gone, but of the sections only one."""
    assert set(deleted) <= set(without)
    assert [line for line in without if line.startswith("## ") and line not in deleted] == ["## A request's way"]


@pytest.mark.parametrize(
    "given",
    [
        EVERYTHING,
        {**EVERYTHING, "auth": "jwt"},
        {"auth": "jwt"},
        {"auth": "jwt", "proofs": "yes"},
        {"auth": "jwt", "jobs": "yes", "example": "showcases"},
    ],
    ids=lambda given: "-".join(given.values()),
)
def test_both_examples_and_their_proofs_are_deleted_as_the_readme_says(
    template: Path, tmp_path: Path, given: Answers
) -> None:
    answers: Answers = {**given, "example": "no"}
    folder, without = render(template, tmp_path / "with", given), render(template, tmp_path / "without", answers)
    for command in commands(folder, "Delete the example"):
        if not command.startswith("make "):
            must(["sh", "-ec", command], folder)
    deleted, wanted = contents(folder), contents(without)

    assert deleted.keys() == wanted.keys()
    assert {name for name in deleted if deleted[name] != wanted[name]} == {"README.md", ".env.example"}
    assert_only_the_way_is_gone(deleted["README.md"], wanted["README.md"])


def test_the_guides_have_the_steps_that_the_test_follows() -> None:
    assert [len(steps(heading, {})) for heading in HEADINGS] == [11, 7, 3]
