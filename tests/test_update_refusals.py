"""A user's mistake ends the update of a service with a single sentence, and changes nothing in the service."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.updating import commit, git, service_in, template_in, tool


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a service in a git repository, with the template in a folder beside."""
    place = tmp_path_factory.mktemp("refusals")
    return service_in(place, template_in(place), {"example": "no"})


@pytest.fixture
def service(original: Path, tmp_path: Path) -> Path:
    """Return a copy of the service for a single test."""
    return shutil.copytree(original, tmp_path / "order-service", symlinks=True)


def state(**changes: object) -> Callable[[Path], None]:
    """Return a function that changes the service's `.cruft.json` and commits, as a user may do by mistake."""

    def change(service: Path) -> None:
        file = service / ".cruft.json"
        file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | changes), "utf-8")
        commit(service)

    return change


def dirty(service: Path) -> None:
    """Change a file of the service without committing."""
    (service / "README.md").write_text("mine")


def untracked(service: Path) -> None:
    """Add a file to the service that git does not track."""
    (service / "mine.py").write_text("")


def not_a_repository(service: Path) -> None:
    """Delete the service's git repository."""
    shutil.rmtree(service / ".git")


def ignored_by_a_larger_repository(service: Path) -> None:
    """Put the service into a larger repository that ignores the service's folder, as a build folder is ignored."""
    shutil.rmtree(service / ".git")
    (service.parent / ".gitignore").write_text(f"{service.name}\n")
    git(service.parent, "init", "--quiet")
    git(service.parent, "add", ".gitignore")
    git(service.parent, "commit", "--quiet", "--message=change")


def without_state(service: Path) -> None:
    """Delete the service's `.cruft.json`, and so the template's address."""
    git(service, "rm", "--quiet", ".cruft.json")
    commit(service)


def in_the_way(service: Path) -> None:
    """Add a file that git ignores, with a path at which the template will add a file."""
    with (service / ".gitignore").open("a") as ignored:
        ignored.write("/app/orders/\n")
    commit(service)
    (service / "app/orders").mkdir()
    (service / "app/orders/models.py").write_text("mine")


def nothing(_service: Path) -> None:
    """Change nothing in the service."""


ANSWERS = {"project_name": "A", "project_slug": "a-service", "author": "A", "description": "A", "example": "yes"}

ROWS = {
    "unknown-ref": (nothing, "--to=v9", r"The template /.*/service-template has no branch, tag or commit v9"),
    "unknown-question": (
        nothing,
        "--set=colour=blue",
        r"The template has no question colour: it asks project_name, .*\.",
    ),
    "unknown-answer": (
        nothing,
        "--set=proofs=some",
        r"The template .*proofs=some: add --set proofs=no or --set proofs=yes\.",
    ),
    "no-answer": (nothing, "--set=proofs", r"The template does not take proofs=: add .*\."),
    "refused-answer": (
        nothing,
        "--set=project_name=",
        r"cookiecutter cannot render the .*: The project name is empty: .*",
    ),
    "removed-answer": (
        state(context={"cookiecutter": ANSWERS}),
        "--set=proofs=yes",
        r"The template does not take example=yes: add --set example=plain or .*",
    ),
    "dirty": (dirty, "--to=main", r"Commit or stash all changes first, .*: README.md"),
    "untracked": (untracked, "--to=main", r"Commit or stash all changes first, .*: mine.py"),
    "no-repository": (
        not_a_repository,
        "--to=main",
        r"Run `git init` and commit first, .*: fatal: not a git repository.*",
    ),
    "ignored": (ignored_by_a_larger_repository, "--to=main", r"Commit the service first, .*"),
    "no-state": (without_state, "--to=main", r"Commit the service first, .*"),
    "broken-state": (state(template=None, context=None), "--to=main", r"No template is named in \.cruft\.json: .*"),
    "folder-gone": (
        state(template="/no/such/folder"),
        "--to=main",
        r"The template cannot be read from /no/such/folder, .*",
    ),
    "no-network": (
        state(template="http://127.0.0.1:1/t.git"),
        "--to=main",
        r"The template cannot be read from http:.*",
    ),
    "commit-gone": (state(commit="0" * 40), "--to=main", r"The template .* has no branch, tag or commit 0{40}"),
    "in-the-way": (in_the_way, "--set=example=plain", r"The template adds app/orders/models\.py, and git ignores .*\."),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_mistake_is_one_sentence_and_changes_nothing(service: Path, row: str) -> None:
    prepare, argument, sentence = ROWS[row]
    prepare(service)
    before = contents(service)

    done = tool(service, "update", argument)

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert re.fullmatch(sentence, done.stderr.strip()), done.stderr
    assert contents(service) == before


def test_an_update_without_news_says_so_and_changes_nothing(service: Path) -> None:
    before = contents(service)

    done = tool(service, "update")

    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    assert " is 0 commits ahead of " in done.stdout
    assert contents(service) == before


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of a service's files, without git's own files, which a stopped update may have changed."""
    files = (
        path for path in sorted(folder.rglob("*")) if path.is_file() and not {".git", "__pycache__"} & {*path.parts}
    )
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
