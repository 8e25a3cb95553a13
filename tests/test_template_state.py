"""A generated service stores the template's address and commit in `.cruft.json`, which `make template` reads."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.programs import must
from tests.repository import cookiecutter_home, copy_template
from tests.updating import commit, edit, generate, git, lonely, service_in, start, template_in, tool

CRUFT = Path(sys.prefix, "bin", "cruft")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a template in a git repository with two commits."""
    folder = template_in(tmp_path_factory.mktemp("template"))
    (folder / "UPGRADING.md").write_text("# Upgrading\n\n## Old\n\nIt was.\n")
    commit(folder)
    (folder / "UPGRADING.md").write_text("# Upgrading\n\n## New\n\nIt is.\n\n## Old\n\nIt was.\n")
    return commit(folder)


@pytest.fixture(scope="module")
def original(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a service that was made from the newest commit of the template."""
    return service_in(tmp_path_factory.mktemp("service"), template, {})


@pytest.fixture
def service(original: Path, tmp_path: Path) -> Path:
    """Return a copy of a service for a single test."""
    return shutil.copytree(original, tmp_path / "order-service", symlinks=True)


def state(service: Path) -> Any:  # noqa: ANN401 - Any stands for JSON values
    """Return the content of a service's `.cruft.json`."""
    return json.loads((service / ".cruft.json").read_text("utf-8"))


def test_a_service_of_a_folder_remembers_the_whole_path(template: Path, tmp_path: Path) -> None:
    service = generate(os.path.relpath(template, tmp_path), tmp_path, "--output-dir=out", "ci=none")

    found = state(service)
    answers = found["context"]["cookiecutter"]
    assert (found["template"], found["checkout"]) == (str(template), None)
    assert found["commit"] == git(template, "rev-parse", "HEAD").strip()
    assert answers["ci"] == "none"
    assert [question for question in answers if question.startswith("_")] == []


def test_a_service_of_an_address_remembers_the_address_and_the_commit_that_was_asked_for(
    template: Path, tmp_path: Path
) -> None:
    service = generate(f"git+file://{template}", tmp_path, "--checkout=HEAD~1")

    assert state(service)["template"] == f"file://{template}"
    assert state(service)["commit"] == git(template, "rev-parse", "HEAD~1").strip()


def test_a_password_in_the_address_is_not_remembered(template: Path, tmp_path: Path) -> None:
    cookiecutter_home(tmp_path)
    git(tmp_path, "clone", "--quiet", str(template), "clones/known")
    git(tmp_path / "clones/known", "remote", "set-url", "origin", "https://me:secret@example.invalid/template.git")

    service = generate("known", tmp_path)  # cookiecutter keeps clones of templates, and reuses each by name

    assert state(service)["template"] == "https://example.invalid/template.git"


def test_a_template_without_a_repository_of_its_own_is_not_remembered(tmp_path: Path) -> None:
    """The commit is not stored if the template has no separate git repository.

    A zip file may be unpacked into a folder of a larger repository, whose commit is not the template's.
    """
    copy_template(tmp_path / "unpacked")
    (tmp_path / ".gitignore").write_text("*\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--force", ".gitignore")
    git(tmp_path, "commit", "--quiet", "--message=outer")

    assert not (generate("unpacked", tmp_path) / ".cruft.json").exists()


def test_a_machine_without_git_generates_a_service(template: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    service = generate(template, tmp_path, PATH=str(tmp_path / "empty"))

    assert (service / "pyproject.toml").is_file()
    assert not (service / ".cruft.json").exists()


def test_cruft_reads_what_was_remembered_and_what_an_update_wrote(service: Path) -> None:
    assert tool(service, "update", "--set=licence=Apache-2.0").returncode == 0
    commit(service)

    must([CRUFT, "check"], service, env=lonely())
    must([CRUFT, "diff", "--exit-code"], service, env=lonely())


def test_the_status_has_the_notes_between_two_commits(service: Path, template: Path) -> None:
    remembered = state(service) | {"commit": git(template, "rev-parse", "HEAD~1").strip()}
    (service / ".cruft.json").write_text(json.dumps(remembered))

    first, *notes = tool(service).stdout.splitlines()

    assert f"{template}: " in first
    assert " is 1 commit ahead of " in first
    assert [line for line in notes if line] == ["## New", "It is."]


def test_make_tells_the_status_also_while_files_have_conflicts(service: Path) -> None:
    edit(service / "pyproject.toml", "[project]\n", "<<<<<<< mine\n[project]\n")

    assert " is 0 commits ahead of " in must(["make", "template"], service)


def test_diff_shows_what_the_service_changed_in_files_of_the_template(service: Path) -> None:
    edit(service / "compose.yaml", "postgres:18", "postgres:17")
    (service / "app/mine.py").write_text("")
    git(service, "rm", "--quiet", "app/pgbouncer.py")
    commit(service)

    shown = tool(service, "diff").stdout

    assert [line for line in shown.splitlines() if line.startswith("diff --git")] == [
        "diff --git a/app/pgbouncer.py b/app/pgbouncer.py",
        "diff --git a/compose.yaml b/compose.yaml",
    ]
    assert "+    image: postgres:17" in shown


def test_a_service_in_a_folder_of_a_repository_is_updated_there(service: Path, tmp_path: Path) -> None:
    shutil.rmtree(service / ".git")
    (tmp_path / "LICENSE").write_text("of the whole repository\n")
    start(tmp_path)

    done = tool(service, "update", "--set=licence=Apache-2.0", GIT_DIR=str(tmp_path / "of-a-hook"))

    changed = git(tmp_path, "status", "--porcelain").splitlines()
    assert done.returncode == 0, done.stderr
    assert changed == ["M  order-service/.cruft.json", "M  order-service/LICENSE"]


def test_an_update_without_a_change_changes_nothing(service: Path) -> None:
    assert tool(service, "update").returncode == 0
    assert git(service, "status", "--porcelain") == ""
